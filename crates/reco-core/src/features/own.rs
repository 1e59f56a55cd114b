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

const FEATURES: [(&str, &str); 10] = [
    ("own_events", "the user's events with the item, as ln(1 + n); 0 for an item new to them"),
    (
        "own_faded_events",
        "the same events, each counting half for every 60 days it lies back, as ln(1 + n); 0 likewise",
    ),
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
            row[..NONE].fill(0.0);
            row[WAS_HAD] = flag(query.is_at_hand(id));
            if let Some(place) = places.of(id) {
                tell(row, &query.history()[place], place, n_events, query.now);
            }
        }
        Ok(())
    }
}

/// Columns that are 0 for an item new to the user; those behind are missing.
const NONE: usize = 5;
const WAS_HAD: usize = 4;

fn tell(row: &mut [f32], touch: &Touch, place: usize, n_events: f32, now: Timestamp) {
    let [
        events,
        faded_events,
        weight,
        share,
        was_had,
        since_last,
        since_first,
        interval,
        phase,
        recent_place,
    ] = row
    else {
        return;
    };
    let days_since_last = now.days_since(touch.last).max(0.0) as f32;
    *events = (touch.count as f32).ln_1p();
    *faded_events = touch.faded_count(now).ln_1p();
    *weight = touch.weight.max(0.0).ln_1p();
    *share = touch.count as f32 / n_events;
    *was_had = was_had.max(flag(touch.consumed.is_some()));
    *since_last = days_since_last.ln_1p();
    *since_first = (now.days_since(touch.first).max(0.0) as f32).ln_1p();
    if touch.count > 1 {
        let days = touch.last.days_since(touch.first) as f32 / (touch.count - 1) as f32;
        *interval = days.ln_1p();
        *phase = (days_since_last.max(SHORTEST) / days.max(SHORTEST)).log2();
    }
    *recent_place = (place as f32).ln_1p();
}

/// Days below which waiting times are all alike: an hour.
const SHORTEST: f32 = 1.0 / 24.0;
