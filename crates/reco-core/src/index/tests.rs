//! Every index keeps the promises of the trait; the exact one agrees with f64 arithmetic.

use super::vectors::{Comparing, Vectors};
use super::*;
use crate::conformance;
use proptest::prelude::*;

const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];

type Build = fn(Matrix, Metric) -> Result<Box<dyn VectorIndex>, IndexError>;

fn exact(vectors: Matrix, metric: Metric) -> Result<Box<dyn VectorIndex>, IndexError> {
    Ok(Box::new(ExactIndex::build(vectors, metric)?))
}

fn hnsw(vectors: Matrix, metric: Metric) -> Result<Box<dyn VectorIndex>, IndexError> {
    Ok(Box::new(HnswIndex::build(vectors, metric, HnswParams::default())?))
}

fn ivf(vectors: Matrix, metric: Metric) -> Result<Box<dyn VectorIndex>, IndexError> {
    let params = IvfParams { lists: 20, probes: 5, ..IvfParams::default() };
    Ok(Box::new(IvfIndex::build(vectors, metric, params)?))
}

/// Three shards of different kinds.
fn sharded(vectors: Matrix, metric: Metric) -> Result<Box<dyn VectorIndex>, IndexError> {
    let (n_rows, dim) = (vectors.n_rows(), vectors.n_columns());
    let part = |from: usize, to: usize| {
        Matrix::from_vec(to - from, dim, vectors.as_slice()[from * dim..to * dim].to_vec())
    };
    let (a, b) = (n_rows / 3, n_rows / 2);
    let shards = vec![
        ExactIndex::build(part(0, a), metric)?.into(),
        HnswIndex::build(part(a, b), metric, HnswParams::default())?.into(),
        IvfIndex::build(part(b, n_rows), metric, IvfParams::default())?.into(),
    ];
    Ok(Box::new(ShardedIndex::new(shards).expect("shards alike")))
}

/// The last third came one by one.
fn live(vectors: Matrix, metric: Metric) -> Result<Box<dyn VectorIndex>, IndexError> {
    let (n_rows, dim) = (vectors.n_rows(), vectors.n_columns());
    let n_first = n_rows - n_rows / 3;
    let first = Matrix::from_vec(n_first, dim, vectors.as_slice()[..n_first * dim].to_vec());
    let index = LiveIndex::build(first, metric)?;
    (n_first..n_rows).try_for_each(|row| index.insert(ItemId::new(row as u32), vectors.row(row)))?;
    Ok(Box::new(index))
}

#[cfg(feature = "ann")]
fn hnsw_rs(vectors: Matrix, metric: Metric) -> Result<Box<dyn VectorIndex>, IndexError> {
    Ok(Box::new(HnswRsIndex::build(vectors, metric, HnswParams::default())?))
}

fn builders() -> Vec<Build> {
    vec![
        exact,
        hnsw,
        ivf,
        sharded,
        live,
        #[cfg(feature = "ann")]
        hnsw_rs,
    ]
}

fn find(index: &dyn VectorIndex, query: &[f32], k: usize, allow: Option<&dyn Allow>) -> Hits {
    let mut hits = Hits::default();
    index.search(query, k, allow, &mut hits).unwrap();
    hits
}

fn score_in_f64(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum = |term: fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(&x, &y)| term(f64::from(x), f64::from(y))).sum()
    };
    let product = sum(|x, y| x * y);
    match metric {
        Metric::InnerProduct => product,
        Metric::Cosine => product / (sum(|x, _| x * x).sqrt() * sum(|_, y| y * y).sqrt()),
        Metric::L2 => -sum(|x, y| (x - y) * (x - y)),
    }
}

#[test]
fn conform() {
    builders().iter().for_each(|build| conformance::vector_index(build));
}

