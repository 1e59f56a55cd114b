//! Files bring back the same index, and no damage goes unnoticed or crashes a search.

use super::layout::Head;
use super::*;
use crate::candidate::Hits;
use crate::id::ItemId;
use crate::index::{HnswParams, IvfParams, Metric, VectorIndex};
use crate::linalg::Matrix;
use proptest::prelude::*;
use std::fs;
use std::sync::LazyLock;

const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];
const DIM: usize = 5;
/// Rows of small files, fewer where they are interpreted.
const FEW: usize = if cfg!(miri) { 40 } else { 300 };

fn vectors(n_rows: usize) -> Matrix {
    let value = |cell: usize| (cell as f32 * 0.61).sin() + 0.2 * (cell as f32 * 0.037).cos();
    Matrix::from_vec(n_rows, DIM, (0..n_rows * DIM).map(value).collect())
}

/// One index of every kind; under Miri, which takes minutes for threads, of that which is built without.
fn indexes(n_rows: usize, metric: Metric) -> Vec<AnyIndex> {
    let ivf = IvfParams { lists: 12, probes: 3, rounds: 2 };
    let hnsw = HnswParams { links: 4, build_width: 20, search_width: 10 };
    let exact = ExactIndex::build(vectors(n_rows), metric).unwrap().into();
    if cfg!(miri) {
        return vec![exact];
    }
    vec![
        exact,
        HnswIndex::build(vectors(n_rows), metric, hnsw).unwrap().into(),
        IvfIndex::build(vectors(n_rows), metric, ivf).unwrap().into(),
    ]
}

fn bytes_of(index: &AnyIndex) -> Vec<u8> {
    let mut bytes = Vec::new();
    parts_of(index).write(&mut bytes).unwrap();
    bytes
}

/// Small files of every kind.
static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let small = METRICS.iter().flat_map(|&metric| indexes(FEW, metric)).map(|index| bytes_of(&index));
    small.chain([bytes_of(&ExactIndex::build(vectors(1_100), Metric::L2).unwrap().into())]).collect()
});

fn read_bytes(bytes: &[u8], checked: usize) -> Result<IndexFile, FileError> {
    let (path, bytes) = (Path::new("an.index"), Bytes::read(&mut &bytes[..], bytes.len()).unwrap());
    let (parts, index) = read(bytes, checked, index_in).map_err(|problem| FileError::new(path, problem))?;
    Ok(IndexFile { path: path.to_owned(), parts, index })
}

fn answers(index: &AnyIndex) -> Vec<Hits> {
    let odd = |item: ItemId| item.raw() % 2 == 1;
    let queries = vectors(FEW);
    let mut all = Vec::new();
    for row in (0..FEW).step_by(FEW / 5) {
        for (k, filtered) in [(1, false), (FEW / 30, false), (FEW / 30, true), (FEW / 2, false)] {
            let mut hits = Hits::default();
            let allow: Option<&dyn crate::index::Allow> = if filtered { Some(&odd) } else { None };
            index.search(queries.row(row), k, allow, &mut hits).unwrap();
            all.push(hits);
        }
    }
    all
}

#[test]
fn every_kind_comes_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("an.index");
    for metric in METRICS {
        for n_rows in [0, 1, 300, 1_500] {
            for index in indexes(n_rows, metric) {
                assert_eq!(save(&index, &path).unwrap(), fs::metadata(&path).unwrap().len());
                let opened = open(&path).unwrap();
                opened.verify().unwrap();
                for back in [opened.into_index(), load(&path).unwrap()] {
                    let shape = (back.len(), back.dim(), back.metric());
                    assert_eq!(shape, (n_rows, DIM, metric));
                    assert_eq!(answers(&back), answers(&index), "{index:?}");
                    assert_eq!(bytes_of(&back), bytes_of(&index), "written again");
                }
            }
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
}

#[test]
fn a_file_that_is_replaced_serves_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("an.index");
    let [old, new] = [300, 1_500].map(|n_rows| indexes(n_rows, Metric::Cosine).remove(1));
    save(&old, &path).unwrap();
    let opened = open(&path).unwrap();
    save(&new, &path).unwrap();
    opened.verify().unwrap();
    assert_eq!(answers(opened.index()), answers(&old));
    assert_eq!(answers(open(&path).unwrap().index()), answers(&new));
}

type Expected = fn(&Problem) -> bool;

