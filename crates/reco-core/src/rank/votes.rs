//! Ranking by the votes of the generators.

use super::Ranker;
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much each source's vote weighs, by name; sources not named weigh `other`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VoteWeights {
    /// Weight per source, at least 0.
    pub sources: BTreeMap<String, f32>,
    /// Weight of every source not listed, at least 0.
    pub other: f32,
    /// Place at which a vote counts half of the first, above 0.
    pub half_rank: f32,
}

impl Default for VoteWeights {
    /// A judgement, not yet tuned: what one takes regularly first, then personal taste, then what everybody takes.
    fn default() -> Self {
        let weights = [
            ("again", 3.0),
            ("als", 1.0),
            ("item_item", 1.0),
            ("vector", 0.3),
            ("content", 0.2),
            ("popular", 0.3),
            ("trending", 0.3),
        ];
        let sources = weights.into_iter().map(|(name, weight)| (name.to_owned(), weight)).collect();
        Self { sources, other: 0.5, half_rank: 15.0 }
    }
}

impl VoteWeights {
    /// What is wrong with these weights, one line each.
    pub fn problems(&self) -> Vec<String> {
        let sane = |weight: f32| weight.is_finite() && weight >= 0.0;
        let named = self.sources.iter().map(|(name, &weight)| (format!("sources.{name}"), weight));
        let bad = named.chain([("other".to_owned(), self.other)]).filter(|(_, weight)| !sane(*weight));
        let mut problems: Vec<String> = bad
            .map(|(name, weight)| format!("{name} is {weight}, must be a finite number not below 0"))
            .collect();
        if !(self.half_rank.is_finite() && self.half_rank > 0.0) {
            problems.push(format!("half_rank is {}, must be above 0", self.half_rank));
        }
        problems
    }
}

/// Scores an item by the sum of its sources' votes, weight / (1 + rank / half_rank).
///
/// Ranks need no common scale and outliers cannot shout, so the sum is robust whatever the
/// sources score by (Cormack et al., SIGIR 2009, on why ranks fuse better than scores).
#[derive(Clone, Debug, Default)]
pub struct VoteRanker {
    weights: VoteWeights,
}

impl VoteRanker {
    /// With these weights.
    pub fn new(weights: VoteWeights) -> Self {
        Self { weights }
    }
}

impl Ranker for VoteRanker {
    fn name(&self) -> &'static str {
        "votes"
    }

    fn score(&self, _: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
        let VoteWeights { sources, other, half_rank } = &self.weights;
        let weights: Vec<f32> =
            set.sources().iter().map(|name| sources.get(&**name).copied().unwrap_or(*other)).collect();
        for (row, score) in scores.iter_mut().enumerate() {
            let votes = set.hits(row).iter().zip(&weights);
            let votes =
                votes.filter_map(|(hit, weight)| Some(weight / (1.0 + (*hit)?.rank as f32 / half_rank)));
            // Not `sum`: of no votes that is -0, which would show.
            *score = votes.fold(0.0, |sum, vote| sum + vote);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::SourceHit;
    use crate::conformance;
    use crate::fixture::query;
    use crate::id::ItemId;
    use crate::request::Request;
    use std::sync::Arc;

    #[test]
    fn votes_add_up() {
        let mut set = Candidates::new([Arc::from("again"), Arc::from("mine")].into());
        for (item, hits) in
            [(3, [Some(0), None]), (4, [None, Some(0)]), (5, [Some(15), Some(15)]), (6, [None, None])]
        {
            let row = set.append(ItemId::new(item), 0.0);
            for (source, rank) in
                hits.into_iter().enumerate().filter_map(|(source, rank)| Some((source, rank?)))
            {
                set.propose(row, source, SourceHit { rank, score: f32::NAN }, 0.0);
            }
        }
        let ranker = VoteRanker::default();
        let query = query(Request::for_user("ann"));
        conformance::ranker(&ranker, &query, &set);
        let mut scores = vec![0.0; 4];
        ranker.score(&query, &set, &mut scores).unwrap();
        assert_eq!(scores, [3.0, 0.5, 1.75, 0.0]);
        assert!(scores[3].is_sign_positive(), "no votes are zero, not minus zero");
    }
}