proptest! {
    #[test]
    fn the_exact_index_finds_what_f64_finds(
        (n, dim, values, query) in (0usize..60, 1usize..20).prop_flat_map(|(n, dim)| {
            let values = |n| prop::collection::vec(0.125f32..1.0, n);
            (Just(n), Just(dim), values(n * dim), values(dim))
        }),
        k in 0usize..80,
        every in 1u32..4,
        // Small differences far from the origin are where |a|² - 2ab + |b|² goes wrong.
        offset in prop_oneof![Just(0.0f32), Just(100.0)],
        metric in prop::sample::select(&METRICS),
    ) {
        let moved = |values: Vec<f32>| values.into_iter().map(|x| x + offset).collect::<Vec<_>>();
        let vectors = Matrix::from_vec(n, dim, moved(values));
        let query = moved(query);
        let allow = |id: ItemId| id.raw().is_multiple_of(every);
        let index = ExactIndex::build(vectors.clone(), metric).unwrap();
        let hits = find(&index, &query, k, Some(&allow));
        let allowed = (0..n as u32).map(ItemId::new).filter(|&id| allow(id));
        prop_assert_eq!(hits.len(), allowed.clone().count().min(k));
        let true_score = |id: ItemId| score_in_f64(metric, vectors.row(id.index()), &query);
        let size = if metric == Metric::InnerProduct { 1.0 + f64::from(offset).powi(2) * dim as f64 } else { 1.0 };
        let close = 1e-5 * size;
        for (id, score) in hits.iter() {
            prop_assert!((f64::from(score) - true_score(id)).abs() < close, "{score} is not {}", true_score(id));
        }
        let worst = hits.ids.last().map_or(f64::NEG_INFINITY, |&id| true_score(id));
        let mut missed = allowed.filter(|id| k > 0 && !hits.ids.contains(id));
        prop_assert!(missed.all(|id| true_score(id) < worst + 2.0 * close));
    }
}

#[test]
fn scanning_bytes_misses_nothing() {
    // Rows that share most of their digits: rounding to bytes hides what tells them apart.
    let value = |row: usize, column: usize| (row * 37 + column * 11) as f32;
    for (spread, metric) in [1.0, 1e-3, 1e-6].into_iter().flat_map(|s| METRICS.map(|metric| (s, metric))) {
        let cell = |cell: usize| 1.0 + spread * (value(cell / 20, cell % 20)).sin();
        let vectors = Matrix::from_vec(3_000, 20, (0..60_000).map(cell).collect());
        let plain = Vectors::new(vectors.clone(), metric).unwrap();
        let index = exact(vectors.clone(), metric).unwrap();
        for row in (0..3_000).step_by(300) {
            let (mut query, mut want) = (Vec::new(), Hits::default());
            plain.prepare(vectors.row(row), &mut query).unwrap();
            plain.scan(&query, 20, None, &mut Comparing::default(), &mut want);
            assert_eq!(find(&*index, vectors.row(row), 20, None), want, "{metric:?}, spread {spread}");
        }
    }
}

#[test]
fn odd_vectors_are_searched_or_refused_but_never_crash() {
    for build in builders() {
        for metric in METRICS {
            let same = build(Matrix::from_vec(500, 2, vec![0.5; 1_000]), metric).unwrap();
            assert_eq!(find(&*same, &[0.5, 0.5], 10, None).len(), 10, "{metric:?}: all alike");
            let (long, short) = (Matrix::from_vec(1, 2, vec![3e38, 1e38]), [1e-38, 1e-40]);
            match build(long, metric) {
                Ok(index) => {
                    assert_eq!(metric, Metric::Cosine, "only angles are free of lengths");
                    let hits = find(&*index, &short, 1, None);
                    let cosine = score_in_f64(metric, &[3e38, 1e38], &short);
                    assert!((f64::from(hits.scores[0]) - cosine).abs() < 1e-6, "{hits:?}");
                }
                Err(error) => assert!(matches!(error, IndexError::TooLong { .. }), "{metric:?}: {error}"),
            }
        }
        let flat = build(Matrix::zeros(200, 0), Metric::L2).unwrap();
        assert_eq!(find(&*flat, &[], 3, None).len(), 3, "vectors without dimensions are all alike");
    }
}

