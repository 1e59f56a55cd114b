//! What is taken more and more right now.

use super::{CandidateGenerator, Support};
use crate::candidate::Hits;
use crate::error::{Fault, FaultKind};
use crate::id::ItemId;
use crate::query::Query;
use crate::trend::Trend;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// The exponentially decayed weight of every item's events up to the data's end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trends {
    /// One per item.
    by_item: Vec<Trend>,
    /// The strongest first; as many as any page may need.
    top: Vec<ItemId>,
    /// Days after which an event counts half.
    half_life_days: f64,
}

impl Trends {
    /// The name under which the snapshot keeps it.
    pub const NAME: &'static str = "trending";

    /// Items kept in order; a live burst can lift any other.
    const KEPT: usize = 1_000;

    /// From one trend per item.
    pub fn new(by_item: Vec<Trend>, half_life_days: f64) -> Self {
        let mut top: Vec<ItemId> = (0..by_item.len() as u32).map(ItemId::new).collect();
        top.retain(|id| by_item[id.index()] > Trend::NOTHING);
        top.sort_by(|a, b| by_item[a.index()].descending(by_item[b.index()]).then(a.cmp(b)));
        top.truncate(Self::KEPT);
        Self { by_item, top, half_life_days }
    }

    /// Days in which a trend halves.
    pub fn half_life_days(&self) -> f64 {
        self.half_life_days
    }

    /// The trend of an item.
    pub fn of(&self, item: ItemId) -> Trend {
        self.by_item.get(item.index()).copied().unwrap_or_default()
    }
}

/// Proposes what trends: the snapshot's trends with the live events on top, so that a burst
/// surfaces at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrendingGenerator;

/// The strongest trends at one moment, for all who need them in a request.
#[derive(Debug, Default)]
pub struct TrendingNow {
    /// The strongest first.
    top: Vec<(Trend, ItemId)>,
    /// What live events add to, with that.
    lifted: FxHashMap<ItemId, Trend>,
}

impl TrendingNow {
    /// Items to look at.
    const KEPT: usize = 256;

    fn new(query: &Query) -> Self {
        let Some(model) = query.snapshot.models.get::<Trends>(Trends::NAME) else { return Self::default() };
        let catalog = &query.snapshot.catalog;
        let live = query.live.trending();
        let live = live.iter().filter_map(|(trend, key)| Some((*trend, catalog.id(key.as_str())?)));
        let lifted: FxHashMap<ItemId, Trend> =
            live.map(|(trend, id)| (id, model.of(id).plus(trend))).collect();
        let others = model.top.iter().take(Self::KEPT).filter(|id| !lifted.contains_key(id));
        let mut top: Vec<(Trend, ItemId)> = others.map(|&id| (model.of(id), id)).collect();
        if !lifted.is_empty() {
            top.extend(lifted.iter().map(|(&id, &trend)| (trend, id)));
            top.sort_by(|a, b| a.0.descending(b.0).then(a.1.cmp(&b.1)));
            top.truncate(Self::KEPT);
        }
        Self { top, lifted }
    }

    /// The `n` items with the strongest trends.
    pub fn items(query: &Query, n: usize) -> Vec<ItemId> {
        query.memo(Self::new).top.iter().take(n).map(|(_, id)| *id).collect()
    }
}

impl CandidateGenerator for TrendingGenerator {
    fn name(&self) -> &'static str {
        Trends::NAME
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let model = query.snapshot.models.get::<Trends>(Trends::NAME);
        let model = model.ok_or_else(|| Fault::new(Trends::NAME, FaultKind::NotFound))?;
        for (trend, id) in query.memo(TrendingNow::new).top.iter().take(limit) {
            out.push(*id, trend.at(query.now, model.half_life_days));
        }
        Ok(())
    }

    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        let model = query.snapshot.models.get::<Trends>(Trends::NAME);
        let model = model.ok_or_else(|| Fault::new(Trends::NAME, FaultKind::NotFound))?;
        let lifted = &query.memo(TrendingNow::new).lifted;
        for (item, score) in items.iter().zip(scores) {
            let trend = lifted.get(item).copied().unwrap_or_else(|| model.of(*item));
            *score = trend.at(query.now, model.half_life_days);
        }
        Ok(())
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {
        // Trends rest on everybody, not on one's own.
    }
}
