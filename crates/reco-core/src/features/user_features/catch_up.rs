//! Bringing what one place knows of a user up to date with what another knows.

use super::UserFeatures;
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

impl UserFeatures {
    /// Takes in the latest events that `other` knows and this does not, unless they are older than all that are
    /// among the latest here: whether such an event was counted cannot be told any more.
    pub(crate) fn catch_up(&mut self, other: &Self) {
        let first = self.recent.first().map(|event| (event.at, event.offset));
        let is_new = |event: &&super::RecentEvent| {
            Some((event.at, event.offset)) >= first && self.recent.iter().all(|known| known.id != event.id)
        };
        let missing: Vec<_> = other.recent.iter().filter(is_new).cloned().collect();
        for event in missing {
            self.count(&event);
            self.recent.insert(self.place(&event), event);
        }
    }

    /// A number that changes with whatever of this a page may rest on.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.interactions().hash(&mut hasher);
        for event in &self.recent {
            (event.id.0, event.at).hash(&mut hasher);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Event, EventId};
    use crate::time::Timestamp;

    fn event(id: u64) -> Event {
        Event {
            id: EventId(id.into()),
            user: "ann".into(),
            item: "tea".into(),
            action: Action::View,
            value: None,
            at: Timestamp::from_secs(id as i64),
            details: None,
        }
    }

    fn of(ids: &[u64], most_recent: usize) -> UserFeatures {
        let mut features = UserFeatures::default();
        for &id in ids {
            features.add(&event(id), id, None, most_recent);
        }
        features
    }

    #[test]
    fn what_is_missing_is_taken_in_once() {
        let mut known = of(&[1, 2, 4], 10);
        let before = known.fingerprint();
        known.catch_up(&of(&[2, 4], 10));
        assert_eq!(known, of(&[1, 2, 4], 10), "nothing is new");
        known.catch_up(&of(&[2, 3, 5], 10));
        assert_eq!(known, of(&[1, 2, 3, 4, 5], 10));
        assert_ne!(known.fingerprint(), before);
    }

    #[test]
    fn what_may_have_been_counted_is_not_counted_again() {
        let mut known = of(&[1, 2, 3, 4], 2);
        known.catch_up(&of(&[1, 2, 3, 4, 5], 10));
        let ids: Vec<u128> = known.recent().iter().map(|event| event.id.0).collect();
        assert_eq!((ids, known.interactions()), (vec![3, 4, 5], 5));
    }
}
