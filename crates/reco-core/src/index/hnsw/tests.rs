//! Recall, filters and repeatability of the graph on vectors that are hard for it.

use super::*;
use crate::index::mix::mix;
use crate::index::{ExactIndex, VectorIndexExt};
use rand_like::normal;

const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];

/// Clustered vectors of very different lengths, far from the origin: like factors of a model.
pub(in crate::index) fn factors(n_rows: usize, dim: usize, seed: u64) -> Matrix {
    let centre = |row: usize, column: usize| normal((row % 20 * dim + column) as u64);
    let value = |row: usize, column: usize| {
        let length = 1.0 + 2.0 * normal(u64::MAX - row as u64).abs();
        length * (centre(row, column) + normal(seed + (row * dim + column) as u64)) + 0.5
    };
    Matrix::from_vec(n_rows, dim, (0..n_rows * dim).map(|cell| value(cell / dim, cell % dim)).collect())
}

mod rand_like {
    use crate::index::mix::mix;

    /// Roughly normal: a sum of four uniform values.
    pub(super) fn normal(seed: u64) -> f32 {
        let bits = mix(seed);
        let parts = (0..4).map(|part| f32::from((bits >> (16 * part)) as u16) / 65_536.0 - 0.5);
        parts.sum::<f32>() * 3f32.sqrt()
    }
}

fn build(n_rows: usize, metric: Metric) -> (HnswIndex, ExactIndex, Matrix) {
    let vectors = factors(n_rows, 24, 1 << 40);
    let index = HnswIndex::build(vectors.clone(), metric, HnswParams::default()).unwrap();
    (index, ExactIndex::build(vectors, metric).unwrap(), factors(100, 24, 1 << 50))
}

/// The share of the exact answer that the walk over the graph finds, scans not allowed.
fn recall(index: &HnswIndex, exact: &ExactIndex, queries: &Matrix, k: usize) -> f64 {
    let (mut found, mut total) = (0, 0);
    for query in queries.rows() {
        let near = exact.find(query, k, None).unwrap();
        let mut scratch = Scratch::default();
        index.vectors.prepare(query, &mut scratch.query).unwrap();
        index.codes.query(&scratch.query, &mut scratch.walk.query);
        scratch.walk.search(&index.codes, &index.graph, index.params.search_width + 2 * k);
        let mut hits = Hits::default();
        scratch.points.extend(scratch.walk.beam.kept().iter().map(|near| near.point));
        index.rank(&mut scratch, k, &mut hits);
        found += hits.ids.iter().filter(|id| near.ids.contains(id)).count();
        total += k;
    }
    f64::from(found as u32) / f64::from(total as u32)
}

#[test]
fn finds_what_the_exact_index_finds() {
    for metric in METRICS {
        let (index, exact, queries) = build(5_000, metric);
        for k in [10, 50] {
            let recall = recall(&index, &exact, &queries, k);
            assert!(recall >= 0.98, "{metric:?}: recall@{k} is {recall}");
        }
    }
}

#[test]
fn every_point_finds_itself() {
    for metric in [Metric::Cosine, Metric::L2] {
        let vectors = factors(5_000, 24, 1 << 40);
        let index = HnswIndex::build(vectors.clone(), metric, HnswParams::default()).unwrap();
        let mut hits = Hits::default();
        for (row, vector) in vectors.rows().enumerate() {
            index.search_wide(vector, 1, 64, None, &mut hits).unwrap();
            assert_eq!(hits.ids, [ItemId::new(row as u32)], "{metric:?}");
        }
    }
}

#[test]
fn largest_products_among_very_different_lengths_are_found() {
    // Lengths like those of fitted factors: most short, a few many times as long.
    let mut vectors = factors(10_000, 24, 1 << 40);
    for row in 0..10_000 {
        let length = (1.5 * normal(1 << 45 | row as u64)).exp();
        vectors.row_mut(row).iter_mut().for_each(|value| *value *= length);
    }
    let index = HnswIndex::build(vectors.clone(), Metric::InnerProduct, HnswParams::default()).unwrap();
    let exact = ExactIndex::build(vectors, Metric::InnerProduct).unwrap();
    let recall = recall(&index, &exact, &factors(100, 24, 1 << 50), 50);
    assert!(recall >= 0.95, "recall@50 is {recall}");
}

