//! What changes by the second: each user's latest events and what is trending now.

mod newcomers;
mod takers;

pub(crate) use takers::Takers;

use crate::event::{Action, ActionWeights, Event};
use crate::id::{ItemId, ItemKey, UserKey};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use crate::trend::Trend;
use newcomers::Newcomers;
use parking_lot::{Mutex, RwLock};
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

/// An event as the request path reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentEvent {
    /// On what.
    pub item: ItemKey,
    /// What.
    pub action: Action,
    /// Rating, quantity or amount.
    pub value: Option<f32>,
    /// When.
    pub at: Timestamp,
}

impl From<&Event> for RecentEvent {
    fn from(event: &Event) -> Self {
        let Event { item, action, value, at, .. } = event;
        Self { item: item.clone(), action: action.clone(), value: *value, at: *at }
    }
}

/// Bounds of the live layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveLimits {
    /// Latest events kept per user.
    pub events_per_user: usize,
    /// Users kept, at least 64; past that, those quiet for longest are forgotten first.
    pub users: usize,
    /// Items on the trending board.
    pub trending: usize,
    /// Items whose trend is followed; past that, the weakest start again from nothing.
    pub trending_items: usize,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self { events_per_user: 100, users: 1_000_000, trending: 256, trending_items: 100_000 }
    }
}

/// The live layer. Shared by all requests; writing never blocks reading for long.
///
/// It speaks in item keys, not ids, so it outlives any number of snapshots.
#[derive(Debug)]
pub struct Live {
    shards: Vec<Mutex<Shard>>,
    board: RwLock<Board>,
    newcomers: Newcomers,
    weights: ActionWeights,
    half_life_days: f64,
    limits: LiveLimits,
}

type Shard = FxHashMap<UserKey, VecDeque<RecentEvent>>;

#[derive(Debug, Default)]
struct Board {
    trends: FxHashMap<ItemKey, Trend>,
    /// The strongest of `trends`, in order. Trends only grow, and the weakest are forgotten first, so
    /// an item can enter only at its own event and the list never needs a full rebuild.
    top: Vec<(Trend, ItemKey)>,
}

impl Default for Live {
    fn default() -> Self {
        Self::new(ActionWeights::default(), Self::HALF_LIFE_DAYS, LiveLimits::default())
    }
}

impl Live {
    /// Half-life of trends unless configured: a week, so that weekdays even out.
    pub const HALF_LIFE_DAYS: f64 = 7.0;

    const SHARDS: usize = 64;

    /// An empty layer that weighs events by `weights` and lets trends decay with `half_life_days`.
    pub fn new(weights: ActionWeights, half_life_days: f64, limits: LiveLimits) -> Self {
        let shards = (0..Self::SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            board: RwLock::default(),
            newcomers: Newcomers::default(),
            weights,
            half_life_days,
            limits,
        }
    }

    /// How events are weighed.
    pub fn weights(&self) -> &ActionWeights {
        &self.weights
    }

    /// Half-life of trends, in days.
    pub fn half_life_days(&self) -> f64 {
        self.half_life_days
    }

    /// Takes one event in; the next request sees it. One that is part of no history, as what was merely shown, is
    /// passed over, so that it drives out nothing that is.
    pub fn apply(&self, event: &Event) {
        let verdict = self.weights.verdict(&event.action, event.value);
        if !verdict.leaves_trace(&event.action) {
            return;
        }
        self.remember(event);
        let weight = verdict.weight();
        if weight > 0.0 {
            let trend = Trend::of_event(weight, event.at, self.half_life_days);
            self.board.write().add(&event.item, trend, &self.limits);
        }
    }

    /// The user's latest events, oldest first.
    pub fn recent(&self, user: &UserKey) -> Vec<RecentEvent> {
        let shard = self.shard(user).lock();
        shard.get(user).map(|events| events.iter().cloned().collect()).unwrap_or_default()
    }

    /// Forgets everything about a user and says whether there was anything.
    pub fn forget(&self, user: &UserKey) -> bool {
        self.newcomers.forget(user);
        self.shard(user).lock().remove(user).is_some()
    }

    /// Takes in an event on an item that training did not see; `fold` makes factors from all who took it.
    pub(crate) fn welcome(
        &self,
        event: &Event,
        fold: impl FnOnce(&Takers) -> (Arc<Snapshot>, Option<Arc<[f32]>>),
    ) {
        let verdict = self.weights.verdict(&event.action, event.value);
        self.newcomers.welcome(event, verdict, fold);
    }

