//! The best of many scores.

use crate::candidate::top_k;
use crate::id::ItemId;

/// The `k` best of `scores` that `allow` admits, best first; position i belongs to item i. Scores
/// that are not finite are left out, ties go to the smaller id.
///
/// One pass with a rising threshold: almost all scores cost one comparison.
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
    if k == 0 {
        return;
    }
    let room = k.saturating_mul(2).max(64).min(scores.len() + 1);
    best.reserve(room);
    let mut threshold = f32::NEG_INFINITY;
    for (&score, id) in scores.iter().zip(0..) {
        // Later ids lose ties, so a score must be above the threshold to matter once k are held.
        if score > threshold && score < f32::INFINITY && allow(ItemId::new(id)) {
            best.push((score, ItemId::new(id)));
            if best.len() == room {
                top_k(best, k);
                threshold = best.last().map_or(threshold, |worst| worst.0);
            }
        }
    }
    top_k(best, k);
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
            prop_assert_eq!(top_scores(&scores, k, allow), all);
        }
    }
}
