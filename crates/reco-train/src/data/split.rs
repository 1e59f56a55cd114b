//! Dividing interactions into training and test.

use rand::SeedableRng;
use rand::distr::{Distribution, StandardUniform};
use rand_pcg::Pcg64;
use reco_core::event::ActionWeights;
use reco_core::interactions::InteractionLog;
use reco_core::time::Timestamp;

/// How interactions are divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Split {
    /// The latest `test_share` of the interactions test. What happened at the same moment stays together: the
    /// cut is at the moment of the first interaction that tests, and all of that moment test.
    Time {
        /// Share of the interactions that count, above 0 and below 1.
        test_share: f64,
    },
    /// The last interaction of every user with at least two tests; of several at one moment the last in the
    /// file. What other users did later is known to training then.
    LastOne,
    /// One interaction of every user with at least two tests, drawn by the seed: for data without times.
    AnyOne {
        /// Seed of the draw.
        seed: u64,
    },
}

/// The question asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// What next? Training items may come again.
    #[default]
    All,
    /// What new? Only items the user did not have in training.
    New,
}

/// A divided log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Division {
    /// Rows to train on, in the log's order.
    pub train: Vec<u32>,
    /// Rows to test on, in the log's order; all of them have a weight above 0.
    pub test: Vec<u32>,
    /// The moment between them, for a split by time.
    pub cut: Option<Timestamp>,
}

/// Divides a log. Only interactions whose action weighs more than 0 count and test; others train if they
/// come before the cut (by time) or wherever they are (one of each user).
pub fn split(log: &InteractionLog, how: Split, weights: &ActionWeights) -> Division {
    let weight = log.weights(weights);
    let counts = |row: u32| weight[row as usize] > 0.0;
    match how {
        Split::Time { test_share } => by_time(log, test_share, counts),
        Split::LastOne => one_each(log, counts, |row| log.at[row as usize].millis()),
        Split::AnyOne { seed } => {
            let mut rng = Pcg64::seed_from_u64(seed);
            let drawn: Vec<i64> = (0..log.len()).map(|_| StandardUniform.sample(&mut rng)).collect();
            one_each(log, counts, |row| drawn[row as usize])
        }
    }
}

fn by_time(log: &InteractionLog, test_share: f64, counts: impl Fn(u32) -> bool) -> Division {
    let rows = 0..log.len() as u32;
    let at = |row: u32| log.at[row as usize];
    let mut moments: Vec<Timestamp> = rows.clone().filter(|&row| counts(row)).map(at).collect();
    if moments.is_empty() {
        return Division { train: rows.collect(), ..Division::default() };
    }
    let n_train = (moments.len() as f64 * (1.0 - test_share)) as usize;
    let n_train = n_train.min(moments.len() - 1);
    let cut = *moments.select_nth_unstable(n_train).1;
    let (train, later): (Vec<u32>, Vec<u32>) = rows.partition(|&row| at(row) < cut);
    Division { train, test: later.into_iter().filter(|&row| counts(row)).collect(), cut: Some(cut) }
}

/// Every user's interaction with the highest key tests; of several the last in the file.
fn one_each(log: &InteractionLog, counts: impl Fn(u32) -> bool, key: impl Fn(u32) -> i64) -> Division {
    let mut last: Vec<Option<u32>> = vec![None; log.users.len()];
    let mut n_counted = vec![0u32; log.users.len()];
    let rows = 0..log.len() as u32;
    for row in rows.clone().filter(|&row| counts(row)) {
        let user = log.user[row as usize] as usize;
        n_counted[user] += 1;
        if last[user].is_none_or(|known| key(row) >= key(known)) {
            last[user] = Some(row);
        }
    }
    let tests = |row: u32| {
        let user = log.user[row as usize] as usize;
        n_counted[user] > 1 && last[user] == Some(row)
    };
    let (test, train) = rows.partition(|&row| tests(row));
    Division { train, test, cut: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reco_core::event::Action;
    use reco_core::id::ItemId;
    use std::collections::BTreeSet;

    fn log(events: &[(u8, i64, bool)]) -> InteractionLog {
        let mut log = InteractionLog::default();
        for (&(user, secs, bought), item) in events.iter().zip(0..) {
            let user = log.users.intern(&user.to_string());
            let action = if bought { Action::Purchase } else { Action::from("return") };
            log.push(user, ItemId::new(item), &action, None, Timestamp::from_secs(secs));
        }
        log
    }

    fn check(events: &[(u8, i64, bool)], how: Split, train: &[u32], test: &[u32]) {
        let division = split(&log(events), how, &ActionWeights::default());
        assert_eq!((&division.train[..], &division.test[..]), (train, test), "{how:?} of {events:?}");
    }

    #[test]
    fn a_cut_in_time_keeps_each_moment_together() {
        let share = |test_share| Split::Time { test_share };
        let events = [(0, 9, true), (1, 1, true), (0, 5, true), (1, 5, true), (2, 2, true)];
        check(&events, share(0.2), &[1, 2, 3, 4], &[0]);
        check(&events, share(0.4), &[1, 4], &[0, 2, 3]);
        check(&events, share(0.6), &[1, 4], &[0, 2, 3]);
        check(&events, share(0.999), &[], &[0, 1, 2, 3, 4]);
        check(&[(0, 3, true), (1, 3, true)], share(0.1), &[], &[0, 1]);
        check(&[(0, 3, false)], share(0.1), &[0], &[]);
        // A return neither moves the cut nor tests.
        check(&[(0, 1, true), (0, 8, false), (1, 2, true), (0, 0, false)], share(0.5), &[0, 3], &[2]);
    }

    #[test]
    fn the_last_one_is_the_latest_and_then_the_last_in_the_file() {
        let events = [(0, 9, true), (1, 7, true), (0, 5, true), (1, 7, true), (2, 2, true), (1, 8, false)];
        check(&events, Split::LastOne, &[1, 2, 4, 5], &[0, 3]);
    }

    proptest! {
        #[test]
        fn any_one_draws_one_of_each_user_with_two(
            events in prop::collection::vec((0u8..5, 0i64..3, prop::bool::weighted(0.8)), 0..60),
            seed in any::<u64>(),
        ) {
            let log = log(&events);
            let weights = ActionWeights::default();
            let Division { train, test, .. } = split(&log, Split::AnyOne { seed }, &weights);
            let n_counted = |user| events.iter().filter(|event| event.0 == user && event.2).count();
            let eligible = (0..5).filter(|&user| n_counted(user) > 1).count();
            let users: BTreeSet<u32> = test.iter().map(|&row| log.user[row as usize]).collect();
            prop_assert_eq!((test.len(), users.len()), (eligible, eligible));
            prop_assert!(test.iter().all(|&row| events[row as usize].2));
            prop_assert_eq!(train.len() + test.len(), events.len());
        }

        #[test]
        fn no_training_interaction_comes_after_the_cut(
            events in prop::collection::vec((0u8..5, 0i64..30, prop::bool::weighted(0.8)), 0..60),
            test_share in 0.01f64..0.99,
        ) {
            let log = log(&events);
            let weights = ActionWeights::default();
            let Division { train, test, cut } = split(&log, Split::Time { test_share }, &weights);
            let n_counted = events.iter().filter(|event| event.2).count();
            if let Some(cut) = cut {
                prop_assert!(train.iter().all(|&row| log.at[row as usize] < cut));
                prop_assert!(test.iter().all(|&row| log.at[row as usize] >= cut));
                prop_assert!(test.len() as f64 >= (n_counted as f64 * test_share).floor());
            } else {
                prop_assert!(test.is_empty() && n_counted == 0);
            }
        }
    }
}
