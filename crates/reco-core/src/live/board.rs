//! What is trending now.

use super::LiveLimits;
use crate::id::ItemKey;
use crate::time::Timestamp;
use crate::trend::Trend;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The trend of every item, and the strongest of them in order.
///
/// An item's trend follows from which events there were, not from their order: weights are summed as whole numbers, in
/// buckets that tell what the snapshot has seen from what it has not.
#[derive(Debug)]
pub(super) struct Board {
    items: FxHashMap<ItemKey, Pulse>,
    /// The strongest of `items`, in order. Trends only grow, and the weakest are forgotten first, so
    /// an item can enter only at its own event and the list never needs a full rebuild.
    top: Vec<(Trend, ItemKey)>,
    scale: Scale,
    /// Where the snapshot's own trends end: what was before is in them.
    since: Timestamp,
}

/// How time is divided and fades.
#[derive(Clone, Copy, Debug)]
struct Scale {
    half_life_days: f64,
    bucket_millis: i64,
}

/// The weighted events of one item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pulse {
    /// By time: the bucket's number, and the weights of its events, each grown as if it had waited since the bucket began,
    /// in units of 2^-20.
    buckets: Vec<(i64, u64)>,
    /// The trend of the buckets before the last, from where the snapshot ends.
    #[serde(skip)]
    earlier: Trend,
    /// With the last one.
    #[serde(skip)]
    trend: Trend,
}

impl Scale {
    /// Buckets of a half-life: what is not told apart within one is worth a hundredth of its weight.
    const BUCKETS: f64 = 64.0;
    /// Half-lives after which nothing is left that counts.
    const KEPT_HALF_LIVES: f64 = 8.0;
    const UNITS: f64 = 1_048_576.0;
    const HOUR_MILLIS: i64 = 3_600_000;

    fn new(half_life_days: f64) -> Self {
        let bucket_millis = (half_life_days * 86_400_000.0 / Self::BUCKETS) as i64;
        Self { half_life_days, bucket_millis: bucket_millis.max(Self::HOUR_MILLIS) }
    }

    fn bucket(self, at: Timestamp) -> i64 {
        at.millis().div_euclid(self.bucket_millis)
    }

    fn start(self, bucket: i64) -> Timestamp {
        Timestamp::from_millis(bucket.saturating_mul(self.bucket_millis))
    }

    /// The weight of an event in units, as of the beginning of its bucket.
    fn units(self, weight: f32, at: Timestamp) -> u64 {
        let waited = at.days_since(self.start(self.bucket(at))) / self.half_life_days;
        ((f64::from(weight) * waited.exp2() * Self::UNITS).round() as u64).max(1)
    }

    fn trend(self, (bucket, units): (i64, u64)) -> Trend {
        Trend::of_event((units as f64 / Self::UNITS) as f32, self.start(bucket), self.half_life_days)
    }

    fn buckets_kept(self) -> i64 {
        (Self::KEPT_HALF_LIVES * self.half_life_days * 86_400_000.0 / self.bucket_millis as f64).ceil() as i64
    }
}

impl Pulse {
    fn add(&mut self, weight: f32, at: Timestamp, scale: Scale, since: Timestamp) {
        let (bucket, units) = (scale.bucket(at), scale.units(weight, at));
        if let Some((last, sum)) = self.buckets.last_mut()
            && *last == bucket
        {
            *sum = sum.saturating_add(units);
            self.trend = self.with_last(scale, since);
            return;
        }
        let place = self.buckets.partition_point(|(number, _)| *number < bucket);
        match self.buckets.get_mut(place) {
            Some((number, sum)) if *number == bucket => *sum = sum.saturating_add(units),
            _ => self.buckets.insert(place, (bucket, units)),
        }
        let latest = self.buckets.last().map_or(bucket, |(number, _)| *number);
        let n_gone =
            self.buckets.partition_point(|(number, _)| latest.saturating_sub(*number) > scale.buckets_kept());
        self.buckets.drain(..n_gone);
        self.weigh(scale, since);
    }

