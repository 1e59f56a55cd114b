//! What happened, hour by hour: a consumer for whoever runs the shop.

use super::{Consumer, write_aside};
use crate::error::Fault;
use crate::event::{Action, Event};
use crate::file;
use crate::id::{ItemKey, UserKey};
use crate::live::Places;
use crate::store::Delivery;
use crate::time::Timestamp;
use async_trait::async_trait;
use parking_lot::Mutex;
use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Counts events, active users and popular items in tumbling windows of an hour, by the time at which events happened.
///
/// Cheap to clone: a clone reads what the one that is fed counts. All of it is in one file together with the places of
/// the log that it is of, so that every event counts once, whenever a process is killed.
///
/// Bounded: hours older than [`DAYS`](Self::DAYS) days before the latest are forgotten. Of an hour that lies a day back
/// the hundred most popular items stay, so that an event which comes later still counts, but not for another item. Of
/// one with more than [`MOST_ITEMS`](Self::MOST_ITEMS) items, the rarer half is forgotten each time there are so many.
/// Actions of your own past the first [`MOST_ACTIONS`](Self::MOST_ACTIONS) of an hour count as [`OTHER`](Self::OTHER).
#[derive(Clone, Debug)]
pub struct Analytics {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

/// The counts of some hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Activity {
    /// Events by action; those with rare names of your own together, where there are many such names.
    pub actions: BTreeMap<String, u64>,
    /// Users with an event: up to 1,024 exactly, of more within some 3 %.
    pub active_users: u64,
    /// The items with the most events of users who chose them, most first. What was merely shown is left out, and so is
    /// what was rejected or taken back.
    pub popular: Vec<(ItemKey, u64)>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    applied: Places,
    /// By hours since 1970.
    hours: BTreeMap<i64, Hour>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Hour {
    actions: BTreeMap<Action, u64>,
    users: Distinct,
    items: BTreeMap<ItemKey, u64>,
    /// Only the most popular items are left.
    is_closed: bool,
}

/// How many different users there were, by the smallest hashes (Bar-Yossef et al., RANDOM 2002).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Distinct(BTreeSet<u64>);

impl Distinct {
    const MOST: usize = 1_024;

    fn add(&mut self, user: &UserKey) {
        let mut hasher = FxHasher::default();
        user.as_str().hash(&mut hasher);
        self.insert(hasher.finish());
    }

    fn insert(&mut self, hash: u64) {
        if self.0.len() < Self::MOST || self.0.last().is_some_and(|largest| hash < *largest) {
            self.0.insert(hash);
            if self.0.len() > Self::MOST {
                self.0.pop_last();
            }
        }
    }

    fn count(&self) -> u64 {
        match self.0.last() {
            Some(&largest) if self.0.len() == Self::MOST => {
                ((Self::MOST - 1) as f64 / (largest as f64 / 2f64.powi(64))).round() as u64
            }
            _ => self.0.len() as u64,
        }
    }
}

impl Hour {
    const KEPT_ITEMS: usize = 100;

    fn add(&mut self, event: &Event) {
        self.count(&event.action);
        self.users.add(&event.user);
        if !chooses(event) {
            return;
        }
        match self.items.get_mut(&event.item) {
            Some(count) => *count += 1,
            None if self.is_closed => {}
            None => {
                self.items.insert(event.item.clone(), 1);
                if self.items.len() > Analytics::MOST_ITEMS {
                    self.keep_items(Analytics::MOST_ITEMS / 2);
                }
            }
        }
    }

    /// Counts an action under its name, as long as there is room for that.
    fn count(&mut self, action: &Action) {
        if let Some(count) = self.actions.get_mut(action) {
            *count += 1;
            return;
        }
        let n_own = self.actions.keys().filter(|action| is_own(action)).count();
        let has_room = !is_own(action) || n_own < Analytics::MOST_ACTIONS;
        let named = if has_room { action.clone() } else { Action::from(Analytics::OTHER) };
        *self.actions.entry(named).or_default() += 1;
    }

    /// Leaves the names of the most frequent actions, as many as an hour may have.
    fn bound_actions(&mut self) {
        let own = self.actions.iter().filter(|(action, _)| is_own(action));
        let mut own: Vec<(Action, u64)> = own.map(|(action, count)| (action.clone(), *count)).collect();
        own.sort_by_key(|(_, count)| Reverse(*count));
        for (action, count) in own.into_iter().skip(Analytics::MOST_ACTIONS) {
            self.actions.remove(&action);
            *self.actions.entry(Action::from(Analytics::OTHER)).or_default() += count;
        }
    }

