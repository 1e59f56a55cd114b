//! Merging the lists of several generators into one candidate set.

use crate::candidate::{Candidates, Hits, SourceHit};
use crate::id::ItemId;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Weighted reciprocal-rank fusion (Cormack, Clarke & Büttcher, SIGIR 2009): an item's
/// merged score is the sum over its sources of weight / (60 + rank). It needs no common
/// scale, so sources of any kind mix. Items stand in the order of first sight.
#[derive(Debug)]
pub(super) struct Merge {
    set: Candidates,
    row_of: FxHashMap<ItemId, usize>,
}

impl Merge {
    /// Damps the first places, as in the paper.
    const RANK_OFFSET: f32 = 60.0;

    pub(super) fn new(sources: Arc<[Arc<str>]>) -> Self {
        Self { set: Candidates::new(sources), row_of: FxHashMap::default() }
    }

    /// Adds one source's list. An item the source names twice keeps its better place.
    pub(super) fn add(&mut self, source: usize, weight: f32, hits: &Hits) {
        for ((id, score), rank) in hits.iter().zip(0..) {
            let row = *self.row_of.entry(id).or_insert_with(|| self.set.append(id, 0.0));
            if self.set.hit(row, source).is_none() {
                let gain = weight / (Self::RANK_OFFSET + rank as f32);
                self.set.propose(row, source, SourceHit { rank, score }, gain);
            }
        }
    }

    /// Whether the item is in the set.
    pub(super) fn contains(&self, id: ItemId) -> bool {
        self.row_of.contains_key(&id)
    }

    /// Appends items that no source proposed, below all others, and says how many were new.
    pub(super) fn fill(&mut self, items: &[ItemId]) -> usize {
        let before = self.set.len();
        for &id in items {
            // A negative score sinks below every fused one and keeps the order given.
            let score = -(self.set.len() as f32);
            self.row_of.entry(id).or_insert_with(|| self.set.append(id, score));
        }
        self.set.len() - before
    }

    /// Notes that nothing more can be found to fill the page.
    pub(super) fn mark_all(&mut self) {
        self.set.mark_all();
    }

    pub(super) fn set(&self) -> &Candidates {
        &self.set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(ids: &[u32]) -> Hits {
        let mut hits = Hits::default();
        ids.iter().zip(0u8..).for_each(|(&id, rank)| hits.push(ItemId::new(id), -f32::from(rank)));
        hits
    }

    #[test]
    fn agreement_beats_a_single_first_place() {
        let mut merge = Merge::new([Arc::from("a"), Arc::from("b")].into());
        merge.add(0, 1.0, &hits(&[1, 2, 2]));
        merge.add(1, 1.0, &hits(&[2, 3]));
        assert_eq!(merge.fill(&[3, 4].map(ItemId::new)), 1);
        let mut set = merge.set().clone();
        set.sort();
        assert_eq!(set.ids(), [2, 1, 3, 4].map(ItemId::new));
        assert_eq!(set.hit(0, 0).map(|hit| hit.rank), Some(1), "the better of its two places");
    }
}