    /// Sums the buckets anew.
    fn weigh(&mut self, scale: Scale, since: Timestamp) {
        let (_, earlier) = self.buckets.split_last().unwrap_or((&(0, 0), &[]));
        let counts = |bucket: &&(i64, u64)| scale.start(bucket.0 + 1) > since;
        let trends = earlier.iter().filter(counts).map(|bucket| scale.trend(*bucket));
        self.earlier = trends.fold(Trend::NOTHING, Trend::plus);
        self.trend = self.with_last(scale, since);
    }

    fn with_last(&self, scale: Scale, since: Timestamp) -> Trend {
        let last = self.buckets.last().filter(|(number, _)| scale.start(number + 1) > since);
        last.map_or(self.earlier, |bucket| self.earlier.plus(scale.trend(*bucket)))
    }
}

impl Board {
    pub(super) fn new(half_life_days: f64) -> Self {
        Self {
            items: FxHashMap::default(),
            top: Vec::new(),
            scale: Scale::new(half_life_days),
            since: Timestamp::from_millis(i64::MIN),
        }
    }

    pub(super) fn half_life_days(&self) -> f64 {
        self.scale.half_life_days
    }

    /// The strongest trends, strongest first.
    pub(super) fn top(&self) -> &[(Trend, ItemKey)] {
        &self.top
    }

    /// The trend of an item.
    pub(super) fn of(&self, item: &str) -> Trend {
        self.items.get(item).map(|pulse| pulse.trend).unwrap_or_default()
    }

    /// Adds an event's weight to its item.
    pub(super) fn add(&mut self, item: &ItemKey, weight: f32, at: Timestamp, limits: &LiveLimits) {
        if self.items.len() >= limits.trending_items.max(1) && !self.items.contains_key(item) {
            self.forget_the_weakest();
        }
        let pulse = self.items.entry(item.clone()).or_default();
        let before = pulse.trend;
        pulse.add(weight, at, self.scale, self.since);
        if pulse.trend > before {
            let entry = (pulse.trend, item.clone());
            self.top.retain(|(_, other)| other != item);
            let place = self.top.partition_point(|other| strongest_first(other, &entry).is_lt());
            self.top.insert(place, entry);
            self.top.truncate(limits.trending);
        }
    }

    /// Counts only what happened after `since`, where the snapshot's own trends end.
    pub(super) fn count_since(&mut self, since: Timestamp, limits: &LiveLimits) {
        self.since = since;
        let scale = self.scale;
        self.items.values_mut().for_each(|pulse| pulse.weigh(scale, since));
        self.sort(limits);
    }

    /// Every item's events, by item.
    pub(super) fn pulses(&self) -> Vec<(ItemKey, Pulse)> {
        let mut pulses: Vec<(ItemKey, Pulse)> =
            self.items.iter().map(|(item, pulse)| (item.clone(), pulse.clone())).collect();
        pulses.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        pulses
    }

    /// Puts back what [`pulses`](Self::pulses) gave.
    pub(super) fn restore(&mut self, pulses: Vec<(ItemKey, Pulse)>, limits: &LiveLimits) {
        self.items = pulses.into_iter().collect();
        self.count_since(self.since, limits);
    }

    fn sort(&mut self, limits: &LiveLimits) {
        let trends = self.items.iter().map(|(item, pulse)| (pulse.trend, item.clone()));
        self.top = trends.filter(|(trend, _)| *trend > Trend::NOTHING).collect();
        self.top.sort_unstable_by(strongest_first);
        self.top.truncate(limits.trending);
    }

    /// Drops a tenth of the trends at once, so that the scan is paid rarely.
    fn forget_the_weakest(&mut self) {
        let trends = self.items.iter().map(|(item, pulse)| (pulse.trend, item.clone()));
        for (_, item) in super::lowest_tenth(trends.collect(), |a, b| strongest_first(b, a)) {
            self.items.remove(&item);
        }
        self.top.retain(|(_, item)| self.items.contains_key(item));
    }
}

