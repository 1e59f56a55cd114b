//! Recall over lists, and lists that do not depend on threads.

use super::*;
use crate::index::{ExactIndex, VectorIndexExt};

fn clusters() -> Matrix {
    let value = |row: usize, column: usize| {
        let (centre, own) = (row % 40 * 131 + column * 7, row * 17 + column * 29);
        (centre as f32).sin() * (1.0 + (row % 3) as f32) + 0.2 * (own as f32).cos()
    };
    Matrix::from_vec(4_000, 16, (0..64_000).map(|cell| value(cell / 16, cell % 16)).collect())
}

#[test]
fn a_tenth_of_the_lists_holds_nearly_all() {
    for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
        let exact = ExactIndex::build(clusters(), metric).unwrap();
        let index =
            IvfIndex::build(clusters(), metric, IvfParams { lists: 60, probes: 6, rounds: 10 }).unwrap();
        let mut found = 0;
        for row in (0..4_000).step_by(40) {
            let query = exact.find(clusters().row(row), 10, None).unwrap();
            let hits = index.find(clusters().row(row), 10, None).unwrap();
            found += hits.ids.iter().filter(|id| query.ids.contains(id)).count();
        }
        assert!(found >= 950, "{metric:?}: {found} of 1000");
    }
}

#[test]
fn all_lists_hold_all() {
    let exact = ExactIndex::build(clusters(), Metric::L2).unwrap();
    let index =
        IvfIndex::build(clusters(), Metric::L2, IvfParams { lists: 7, probes: 7, rounds: 1 }).unwrap();
    let odd = |item: ItemId| item.raw() % 2 == 1;
    for row in 0..20 {
        let query = clusters().row(row).to_vec();
        assert_eq!(index.find(&query, 10, Some(&odd)), exact.find(&query, 10, Some(&odd)));
    }
}

#[test]
fn threads_do_not_change_the_lists() {
    let build = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let params = IvfParams { lists: 50, ..IvfParams::default() };
        let index = pool.install(|| IvfIndex::build(clusters(), Metric::Cosine, params)).unwrap();
        (index.items, index.starts)
    };
    assert_eq!(build(1), build(3));
}

#[test]
fn no_lists_are_refused_and_too_many_are_one_per_vector() {
    let build = |lists, probes| {
        let vectors = Matrix::from_vec(3, 1, vec![1.0, 2.0, 3.0]);
        IvfIndex::build(vectors, Metric::L2, IvfParams { lists, probes, rounds: 0 })
    };
    assert_eq!(build(0, 1).unwrap_err().to_string(), "lists is 0, must be at least 1");
    assert_eq!(build(1, 0).unwrap_err().to_string(), "probes is 0, must be at least 1");
    assert_eq!(build(1_000, 1).unwrap().centres.len(), 3);
}
