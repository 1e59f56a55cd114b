//! What is saved goes on as it was, and no damage goes unnoticed or crashes a search.

use super::super::tests::vector;
use super::*;
use crate::candidate::Hits;
use crate::index::file::{self, Bytes};
use crate::index::{
    Allow, AnyIndex, ExactIndex, HnswIndex, HnswParams, IvfIndex, IvfParams, Metric, VectorIndexExt,
};
use crate::linalg::Matrix;
use proptest::prelude::*;
use std::sync::LazyLock;

/// A live index over so many vectors, with changes of every kind.
fn changed(n_rows: u32, metric: Metric) -> LiveIndex {
    let rows = Matrix::from_vec(n_rows as usize, 8, (0..n_rows).flat_map(vector).collect());
    let index = LiveIndex::build(rows, metric).unwrap();
    (0..n_rows / 4).for_each(|item| index.set(ItemId::new(3 * item), &vector(7 * item + 1)).unwrap());
    (n_rows..n_rows + 20).for_each(|item| index.insert(ItemId::new(2 * item), &vector(item)).unwrap());
    (0..n_rows / 5).for_each(|item| assert!(index.remove(ItemId::new(4 * item))));
    index
}

fn answers(index: &LiveIndex) -> Vec<Hits> {
    let odd = |item: ItemId| item.raw() % 2 == 1;
    let mut all = Vec::new();
    for (seed, k) in [(0, 1), (40, 10), (1_003, 50)] {
        for allow in [None, Some(&odd as &dyn Allow)] {
            let mut hits = Hits::default();
            index.search(&vector(seed), k, allow, &mut hits).unwrap();
            all.push(hits);
        }
    }
    all
}

fn bytes_of(index: &LiveIndex) -> Vec<u8> {
    let mut bytes = Vec::new();
    index.state.read().freeze().parts().write(&mut bytes).unwrap();
    bytes
}

fn read_bytes(bytes: &[u8], checked: usize) -> Result<LiveIndex, Problem> {
    let bytes = Bytes::read(&mut &bytes[..], bytes.len()).unwrap();
    Ok(LiveIndex::with(file::read(bytes, checked, State::read)?.1))
}

#[test]
fn a_saved_index_goes_on_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.index");
    for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
        for index in [LiveIndex::new(8, metric), changed(60, metric), changed(1_500, metric)] {
            for open in [LiveIndex::open, LiveIndex::load] {
                assert_eq!(index.save(&path).unwrap(), std::fs::metadata(&path).unwrap().len());
                assert!(matches!(file::open(&path).unwrap_err().problem, Problem::Live));
                let back = open(&path).unwrap();
                assert_eq!((back.len(), back.dim(), back.metric()), (index.len(), 8, metric));
                assert_eq!(answers(&back), answers(&index));
                assert_eq!(bytes_of(&back), bytes_of(&index), "written again");
                // Changes, compactions and searches of what is open go on while the file is replaced.
                for index in [&index, &back] {
                    index.set(ItemId::new(9), &vector(77)).unwrap();
                    index.remove(ItemId::new(10));
                    index.save(&path).unwrap();
                    index.compact().unwrap();
                }
                assert_eq!(answers(&back), answers(&index));
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
}

#[test]
fn a_large_live_index_is_saved_with_its_graph() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.index");
    let index = changed(21_000, Metric::L2);
    index.save(&path).unwrap();
    let back = LiveIndex::open(&path).unwrap();
    assert_eq!((back.len(), answers(&back)), (index.len(), answers(&index)));
}

#[test]
fn any_other_index_can_be_opened_to_go_on_living() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.index");
    let rows = || Matrix::from_vec(500, 8, (0..500).flat_map(vector).collect());
    let kinds: [AnyIndex; 3] = [
        ExactIndex::build(rows(), Metric::L2).unwrap().into(),
        HnswIndex::build(rows(), Metric::L2, HnswParams::default()).unwrap().into(),
        IvfIndex::build(rows(), Metric::L2, IvfParams::default()).unwrap().into(),
    ];
    for kind in kinds {
        file::save(&kind, &path).unwrap();
        let live = LiveIndex::open(&path).unwrap();
        live.set(ItemId::new(3), &vector(900)).unwrap();
        assert_eq!(live.len(), 500);
        assert_eq!(live.find(&vector(900), 1, None).unwrap().ids, [ItemId::new(3)]);
        live.save(&path).unwrap();
        assert_eq!(bytes_of(&LiveIndex::load(&path).unwrap()), bytes_of(&live));
    }
}

static FILES: LazyLock<[Vec<u8>; 2]> =
    LazyLock::new(|| [Metric::Cosine, Metric::L2].map(|metric| bytes_of(&changed(60, metric))));

proptest! {
    #[test]
    fn damage_is_noticed(file in 0usize..2, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = FILES[file].clone();
        let at = at.index(bytes.len());
        prop_assert!(read_bytes(&bytes[..at], usize::MAX).is_err(), "cut short");
        prop_assert!(read_bytes(&bytes[..at], 0).is_err(), "cut short");
        bytes[at] ^= 1 << bit;
        prop_assert!(read_bytes(&bytes, usize::MAX).is_err(), "another bit");
        if let Ok(index) = read_bytes(&bytes, 0) && index.dim() == 8 {
            answers(&index);
            drop(index.compact());
        }
    }

    /// Whoever writes nonsense with valid checksums gets an error or nonsense, but no panic.
    #[test]
    fn content_is_not_trusted(
        file in 0usize..2,
        at in any::<prop::sample::Index>(),
        garbage in prop_oneof![prop::collection::vec(any::<u8>(), 1..9), Just(vec![0; 8])],
    ) {
        let mut bytes = FILES[file].clone();
        // The sections of a live index come last.
        let from = bytes.len() * 3 / 4;
        let at = from + at.index(bytes.len() - from - garbage.len());
        bytes[at..at + garbage.len()].copy_from_slice(&garbage);
        file::tests::reseal(&mut bytes);
        if let Ok(index) = read_bytes(&bytes, usize::MAX) {
            answers(&index);
            drop(index.compact());
        }
    }
}
