//! What changes by the second: each user's latest events and what is trending now.

mod board;
mod checkpoint;
mod launches;
mod newcomers;
mod outcomes;
mod places;
mod takers;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use places::Places;
pub(crate) use takers::Takers;

use crate::error::Fault;
use crate::event::{ActionWeights, Event, Verdict};
use crate::features::{FeatureSource, UserFeatures};
use crate::id::{ItemId, ItemKey, UserKey};
use crate::launch::Counts;
use crate::snapshot::Snapshot;
use crate::store::Place;
use crate::time::{Budget, Timestamp};
use crate::trend::Trend;
use async_trait::async_trait;
use board::Board;
use launches::Launches;
use newcomers::Newcomers;
use outcomes::Outcomes;
use parking_lot::{Mutex, RwLock};
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

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
    /// Locked while events are taken in.
    applied: Mutex<Places>,
    shards: Vec<Mutex<Shard>>,
    board: RwLock<Board>,
    newcomers: Newcomers,
    launches: Launches,
    outcomes: Outcomes,
    /// Milliseconds of the latest event.
    latest: AtomicI64,
    weights: ActionWeights,
    limits: LiveLimits,
}

type Shard = FxHashMap<UserKey, Arc<UserFeatures>>;

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
            applied: Mutex::default(),
            shards,
            board: RwLock::new(Board::new(half_life_days)),
            newcomers: Newcomers::default(),
            launches: Launches::default(),
            outcomes: Outcomes::default(),
            latest: AtomicI64::new(i64::MIN),
            weights,
            limits,
        }
    }

    /// How events are weighed.
    pub fn weights(&self) -> &ActionWeights {
        &self.weights
    }

    /// Half-life of trends, in days.
    pub fn half_life_days(&self) -> f64 {
        self.board.read().half_life_days()
    }

    /// Takes in an event of which no place is known; the next request sees it. One that is part of no history, as what
    /// was merely shown, is passed over, so that it drives out nothing that is.
    pub fn apply(&self, event: &Event) {
        let _applying = self.applied.lock();
        // Behind all that happened at the same moment, in the order of their coming.
        self.take(event, u64::MAX, None);
    }

    /// Takes in events that are kept in a log, but for those of places that were taken in before. `category` tells that
    /// of an item, `is_new` whether models lack factors for it; items for which such are to be made are returned.
    pub(crate) fn apply_kept<'a, 'c>(
        &self,
        events: impl IntoIterator<Item = (Place, &'a Event)>,
        category: impl Fn(&ItemKey) -> Option<&'c str>,
        is_new: impl Fn(&ItemKey) -> bool,
    ) -> BTreeSet<ItemKey> {
        let mut unfolded = BTreeSet::new();
        // Held for all of them, so that a checkpoint holds what it says it does.
        let mut applied = self.applied.lock();
        for (place, event) in events {
            if !applied.insert(place) {
                continue;
            }
            let is_first = self.take(event, place.offset, category(&event.item));
            if is_first {
                self.launches.note(event);
                self.outcomes.note(event);
            }
            if is_first && is_new(&event.item) && self.newcomers.note(event, self.verdict(event)) {
                unfolded.insert(event.item.clone());
            }
        }
        unfolded
    }

    /// Takes in an event and says whether it was new.
    fn take(&self, event: &Event, offset: u64, category: Option<&str>) -> bool {
        self.latest.fetch_max(event.at.millis(), Ordering::Relaxed);
        let verdict = self.verdict(event);
        if !verdict.is_remembered(&event.action) {
            return true;
        }
        if !self.remember(event, offset, category) {
            return false;
        }
        let weight = verdict.weight();
        if weight > 0.0 {
            self.board.write().add(&event.item, weight, event.at, &self.limits);
        }
        true
    }

    fn verdict(&self, event: &Event) -> Verdict {
        self.weights.verdict(&event.action, event.value)
    }

    /// The places of a log of which everything was taken in.
    pub fn applied(&self) -> Places {
        self.applied.lock().clone()
    }

    /// Takes note of offsets of a partition that are no event's, or of events that cannot be read: they are not waited for.
    pub fn pass_over(&self, partition: u32, offsets: Range<u64>) {
        self.applied.lock().insert_range(partition, offsets.start, offsets.end);
    }

    /// When the latest event happened, of whatever kind; `None` before the first.
    pub fn latest(&self) -> Option<Timestamp> {
        let latest = self.latest.load(Ordering::Relaxed);
        (latest > i64::MIN).then(|| Timestamp::from_millis(latest))
    }

    /// What is known of a user; `None` of one without events.
    pub fn features_of(&self, user: &UserKey) -> Option<Arc<UserFeatures>> {
        self.shard(user).lock().get(user).cloned()
    }

    /// Forgets everything about a user and says whether there was anything.
    pub fn forget(&self, user: &UserKey) -> bool {
        self.newcomers.forget(user);
        self.shard(user).lock().remove(user).is_some()
    }

    /// Makes factors of all who took an item that training did not see.
    pub(crate) fn refold(
        &self,
        item: &ItemKey,
        fold: impl FnOnce(&Takers) -> (Arc<Snapshot>, Option<Arc<[f32]>>),
    ) {
        self.newcomers.refold(item, fold);
    }

    /// Fits itself to another snapshot: makes factors anew of the items that are new to it, and lets trends begin where
    /// its own end.
    pub(crate) fn move_to(
        &self,
        snapshot: &Arc<Snapshot>,
        is_new: impl Fn(&ItemKey) -> bool,
        fold: impl Fn(&Takers) -> Option<Arc<[f32]>>,
    ) {
        self.board.write().count_since(snapshot.data_until, &self.limits);
        self.newcomers.move_to(snapshot, is_new, fold);
    }

    /// Begins to count who is shown an item that is new to the catalogue, and who clicks.
    pub fn introduce(&self, item: &ItemKey) {
        self.launches.introduce(item);
    }

    /// Items that are new to the catalogue, with what came of showing them so far, by item.
    pub fn launches(&self) -> Vec<(ItemKey, Counts)> {
        self.launches.all()
    }

    /// How often an item was shown and clicked, by the events of the log.
    pub fn outcome(&self, item: &ItemKey) -> Counts {
        self.outcomes.of(item)
    }

    /// Ends the launch of items that are new no more.
    pub(crate) fn keep_launches(&self, is_new: impl Fn(&ItemKey) -> bool) {
        self.launches.keep(is_new);
    }

    /// Lets what was made for a snapshot count for one that has more items and the same models.
    pub(crate) fn carry(&self, from: &Arc<Snapshot>, to: &Arc<Snapshot>) {
        self.newcomers.carry(from, to);
    }

    /// Items that training did not see, with factors that fit the models of `snapshot`, by id.
    pub(crate) fn newcomers(&self, snapshot: &Arc<Snapshot>) -> Vec<(ItemId, Arc<[f32]>)> {
        self.newcomers.of(snapshot)
    }

    /// The strongest trends, strongest first.
    pub fn trending(&self) -> Vec<(Trend, ItemKey)> {
        self.board.read().top().to_vec()
    }

    /// The trend that live events alone give an item.
    pub fn trend(&self, item: &str) -> Trend {
        self.board.read().of(item)
    }

    /// Adds to what is known of the event's user and says whether it was new.
    fn remember(&self, event: &Event, offset: u64, category: Option<&str>) -> bool {
        let mut shard = self.shard(&event.user).lock();
        if shard.len() >= (self.limits.users / Self::SHARDS).max(1) && !shard.contains_key(&event.user) {
            forget_the_quietest(&mut shard);
        }
        let features = shard.entry(event.user.clone()).or_default();
        // Whoever reads it now, for a page or a checkpoint, goes on reading what was.
        Arc::make_mut(features).add(event, offset, category, self.limits.events_per_user)
    }

    fn shard(&self, user: &UserKey) -> &Mutex<Shard> {
        // The high bits of this hash are the well mixed ones.
        &self.shards[(FxBuildHasher.hash_one(user) >> 32) as usize % Self::SHARDS]
    }
}

