//! Intervals cover what is true as often as they say, and doubts are told.

use super::*;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::collections::BTreeMap;

const ITEMS: usize = 5;
const CONTEXTS: usize = 3;

/// A world in which it is known what any policy is worth.
struct World {
    /// By context and item.
    rewards: [[f64; ITEMS]; CONTEXTS],
    logged: [[f64; ITEMS]; CONTEXTS],
    target: [[f64; ITEMS]; CONTEXTS],
}

impl World {
    fn new(rng: &mut Pcg64Mcg) -> Self {
        let mut chances = |sharpness: f64| {
            [(); CONTEXTS].map(|()| {
                let raw = [(); ITEMS].map(|()| (sharpness * rng.random::<f64>()).exp());
                let sum: f64 = raw.iter().sum();
                raw.map(|x| x / sum)
            })
        };
        let (logged, target) = (chances(1.5), chances(2.5));
        let rewards = [(); CONTEXTS].map(|()| [(); ITEMS].map(|()| 0.05 + 0.3 * rng.random::<f64>()));
        Self { rewards, logged, target }
    }

    /// What the target earns per place: contexts are alike in number.
    fn truth(&self) -> f64 {
        let of = |context: usize| {
            self.target[context].iter().zip(&self.rewards[context]).map(|(chance, reward)| chance * reward)
        };
        (0..CONTEXTS).flat_map(of).sum::<f64>() / CONTEXTS as f64
    }

    /// What users did, each in one to five places; some click half as much again as others, and some half as much.
    fn log(&self, n_users: usize, rng: &mut Pcg64Mcg) -> Vec<Logged> {
        let mut places = Vec::new();
        for user in 0..n_users {
            let eager = 0.5 + rng.random::<f64>();
            for _ in 0..rng.random_range(1..=5) {
                let context = rng.random_range(0..CONTEXTS);
                let mut left = rng.random::<f64>();
                let drawn = self.logged[context].iter().position(|chance| {
                    left -= chance;
                    left < 0.0
                });
                let shown = drawn.unwrap_or(ITEMS - 1);
                places.push(Logged {
                    user: user.to_string(),
                    context: context.to_string(),
                    items: (0..ITEMS).map(|item| item.to_string()).collect(),
                    logged: self.logged[context].to_vec(),
                    target: self.target[context].to_vec(),
                    shown,
                    reward: f64::from(u8::from(rng.random_bool(self.rewards[context][shown] * eager))),
                });
            }
        }
        places
    }
}

#[test]
fn intervals_hold_what_is_true_in_93_of_100_logs_at_least() {
    const RUNS: usize = 1_000;
    let mut rng = Pcg64Mcg::seed_from_u64(11);
    let (mut covered, mut errors, mut warned) = (BTreeMap::new(), BTreeMap::new(), 0);
    for _ in 0..RUNS {
        let world = World::new(&mut rng);
        let (truth, report) = (world.truth(), evaluate(&world.log(400, &mut rng)).unwrap());
        for (estimator, Estimate { value, low, high }) in report.target {
            *covered.entry(estimator).or_insert(0) += usize::from(low <= truth && truth <= high);
            *errors.entry(estimator).or_insert(0.0) += value - truth;
        }
        warned += usize::from(!report.warnings.is_empty());
    }
    assert!(warned * 100 <= RUNS, "false alarms in {warned} of {RUNS} logs");
    for estimator in Estimator::ALL {
        let (covered, error) = (covered[&estimator], errors[&estimator] / RUNS as f64);
        assert!(covered * 100 >= RUNS * 93, "{estimator:?}: {covered} of {RUNS}");
        assert!(covered < RUNS * 99 / 100, "{estimator:?} says less than it knows: {covered} of {RUNS}");
        assert!(error.abs() < 0.003, "{estimator:?} is off by {error}");
    }
}

fn place(user: &str, shown: usize, reward: f64) -> Logged {
    Logged {
        user: user.to_owned(),
        context: String::new(),
        items: vec!["a".to_owned(), "b".to_owned()],
        logged: vec![0.8, 0.2],
        target: vec![0.4, 0.6],
        shown,
        reward,
    }
}

/// Weights are 0.5 for `a` and 3 for `b`.
fn few() -> Vec<Logged> {
    vec![place("u", 0, 1.0), place("u", 1, 2.0), place("v", 0, 0.0), place("w", 1, 1.0)]
}

