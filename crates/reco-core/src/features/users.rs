//! Features of the user alone.

use super::feature::declared;
use super::profile::Profile;
use super::{Block, Feature, FeatureGroup, FeatureKind, MISSING};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use crate::snapshot::Snapshot;
use std::sync::{Arc, LazyLock};

/// What the user did and how, from training data and live events together.
#[derive(Debug)]
pub(super) struct Users;

const FEATURES: [(&str, &str); 22] = [
    ("items", "distinct items of the history, as ln(1 + n)"),
    ("events", "events of the history that speak for an item, as ln(1 + n)"),
    ("events_per_item", "events by items"),
    ("repeat_share", "share of the items that were taken more than once"),
    ("rejected", "items rejected, as ln(1 + n)"),
    ("fresh_events", "events that the snapshot has not seen, as ln(1 + n)"),
    ("is_known", "1 for a user whom training knew, else 0"),
    ("days_since_last", "days since the latest event"),
    ("days_since_first", "days since the earliest event"),
    ("events_per_day", "events by days since the earliest, as ln(1 + n)"),
    ("items_1d", "items touched within a day, as ln(1 + n)"),
    ("items_7d", "items touched within a week, likewise"),
    ("items_30d", "items touched within 30 days, likewise"),
    ("items_90d", "items touched within 90 days, likewise"),
    ("categories", "distinct categories, as ln(1 + n)"),
    ("category_evenness", "how evenly events spread over them, 0 to 1"),
    ("top_category_share", "share of events in the largest category"),
    ("brands", "distinct brands, as ln(1 + n)"),
    ("price_mean", "mean of ln(1 + price) of what they took"),
    ("price_deviation", "its standard deviation"),
    ("mainstream", "mean of ln(1 + users) of what they took"),
    ("mainstream_deviation", "its standard deviation"),
];

/// The windows of `items_1d` to `items_90d`.
const WINDOWS_DAYS: [f64; 4] = [1.0, 7.0, 30.0, 90.0];

impl FeatureGroup for Users {
    fn name(&self) -> &'static str {
        "user"
    }

    fn features(&self, _: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        static DECLARED: LazyLock<Vec<Feature>> = LazyLock::new(|| declared(FeatureKind::User, &FEATURES));
        DECLARED.clone()
    }

    fn fill(&self, query: &Query, _: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        let profile = query.memo(Profile::new);
        let history = query.history();
        let n_items = history.len() as f32;
        let n_events = history.iter().map(|touch| touch.count).sum::<u32>() as f32;
        let n_repeated = history.iter().filter(|touch| touch.count > 1).count() as f32;
        let n_rejected = history.iter().filter(|touch| touch.rejected).count() as f32;
        let first = history.iter().map(|touch| touch.first).min();
        let days_since = |at| query.now.days_since(at).max(0.0);
        let days_known = first.map_or(0.0, days_since);
        let [day, week, month, quarter] = WINDOWS_DAYS.map(|days| {
            // Newest first.
            let n_within = history.partition_point(|touch| days_since(touch.last) <= days);
            (n_within as f32).ln_1p()
        });
        let known = |value: Option<f32>| value.unwrap_or(MISSING);
        let share = |part: f32| if n_items > 0.0 { part / n_items } else { MISSING };
        block.fill(&[
            n_items.ln_1p(),
            n_events.ln_1p(),
            share(n_events),
            share(n_repeated),
            n_rejected.ln_1p(),
            (query.n_fresh() as f32).ln_1p(),
            super::context::flag(query.user_row().is_some()),
            known(history.first().map(|touch| days_since(touch.last) as f32)),
            known(first.map(|at| days_since(at) as f32)),
            (n_events / (days_known as f32).max(1.0)).ln_1p(),
            day,
            week,
            month,
            quarter,
            (profile.categories.len() as f32).ln_1p(),
            profile.categories.evenness(),
            profile.categories.largest_share(),
            (profile.brands.len() as f32).ln_1p(),
            known(profile.prices.mean()),
            known(profile.prices.deviation()),
            known(profile.popularity.mean()),
            known(profile.popularity.deviation()),
        ]);
        Ok(())
    }
}
