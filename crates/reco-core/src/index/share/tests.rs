//! Every kind of index keeps its recall under filters, however few items they let through and wherever those lie.

use crate::candidate::Hits;
use crate::id::ItemId;
use crate::index::hnsw::tests::factors;
use crate::index::mix::mix;
use crate::index::{
    AnyIndex, ExactIndex, HnswIndex, HnswParams, IvfIndex, IvfParams, LiveIndex, Metric, ShardedIndex,
    VectorIndex, VectorIndexExt, file,
};
use crate::linalg::Matrix;

const N: usize = 9_000;
const DIM: usize = 24;
const K: usize = 10;

/// Whether an item is allowed that is the `rank`-th nearest to the query.
type Filter = fn(rank: usize, item: u64) -> bool;

/// By what they let through.
const FILTERS: [(&str, Filter); 11] = [
    ("all", |_, _| true),
    ("50 %", |_, item| mix(item).is_multiple_of(2)),
    ("10 %", |_, item| mix(item).is_multiple_of(10)),
    ("1 %", |_, item| mix(item).is_multiple_of(100)),
    ("0.1 %", |_, item| mix(item).is_multiple_of(1_000)),
    ("one cluster", |_, item| item % 20 == 3),
    ("the far half", |rank, _| rank >= N / 2),
    ("the farthest 1 %", |rank, _| rank >= N - N / 100),
    ("all but the nearest 50", |rank, _| rank >= 50),
    ("half of all but the nearest 300", |rank, item| rank >= 300 && mix(item).is_multiple_of(2)),
    ("one near and nine far away", |rank, _| rank == 0 || rank >= N - 9),
];

fn hnsw(vectors: Matrix, metric: Metric) -> HnswIndex {
    HnswIndex::build(vectors, metric, HnswParams { build_width: 100, ..HnswParams::default() }).unwrap()
}

/// By default, which misses a good part of the nearest without a filter.
fn ivf_by_default(vectors: Matrix, metric: Metric) -> IvfIndex {
    IvfIndex::build(vectors, metric, IvfParams::default()).unwrap()
}

/// Lists enough to find nearly all of the nearest 60 without a filter.
fn ivf(vectors: Matrix, metric: Metric) -> IvfIndex {
    IvfIndex::build(vectors, metric, IvfParams { lists: 100, probes: 35, rounds: 5 }).unwrap()
}

fn part(vectors: &Matrix, from: usize, to: usize) -> Matrix {
    Matrix::from_vec(to - from, DIM, vectors.as_slice()[from * DIM..to * DIM].to_vec())
}

fn sharded(vectors: &Matrix, metric: Metric) -> ShardedIndex {
    let shards: Vec<AnyIndex> = vec![
        hnsw(part(vectors, 0, N / 2), metric).into(),
        ivf(part(vectors, N / 2, N - 500), metric).into(),
        ExactIndex::build(part(vectors, N - 500, N), metric).unwrap().into(),
    ];
    ShardedIndex::new(shards).unwrap()
}

/// A graph where every fifth vector was another, and a twentieth came later.
fn live(vectors: &Matrix, metric: Metric) -> LiveIndex {
    let mut first = part(vectors, 0, N - N / 20);
    (0..first.n_rows()).step_by(5).for_each(|row| first.row_mut(row).copy_from_slice(vectors.row(row + 1)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.index");
    let n_first = first.n_rows();
    file::save(&hnsw(first, metric).into(), &path).unwrap();
    let live = LiveIndex::load(&path).unwrap();
    let changed = (0..n_first).step_by(5).chain(n_first..N);
    changed.for_each(|row| live.set(ItemId::new(row as u32), vectors.row(row)).unwrap());
    live
}

fn check(kind: &str, index: &dyn VectorIndex, exact: &ExactIndex, queries: &Matrix) {
    for (name, filter) in FILTERS {
        let (mut found, mut total, mut hits) = (0, 0, Hits::default());
        for query in queries.rows() {
            let ranked = exact.find(query, N, None).unwrap();
            let mut allowed = vec![false; N];
            ranked.ids.iter().enumerate().for_each(|(rank, item)| {
                allowed[item.index()] = filter(rank, u64::from(item.raw()));
            });
            let allow = |item: ItemId| allowed[item.index()];
            let near: Vec<ItemId> = ranked.ids.iter().copied().filter(|&item| allow(item)).take(K).collect();
            index.search(query, K, Some(&allow), &mut hits).unwrap();
            assert_eq!(hits.len(), near.len(), "{name}: never short");
            assert!(hits.ids.iter().all(|&item| allow(item)), "{name}: only what is allowed");
            found += hits.ids.iter().filter(|item| near.contains(item)).count();
            total += near.len();
        }
        let metric = index.metric();
        assert!(found * 100 >= total * 95, "{kind}, {metric:?}, {name}: {found} of {total}");
    }
}

#[test]
fn filters_keep_recall_and_are_never_short() {
    let (vectors, queries) = (factors(N, DIM, 1 << 40), factors(15, DIM, 1 << 50));
    for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
        let exact = ExactIndex::build(vectors.clone(), metric).unwrap();
        check("exact", &exact, &exact, &queries);
        check("HNSW", &hnsw(vectors.clone(), metric), &exact, &queries);
        check("IVF", &ivf(vectors.clone(), metric), &exact, &queries);
        check("IVF by default", &ivf_by_default(vectors.clone(), metric), &exact, &queries);
        check("sharded", &sharded(&vectors, metric), &exact, &queries);
        check("live", &live(&vectors, metric), &exact, &queries);
    }
}
