//! Searches of warm indexes allocate nothing.
#![allow(unsafe_code, reason = "counting allocations takes an allocator, which is an unsafe trait")]

use reco_core::candidate::Hits;
use reco_core::id::ItemId;
use reco_core::index::{
    Allow, AnyIndex, ExactIndex, HnswIndex, HnswParams, IvfIndex, IvfParams, LiveIndex, Metric, ShardedIndex,
    VectorIndex, file,
};
use reco_core::linalg::Matrix;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `dealloc`; all memory is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the promises of `realloc`; all memory is the system's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn vectors(n_rows: usize) -> Matrix {
    let value = |cell: usize| (cell as f32 * 0.37).sin() + (cell as f32 * 0.0113).cos();
    Matrix::from_vec(n_rows, 8, (0..n_rows * 8).map(value).collect())
}

fn check(name: &str, index: &dyn VectorIndex, queries: &Matrix) {
    let tenth = |item: ItemId| item.raw() % 10 == 3;
    let mut hits = Hits::default();
    let mut search_all = || {
        for query in queries.rows() {
            for k in [1, 10, 50, index.len()] {
                for allow in [None, Some(&tenth as &dyn Allow)] {
                    index.search(query, k, allow, &mut hits).expect("a sound search");
                }
            }
        }
    };
    search_all();
    let before = ALLOCATIONS.get();
    search_all();
    assert_eq!(ALLOCATIONS.get() - before, 0, "{name}");
}

#[test]
fn warm_searches_allocate_nothing() {
    for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
        let queries = vectors(20);
        let hnsw = || HnswIndex::build(vectors(5_000), metric, HnswParams::default()).unwrap();
        let ivf = IvfParams { lists: 50, ..IvfParams::default() };
        check("few", &ExactIndex::build(vectors(500), metric).unwrap(), &queries);
        check("exact", &ExactIndex::build(vectors(5_000), metric).unwrap(), &queries);
        check("ivf", &IvfIndex::build(vectors(5_000), metric, ivf).unwrap(), &queries);
        check("hnsw", &hnsw(), &queries);

        let live = LiveIndex::build(vectors(3_000), metric).unwrap();
        for (item, vector) in vectors(4_000).rows().enumerate().skip(2_500) {
            live.set(ItemId::new(item as u32), vector).unwrap();
        }
        live.remove(ItemId::new(7));
        check("live", &live, &queries);

        let shards = [1_000, 2_000].map(|n| AnyIndex::build(vectors(n), metric).unwrap());
        check("sharded", &ShardedIndex::new(shards.into()).unwrap(), &queries);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("an.index");
        file::save(&hnsw().into(), &path).unwrap();
        check("mapped", file::open(&path).unwrap().index(), &queries);
    }
}
