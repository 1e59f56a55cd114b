//! Business rules on scores: trends, freshness, margins.

use super::Reranker;
use crate::candidate::{Candidates, KeepMask};
use crate::error::Fault;
use crate::id::ItemId;
use crate::query::Query;
use crate::retrieve::trending::TrendingNow;
use rustc_hash::FxHashSet;

/// Raises what trends: the scores of the `top` strongest trends grow by `gain` (0.1 is +10 %).
#[derive(Clone, Copy, Debug)]
pub struct TrendingBoost {
    /// Share of the score's size that is added, at least 0.
    pub gain: f32,
    /// How many of the strongest trends count.
    pub top: usize,
}

impl Reranker for TrendingBoost {
    fn name(&self) -> &'static str {
        "trending_boost"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, _: usize) -> Result<(), Fault> {
        let trending: FxHashSet<ItemId> = TrendingNow::items(query, self.top).into_iter().collect();
        raise(set, |id| if trending.contains(&id) { self.gain } else { 0.0 });
        Ok(())
    }
}

/// Raises what is new in the catalogue: an item's score grows by `gain` on its first day and by half of
/// that after every `half_life_days`.
#[derive(Clone, Copy, Debug)]
pub struct FreshnessBoost {
    /// Share of the score's size that is added to a brand-new item, at least 0.
    pub gain: f32,
    /// Days after which the gain has halved, above 0.
    pub half_life_days: f64,
}

impl Reranker for FreshnessBoost {
    fn name(&self) -> &'static str {
        "freshness_boost"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, _: usize) -> Result<(), Fault> {
        let catalog = &query.snapshot.catalog;
        raise(set, |id| {
            let age = catalog.created_at(id).map(|created| query.now.days_since(created).max(0.0));
            age.map_or(0.0, |age| self.gain * (-age / self.half_life_days).exp2() as f32)
        });
        Ok(())
    }
}

/// Adds a share of each score's size to it, so that a boost lifts positive and negative scores alike,
/// and sorts. A score of 0 stays; one that is not finite has no size and stays, too; none is lifted out
/// of the finite numbers, which would sink it.
fn raise(set: &mut Candidates, gain: impl Fn(ItemId) -> f32) {
    let gains: Vec<f32> = set.ids().iter().map(|&id| gain(id)).collect();
    if gains.iter().all(|gain| *gain == 0.0) {
        return;
    }
    for (score, gain) in set.scores_mut().iter_mut().zip(gains) {
        if score.is_finite() {
            *score = (*score + gain * score.abs()).min(f32::MAX);
        }
    }
    // Stably: what no source proposed has one score and stands in order of popularity.
    set.sort_stably();
}

/// Takes out items whose known margin is below a bound.
#[derive(Clone, Copy, Debug)]
pub struct LowMargin {
    /// Lowest margin shown, as a share of the price.
    pub below: f32,
}

impl Reranker for LowMargin {
    fn name(&self) -> &'static str {
        "low_margin"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, _: usize) -> Result<(), Fault> {
        let mut keep = KeepMask::all(set.len());
        for (row, &id) in set.ids().iter().enumerate() {
            if query.snapshot.catalog.margin(id).is_some_and(|margin| margin < self.below) {
                keep.drop_row(row, 0);
            }
        }
        set.retain(&keep);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_is_not_raised_keeps_its_order() {
        let mut set = Candidates::new(Arc::default());
        for (item, score) in [(5, 0.0), (1, 0.0), (3, 1.0)] {
            set.append(ItemId::new(item), score);
        }
        raise(&mut set, |id| if id == ItemId::new(3) { 0.1 } else { 0.0 });
        assert_eq!(set.ids(), [3, 5, 1].map(ItemId::new));
    }
}