#[test]
fn estimates_are_those_of_their_definitions() {
    let report = evaluate(&few()).unwrap();
    let near = |found: f64, exact: f64| assert!((found - exact).abs() < 1e-12, "{found} for {exact}");
    near(report.logging.value, 1.0);
    near(report.of(Estimator::Ips).value, (0.5 + 6.0 + 0.0 + 3.0) / 4.0);
    near(report.of(Estimator::Snips).value, 9.5 / 7.0);
    // The square root of four places is 2.
    near(report.of(Estimator::Clipped).value, (0.5 + 4.0 + 0.0 + 2.0) / 4.0);
    near(report.effective_places, 7.0 * 7.0 / (0.25 + 9.0 + 0.25 + 9.0));
    // Errors by user: u (0.5 - 2.375 + 6 - 2.375) / 4, v -2.375 / 4, w (3 - 2.375) / 4.
    let variance = (0.4375_f64.powi(2) + 0.59375_f64.powi(2) + 0.15625_f64.powi(2)) * 1.5;
    let ips = report.of(Estimator::Ips);
    near(ips.high - ips.value, 1.959_963_984_540_054 * variance.sqrt());
}

#[test]
fn a_policy_judged_by_its_own_log_earns_what_it_earned() {
    let own: Vec<Logged> =
        few().into_iter().map(|place| Logged { target: place.logged.clone(), ..place }).collect();
    let report = evaluate(&own).unwrap();
    for estimator in [Estimator::Ips, Estimator::Snips, Estimator::Clipped] {
        assert_eq!(report.of(estimator), report.logging, "{estimator:?}");
    }
    assert!((report.effective_places - 4.0).abs() < 1e-12);
}

#[test]
fn doubts_are_told() {
    let told = |places: &[Logged], words: &str| {
        let warnings = evaluate(places).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains(words)), "{words}: {warnings:?}");
    };
    told(&few(), "3 users are few");
    told(&few(), "hangs on what happened there");
    let mut rng = Pcg64Mcg::seed_from_u64(3);
    let log = World::new(&mut rng).log(400, &mut rng);
    let with = |change: &dyn Fn(&mut Logged)| {
        let mut places = log.clone();
        places.iter_mut().for_each(change);
        places
    };
    let others = with(&|place| place.target = vec![0.0, 0.0, 0.0, 0.0, 1.0]);
    assert!(evaluate(&others).is_ok());
    let wrong = with(&|place| {
        place.target.clone_from(&place.logged);
        place.logged.reverse();
    });
    told(&wrong, "the propensities are not those");
    let impossible = with(&|place| {
        place.items.push("new".to_owned());
        place.logged.push(0.0);
        place.target.iter_mut().for_each(|chance| *chance /= 2.0);
        place.target.push(0.5);
    });
    told(&impossible, "50.0 % of what the target shows could not be shown");
    let elsewhere: Vec<Logged> =
        few().into_iter().map(|place| Logged { target: vec![0.0, 1.0], shown: 0, ..place }).collect();
    told(&elsewhere, "nothing is known of it");
}

#[test]
fn places_that_make_no_sense_are_named() {
    let refused = |change: &dyn Fn(&mut Logged), words: &str| {
        let mut places = few();
        change(&mut places[2]);
        let told = evaluate(&places).unwrap_err().to_string();
        assert!(told.starts_with("place 2: ") && told.contains(words), "{told}");
    };
    refused(&|place| place.shown = 7, "shown is 7");
    refused(&|place| place.target = vec![1.0], "must be as many");
    refused(&|place| place.target = vec![0.5, 0.6], "are 1.1 in sum");
    refused(&|place| place.target = vec![-0.5, 1.5], "a chance of -0.5");
    refused(&|place| place.logged = vec![0.0, 1.0], "`a`, has a logged chance of 0");
    refused(&|place| place.reward = f64::NAN, "the reward is NaN");
    assert_eq!(evaluate(&few()[..2]), Err(OffPolicyError::TooFew { users: 1 }));
    assert_eq!(evaluate(&[]), Err(OffPolicyError::TooFew { users: 0 }));
}

proptest! {
    #[test]
    fn values_grow_with_rewards_and_do_not_depend_on_the_order(seed in 0..1_000_u64, times in 0.1..10.0_f64) {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let places = World::new(&mut rng).log(40, &mut rng);
        let report = evaluate(&places).unwrap();
        let scaled = places.iter().rev().map(|place| Logged { reward: times * place.reward, ..place.clone() });
        let other = evaluate(&scaled.collect::<Vec<_>>()).unwrap();
        for estimator in Estimator::ALL {
            let (one, other) = (report.of(estimator), other.of(estimator));
            for (one, other) in [(one.value, other.value), (one.low, other.low), (one.high, other.high)] {
                prop_assert!((times * one - other).abs() < 1e-9, "{estimator:?}: {one} {other}");
            }
        }
    }
}