/// Strongest first; ties go to the smaller key.
fn strongest_first(a: &(Trend, ItemKey), b: &(Trend, ItemKey)) -> Ordering {
    a.0.descending(b.0).then_with(|| a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HALF_LIFE: f64 = 7.0;

    fn limits(trending: usize, trending_items: usize) -> LiveLimits {
        LiveLimits { trending, trending_items, ..LiveLimits::default() }
    }

    fn board_of(events: &[(u8, f32, i64)], limits: &LiveLimits) -> Board {
        let mut board = Board::new(HALF_LIFE);
        for (item, weight, secs) in events {
            board.add(&format!("item{item}").into(), *weight, Timestamp::from_secs(*secs), limits);
        }
        board
    }

    fn sorted(board: &Board, trending: usize) -> Vec<(Trend, ItemKey)> {
        let mut all: Vec<_> = board.items.iter().map(|(item, pulse)| (pulse.trend, item.clone())).collect();
        all.sort_by(strongest_first);
        all.truncate(trending);
        all
    }

    proptest! {
        #[test]
        fn a_trend_is_that_of_its_events_in_any_order(
            events in prop::collection::vec((0.125f32..5.0, 0i64..3_000_000), 1..60),
        ) {
            let events: Vec<(u8, f32, i64)> = events.into_iter().map(|(weight, secs)| (0, weight, secs)).collect();
            let reversed: Vec<(u8, f32, i64)> = events.iter().rev().copied().collect();
            let limits = LiveLimits::default();
            let (board, backwards) = (board_of(&events, &limits), board_of(&reversed, &limits));
            prop_assert_eq!(board.pulses(), backwards.pulses());
            prop_assert_eq!(board.top(), backwards.top());
            let trend = |(_, weight, secs): &(u8, f32, i64)| {
                Trend::of_event(*weight, Timestamp::from_secs(*secs), HALF_LIFE)
            };
            let exact = events.iter().map(trend).fold(Trend::NOTHING, Trend::plus);
            let now = Timestamp::from_secs(3_000_000);
            let share = board.of("item0").at(now, HALF_LIFE) / exact.at(now, HALF_LIFE);
            prop_assert!((share - 1.0).abs() < 1e-3, "{share}");
        }

        #[test]
        fn it_follows_whatever_is_forgotten(
            events in prop::collection::vec((0u8..30, 0.25f32..3.0, 0i64..5_000_000), 1..300),
            trending in 0usize..12,
            trending_items in 0usize..20,
        ) {
            let limits = limits(trending, trending_items);
            let mut board = Board::new(HALF_LIFE);
            for (item, weight, secs) in events {
                board.add(&format!("item{item}").into(), weight, Timestamp::from_secs(secs), &limits);
                prop_assert!(board.items.len() <= trending_items.max(1));
                prop_assert_eq!(board.top(), &sorted(&board, trending)[..]);
            }
        }

        #[test]
        fn what_the_snapshot_has_seen_does_not_count(
            events in prop::collection::vec((0u8..5, 0.25f32..3.0, 0i64..5_000_000), 1..100),
            since in 0i64..5_000_000,
        ) {
            let limits = limits(10, 100);
            let mut board = board_of(&events, &limits);
            board.count_since(Timestamp::from_secs(since), &limits);
            let bucket = board.scale.bucket_millis / 1_000;
            // A bucket that the end falls into counts whole: a burst must not vanish.
            let late: Vec<_> = events.iter().copied().filter(|event| event.2 / bucket >= since / bucket).collect();
            let of_late = board_of(&late, &limits);
            prop_assert_eq!(board.top(), of_late.top());
            board.count_since(Timestamp::from_millis(i64::MIN), &limits);
            let of_all = board_of(&events, &limits);
            prop_assert_eq!(board.top(), of_all.top());
        }
    }

    #[test]
    fn trends_are_bounded_and_the_weakest_leave() {
        let limits = limits(5, 100);
        let mut board = Board::new(HALF_LIFE);
        for secs in 0..1_000 {
            let at = Timestamp::from_secs(secs);
            board.add(&format!("rare{secs}").into(), 1.0, at, &limits);
            board.add(&format!("common{}", secs % 5).into(), 1.0, at, &limits);
        }
        assert!(board.items.len() <= 100);
        assert!(board.top().iter().all(|(_, item)| item.as_str().starts_with("common")));
        assert!(board.of("rare999") > Trend::NOTHING, "the latest is followed");
    }

    #[test]
    fn what_is_long_past_takes_no_room() {
        let limits = limits(5, 100);
        let mut board = Board::new(HALF_LIFE);
        for day in 0..1_000 {
            board.add(&"tea".into(), 1.0, Timestamp::from_secs(day * 86_400), &limits);
        }
        assert!(board.items["tea"].buckets.len() <= 57);
    }
}
