//! Ranking by learned weights of the generators.

use super::Ranker;
use crate::candidate::Candidates;
use crate::error::{Fault, FaultKind};
use crate::query::Query;
use serde::{Deserialize, Serialize};

/// How much to trust each source, learned from what people then took.
///
/// A source's opinion of an item is seen from several sides ([`Opinion`]), for scores tell more than ranks
/// where their scale can be trusted, and ranks more where it cannot. An item's score is the weighted sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlendModel {
    sources: Vec<SourceWeights>,
}

/// A source and what each side of its opinion weighs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceWeights {
    /// The source's name.
    pub source: String,
    /// One weight per value of [`Opinion`].
    pub weights: [f32; Opinion::SIDES],
}

/// What a source thinks of an item: the share of its best score, at most 1; the logarithm of one plus its
/// score, where that is above 0; and two votes by rank, 1 for the best item, that fall fast and slowly. All are
/// 0 for an item that the source has nothing to say about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Opinion(pub [f32; Opinion::SIDES]);

impl Opinion {
    /// Sides of an opinion.
    pub const SIDES: usize = 4;

    /// Ranks at which the two votes by rank have halved.
    const HALF_RANKS: [f32; 2] = [3.0, 30.0];

    /// Of the item at `rank`, 0 for the best, whose score is `score` where the best one's is `top`.
    pub fn new(rank: u32, score: f32, top: f32) -> Self {
        let share = if top > 0.0 && score.is_finite() { (score / top).clamp(-1.0, 1.0) } else { 0.0 };
        let size = if score.is_finite() { score.max(0.0).ln_1p() } else { 0.0 };
        let [early, late] = Self::HALF_RANKS.map(|half| 1.0 / (1.0 + rank as f32 / half));
        Self([share, size, early, late])
    }
}

impl BlendModel {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "blend";

    /// From the weights of every source.
    pub fn new(sources: Vec<SourceWeights>) -> Self {
        Self { sources }
    }

    /// The weights of every source.
    pub fn sources(&self) -> &[SourceWeights] {
        &self.sources
    }

    /// The weights of one source; `None` for one it was not learned with.
    pub fn weights_of(&self, source: &str) -> Option<&[f32; Opinion::SIDES]> {
        self.sources.iter().find(|known| known.source == source).map(|known| &known.weights)
    }
}

/// What an opinion adds to an item's score.
pub fn voted(weights: &[f32; Opinion::SIDES], opinion: Opinion) -> f32 {
    weights.iter().zip(opinion.0).map(|(weight, value)| weight * value).sum()
}

/// Scores by the snapshot's [`BlendModel`]; sources it was not learned with have no say.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlendRanker;

impl Ranker for BlendRanker {
    fn name(&self) -> &'static str {
        BlendModel::NAME
    }

    fn score(&self, query: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
        let Some(model) = query.snapshot.models.get::<BlendModel>(BlendModel::NAME) else {
            let fault = Fault::new(BlendModel::NAME, FaultKind::NotFound);
            return Err(fault.because("the snapshot has no blend"));
        };
        scores.fill(0.0);
        for (source, name) in set.sources().iter().enumerate() {
            let Some(weights) = model.weights_of(name) else { continue };
            let hits = || (0..scores.len()).filter_map(|row| Some((row, set.hits(row)[source]?)));
            let top = hits().map(|(_, hit)| hit.score).fold(0.0, f32::max);
            for (row, hit) in hits().collect::<Vec<_>>() {
                scores[row] += voted(weights, Opinion::new(hit.rank, hit.score, top));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::SourceHit;
    use crate::conformance;
    use crate::fixture;
    use crate::id::ItemId;
    use crate::request::Request;
    use std::sync::Arc;

    #[test]
    fn opinions_fall_with_rank_and_score() {
        let check = |rank, score, top, want: [f32; Opinion::SIDES]| {
            let found = Opinion::new(rank, score, top).0;
            assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} is not {want:?}");
        };
        check(0, 5.0, 5.0, [1.0, 6f32.ln(), 1.0, 1.0]);
        check(3, 2.5, 5.0, [0.5, 3.5f32.ln(), 0.5, 1.0 / 1.1]);
        check(30, f32::NAN, 5.0, [0.0, 0.0, 1.0 / 11.0, 0.5]);
        // A source that likes nothing has no best.
        check(0, -1.0, -1.0, [0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn only_sources_learned_with_have_a_say() {
        let mut set = Candidates::new([Arc::from("als"), Arc::from("mine")].into());
        for (item, source, rank, score) in [(3, 0, 0, 8.0), (4, 0, 3, 4.0), (5, 1, 0, 9.0)] {
            let row = set.append(ItemId::new(item), 0.0);
            set.propose(row, source, SourceHit { rank, score }, 0.0);
        }
        let mut snapshot = fixture::snapshot();
        let als = SourceWeights { source: "als".into(), weights: [2.0, 0.0, 1.0, 0.0] };
        snapshot.models.insert(BlendModel::NAME, BlendModel::new(vec![als]));
        let query = fixture::query_of(Request::for_user("ann"), snapshot);
        conformance::ranker(&BlendRanker, &query, &set);
        let mut scores = vec![0.0; 3];
        BlendRanker.score(&query, &set, &mut scores).unwrap();
        assert_eq!(scores, [3.0, 1.5, 0.0]);
        let without = fixture::query(Request::for_user("ann"));
        assert_eq!(BlendRanker.score(&without, &set, &mut scores).unwrap_err().kind, FaultKind::NotFound);
    }
}
