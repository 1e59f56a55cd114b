//! Places that are given away.

use super::Reranker;
use crate::candidate::{Candidates, Hits};
use crate::error::Fault;
use crate::id::ItemId;
use crate::query::Query;
use crate::retrieve::{CandidateGenerator, Support};
use serde::{Deserialize, Serialize};

/// An item with a fixed place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The place, 1 for the first.
    pub place: usize,
    /// The item's key.
    pub item: String,
    /// Only on this surface (`home`, `similar`, `category`); everywhere unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surface: Option<String>,
}

/// Puts items in fixed places. As a generator it proposes them, so that they need no other source; filters
/// still apply to them. As a re-ranker it moves those that are left into their places.
#[derive(Clone, Debug, Default)]
pub struct Pinned {
    pins: Vec<Pin>,
}

impl Pinned {
    /// With these pins; of two for one place the first counts.
    pub fn new(mut pins: Vec<Pin>) -> Self {
        pins.sort_by_key(|pin| pin.place);
        pins.dedup_by_key(|pin| (pin.place, pin.surface.clone()));
        Self { pins }
    }

    /// Pins that apply, by place.
    pub(super) fn active<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = (usize, ItemId)> + 'a {
        let surface = query.request.surface.name();
        let here =
            self.pins.iter().filter(move |pin| pin.surface.as_deref().is_none_or(|name| name == surface));
        here.filter_map(|pin| Some((pin.place, query.snapshot.catalog.id(&pin.item)?)))
    }
}

impl CandidateGenerator for Pinned {
    fn name(&self) -> &'static str {
        "pinned"
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        for (_, id) in self.active(query).take(limit) {
            if !out.ids.contains(&id) {
                out.push(id, 0.0);
            }
        }
        Ok(())
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {
        // Rests on a decision, not on the user.
    }
}

impl Reranker for Pinned {
    fn name(&self) -> &'static str {
        "pinned"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, _: usize) -> Result<(), Fault> {
        let row_of = |id: ItemId| set.ids().iter().position(|&other| other == id);
        let pinned: Vec<(usize, u32)> =
            self.active(query).filter_map(|(place, id)| Some((place, row_of(id)? as u32))).collect();
        if pinned.is_empty() {
            return Ok(());
        }
        let mut order: Vec<u32> =
            (0..set.len() as u32).filter(|row| !pinned.iter().any(|(_, pin)| pin == row)).collect();
        for (place, row) in pinned {
            if !order.contains(&row) {
                order.insert(place.saturating_sub(1).min(order.len()), row);
            }
        }
        set.select(&order);
        Ok(())
    }
}
