//! What is drawn at random: resamples, and experiments without a difference.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use reco_core::experiment::statistics::*;

#[test]
fn a_bootstrap_depends_on_its_seed_and_not_on_threads() {
    let (a, b): (Vec<f64>, Vec<f64>) =
        (0..50).map(|i| (f64::from(i * 7 % 13), f64::from(i * 5 % 17))).unzip();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let drawn = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Bootstrap::new(500, seed).unwrap().difference(&a, &b, mean).unwrap())
    };
    assert_eq!(drawn(1, 5), drawn(3, 5));
    assert_ne!(drawn(1, 5), drawn(1, 6));
    let constant = Bootstrap::new(100, 1).unwrap().difference(&[1.0; 5], &[2.0; 5], mean).unwrap();
    assert_eq!(constant.percentile(0.9).unwrap(), Interval { low: 1.0, high: 1.0 });
    let acceleration = Resampled::acceleration(&[1.0; 5], &[2.0; 5], mean);
    assert_eq!(constant.bca(0.9, acceleration).unwrap(), None);
    assert!(Bootstrap::new(100, 1).unwrap().difference(&[], &[2.0], mean).is_err());
}

/// Latencies of users who are fast or slow by themselves: an interval of 95 % has to hold nearly that often, and the error
/// of values that were taken for independent would be far too small.
#[test]
fn quantiles_know_that_values_of_a_user_go_together() {
    let arm = |seed: u64| -> Vec<Vec<f64>> {
        let mut rng = Pcg64::seed_from_u64(seed);
        let mut unit = move || (rng.next_u64() >> 11) as f64 / 2f64.powi(53);
        let mut user = |_| {
            let own = 10.0 * unit();
            (0..20).map(|_| own + unit()).collect()
        };
        (0..200).map(&mut user).collect()
    };
    let n_runs = 400;
    let (mut held, mut naive) = (0, 0);
    for run in 0..n_runs {
        let (a, b) = (arm(2 * run), arm(2 * run + 1));
        let inside = |a: &[Vec<f64>], b: &[Vec<f64>]| {
            let difference = Difference::absolute(&quantile(a, 0.9).unwrap(), &quantile(b, 0.9).unwrap());
            difference.t_test(0.95).unwrap().interval.contains(0.0)
        };
        held += u64::from(inside(&a, &b));
        let apart =
            |arm: &[Vec<f64>]| -> Vec<Vec<f64>> { arm.iter().flatten().map(|value| vec![*value]).collect() };
        naive += u64::from(inside(&apart(&a), &apart(&b)));
    }
    assert!(held >= n_runs * 92 / 100, "{held} of {n_runs}");
    assert!(naive <= n_runs * 60 / 100, "{naive} of {n_runs}");
}

#[test]
fn caps_are_those_of_numpy() {
    // numpy.quantile(values, [0.1, 0.95])
    let values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.0, 35.0];
    let caps = Caps::of(&values, 0.1, 0.95).unwrap();
    assert!((caps.apply(0.0) - 1.35).abs() < 1e-12 && (caps.apply(1e9) - 25.9).abs() < 1e-12, "{caps:?}");
    assert_eq!(caps.apply(2.0), 2.0);
}

/// What daily peeking does: a z-test that is believed on any day errs several times as often as it says, the tests that
/// may be looked at do not.
#[test]
fn peeking_fools_the_z_test_and_not_the_others() {
    let peeking =
        Peeking { runs: 1_000, days: 28, users_per_day: 200, rate: 0.1, lift: 0.0, alpha: 0.05, seed: 42 };
    let [daily, at_end, sequence, msprt] = peeking.watched().unwrap();
    assert!(daily.share > 0.2, "{daily:?}");
    assert!(at_end.interval.contains(0.05), "{at_end:?}");
    assert!(sequence.share <= 0.05 && msprt.share <= 0.05, "{sequence:?} {msprt:?}");
    let better = Peeking { lift: 0.3, ..peeking }.watched().unwrap();
    assert!(better.iter().all(|told| told.share > 0.9), "{better:?}");
}
