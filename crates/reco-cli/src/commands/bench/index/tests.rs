//! What cannot be measured is refused by file and row.

use super::*;
use crate::args::MetricName;
use std::path::{Path, PathBuf};

/// A .npy file of rows of `dim` values.
fn npy_file(folder: &Path, name: &str, dim: usize, values: &[f32]) -> PathBuf {
    let shape = (values.len().checked_div(dim).unwrap_or(0), dim);
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape:?}, }}\n");
    let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let length = (header.len() as u16).to_le_bytes();
    let path = folder.join(name);
    std::fs::write(&path, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &values].concat()).unwrap();
    path
}

fn check(metric: MetricName, k: usize, vectors: &[f32], queries: (usize, &[f32]), want: &str) {
    let folder = tempfile::tempdir().unwrap();
    let args = IndexArgs {
        vectors: npy_file(folder.path(), "v.npy", 2, vectors),
        queries: npy_file(folder.path(), "q.npy", queries.0, queries.1),
        k: vec![k],
        metric,
        index: vec![IndexKind::Exact, IndexKind::Ivf, IndexKind::Hnsw],
        lists: 2,
        links: 2,
        build_width: 4,
        churn: true,
        filtered: true,
        width: vec![4],
    };
    let error = measure(&args).unwrap_err().to_string();
    assert!(error.ends_with(want), "{error}");
}

#[test]
fn what_cannot_be_measured_is_named() {
    use MetricName::{Cosine, L2};
    let (good, two) = ([1.0, 2.0, 3.0, 4.0], (2, &[1.0, 1.0, 2.0, 0.5][..]));
    let not_finite = "the value NaN at position 1; every value must be finite";
    check(L2, 1, &[1.0, 2.0, 3.0, f32::NAN], two, &format!("v.npy: the vector of item 1 has {not_finite}"));
    check(L2, 1, &good, (2, &[1.0, f32::NAN]), &format!("q.npy, row 0: the query has {not_finite}"));
    let zero = "is zero, so it has no cosine with anything";
    check(Cosine, 1, &[0.0, 0.0, 1.0, 1.0], two, &format!("v.npy: the vector of item 0 {zero}"));
    check(Cosine, 1, &good, (2, &[1.0, 1.0, 0.0, 0.0]), &format!("q.npy, row 1: the query {zero}"));
    check(L2, 1, &good, (1, &[1.0]), "q.npy, row 0: the query has 1 dimensions, the index has 2");
    check(L2, 3, &good, two, "v.npy: k is 3, must be at most 2, the number of vectors");
    check(L2, 1, &[], two, "v.npy: the index is empty");
    check(L2, 1, &good, (2, &[]), "q.npy holds no queries");
}

#[test]
fn every_number_out_of_range_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let args = |links, build_width, k, width| IndexArgs {
        vectors: folder.path().to_owned(),
        queries: folder.path().to_owned(),
        k: vec![10, k],
        metric: MetricName::L2,
        index: vec![IndexKind::Hnsw],
        lists: k,
        links,
        build_width,
        churn: false,
        filtered: false,
        width: vec![width, 20],
    };
    assert_eq!(slips(&args(16, 16, 1, 1)), [""; 0]);
    let all = slips(&args(100_000, 0, 0, 1_000_001));
    let want = [
        "--k is 0, must be 1 to 1000000",
        "--lists is 0, must be 1 to 1000000",
        "--links is 100000, must be 2 to 256",
        "--build-width is 0, must be 1 to 1000000",
        "--width is 1000001, must be 1 to 1000000",
    ];
    assert_eq!(all, want);
    assert_eq!(slips(&args(16, 15, 1, 1)), ["--build-width is 15, must be 16 to 1000000"]);
}
