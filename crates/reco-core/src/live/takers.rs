//! Who took an item: all of them, or a fair sample where they are many.

use crate::id::UserKey;
use crate::time::Timestamp;
use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// The users who took an item, with the weights of their events. These follow from which events there were, not from
/// their order.
///
/// Past [`MOST`](Self::MOST) those stay whose hashes are the smallest (Bar-Yossef et al., "Counting Distinct Elements
/// in a Data Stream", RANDOM 2002). So neither when nor how often users came decides who stays, and the weight of who
/// stays is complete, for whom the sample turned away once it turns away for good. The largest hash that would be let
/// in tells for how many users each one stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Takers {
    /// In the order of the hashes.
    kept: BTreeMap<(u64, UserKey), Taken>,
    /// Users of this hash and above are turned away; without any, nobody was yet.
    bar: Option<u64>,
}

/// What one user took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Taken {
    /// The weights of their events, by time: of those since they last took it back.
    takes: Vec<(Timestamp, f32)>,
    /// When they last took it back.
    back: Option<Timestamp>,
}

impl Taken {
    /// Events kept of a user.
    const MOST: usize = 100;

    fn weight(&self) -> f32 {
        self.takes.iter().map(|(_, weight)| weight).sum()
    }

    /// Adds an event and says whether it counts.
    fn add(&mut self, at: Timestamp, weight: f32) -> bool {
        let counts = self.back.is_none_or(|back| at > back);
        if counts {
            let is_before = |other: &(Timestamp, f32)| (other.0, other.1.to_bits()) < (at, weight.to_bits());
            self.takes.insert(self.takes.partition_point(is_before), (at, weight));
            let surplus = self.takes.len().saturating_sub(Self::MOST);
            self.takes.drain(..surplus);
        }
        counts
    }

    /// Takes back what was taken up to a moment, and says whether that was anything.
    fn take_back(&mut self, at: Timestamp) -> bool {
        self.back = self.back.max(Some(at));
        let n_before = self.takes.len();
        self.takes.retain(|(taken, _)| *taken > at);
        self.takes.len() < n_before
    }
}

impl Takers {
    /// Users kept: so many tell how many there are within some 3 %.
    pub(crate) const MOST: usize = 1_000;

    /// Adds to what a user took and says whether that changed who is kept, or their weights.
    pub(crate) fn add(&mut self, user: &UserKey, at: Timestamp, weight: f32) -> bool {
        self.change(user, |taken| taken.add(at, weight))
    }

    /// Notes that a user took back what they took up to a moment, and says whether that changed anything.
    pub(crate) fn take_back(&mut self, user: &UserKey, at: Timestamp) -> bool {
        self.change(user, |taken| taken.take_back(at))
    }

    fn change(&mut self, user: &UserKey, change: impl FnOnce(&mut Taken) -> bool) -> bool {
        let hash = hash(user);
        if self.bar.is_some_and(|bar| hash >= bar) {
            return false;
        }
        let changed = change(self.kept.entry((hash, user.clone())).or_default());
        if self.kept.len() > Self::MOST {
            self.bar = self.kept.pop_last().map(|((hash, _), _)| hash);
            return true;
        }
        changed
    }

    /// Forgets all about a user and says whether they were kept.
    pub(crate) fn remove(&mut self, user: &UserKey) -> bool {
        self.kept.remove(&(hash(user), user.clone())).is_some()
    }

    /// The users kept who did not take it back, with the summed weights of their events, in an order that does not
    /// depend on when they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&UserKey, f32)> {
        let takers = self.kept.iter().map(|((_, user), taken)| (user, taken.weight()));
        takers.filter(|(_, weight)| *weight > 0.0)
    }

    /// How many users each one kept stands for: 1 where nobody was turned away.
    pub(crate) fn each_stands_for(&self) -> f32 {
        // Hashes are spread evenly, so the bar's share of their range is the share of the users below it.
        self.bar.map_or(1.0, |bar| (2f64.powi(64) / (bar as f64 + 1.0)) as f32)
    }
}