    fn keep_items(&mut self, n: usize) {
        self.items = most_popular(&self.items, n).into_iter().collect();
    }

    fn close(&mut self) {
        self.keep_items(Self::KEPT_ITEMS);
        self.is_closed = true;
    }
}

/// Whether its user chose the item.
fn chooses(event: &Event) -> bool {
    let takes_back = event.value.is_some_and(|value| value < 0.0);
    !matches!(event.action, Action::Impression | Action::Exposure)
        && !event.action.is_rejection()
        && !takes_back
}

/// Whether the name is that of whoever sends events, one of any number.
fn is_own(action: &Action) -> bool {
    matches!(action, Action::Custom(name) if **name != *Analytics::OTHER)
}

/// Most events first; ties go to the smaller key.
fn most_popular(items: &BTreeMap<ItemKey, u64>, n: usize) -> Vec<(ItemKey, u64)> {
    let mut items: Vec<(&ItemKey, u64)> = items.iter().map(|(item, count)| (item, *count)).collect();
    items.sort_by_key(|(_, count)| Reverse(*count));
    items.into_iter().take(n).map(|(item, count)| (item.clone(), count)).collect()
}

impl State {
    const OPEN_HOURS: i64 = 24;

    fn add(&mut self, event: &Event) {
        let hour = hour_of(event.at);
        let latest = self.hours.last_key_value().map(|(hour, _)| *hour);
        if latest.is_some_and(|latest| hour <= latest - Analytics::HOURS) {
            return;
        }
        let is_closed = latest.is_some_and(|latest| hour <= latest - Self::OPEN_HOURS);
        self.hours.entry(hour).or_insert_with(|| Hour { is_closed, ..Hour::default() }).add(event);
        if latest.is_none_or(|latest| hour > latest) {
            self.hours = self.hours.split_off(&(hour - Analytics::HOURS + 1));
            let closing = self.hours.range_mut(..=hour - Self::OPEN_HOURS).map(|(_, hour)| hour);
            closing.filter(|hour| !hour.is_closed).for_each(Hour::close);
        }
    }
}

fn hour_of(at: Timestamp) -> i64 {
    at.millis().div_euclid(3_600_000)
}

impl Analytics {
    /// The name of its group in the log.
    pub const NAME: &str = "analytics";
    /// Days that are kept.
    pub const DAYS: i64 = 35;
    /// Names of actions of your own that an hour has at most, and as many has an answer.
    pub const MOST_ACTIONS: usize = 64;
    /// What all further actions count as.
    pub const OTHER: &str = "other";
    /// Items that an hour has at most.
    pub const MOST_ITEMS: usize = 10_000;

    const HOURS: i64 = 24 * Self::DAYS;

    /// Goes on with what is in a file, where there is one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is none of these: remove it to count the log from its beginning.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let remedy = "remove it to count the log from its beginning";
        let mut state = file::kept::<State>(&path, remedy)?.unwrap_or_default();
        // Earlier versions kept any number of names.
        state.hours.values_mut().for_each(Hour::bound_actions);
        Ok(Self { state: Arc::new(Mutex::new(state)), path })
    }

    /// The places of the log that are counted.
    pub fn counted(&self) -> Places {
        self.state.lock().applied.clone()
    }

    /// The `n_hours` hours up to and with that of `now`, the latest first: when each began, and what happened in it, with
    /// up to `n_items` items.
    pub fn hours(&self, now: Timestamp, n_hours: u32, n_items: usize) -> Vec<(Timestamp, Activity)> {
        let state = self.state.lock();
        let latest = hour_of(now);
        let hours = (latest - i64::from(n_hours) + 1..=latest).rev();
        let quiet = Hour::default();
        let activity = |hour: i64| {
            let began = Timestamp::from_millis(hour.saturating_mul(3_600_000));
            (began, state.hours.get(&hour).unwrap_or(&quiet).activity(n_items))
        };
        hours.map(activity).collect()
    }

    /// The same hours taken together.
    pub fn total(&self, now: Timestamp, n_hours: u32, n_items: usize) -> Activity {
        let state = self.state.lock();
        let latest = hour_of(now);
        let mut total = Hour::default();
        for (_, hour) in state.hours.range(latest - i64::from(n_hours) + 1..=latest) {
            hour.actions
                .iter()
                .for_each(|(action, n)| *total.actions.entry(action.clone()).or_default() += n);
            hour.items.iter().for_each(|(item, n)| *total.items.entry(item.clone()).or_default() += n);
            hour.users.0.iter().for_each(|hash| total.users.insert(*hash));
        }
        total.bound_actions();
        total.activity(n_items)
    }
}

