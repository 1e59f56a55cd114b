//! Changes are seen at once, survive compactions and keep the recall of a fresh build.

use super::*;
use crate::index::{ExactIndex, VectorIndexExt};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

pub(super) fn vector(seed: u32) -> Vec<f32> {
    (0..8).map(|column| ((seed * 31 + column * 17) as f32 * 0.7).sin() * (1.0 + (seed % 7) as f32)).collect()
}

#[derive(Clone, Debug)]
enum Change {
    Set(u32, u32),
    Remove(u32),
    Compact,
    /// What compacting does first and last, with other changes between.
    Begin,
    Finish,
}

proptest! {
    #[test]
    fn answers_like_an_exact_index_of_what_is_there(
        changes in prop::collection::vec(prop_oneof![
            6 => (0u32..30, 0u32..1_000).prop_map(|(item, seed)| Change::Set(item, seed)),
            3 => (0u32..30).prop_map(Change::Remove),
            1 => Just(Change::Compact),
            1 => Just(Change::Begin),
            1 => Just(Change::Finish),
        ], 0..60),
        k in 1usize..12,
    ) {
        let index = LiveIndex::new(8, Metric::L2);
        let mut there = BTreeMap::new();
        let mut frozen = None;
        for change in changes {
            match change {
                Change::Set(item, seed) => {
                    index.set(ItemId::new(item), &vector(seed)).unwrap();
                    there.insert(item, seed);
                }
                Change::Remove(item) => {
                    prop_assert_eq!(index.remove(ItemId::new(item)), there.remove(&item).is_some());
                }
                Change::Compact => {
                    frozen = None;
                    index.compact().unwrap();
                }
                Change::Begin => frozen = Some(index.state.write().begin_compaction()),
                Change::Finish => {
                    if let Some(frozen) = frozen.take() {
                        let (vectors, items) = frozen.gather();
                        let next = State::new(Built::new(vectors, items, Metric::L2).unwrap());
                        index.state.write().finish_compaction(next, frozen.n_recent());
                    }
                }
            }
            prop_assert_eq!(index.len(), there.len());
            let rows: Vec<f32> = there.values().flat_map(|&seed| vector(seed)).collect();
            let exact = ExactIndex::build(Matrix::from_vec(there.len(), 8, rows), Metric::L2).unwrap();
            let even = |item: ItemId| item.raw().is_multiple_of(2);
            let items: Vec<u32> = there.keys().copied().collect();
            let even_row = |row: ItemId| items[row.index()].is_multiple_of(2);
            for seed in [3, 77] {
                let (mut want, mut got) = (Hits::default(), Hits::default());
                exact.search(&vector(seed), k, Some(&even_row), &mut want).unwrap();
                index.search(&vector(seed), k, Some(&even), &mut got).unwrap();
                want.ids.iter_mut().for_each(|row| *row = ItemId::new(items[row.index()]));
                prop_assert_eq!(got, want);
            }
        }
    }
}

#[test]
fn what_is_there_is_not_inserted_again() {
    let index = LiveIndex::new(2, Metric::Cosine);
    let item = ItemId::new(5);
    index.insert(item, &[1.0, 0.0]).unwrap();
    assert_eq!(index.insert(item, &[0.0, 1.0]), Err(IndexError::Duplicate { item }));
    assert!(matches!(index.set(item, &[0.0, 0.0]), Err(IndexError::Zero { .. })));
    assert!(matches!(index.set(item, &[1.0]), Err(IndexError::Dimension { .. })));
    assert_eq!(index.find(&[1.0, 0.0], 1, None).unwrap().scores, [1.0], "nothing changed");
}

#[test]
fn recall_survives_churn() {
    let n_items = 25_000;
    let rows =
        |from: u32| Matrix::from_vec(n_items as usize, 8, (from..from + n_items).flat_map(vector).collect());
    let index = LiveIndex::build(rows(0), Metric::L2).unwrap();
    for item in 0..n_items / 2 {
        index.set(ItemId::new(item), &vector(item + n_items)).unwrap();
    }
    assert!(index.is_due());
    let now: Vec<f32> = (0..n_items)
        .flat_map(|item| vector(if item < n_items / 2 { item + n_items } else { item }))
        .collect();
    let exact = ExactIndex::build(Matrix::from_vec(n_items as usize, 8, now), Metric::L2).unwrap();
    let recall = |index: &LiveIndex| {
        let found = (0..100).map(|seed| {
            let query = vector(1_000_000 + seed);
            let near = exact.find(&query, 10, None).unwrap();
            index.find(&query, 10, None).unwrap().ids.iter().filter(|id| near.ids.contains(id)).count()
        });
        found.sum::<usize>()
    };
    let churned = recall(&index);
    index.compact().unwrap();
    assert!(!index.is_due());
    let fresh = recall(&index);
    assert!(churned + 10 >= fresh && fresh >= 950, "{churned} and {fresh} of 1000");
}

#[test]
fn changes_searches_and_compactions_go_on_together() {
    let index = LiveIndex::new(8, Metric::L2);
    std::thread::scope(|scope| {
        for part in 0..2 {
            let index = &index;
            scope.spawn(move || {
                for item in (part..600).step_by(2) {
                    index.insert(ItemId::new(item), &vector(item)).unwrap();
                    let hits = index.find(&vector(item), 1, None).unwrap();
                    assert_eq!(hits.scores, [0.0], "found by the next search");
                    if item % 3 == 0 {
                        assert!(index.remove(ItemId::new(item)));
                    }
                }
            });
        }
        scope.spawn(|| (0..20).for_each(|_| index.compact().unwrap()));
    });
    index.compact().unwrap();
    assert_eq!(index.len(), 400);
    assert!((0..600).all(|item| index.contains(ItemId::new(item)) == (item % 3 != 0)));
}

#[test]
fn a_thread_compacts_while_all_goes_on() {
    let rows = Matrix::from_vec(3_000, 8, (0..3_000).flat_map(vector).collect());
    let index = Arc::new(LiveIndex::build(rows, Metric::L2).unwrap());
    let (sender, reports) = mpsc::channel();
    let compactor = Compactor::spawn(Arc::clone(&index), 1, move |result| drop(sender.send(result))).unwrap();
    let writing = AtomicUsize::new(2);
    std::thread::scope(|scope| {
        for part in 0..2 {
            let (index, writing) = (&index, &writing);
            scope.spawn(move || {
                for item in (3_000 + part..9_000).step_by(2) {
                    index.insert(ItemId::new(item), &vector(item)).unwrap();
                    let hits = index.find(&vector(item), 1, None).unwrap();
                    assert_eq!(hits.scores, [0.0], "found by the next search");
                    if item % 3 == 0 {
                        assert!(index.remove(ItemId::new(item)));
                        assert_eq!(index.remove(ItemId::new(item - 3_000)), item < 6_000);
                        assert!(
                            !index.find(&vector(item), 9, None).unwrap().ids.contains(&ItemId::new(item))
                        );
                    }
                }
                writing.fetch_sub(1, Ordering::Release);
            });
        }
        scope.spawn(|| {
            while writing.load(Ordering::Acquire) > 0 {
                assert_eq!(index.find(&vector(1), 20, None).unwrap().len(), 20);
            }
        });
    });
    while index.is_due() {
        assert_eq!(reports.recv().unwrap(), Ok(()));
    }
    compactor.stop();
    assert_eq!(index.len(), 6_000);
    assert!((0..9_000).all(|item| index.contains(ItemId::new(item)) == (item % 3 != 0)));
}
