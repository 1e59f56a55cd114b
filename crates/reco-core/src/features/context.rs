//! Features of the circumstances.

use super::feature::declared;
use super::{Block, Feature, FeatureGroup, FeatureKind};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use crate::request::Surface;
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use std::f32::consts::TAU;
use std::sync::{Arc, LazyLock};

/// When, where and on what a page is asked for.
#[derive(Debug)]
pub(super) struct ContextGroup;

const FEATURES: [(&str, &str); 11] = [
    ("hour_sin", "hour of the day in UTC as the sine of its angle on a clock of 24 hours"),
    ("hour_cos", "the cosine of the same angle"),
    ("weekday_sin", "day of the week as the sine of its angle on a circle of seven days"),
    ("weekday_cos", "the cosine of the same angle"),
    ("is_weekend", "1 on Saturday and Sunday, else 0"),
    ("session_length", "items of the running session, as ln(1 + n)"),
    ("is_desktop", "1 on a desktop, 0 on another device; missing where none is named"),
    ("is_mobile", "1 on a mobile device, likewise"),
    ("is_tablet", "1 on a tablet, likewise"),
    ("is_category_page", "1 inside one category, else 0"),
    ("days_since_training", "days since the snapshot's data ended"),
];

impl FeatureGroup for ContextGroup {
    fn name(&self) -> &'static str {
        "context"
    }

    fn features(&self, _: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        static DECLARED: LazyLock<Vec<Feature>> = LazyLock::new(|| declared(FeatureKind::Context, &FEATURES));
        DECLARED.clone()
    }

    fn fill(&self, query: &Query, _: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        let (hour, weekday) = hour_and_weekday(query.now);
        let circle = |share: f32| (share * TAU).sin_cos();
        let ((hour_sin, hour_cos), (day_sin, day_cos)) = (circle(hour / 24.0), circle(weekday / 7.0));
        let context = &query.request.context;
        let is_device = |name: &str| match context.device.as_deref() {
            None => super::MISSING,
            Some(device) => flag(device.eq_ignore_ascii_case(name)),
        };
        block.fill(&[
            hour_sin,
            hour_cos,
            day_sin,
            day_cos,
            flag(weekday >= 5.0),
            (context.session_items.len() as f32).ln_1p(),
            is_device("desktop"),
            is_device("mobile"),
            is_device("tablet"),
            flag(matches!(query.request.surface, Surface::Category(_))),
            query.now.days_since(query.snapshot.data_until).max(0.0) as f32,
        ]);
        Ok(())
    }
}

/// 1 for true, 0 for false.
pub(super) fn flag(is: bool) -> f32 {
    f32::from(u8::from(is))
}

/// The hour of the day, 0 to 24, and the day of the week, 0 for Monday.
fn hour_and_weekday(at: Timestamp) -> (f32, f32) {
    let days = at.days_since(Timestamp::default());
    (((days - days.floor()) * 24.0) as f32, f32::from(at.weekday()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_are_those_of_the_calendar() {
        let check = |secs: i64, hour: f32, weekday: f32| {
            assert_eq!(hour_and_weekday(Timestamp::from_secs(secs)), (hour, weekday), "{secs}");
        };
        check(0, 0.0, 3.0);
        // Saturday, the 21st of November 2026, 18:00.
        check(1_795_284_000, 18.0, 5.0);
        // Wednesday, the 31st of December 1969, noon.
        check(-43_200, 12.0, 2.0);
    }
}