/// Drops a tenth of the shard at once, so that the scan is paid rarely.
fn forget_the_quietest(shard: &mut Shard) {
    let latest = |features: &UserFeatures| features.recent().last().map(|event| event.at);
    let latest = shard.iter().map(|(user, features)| (latest(features), user.clone()));
    for (_, user) in lowest_tenth(latest.collect(), Ord::cmp) {
        shard.remove(&user);
    }
}

/// The lowest tenth of `rows`, at least one, in no particular order. `order` must be total, so that
/// what is chosen does not depend on the order of the rows.
fn lowest_tenth<T>(mut rows: Vec<T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> Vec<T> {
    let n_lowest = rows.len().div_ceil(10);
    if n_lowest < rows.len() {
        rows.select_nth_unstable_by(n_lowest, order);
        rows.truncate(n_lowest);
    }
    rows
}

/// The embedded feature source: this process's own live layer.
#[async_trait]
impl FeatureSource for Live {
    fn name(&self) -> &'static str {
        "live"
    }

    async fn user(&self, user: &UserKey, _: &Budget) -> Result<Option<Arc<UserFeatures>>, Fault> {
        Ok(self.features_of(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, EventId};
    use proptest::prelude::*;

    fn event(user: &str, item: &str, secs: i64) -> Event {
        Event {
            id: EventId(rustc_hash::FxBuildHasher.hash_one((user, item, secs)).into()),
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

    fn items(live: &Live, user: &str) -> Vec<String> {
        let features = live.features_of(&user.into()).unwrap_or_default();
        features.recent().iter().map(|event| event.item.to_string()).collect()
    }

    #[test]
    fn late_events_find_their_place_and_the_oldest_leave() {
        let live = live(LiveLimits { events_per_user: 2, ..LiveLimits::default() });
        for (item, secs) in [("b", 20), ("a", 10), ("c", 30)] {
            live.apply(&event("ann", item, secs));
        }
        assert_eq!(items(&live, "ann"), ["b", "c"]);
        assert!(live.forget(&"ann".into()) && live.features_of(&"ann".into()).is_none());
    }

    #[test]
    fn what_was_shown_drives_out_nothing() {
        let live = live(LiveLimits { events_per_user: 2, ..LiveLimits::default() });
        live.apply(&event("ann", "tea", 10));
        for secs in 11..15 {
            live.apply(&Event { action: Action::Impression, ..event("ann", "jam", secs) });
        }
        assert_eq!(items(&live, "ann"), ["tea"]);
        assert_eq!(live.latest(), Some(Timestamp::from_secs(14)), "but it happened");
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
        assert!(live.features_of(&"user4999".into()).is_some(), "the latest stays");
    }

    #[test]
    fn of_users_quiet_for_equally_long_few_are_forgotten() {
        let live = live(LiveLimits { users: 6_400, ..LiveLimits::default() });
        (0..20_000).for_each(|i| live.apply(&event(&format!("user{i}"), "tea", 7)));
        let smallest = live.shards.iter().map(|shard| shard.lock().len()).min();
        assert!(smallest >= Some(90), "a shard of 100 fell to {smallest:?}");
    }

    fn kept(events: &[Event]) -> Vec<(Place, &Event)> {
        (0..).zip(events).map(|(offset, event)| (Place { partition: 0, offset }, event)).collect()
    }

    fn apply(live: &Live, events: &[(Place, &Event)]) {
        let category =
            |item: &ItemKey| ["tea", "jam"].into_iter().find(|category| item.as_str().contains(category));
        live.apply_kept(events.iter().copied(), category, |item| item.as_str().contains("new"));
    }

    fn bytes(live: &Live) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live");
        live.checkpoint().write(&path).unwrap();
        std::fs::read(path).unwrap()
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let actions = [Action::View, Action::Purchase, Action::Hide, Action::Impression, "tasted".into()];
        let action = prop::sample::select(actions.to_vec());
        let item = prop::sample::select(vec!["tea", "jam", "tea new", "new", "other"]);
        let row = (0..4u8, item, action, prop::option::of(-1.0f32..4.0), 0..3_000_000i64);
        prop::collection::vec(row, 1..80).prop_map(|rows| {
            let event = |(id, (user, item, action, value, secs))| Event {
                id: EventId(id),
                action,
                value,
                ..event(&format!("user{user}"), item, secs)
            };
            (0..).zip(rows).map(event).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn the_same_events_give_the_same_bytes_in_whatever_order_and_however_often(
            (events, order) in events().prop_flat_map(|events| {
                let order = Just((0..events.len()).collect::<Vec<_>>()).prop_shuffle();
                (Just(events), order)
            }),
            suffix in any::<prop::sample::Index>(),
        ) {
            let kept = kept(&events);
            let (in_turn, shuffled) = (live(LiveLimits::default()), live(LiveLimits::default()));
            apply(&in_turn, &kept);
            let expected = bytes(&in_turn);
            order.iter().for_each(|&row| apply(&shuffled, &kept[row..=row]));
            prop_assert_eq!(&bytes(&shuffled), &expected);
            apply(&in_turn, &kept[suffix.index(kept.len())..]);
            prop_assert_eq!(&bytes(&in_turn), &expected, "a replay changes nothing");
        }

        #[test]
        fn a_checkpoint_is_gone_on_from_as_if_nothing_had_been(
            events in events(),
            at in any::<prop::sample::Index>(),
        ) {
            let kept = kept(&events);
            let (before, after) = kept.split_at(at.index(kept.len()));
            let whole = live(LiveLimits::default());
            apply(&whole, before);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("live");
            whole.checkpoint().write(&path).unwrap();
            let resume = || Live::resume(&path, ActionWeights::default(), 7.0, LiveLimits::default());
            let resumed = resume().unwrap().unwrap();
            prop_assert_eq!(resumed.applied().next(0, 0), before.len() as u64);
            apply(&whole, after);
            apply(&resumed, &kept);
            prop_assert_eq!(bytes(&resumed), bytes(&whole));
            prop_assert_eq!((resumed.trending(), resumed.latest()), (whole.trending(), whole.latest()));
            prop_assert_eq!(resumed.features_of(&"user1".into()), whole.features_of(&"user1".into()));
        }
    }

    #[test]
    fn a_checkpoint_that_does_not_fit_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live");
        let resume = |weights, half_life| Live::resume(&path, weights, half_life, LiveLimits::default());
        assert!(resume(ActionWeights::default(), 7.0).unwrap().is_none(), "there is none");
        let live = live(LiveLimits::default());
        live.apply(&event("ann", "tea", 7));
        live.checkpoint().write(&path).unwrap();
        let refused = |half_life| resume(ActionWeights::default(), half_life).unwrap_err().to_string();
        assert!(refused(8.0).contains("another half-life"), "{}", refused(8.0));
        let whole = std::fs::read(&path).unwrap();
        for place in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[place] ^= 4;
            std::fs::write(&path, damaged).unwrap();
            assert!(refused(7.0).contains("live: "), "byte {place}: {}", refused(7.0));
            std::fs::write(&path, &whole[..place]).unwrap();
            assert!(refused(7.0).contains("live: "), "cut at {place}");
        }
    }
}
