//! What is known of a user by their latest events, and where that comes from.

mod catch_up;
mod days;
mod document;
mod record;
mod session;
mod stored;
mod taken;

pub(crate) use days::Days;
pub use days::Window;
pub use document::UserDocument;
pub use record::{FeatureRules, UserRecord};
pub use session::Session;
pub use stored::StoredError;
pub use taken::TakenEvents;

use crate::error::Fault;
use crate::event::{Action, Event, EventId};
use crate::id::{ItemKey, UserKey};
use crate::time::{Budget, Timestamp};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::sync::Arc;

/// An event as the request path reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentEvent {
    /// The event's own id.
    pub id: EventId,
    /// Orders events of the same moment: the offset at which the log keeps it.
    pub offset: u64,
    /// On what.
    pub item: ItemKey,
    /// What.
    pub action: Action,
    /// Rating, quantity or amount.
    pub value: Option<f32>,
    /// When.
    pub at: Timestamp,
}

impl RecentEvent {
    /// An event that is kept at an offset of its log.
    pub fn new(event: &Event, offset: u64) -> Self {
        let Event { id, item, action, value, at, .. } = event;
        Self { id: *id, offset, item: item.clone(), action: action.clone(), value: *value, at: *at }
    }
}

/// What is known about one user beyond the snapshot.
///
/// It follows from which events there were, not from the order in which they came: a late one finds its place among
/// the latest, counts, counts for its own day, and changes nothing else. An event that is still among the latest
/// counts once, however often it comes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserFeatures {
    /// Oldest first.
    pub(crate) recent: Vec<RecentEvent>,
    /// By action.
    pub(crate) actions: Vec<(Action, Tally)>,
    /// By category.
    pub(crate) categories: Vec<(Arc<str>, u64)>,
    pub(crate) days: Days,
}

/// How many events there were, and when the last one happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events.
    pub count: u64,
    /// When the last of them happened.
    pub last: Timestamp,
}

impl UserFeatures {
    /// Actions and categories that are counted by name, the first by the alphabet; others are counted by their day alone.
    const MOST_NAMES: usize = 64;

    /// What events on items of unknown categories come to, in the order of their arrival; all of them are among the
    /// latest.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut features = Self::default();
        for (offset, event) in (0..).zip(events) {
            features.add(event, offset, None, usize::MAX);
        }
        features
    }

    /// Takes in an event that is kept at an offset of its log, on an item of `category`, and says whether it was new.
    /// Of the latest events, `most_recent` stay.
    pub fn add(&mut self, event: &Event, offset: u64, category: Option<&str>, most_recent: usize) -> bool {
        if self.recent.iter().any(|known| known.id == event.id) {
            return false;
        }
        let event = RecentEvent::new(event, offset);
        self.count(&event);
        if let Some(category) = category
            && let Some(count) = entry(&mut self.categories, category, |name| name.into())
        {
            *count += 1;
        }
        let place = self.place(&event);
        if place > 0 || self.recent.len() < most_recent {
            self.recent.insert(place, event);
            let surplus = self.recent.len().saturating_sub(most_recent);
            self.recent.drain(..surplus);
        }
        true
    }

    /// Where an event belongs among the latest.
    fn place(&self, event: &RecentEvent) -> usize {
        self.recent.partition_point(|known| (known.at, known.offset) <= (event.at, event.offset))
    }

    /// Counts an event by its action and by its day.
    fn count(&mut self, event: &RecentEvent) {
        if let Some(tally) = entry(&mut self.actions, &event.action, Action::clone) {
            tally.count += 1;
            tally.last = tally.last.max(event.at);
        }
        self.days.add(event.at, event.value);
    }

    /// Roughly its bytes in memory.
    pub(crate) fn weight(&self) -> usize {
        512 + 96 * self.recent.len() + 48 * (self.actions.len() + self.categories.len())
    }

    /// The latest events, oldest first.
    pub fn recent(&self) -> &[RecentEvent] {
        &self.recent
    }

    /// How often they did what, by action.
    pub fn actions(&self) -> &[(Action, Tally)] {
        &self.actions
    }

    /// Events on items of each category, by category.
    pub fn categories(&self) -> &[(Arc<str>, u64)] {
        &self.categories
    }

    /// Events of all named actions.
    pub fn interactions(&self) -> u64 {
        self.actions.iter().map(|(_, tally)| tally.count).sum()
    }

    /// Events of the last `days` days before `now`, whole days in UTC, that of `now` included; of up to
    /// [`DAYS`](Self::DAYS) days before the latest event.
    pub fn window(&self, days: u16, now: Timestamp) -> Window {
        self.days.window(days, now)
    }

    /// Events a day of the last week by those of the last four: 1 for a steady user, 0 for one who stopped, 4 for
    /// one who has just begun. `None` of nothing.
    pub fn trend(&self, now: Timestamp) -> Option<f32> {
        let (week, month) = (self.window(7, now).events as f32, self.window(28, now).events as f32);
        (month > 0.0).then(|| week * 4.0 / month)
    }

    /// The visit that is running at `now`: the latest events between which no pause was longer than
    /// [`Session::GAP`], and since the last of which it was not longer, either.
    pub fn session(&self, now: Timestamp) -> Option<Session> {
        Session::running(&self.recent, now)
    }

    /// Days before the latest event that windows can reach back to.
    pub const DAYS: u16 = days::KEPT;
}