/// Vectors no index can hold or be asked for, and how they are named.
const REFUSED: [(Metric, [f32; 2], &str); 6] = [
    (Metric::L2, [f32::NAN, 0.0], " has the value NaN at position 0; every value must be finite"),
    (Metric::Cosine, [1.0, f32::INFINITY], " has the value inf at position 1; every value must be finite"),
    (Metric::InnerProduct, [f32::NEG_INFINITY, 0.0], " has the value -inf at position 0"),
    (Metric::Cosine, [0.0, -0.0], " is zero, so it has no cosine with anything"),
    (Metric::InnerProduct, [1e30, 0.0], " has the length 1.0e30, must be at most 1e18"),
    (Metric::L2, [0.0, -1e30], " has the length 1.0e30, must be at most 1e18"),
];

#[test]
fn what_is_refused_is_named() {
    let good = [1.0, 1.0, 0.0, 2.0, 3.0, 1.0, 1.0, 0.0, 0.0, 1.0, 5.0, 5.0];
    for build in builders() {
        for (metric, vector, want) in REFUSED {
            let mut values = good;
            values[2..4].copy_from_slice(&vector);
            let error = build(Matrix::from_vec(6, 2, values.to_vec()), metric).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the vector of item 1{want}")), "{error}");
            let index = build(Matrix::from_vec(6, 2, good.to_vec()), metric).unwrap();
            // However few or many are asked, and in an empty index, too.
            for (index, k) in [(&index, 0), (&index, 1), (&index, 9)] {
                let error = index.search(&vector, k, None, &mut Hits::default()).unwrap_err().to_string();
                assert!(error.starts_with(&format!("the query{want}")), "{error}");
            }
            let empty = build(Matrix::zeros(0, 2), metric).unwrap();
            assert!(empty.search(&vector, 1, None, &mut Hits::default()).is_err());
            for wrong in [&[][..], &[1.0], &[1.0; 3]] {
                let error = index.search(wrong, 1, None, &mut Hits::default()).unwrap_err().to_string();
                assert_eq!(error, format!("the query has {} dimensions, the index has 2", wrong.len()));
            }
        }
    }
}

#[test]
fn what_a_live_index_refuses_is_named_and_changes_nothing() {
    for (metric, vector, want) in REFUSED {
        let index = LiveIndex::new(2, metric);
        let item = ItemId::new(70);
        index.insert(item, &[3.0, 4.0]).unwrap();
        let found = index.find(&[3.0, 4.0], 1, None).unwrap();
        for error in [index.set(item, &vector), index.insert(ItemId::new(71), &vector)] {
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("the vector of item 7") && error.contains(want), "{error}");
        }
        let error = index.set(item, &[1.0]).unwrap_err().to_string();
        assert_eq!(error, "the vector of item 70 has 1 dimensions, the index has 2");
        let error = index.insert(item, &[1.0, 2.0]).unwrap_err().to_string();
        assert_eq!(error, "item 70 is in the index already");
        assert_eq!((index.len(), index.find(&[3.0, 4.0], 1, None).unwrap()), (1, found));
    }
}

#[test]
fn what_search_cuts_short_is_an_error_of_find() {
    for build in builders() {
        let index =
            build(Matrix::from_vec(3, 2, vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]), Metric::Cosine).unwrap();
        assert_eq!(index.find(&[0.0, 2.0], 2, None).unwrap().ids, [1, 2].map(ItemId::new));
        assert_eq!(index.find(&[1.0, 1.0], 0, None), Err(IndexError::NoneAsked));
        assert_eq!(index.find(&[1.0, 1.0], 4, None), Err(IndexError::TooMany { k: 4, len: 3 }));
        let empty = build(Matrix::zeros(0, 2), Metric::Cosine).unwrap();
        assert_eq!(empty.find(&[1.0, 1.0], 1, None), Err(IndexError::Empty));
    }
}
