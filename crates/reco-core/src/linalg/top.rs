//! The best of many scores.

use super::LANES;
use crate::candidate::top_k;
use crate::id::ItemId;

/// The `k` best of `scores` that `allow` admits, best first; position i belongs to item i. Scores
/// that are not finite are left out, ties go to the smaller id.
pub fn top_scores(scores: &[f32], k: usize, allow: impl Fn(ItemId) -> bool) -> Vec<(f32, ItemId)> {
    let mut best = Vec::new();
    top_scores_into(scores, k, allow, &mut best);
    best
}

/// The same, in the memory of `best`, whose values it replaces.
pub(crate) fn top_scores_into(
    scores: &[f32],
    k: usize,
    allow: impl Fn(ItemId) -> bool,
    best: &mut Vec<(f32, ItemId)>,
) {
    best.clear();
    let mut top = Top { best: std::mem::take(best), ..Top::new(k) };
    top.offer(scores, 0, allow);
    *best = top.into_sorted();
}

/// The best of scores that come block by block, items ascending.
///
/// One pass with a rising threshold: almost all scores cost a share of one vector comparison.
#[derive(Clone, Debug)]
pub struct Top {
    k: usize,
    /// Everything above the threshold that still may be among the best, in no order.
    best: Vec<(f32, ItemId)>,
    /// The k-th best when `best` was last cut.
    threshold: f32,
}

impl Top {
    /// Keeps the `k` best.
    pub fn new(k: usize) -> Self {
        Self { k, best: Vec::new(), threshold: if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY } }
    }

    /// How many are held before they are cut to the `k` best.
    fn room(&self) -> usize {
        self.k.saturating_mul(2).max(64)
    }

    /// Looks at the scores of the items from `first` on, one each, that `allow` admits. Scores that are not
    /// finite are left out, ties go to the item offered first.
    pub fn offer(&mut self, scores: &[f32], first: u32, allow: impl Fn(ItemId) -> bool) {
        let (groups, rest) = scores.as_chunks::<LANES>();
        for (group, at) in groups.iter().zip((first..).step_by(LANES)) {
            // Counted, not searched for: without a branch all are compared at once.
            if group.iter().filter(|&&score| score > self.threshold).count() > 0 {
                self.offer_one_by_one(group, at, &allow);
            }
        }
        self.offer_one_by_one(rest, first + (scores.len() - rest.len()) as u32, &allow);
    }

    fn offer_one_by_one(&mut self, scores: &[f32], first: u32, allow: &impl Fn(ItemId) -> bool) {
        for (&score, id) in scores.iter().zip(first..) {
            // Later ids lose ties, so a score must be above the threshold to matter once k are held.
            if score > self.threshold && score < f32::INFINITY && allow(ItemId::new(id)) {
                self.best.push((score, ItemId::new(id)));
                if self.best.len() == self.room() {
                    self.cut();
                }
            }
        }
    }

    /// Drops all but the `k` best.
    fn cut(&mut self) {
        let best_first = |a: &(f32, ItemId), b: &(f32, ItemId)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        self.best.select_nth_unstable_by(self.k - 1, best_first);
        self.best.truncate(self.k);
        self.threshold = self.best[self.k - 1].0;
    }

    /// The best, best first.
    pub fn into_sorted(mut self) -> Vec<(f32, ItemId)> {
        top_k(&mut self.best, self.k);
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_sorting_everything(
            scores in prop::collection::vec(prop_oneof![8 => (0u8..50).prop_map(f32::from), 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)], 0..500),
            k in 0usize..120,
        ) {
            let allow = |id: ItemId| !id.raw().is_multiple_of(5);
            let mut all: Vec<(f32, ItemId)> = (0u32..).map(ItemId::new).zip(&scores)
                .filter(|(id, score)| score.is_finite() && allow(*id)).map(|(id, &score)| (score, id)).collect();
            top_k(&mut all, k);
            prop_assert_eq!(&top_scores(&scores, k, allow), &all);
            let mut top = Top::new(k);
            let blocks = scores.chunks(77).zip((0..).step_by(77));
            blocks.for_each(|(block, first)| top.offer(block, first, allow));
            prop_assert_eq!(top.into_sorted(), all, "block by block");
        }
    }
}