    /// Makes factors anew for another snapshot, of the items that are new to it.
    pub(crate) fn move_to(
        &self,
        snapshot: &Arc<Snapshot>,
        is_new: impl Fn(&ItemKey) -> bool,
        fold: impl Fn(&Takers) -> Option<Arc<[f32]>>,
    ) {
        self.newcomers.move_to(snapshot, is_new, fold);
    }

    /// Items that training did not see, with factors that fit the models of `snapshot`, by id.
    pub(crate) fn newcomers(&self, snapshot: &Arc<Snapshot>) -> Vec<(ItemId, Arc<[f32]>)> {
        self.newcomers.of(snapshot)
    }

    /// The strongest trends, strongest first.
    pub fn trending(&self) -> Vec<(Trend, ItemKey)> {
        self.board.read().top.clone()
    }

    /// The trend that live events alone give an item.
    pub fn trend(&self, item: &str) -> Trend {
        self.board.read().trends.get(item).copied().unwrap_or_default()
    }

    fn remember(&self, event: &Event) {
        let mut shard = self.shard(&event.user).lock();
        if shard.len() >= (self.limits.users / Self::SHARDS).max(1) && !shard.contains_key(&event.user) {
            forget_the_quietest(&mut shard);
        }
        let events = shard.entry(event.user.clone()).or_default();
        let place = events.partition_point(|known| known.at <= event.at);
        events.insert(place, event.into());
        while events.len() > self.limits.events_per_user {
            events.pop_front();
        }
    }

    fn shard(&self, user: &UserKey) -> &Mutex<Shard> {
        // The high bits of this hash are the well mixed ones.
        &self.shards[(FxBuildHasher.hash_one(user) >> 32) as usize % Self::SHARDS]
    }
}

/// Drops a tenth of the shard at once, so that the scan is paid rarely.
fn forget_the_quietest(shard: &mut Shard) {
    let latest = shard.iter().map(|(user, events)| (events.back().map(|event| event.at), user.clone()));
    for (_, user) in lowest_tenth(latest.collect(), Ord::cmp) {
        shard.remove(&user);
    }
}

/// The lowest tenth of `rows`, at least one, in no particular order. `order` must be total, so that
/// what is chosen does not depend on the order of the rows.
fn lowest_tenth<T>(mut rows: Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let n_lowest = rows.len().div_ceil(10);
    if n_lowest < rows.len() {
        rows.select_nth_unstable_by(n_lowest, order);
        rows.truncate(n_lowest);
    }
    rows
}

/// Strongest first; ties go to the smaller key.
fn strongest_first(a: &(Trend, ItemKey), b: &(Trend, ItemKey)) -> Ordering {
    a.0.descending(b.0).then_with(|| a.1.cmp(&b.1))
}

impl Board {
    /// Adds an event's weight to its item.
    fn add(&mut self, item: &ItemKey, weight: Trend, limits: &LiveLimits) {
        if self.trends.len() >= limits.trending_items.max(1) && !self.trends.contains_key(item) {
            self.forget_the_weakest();
        }
        let trend = self.trends.entry(item.clone()).or_default();
        *trend = trend.plus(weight);
        let entry = (*trend, item.clone());
        self.top.retain(|(_, other)| other != item);
        let place = self.top.partition_point(|other| strongest_first(other, &entry).is_lt());
        self.top.insert(place, entry);
        self.top.truncate(limits.trending);
    }