impl Hour {
    fn activity(&self, n_items: usize) -> Activity {
        Activity {
            actions: self.actions.iter().map(|(action, n_events)| (action.to_string(), *n_events)).collect(),
            active_users: self.users.count(),
            popular: most_popular(&self.items, n_items),
        }
    }
}

#[async_trait]
impl Consumer for Analytics {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        let mut state = self.state.lock();
        for Delivery { place, event } in deliveries {
            if state.applied.insert(*place) {
                state.add(event);
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let this = self.clone();
        write_aside(Self::NAME, move || file::keep(&this.path, &*this.state.lock())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::store::Place;
    use proptest::prelude::*;
    use std::fs;

    const HOUR: i64 = 3_600;

    fn delivery(offset: u64, user: u64, item: &str, action: Action, secs: i64) -> Delivery {
        let event = Event {
            id: EventId(offset.into()),
            user: format!("user{user}").into(),
            item: item.into(),
            action,
            value: None,
            at: Timestamp::from_secs(secs),
            details: None,
        };
        Delivery { place: Place { partition: 0, offset }, event }
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    fn nowhere() -> (tempfile::TempDir, Analytics) {
        let folder = tempfile::tempdir().unwrap();
        let analytics = Analytics::open(folder.path().join("analytics")).unwrap();
        (folder, analytics)
    }

    #[test]
    fn hours_tell_who_did_what() {
        let (_folder, mut analytics) = nowhere();
        let events = [
            delivery(0, 1, "tea", Action::View, 100 * HOUR),
            delivery(1, 2, "tea", Action::Purchase, 100 * HOUR + 7),
            delivery(2, 1, "jam", Action::View, 100 * HOUR + 9),
            delivery(3, 1, "jam", Action::Impression, 100 * HOUR + 9),
            delivery(4, 3, "jam", Action::View, 101 * HOUR),
        ];
        block_on(analytics.take(&events)).unwrap();
        let now = Timestamp::from_secs(101 * HOUR + 5);
        let hours = analytics.hours(now, 3, 1);
        assert_eq!(hours[0].0, Timestamp::from_secs(101 * HOUR));
        let counts = |hour: &Activity| (hour.actions.values().sum::<u64>(), hour.active_users);
        assert_eq!(hours.iter().map(|(_, hour)| counts(hour)).collect::<Vec<_>>(), [(1, 1), (4, 2), (0, 0)]);
        assert_eq!(hours[1].1.popular, [("tea".into(), 2)]);
        let total = analytics.total(now, 2, 9);
        assert_eq!((counts(&total), total.actions["view"]), ((5, 3), 3));
        assert_eq!(total.popular, [("jam".into(), 2), ("tea".into(), 2)]);
    }

    #[test]
    fn what_was_rejected_or_taken_back_is_not_popular() {
        let (_folder, mut analytics) = nowhere();
        let mut taken_back = delivery(2, 1, "jam", Action::Purchase, HOUR);
        taken_back.event.value = Some(-1.0);
        let events = [
            delivery(0, 1, "tea", Action::Hide, HOUR),
            delivery(1, 1, "tea", Action::Dislike, HOUR),
            taken_back,
            delivery(3, 1, "bun", Action::Like, HOUR),
        ];
        block_on(analytics.take(&events)).unwrap();
        let total = analytics.total(Timestamp::from_secs(HOUR), 1, 9);
        assert_eq!(total.popular, [("bun".into(), 1)]);
        assert_eq!(total.actions.values().sum::<u64>(), 4, "they happened nevertheless");
    }

    #[test]
    fn names_of_actions_are_bounded_and_all_events_count() {
        let (_folder, mut analytics) = nowhere();
        let named = |n: u64| delivery(n, 1, "tea", Action::from(&*format!("a{n}")), n as i64 % 2 * HOUR);
        let mut events: Vec<Delivery> = (0..1_000).map(named).collect();
        // A name of ours always has room, and so has a frequent one in the answer.
        events.push(delivery(1_000, 1, "tea", Action::Purchase, HOUR));
        events.push(delivery(1_001, 1, "tea", Action::from("a127"), HOUR));
        block_on(analytics.take(&events)).unwrap();
        let now = Timestamp::from_secs(HOUR);
        let total = analytics.total(now, 2, 1);
        let hours = analytics.hours(now, 2, 1).into_iter().map(|(_, hour)| hour);
        for activity in hours.chain([total.clone()]) {
            assert!(activity.actions.len() <= Analytics::MOST_ACTIONS + 2, "{}", activity.actions.len());
        }
        assert_eq!(total.actions.values().sum::<u64>(), 1_002);
        assert_eq!((total.actions["purchase"], total.actions["a127"]), (1, 2));
        let n_named = Analytics::MOST_ACTIONS as u64 + 2;
        assert_eq!(total.actions[Analytics::OTHER], 1_002 - n_named);
    }

    #[test]
    fn items_of_an_hour_are_bounded_and_popular_ones_stay() {
        let (_folder, mut analytics) = nowhere();
        let n_items = 3 * Analytics::MOST_ITEMS as u64;
        let view = |n: u64| {
            let item = if n.is_multiple_of(10) { "tea".to_owned() } else { format!("item{n}") };
            delivery(n, 1, &item, Action::View, HOUR)
        };
        block_on(analytics.take(&(0..n_items).map(view).collect::<Vec<_>>())).unwrap();
        let state = analytics.state.lock();
        assert!(state.hours[&1].items.len() <= Analytics::MOST_ITEMS);
        assert_eq!(state.hours[&1].items["tea"], n_items / 10);
    }

    #[test]
    fn many_users_are_counted_nearly() {
        for n_users in [1_000, 5_000, 100_000] {
            let mut users = Distinct::default();
            (0..n_users).for_each(|user| users.add(&format!("user{user}").into()));
            let share = users.count() as f64 / f64::from(n_users);
            assert!((share - 1.0).abs() < 0.1, "{n_users} users seemed {}", users.count());
        }
    }

    #[test]
    fn old_hours_keep_little_and_then_nothing() {
        let (_folder, mut analytics) = nowhere();
        let of_hour = |hour: i64| {
            let item = move |n: i64| {
                delivery((hour * 1_000 + n) as u64, 1, &format!("item{n}"), Action::View, hour * HOUR)
            };
            (0..200).map(item).collect::<Vec<_>>()
        };
        for hour in [10, 11, 10 + Analytics::HOURS] {
            block_on(analytics.take(&of_hour(hour))).unwrap();
        }
        let late = delivery(1, 2, "item0", Action::View, 11 * HOUR);
        block_on(analytics.take(&[late, delivery(2, 2, "other", Action::View, 10 * HOUR)])).unwrap();
        let now = Timestamp::from_secs((10 + Analytics::HOURS) * HOUR);
        let hours = analytics.hours(now, Analytics::HOURS as u32 + 1, 1_000);
        let sizes = hours.iter().map(|(_, hour)| hour.popular.len()).filter(|n_items| *n_items > 0);
        assert_eq!(sizes.collect::<Vec<_>>(), [200, 100], "the latest, and what is left of hour 11");
        assert_eq!(
            hours[Analytics::HOURS as usize - 1].1.popular[0],
            ("item0".into(), 2),
            "a late one counts"
        );
    }

    #[test]
    fn a_file_that_is_damaged_is_refused_by_name() {
        let (folder, mut analytics) = nowhere();
        block_on(async {
            analytics.take(&[delivery(0, 1, "tea", Action::View, 7)]).await.unwrap();
            analytics.flush().await.unwrap();
        });
        let path = folder.path().join("analytics");
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(
                Analytics::open(&path)
                    .unwrap_err()
                    .to_string()
                    .contains("analytics: is not what was written")
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn what_comes_again_after_a_kill_counts_once(
            rows in prop::collection::vec((0..5u64, 0..5u8, 0..100 * HOUR), 1..60),
            flushed in any::<prop::sample::Index>(),
        ) {
            let event = |(offset, (user, item, secs)): (u64, &(u64, u8, i64))| {
                delivery(offset, *user, &format!("item{item}"), Action::View, *secs)
            };
            let events: Vec<Delivery> = (0..).zip(&rows).map(event).collect();
            let (folder, mut analytics) = nowhere();
            let (before, after) = events.split_at(flushed.index(events.len()));
            block_on(async {
                analytics.take(before).await.unwrap();
                analytics.flush().await.unwrap();
                analytics.take(after).await.unwrap();
            });
            let mut next = Analytics::open(folder.path().join("analytics")).unwrap();
            block_on(next.take(&events)).unwrap();
            prop_assert_eq!(&next.state.lock().hours, &analytics.state.lock().hours);
        }
    }
}
