//! What happened, hour by hour: a consumer for whoever runs the shop.

use super::Consumer;
use crate::error::{Fault, FaultKind};
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
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Counts events, active users and popular items in tumbling windows of an hour, by the time at which events happened.
///
/// Cheap to clone: a clone reads what the one that is fed counts. All of it is in one file together with the places of
/// the log that it is of, so that every event counts once, whenever a process is killed.
///
/// Bounded: hours older than [`DAYS`](Self::DAYS) days before the latest are forgotten. Of an hour that lies a day back
/// the hundred most popular items stay, so that an event which comes later still counts, but not for another item.
#[derive(Clone, Debug)]
pub struct Analytics {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

/// The counts of some hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Activity {
    /// Events by action.
    pub actions: BTreeMap<String, u64>,
    /// Users with an event: up to 1,024 exactly, of more within some 3 %.
    pub active_users: u64,
    /// The items with the most events of users who chose them, most first; what was merely shown is left out.
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
        *self.actions.entry(event.action.clone()).or_default() += 1;
        self.users.add(&event.user);
        if event.action == Action::Impression {
            return;
        }
        match self.items.get_mut(&event.item) {
            Some(count) => *count += 1,
            None if self.is_closed => {}
            None => {
                self.items.insert(event.item.clone(), 1);
            }
        }
    }

    fn close(&mut self) {
        self.items = most_popular(&self.items, Self::KEPT_ITEMS).into_iter().collect();
        self.is_closed = true;
    }
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

    const HOURS: i64 = 24 * Self::DAYS;

    /// Goes on with what is in a file, where there is one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is none of these: remove it to count the log from its beginning.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let state = match fs::read(&path) {
            Ok(bytes) => read(&path, &bytes)?,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => State::default(),
            Err(cause) => return Err(io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))),
        };
        Ok(Self { state: Arc::new(Mutex::new(state)), path })
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

fn read(path: &Path, bytes: &[u8]) -> io::Result<State> {
    let wrong = |problem: String| {
        let problem = format!("{}: {problem}; remove it to count the log from its beginning", path.display());
        io::Error::new(io::ErrorKind::InvalidData, problem)
    };
    let (sum, state) = bytes.split_first_chunk::<4>().ok_or_else(|| wrong("ends too early".to_owned()))?;
    if crc32fast::hash(state) != u32::from_le_bytes(*sum) {
        return Err(wrong("is not what was written: its checksum differs".to_owned()));
    }
    postcard::from_bytes(state).map_err(|cause| wrong(format!("cannot be understood: {cause}")))
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
        let written = tokio::task::spawn_blocking(move || this.write()).await;
        let fault = |kind, cause: String| Fault::new(Self::NAME, kind).because(cause);
        written
            .map_err(|cause| fault(FaultKind::Internal, cause.to_string()))?
            .map_err(|cause| fault(FaultKind::Unavailable, cause.to_string()))
    }
}

impl Analytics {
    fn write(&self) -> io::Result<()> {
        let bytes = postcard::to_allocvec(&*self.state.lock()).map_err(io::Error::other)?;
        file::replace_through(&self.path.with_extension("unfinished"), &self.path, |file| {
            io::Write::write_all(file, &crc32fast::hash(&bytes).to_le_bytes())?;
            io::Write::write_all(file, &bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::store::Place;
    use proptest::prelude::*;

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