    /// Drops a tenth of the trends at once, so that the scan is paid rarely.
    fn forget_the_weakest(&mut self) {
        let trends = self.trends.iter().map(|(item, trend)| (*trend, item.clone()));
        for (_, item) in lowest_tenth(trends.collect(), |a, b| strongest_first(b, a)) {
            self.trends.remove(&item);
        }
        self.top.retain(|(_, item)| self.trends.contains_key(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use proptest::prelude::*;

    fn event(user: &str, item: &str, secs: i64) -> Event {
        Event {
            id: EventId(0),
            user: user.into(),
            item: item.into(),
            action: Action::Purchase,
            value: None,
            at: Timestamp::from_secs(secs),
            details: None,
        }
    }

    fn live(limits: LiveLimits) -> Live {
        Live::new(ActionWeights::default(), 7.0, limits)
    }

    #[test]
    fn late_events_find_their_place_and_the_oldest_leave() {
        let live = live(LiveLimits { events_per_user: 2, ..LiveLimits::default() });
        for (item, secs) in [("b", 20), ("a", 10), ("c", 30)] {
            live.apply(&event("ann", item, secs));
        }
        let items: Vec<_> =
            live.recent(&"ann".into()).into_iter().map(|event| event.item.to_string()).collect();
        assert_eq!(items, ["b", "c"]);
        assert!(live.forget(&"ann".into()) && live.recent(&"ann".into()).is_empty());
    }

    #[test]
    fn what_was_shown_drives_out_nothing() {
        let live = live(LiveLimits { events_per_user: 2, ..LiveLimits::default() });
        live.apply(&event("ann", "tea", 10));
        for secs in 11..15 {
            live.apply(&Event { action: Action::Impression, ..event("ann", "jam", secs) });
        }
        let items: Vec<_> = live.recent(&"ann".into()).into_iter().map(|event| event.item).collect();
        assert_eq!(items, [ItemKey::from("tea")]);
    }

    #[test]
    fn the_board_is_what_sorting_all_trends_would_give() {
        let live = live(LiveLimits { trending: 3, ..LiveLimits::default() });
        for i in 0..200 {
            live.apply(&event("ann", &format!("item{}", i * i % 7), i * 50_000));
        }
        let mut all: Vec<_> = (0..7)
            .map(|i| ItemKey::from(format!("item{i}")))
            .map(|key| (live.trend(key.as_str()), key))
            .collect();
        all.sort_by(|a, b| a.0.descending(b.0).then_with(|| a.1.cmp(&b.1)));
        all.truncate(3);
        assert_eq!(live.trending(), all);
    }

    #[test]
    fn a_rating_too_low_moves_no_trend() {
        let live = live(LiveLimits::default());
        let rating = |item, value| Event { action: Action::Rating, value, ..event("ann", item, 7) };
        live.apply(&rating("tea", Some(1.0)));
        live.apply(&rating("jam", Some(4.0)));
        assert!(live.trend("tea") == Trend::NOTHING && live.trend("jam") > Trend::NOTHING);
    }

    #[test]
    fn memory_is_bounded() {
        let live = live(LiveLimits { users: 640, ..LiveLimits::default() });
        for i in 0..5_000 {
            live.apply(&event(&format!("user{i}"), "tea", i));
        }
        let kept: usize = live.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(kept <= 640, "{kept} users");
        assert!(!live.recent(&"user4999".into()).is_empty(), "the latest stays");
    }

    #[test]
    fn of_users_quiet_for_equally_long_few_are_forgotten() {
        let live = live(LiveLimits { users: 6_400, ..LiveLimits::default() });
        (0..20_000).for_each(|i| live.apply(&event(&format!("user{i}"), "tea", 7)));
        let smallest = live.shards.iter().map(|shard| shard.lock().len()).min();
        assert!(smallest >= Some(90), "a shard of 100 fell to {smallest:?}");
    }

    #[test]
    fn trends_are_bounded_and_the_weakest_leave() {
        let live = live(LiveLimits { trending: 5, trending_items: 100, ..LiveLimits::default() });
        for i in 0..1_000 {
            live.apply(&event("ann", &format!("rare{i}"), i));
            live.apply(&event("ann", &format!("common{}", i % 5), i));
        }
        assert!(live.board.read().trends.len() <= 100);
        assert!(live.trending().iter().all(|(_, item)| item.as_str().starts_with("common")));
        assert!(live.trend("rare999") > Trend::NOTHING, "the latest is followed");
    }

    proptest! {
        #[test]
        fn the_board_follows_whatever_is_forgotten(
            items in prop::collection::vec((0u8..30, 0i64..5_000_000), 1..300),
            trending in 0usize..12,
            trending_items in 0usize..20,
        ) {
            let live = live(LiveLimits { trending, trending_items, ..LiveLimits::default() });
            for (item, secs) in items {
                live.apply(&event("ann", &format!("item{item}"), secs));
                let board = live.board.read();
                let mut all: Vec<_> =
                    board.trends.iter().map(|(item, trend)| (*trend, item.clone())).collect();
                all.sort_by(strongest_first);
                prop_assert!(all.len() <= trending_items.max(1));
                all.truncate(trending);
                prop_assert_eq!(&board.top, &all);
            }
        }
    }
}
