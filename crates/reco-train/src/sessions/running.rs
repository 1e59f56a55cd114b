//! Sessions that events may still belong to.

use super::SessionWriter;
use reco_core::event::{Action, Event};
use reco_core::features::Session;
use reco_core::id::{ItemKey, UserKey};
use reco_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sessions under way, and which moment it is for them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Running {
    /// The latest time of an event.
    now: Timestamp,
    /// Of one user, they are further apart than the pause that ends a session.
    users: BTreeMap<UserKey, Vec<Visit>>,
}

/// The events of a session. Taken together they come to the same in any order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Visit {
    pub(super) started: Timestamp,
    pub(super) ended: Timestamp,
    /// Which moment it was when its last event came, if that was not still to happen.
    pub(super) seen: Timestamp,
    pub(super) events: u64,
    /// Actions with a name past the first 64 by the alphabet are only in `events`.
    pub(super) actions: BTreeMap<Action, u64>,
    /// Items that were acted on, not merely shown, each with its first event, in the order of these.
    items: Vec<(Timestamp, ItemKey)>,
    /// Whether all of it came when its time was over.
    pub(super) is_late: bool,
}

/// A session that no event belongs to any more.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finished {
    pub(super) user: UserKey,
    pub(super) visit: Visit,
}

const GAP: i64 = Session::GAP.as_millis() as i64;
const LATENESS: i64 = SessionWriter::LATENESS.as_millis() as i64;

/// Whether the pause after `moment`, and the time that late events have, are over.
fn is_over(moment: Timestamp, now: Timestamp) -> bool {
    moment.millis().saturating_add(GAP + LATENESS) < now.millis()
}

impl Running {
    /// An event that claims to be later than it is, by `wall`, must not end everybody's sessions.
    pub(super) fn add(&mut self, event: &Event, wall: Timestamp) {
        self.now = self.now.max(event.at.min(wall));
        let now = self.now;
        let mut visit = Visit::of(event, now);
        let visits = self.users.entry(event.user.clone()).or_default();
        // None that is finished takes part: whether it has been written by now must not matter.
        let joined = visits.extract_if(.., |known| !known.is_finished(now) && known.is_near(&visit));
        let joined: Vec<Visit> = joined.collect();
        joined.into_iter().for_each(|known| visit.join(known));
        visits.push(visit);
    }

    /// Takes out what is finished; of the rest stay the latest, so many.
    pub(super) fn finish(&mut self, most: usize) -> Vec<Finished> {
        let now = self.now;
        let mut finished = self.take_out(|visit| visit.is_finished(now));
        let mut seen: Vec<Timestamp> = self.users.values().flatten().map(|visit| visit.seen).collect();
        if let Some(surplus @ 1..) = seen.len().checked_sub(most) {
            let (_, &mut last, _) = seen.select_nth_unstable(surplus - 1);
            finished.extend(self.take_out(|visit| visit.seen <= last));
        }
        finished
            .sort_by(|one, other| (one.visit.started, &one.user).cmp(&(other.visit.started, &other.user)));
        finished
    }

    fn take_out(&mut self, is_out: impl Fn(&Visit) -> bool) -> Vec<Finished> {
        let mut out = Vec::new();
        self.users.retain(|user, visits| {
            let visits_out = visits.extract_if(.., |visit| is_out(visit));
            out.extend(visits_out.map(|visit| Finished { user: user.clone(), visit }));
            !visits.is_empty()
        });
        out
    }
}

impl Visit {
    /// Items that one session has at most: the first ones.
    const MOST_ITEMS: usize = 1_000;
    const MOST_ACTIONS: usize = 64;

    fn of(event: &Event, now: Timestamp) -> Self {
        let is_shown = event.action == Action::Impression;
        Self {
            started: event.at,
            ended: event.at,
            seen: now.max(event.at),
            events: 1,
            actions: BTreeMap::from([(event.action.clone(), 1)]),
            items: if is_shown { Vec::new() } else { vec![(event.at, event.item.clone())] },
            is_late: is_over(event.at, now),
        }
    }

    fn is_finished(&self, now: Timestamp) -> bool {
        is_over(self.seen, now)
    }

    fn is_near(&self, other: &Self) -> bool {
        let pause = |from: Timestamp, to: Timestamp| to.millis().saturating_sub(from.millis());
        pause(self.ended, other.started) <= GAP && pause(other.ended, self.started) <= GAP
    }

    fn join(&mut self, other: Self) {
        self.started = self.started.min(other.started);
        self.ended = self.ended.max(other.ended);
        self.seen = self.seen.max(other.seen);
        self.events += other.events;
        self.is_late &= other.is_late;
        for (action, count) in other.actions {
            *self.actions.entry(action).or_default() += count;
        }
        while self.actions.len() > Self::MOST_ACTIONS {
            self.actions.pop_last();
        }
        for (at, item) in other.items {
            match self.items.iter_mut().find(|(_, known)| *known == item) {
                Some((first, _)) => *first = at.min(*first),
                None => self.items.push((at, item)),
            }
        }
        self.items.sort();
        self.items.truncate(Self::MOST_ITEMS);
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &ItemKey> {
        self.items.iter().map(|(_, item)| item)
    }
}
