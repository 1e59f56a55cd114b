//! Features of the user's own record with the item.

use super::context::flag;
use super::feature::declared;
use super::{Block, Feature, FeatureGroup, FeatureKind};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::interactions::Touch;
use crate::query::Query;
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use std::sync::{Arc, LazyLock};

/// How often, when and how regularly the user took this very item.
#[derive(Debug)]
pub(super) struct Own;

const FEATURES: [(&str, &str); 9] = [
    ("own_events", "the user's events with the item, as ln(1 + n); 0 for an item new to them"),
    ("own_weight", "the weight of those events, as ln(1 + w)"),
    ("own_share", "the share of the user's events that they are"),
    ("was_had", "1 for an item that the user bought or rated, else 0"),
    ("own_days_since_last", "days since the last of them, as ln(1 + n); missing for a new item, as below"),
    ("own_days_since_first", "days since the first of them, likewise"),
    ("own_interval", "mean days between them, as ln(1 + n); missing after a single one"),
    (
        "own_phase",
        "log2 of the days since the last by that mean: below 0 before the item is due, above after",
    ),
    ("own_recent_place", "place of the item in the user's history, as ln(1 + n), 0 for the newest"),
];

impl FeatureGroup for Own {
    fn name(&self) -> &'static str {
        "own"
    }

    fn features(&self, _: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        static DECLARED: LazyLock<Vec<Feature>> = LazyLock::new(|| declared(FeatureKind::Cross, &FEATURES));
        DECLARED.clone()
    }

    fn fill(&self, query: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        let n_events = query.history().iter().map(|touch| touch.count).sum::<u32>().max(1) as f32;
        let places = query.places();
        for (row, &id) in block.rows().zip(set.ids()) {
            row[..4].fill(0.0);
            row[3] = flag(query.is_at_hand(id));
            if let Some(place) = places.of(id) {
                tell(row, &query.history()[place], place, n_events, query.now);
            }
        }
        Ok(())
    }
}

fn tell(row: &mut [f32], touch: &Touch, place: usize, n_events: f32, now: Timestamp) {
    let since_last = now.days_since(touch.last).max(0.0) as f32;
    row[0] = (touch.count as f32).ln_1p();
    row[1] = touch.weight.max(0.0).ln_1p();
    row[2] = touch.count as f32 / n_events;
    row[3] = row[3].max(flag(touch.consumed.is_some()));
    row[4] = since_last.ln_1p();
    row[5] = (now.days_since(touch.first).max(0.0) as f32).ln_1p();
    if touch.count > 1 {
        let interval = touch.last.days_since(touch.first) as f32 / (touch.count - 1) as f32;
        row[6] = interval.ln_1p();
        row[7] = (since_last.max(SHORTEST) / interval.max(SHORTEST)).log2();
    }
    row[8] = (place as f32).ln_1p();
}

/// Days below which waiting times are all alike: an hour.
const SHORTEST: f32 = 1.0 / 24.0;