/// The same in every process, so that the same events give the same bits.
fn hash(user: &UserKey) -> u64 {
    let mut hasher = FxHasher::default();
    user.as_str().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user(user: usize) -> UserKey {
        format!("user{user}").into()
    }

    fn takers(users: impl IntoIterator<Item = usize>) -> Takers {
        let mut takers = Takers::default();
        users.into_iter().for_each(|row| {
            takers.add(&user(row), Timestamp::default(), 1.0);
        });
        takers
    }

    #[test]
    fn everybody_is_kept_up_to_the_bound() {
        let takers = takers((0..Takers::MOST).chain(0..7));
        assert_eq!((takers.iter().count(), takers.each_stands_for()), (Takers::MOST, 1.0));
        let weights: f32 = takers.iter().map(|(_, weight)| weight).sum();
        assert_eq!(weights as usize, Takers::MOST + 7);
    }

    #[test]
    fn those_kept_stand_for_all() {
        for (n_users, first) in [(2_000, 0), (2_000, 700_000), (10_000, 0), (50_000, 3_000)] {
            let takers = takers(first..first + n_users);
            let kept = takers.iter().count();
            assert_eq!(kept, Takers::MOST);
            let all = kept as f32 * takers.each_stands_for();
            assert!((all / n_users as f32 - 1.0).abs() < 0.1, "{n_users} users seemed {all}");
            // The latest tenth is a tenth of the sample, too.
            let latest: Vec<UserKey> = (first + n_users / 10 * 9..first + n_users).map(user).collect();
            let share = latest.iter().filter(|user| takers.clone().remove(user)).count();
            assert!((70..130).contains(&share), "{share} of the latest tenth of {n_users}");
        }
    }

    #[test]
    fn who_was_turned_away_stays_away() {
        let mut takers = takers(0..3_000);
        let kept: Vec<UserKey> = takers.iter().map(|(user, _)| user.clone()).collect();
        let stands_for = takers.each_stands_for();
        assert!(takers.remove(&kept[0]) && !takers.remove(&kept[0]));
        let turned_away = (0..3_000).map(user).filter(|user| !kept.contains(user));
        assert!(turned_away.into_iter().all(|user| !takers.add(&user, Timestamp::default(), 1.0)));
        assert_eq!((takers.iter().count(), takers.each_stands_for()), (Takers::MOST - 1, stands_for));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn what_is_taken_back_is_told_by_the_time_not_by_the_order(
            events in prop::collection::vec((0..20i64, prop::option::of(0.25f32..3.0)), 0..30),
        ) {
            let weight = |events: &mut dyn Iterator<Item = &(i64, Option<f32>)>| {
                let mut takers = Takers::default();
                for (secs, weight) in events {
                    let at = Timestamp::from_secs(*secs);
                    match weight {
                        Some(weight) => takers.add(&user(0), at, *weight),
                        None => takers.take_back(&user(0), at),
                    };
                }
                takers.iter().map(|(_, weight)| weight).sum::<f32>()
            };
            let in_turn = weight(&mut events.iter());
            prop_assert_eq!(in_turn.to_bits(), weight(&mut events.iter().rev()).to_bits());
            let back = events.iter().filter(|event| event.1.is_none()).map(|event| event.0).max();
            let since = |event: &&(i64, Option<f32>)| back.is_none_or(|back| event.0 > back);
            let expected: f32 = events.iter().filter(since).filter_map(|event| event.1).sum();
            prop_assert!((in_turn - expected).abs() < 1e-4);
        }

        #[test]
        fn when_they_came_makes_no_difference(
            users in prop::collection::vec(0..4_000usize, 1..6_000),
            at in 0..6_000usize,
        ) {
            let (early, late) = users.split_at(at.min(users.len()));
            let (one, other) = (takers(users.iter().copied()), takers(late.iter().chain(early).copied()));
            prop_assert!(one.iter().eq(other.iter()));
            prop_assert_eq!(one.bar, other.bar);
            let times = |key: &UserKey| users.iter().filter(|row| user(**row) == *key).count();
            prop_assert!(one.iter().take(5).all(|(key, weight)| weight as usize == times(key)));
        }
    }
}