/// The value of a name in a list by name. In a full list the first names stay, by the alphabet: so which they are, and what they
/// count, does not depend on the order in which they came.
fn entry<'a, K, Q: Ord + ?Sized, V: Default>(
    list: &'a mut Vec<(K, V)>,
    name: &Q,
    own: impl FnOnce(&Q) -> K,
) -> Option<&'a mut V>
where
    K: Ord + std::borrow::Borrow<Q>,
{
    let place = match list.binary_search_by(|(known, _)| known.borrow().cmp(name)) {
        Ok(place) => place,
        Err(UserFeatures::MOST_NAMES..) => return None,
        Err(place) => {
            list.insert(place, (own(name), V::default()));
            list.truncate(UserFeatures::MOST_NAMES);
            place
        }
    };
    list.get_mut(place).map(|(_, value)| value)
}

/// Where user features come from. Asynchronous: in a fleet it is a store on another machine.
/// [`Live`](crate::live::Live) is one.
///
/// ```
/// use async_trait::async_trait;
/// use reco_core::error::Fault;
/// use reco_core::features::{FeatureSource, UserFeatures};
/// use reco_core::id::UserKey;
/// use reco_core::time::Budget;
/// use std::sync::Arc;
///
/// /// Everybody is new.
/// #[derive(Debug)]
/// struct Nobody;
///
/// #[async_trait]
/// impl FeatureSource for Nobody {
///     fn name(&self) -> &str {
///         "nobody"
///     }
///     async fn user(&self, _: &UserKey, _: &Budget) -> Result<Option<Arc<UserFeatures>>, Fault> {
///         Ok(None)
///     }
/// }
/// ```
#[async_trait]
pub trait FeatureSource: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics, faults and configuration.
    fn name(&self) -> &str;

    /// Features of `user`; `Ok(None)` for a user never seen.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the source cannot answer; the request goes on without features.
    async fn user(&self, user: &UserKey, budget: &Budget) -> Result<Option<Arc<UserFeatures>>, Fault>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400;

    fn event(id: u64, secs: i64) -> Event {
        let action = if id.is_multiple_of(3) { Action::Purchase } else { Action::View };
        Event {
            id: EventId(id.into()),
            user: "ann".into(),
            item: format!("item{}", id % 5).into(),
            action,
            value: id.is_multiple_of(2).then_some(id as f32 / 4.0),
            at: Timestamp::from_secs(secs),
            details: None,
        }
    }

    fn add_all<'a>(events: impl IntoIterator<Item = &'a Event>, most_recent: usize) -> UserFeatures {
        let mut features = UserFeatures::default();
        for event in events {
            let category = ["tea", "jam"].get(event.id.0 as usize % 3).copied();
            features.add(event, event.id.0 as u64, category, most_recent);
        }
        features
    }

    #[test]
    fn what_was_done_is_counted() {
        let now = Timestamp::from_secs(40 * DAY);
        let events =
            [event(0, 39 * DAY), event(3, 33 * DAY - 1), event(1, 39 * DAY + 60), event(2, 20 * DAY)];
        let features = add_all(&events, 3);
        let recent: Vec<u128> = features.recent().iter().map(|event| event.id.0).collect();
        assert_eq!(recent, [3, 0, 1], "the oldest has left");
        assert_eq!(features.interactions(), 4, "but it counts");
        let last = |secs| Timestamp::from_secs(secs);
        assert_eq!(
            features.actions(),
            [
                (Action::View, Tally { count: 2, last: last(39 * DAY + 60) }),
                (Action::Purchase, Tally { count: 2, last: last(39 * DAY) }),
            ]
        );
        assert_eq!(features.categories(), [("jam".into(), 1), ("tea".into(), 2)]);
        let (week, month) = (features.window(7, now), features.window(28, now));
        assert_eq!((week.events, week.mean_value), (2, Some(0.0)));
        assert_eq!((month.events, month.mean_value), (4, Some(0.25)));
        assert_eq!(features.trend(now), Some(2.0));
        assert_eq!(features.trend(Timestamp::from_secs(80 * DAY)), None, "of nothing");
    }

    #[test]
    fn names_are_bounded() {
        let mut features = UserFeatures::default();
        for id in 0..1_000 {
            let action = Action::from(format!("action{id}"));
            features.add(&Event { action, ..event(id, 0) }, id, Some(&format!("category{id}")), 10);
        }
        assert_eq!((features.actions().len(), features.categories().len()), (64, 64));
        let mut backwards = UserFeatures::default();
        for id in (0..1_000).rev() {
            let action = Action::from(format!("action{id}"));
            backwards.add(&Event { action, ..event(id, 0) }, id, Some(&format!("category{id}")), 10);
        }
        assert_eq!(
            (backwards.actions(), backwards.categories()),
            (features.actions(), features.categories())
        );
        assert_eq!(features.window(1, Timestamp::from_secs(0)).events, 1_000);
    }

    proptest! {
        #[test]
        fn neither_order_nor_repetition_changes_anything(
            order in Just((0..60u64).collect::<Vec<_>>()).prop_shuffle(),
            times in prop::collection::vec(0..60 * DAY, 60),
            repeated in prop::collection::vec(0..60usize, 0..20),
        ) {
            let events: Vec<Event> = (0..60).zip(&times).map(|(id, &secs)| event(id, secs)).collect();
            let shuffled: Vec<&Event> = order.iter().map(|&row| &events[row as usize]).collect();
            let expected = add_all(&events, 60);
            let twice = shuffled.iter().copied().chain(repeated.iter().map(|&row| &events[row]));
            prop_assert_eq!(&add_all(twice, 60), &expected);
            // With less room the latest stay, whenever they come.
            let few = add_all(shuffled, 7);
            prop_assert_eq!(few.recent(), &expected.recent()[53..]);
            prop_assert_eq!((few.actions(), &few.days), (expected.actions(), &expected.days));
        }

        #[test]
        fn a_late_event_changes_its_own_day_alone(
            days in prop::collection::vec(0..30i64, 1..40),
            late in 0..30i64,
        ) {
            let events: Vec<Event> = (0..).zip(&days).map(|(id, day)| event(id, day * DAY + 7)).collect();
            let mut features = add_all(&events, 100);
            let on = |features: &UserFeatures, day: i64| {
                let end_of = |day: i64| Timestamp::from_secs(day * DAY + DAY - 1);
                features.window(1, end_of(day))
            };
            let before: Vec<Window> = (0..30).map(|day| on(&features, day)).collect();
            features.add(&event(1_000, late * DAY), 1_000, None, 100);
            for day in 0..30 {
                let (was, is) = (before[day as usize], on(&features, day));
                prop_assert_eq!(is.events, was.events + u64::from(day == late));
                prop_assert!(day == late || is == was);
            }
        }
    }
}