#[test]
fn what_is_wrong_is_said() {
    let file = &FILES[1];
    let with = |at: usize, byte: u8| {
        let mut bytes = file.clone();
        bytes[at] = byte;
        bytes
    };
    let longer = [file.as_slice(), &[0; 64]].concat();
    let cases: [(Vec<u8>, Expected); 9] = [
        (b"PK\x03\x04 something else".to_vec(), |problem| matches!(problem, Problem::Foreign)),
        (with(0, b'r'), |problem| matches!(problem, Problem::Foreign)),
        (Vec::new(), |problem| matches!(problem, Problem::Truncated { found: 0, .. })),
        (file[..20].to_vec(), |problem| matches!(problem, Problem::Truncated { found: 20, .. })),
        (file[..file.len() - 1].to_vec(), |problem| matches!(problem, Problem::Truncated { .. })),
        (with(8, 2), |problem| matches!(problem, Problem::Newer { found: 2, known: 1 })),
        (with(12, 9), |problem| matches!(problem, Problem::Corrupt(_))),
        (longer, |problem| matches!(problem, Problem::Corrupt(_))),
        (with(file.len() - 80, 77), |problem| matches!(problem, Problem::Corrupt(_))),
    ];
    for (at, (bytes, is_expected)) in cases.iter().enumerate() {
        let error = read_bytes(bytes, usize::MAX).unwrap_err();
        assert!(is_expected(&error.problem), "case {at}: {error}");
        assert!(error.to_string().starts_with("an.index: "), "{error}");
    }
    let missing = Path::new("no/such/folder/an.index");
    assert!(matches!(open(missing).unwrap_err().problem, Problem::Io(_)));
    for refused in [open(Path::new(".")).map(|_| ()), load(Path::new(".")).map(|_| ())] {
        assert_eq!(refused.unwrap_err().to_string(), ".: is a folder, must be a file");
    }
    let empty = tempfile::NamedTempFile::new().unwrap();
    assert!(open(empty.path()).is_err() && load(empty.path()).is_err() && open(Path::new(".")).is_err());
    let index = &indexes(1, Metric::L2)[0];
    assert!(matches!(save(index, missing).unwrap_err().problem, Problem::Io(_)));
}

/// Refused at once where everything is checked; otherwise searched without a panic and refused by `verify`.
fn check_damaged(bytes: &[u8]) {
    assert!(read_bytes(bytes, usize::MAX).is_err());
    if let Ok(opened) = read_bytes(bytes, 0) {
        answers(opened.index());
        assert!(opened.verify().is_err());
    }
}

#[test]
fn every_bit_of_the_head_matters() {
    for file in FILES.iter() {
        for bit in 0..Head::len(9) * 8 {
            let mut bytes = file.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            check_damaged(&bytes);
        }
    }
}

proptest! {
    #[test]
    fn every_bit_matters(file in 0usize..10, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = FILES[file % FILES.len()].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        check_damaged(&bytes);
    }

    #[test]
    fn every_byte_is_needed(file in 0usize..10, len in any::<prop::sample::Index>()) {
        let bytes = &FILES[file % FILES.len()];
        let bytes = &bytes[..len.index(bytes.len())];
        prop_assert!(read_bytes(bytes, usize::MAX).is_err());
        prop_assert!(read_bytes(bytes, 0).is_err());
    }

    /// Whoever writes nonsense with valid checksums gets an error or nonsense, but no panic.
    #[test]
    fn content_is_not_trusted(
        file in 0usize..10,
        at in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 1..400),
        in_head in any::<bool>(),
    ) {
        let mut bytes = FILES[file % FILES.len()].clone();
        let end = if in_head { Head::len(4) } else { bytes.len() };
        let at = at.index(end);
        let garbage = &garbage[..garbage.len().min(if in_head { 4 } else { bytes.len() - at })];
        bytes[at..at + garbage.len()].copy_from_slice(garbage);
        reseal(&mut bytes);
        if let Ok(opened) = read_bytes(&bytes, usize::MAX) && opened.index().dim() == DIM {
            answers(opened.index());
        }
    }
}

/// Makes all checksums right.
pub(in crate::index) fn reseal(bytes: &mut [u8]) {
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let n_sections = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) as usize;
    if Head::len(n_sections.min(99)) > bytes.len() || n_sections > 64 {
        return;
    }
    for entry in (0..n_sections).map(|section| 64 + 32 * section) {
        let (start, len) = (word(bytes, entry + 8), word(bytes, entry + 16));
        let end = start.saturating_add(len).div_ceil(64).saturating_mul(64);
        if let Some(section) = bytes.get(start..end) {
            let checksum = crc32fast::hash(section);
            bytes[entry + 24..entry + 28].copy_from_slice(&checksum.to_le_bytes());
        }
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..60]);
    hasher.update(&bytes[64..Head::len(n_sections)]);
    bytes[60..64].copy_from_slice(&hasher.finalize().to_le_bytes());
}