/// Whether one of `items`, which come nearest to the query first, is allowed.
type Filter = fn(rank: usize, item: u64) -> bool;

#[test]
fn a_walk_with_a_filter_keeps_recall_or_gives_up() {
    // Spread evenly, and far from the query: the last begins where the beam ends.
    let filters: [(Filter, f64, bool); 6] = [
        (|_, item| mix(item).is_multiple_of(2), 0.5, true),
        (|_, item| mix(item).is_multiple_of(10), 0.1, true),
        (|rank, _| rank >= 5_000, 0.5, false),
        (|rank, _| rank >= 250, 0.975, false),
        (|rank, item| rank >= 100 && mix(item).is_multiple_of(2), 0.5, false),
        (|rank, item| rank >= 140 || mix(item).is_multiple_of(40), 0.99, false),
    ];
    for metric in METRICS {
        let (index, exact, queries) = build(10_000, metric);
        for (at, (filter, share, is_even)) in filters.iter().enumerate() {
            let (mut found, mut total) = (0, 0);
            for query in queries.rows().step_by(4) {
                let near = exact.find(query, index.len(), None).unwrap();
                let mut allowed = vec![false; index.len()];
                near.ids.iter().enumerate().for_each(|(rank, item)| {
                    allowed[item.index()] = filter(rank, u64::from(item.raw()));
                });
                let allow = |item: ItemId| allowed[item.index()];
                let mut scratch = Scratch::default();
                index.vectors.prepare(query, &mut scratch.query).unwrap();
                index.codes.query(&scratch.query, &mut scratch.walk.query);
                if index.walk(&mut scratch, 10, index.params.search_width + 20, Some(&allow), *share) {
                    let (want, mut hits) = (exact.find(query, 10, Some(&allow)).unwrap(), Hits::default());
                    index.rank(&mut scratch, 10, &mut hits);
                    found += hits.ids.iter().filter(|id| want.ids.contains(id)).count();
                    total += 10;
                }
            }
            assert!(found * 100 >= total * 95, "{metric:?}, filter {at}: {found} of {total}");
            assert!(!is_even || total >= 240, "{metric:?}, filter {at}: {total} walks did");
        }
    }
}

#[test]
fn threads_do_not_change_the_graph() {
    let vectors = factors(3_000, 24, 1 << 40);
    let build = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let params = HnswParams { build_width: 50, ..HnswParams::default() };
        pool.install(|| HnswIndex::build(vectors.clone(), Metric::Cosine, params)).unwrap().graph
    };
    assert_eq!(build(1), build(3));
}

#[test]
fn searches_from_many_threads_agree() {
    let (index, _, queries) = build(20_000, Metric::Cosine);
    let ids = |row| index.find(queries.row(row), 10, None).unwrap();
    let want: Vec<Hits> = (0..queries.n_rows()).map(ids).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!((0..queries.n_rows()).map(ids).collect::<Vec<_>>(), want));
        }
    });
}

#[test]
fn the_oddest_parameters_build_and_others_are_refused() {
    let refusal = |links, build_width| {
        let params = HnswParams { links, build_width, search_width: 0 };
        HnswIndex::build(factors(300, 4, 7), Metric::L2, params).unwrap_err().to_string()
    };
    assert_eq!(refusal(1, 200), "links is 1, must be 2 to 256");
    assert_eq!(refusal(257, 300), "links is 257, must be 2 to 256");
    assert_eq!(refusal(16, 15), "build_width is 15, must be at least 16, as links is");
    let params = HnswParams { links: 2, build_width: 2, search_width: 0 };
    let index = HnswIndex::build(factors(300, 4, 7), Metric::L2, params).unwrap();
    assert_eq!(index.find(factors(1, 4, 8).row(0), 3, None).unwrap().len(), 3);
    let wide = HnswIndex::build(Matrix::zeros(1, 70_000), Metric::L2, HnswParams::default());
    assert!(matches!(wide, Err(IndexError::TooWide { got: 70_000, .. })));
}
