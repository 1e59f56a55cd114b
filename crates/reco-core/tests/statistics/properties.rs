//! What holds for all numbers.

use proptest::prelude::*;
use reco_core::experiment::statistics::*;

fn arms() -> impl Strategy<Value = (Proportion, Proportion)> {
    let arm = (2u64..100_000)
        .prop_flat_map(|n| (0..=n).prop_map(move |x| Proportion::new(x, n).expect("in range")));
    (arm.clone(), arm)
}

fn samples() -> impl Strategy<Value = (Sample, Sample)> {
    let arm = (2u64..1_000_000, -1e3..1e3, 1e-3..1e4);
    let arm = arm.prop_map(|(n, mean, variance)| Sample::new(n, mean, variance).expect("in range"));
    (arm.clone(), arm)
}

fn is_probability(p: f64) -> bool {
    (0.0..=1.0).contains(&p)
}

/// Equal but for rounding.
fn same(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1e-3)
}

proptest! {
    #[test]
    fn swapping_arms_turns_differences_around((a, b) in arms()) {
        let (there, back) = (two_proportion_z(a, b, 0.9).unwrap(), two_proportion_z(b, a, 0.9).unwrap());
        prop_assert_eq!(there.difference, -back.difference);
        prop_assert!(same(there.interval.low, -back.interval.high));
        if !there.z.is_nan() {
            prop_assert!(same(there.z, -back.z) && same(there.p, back.p) && is_probability(there.p));
        }
        prop_assert!(there.interval.contains(there.difference));
    }

    #[test]
    fn a_test_and_its_interval_agree((a, b) in samples(), level in 0.01f64..0.999) {
        let difference = Difference::absolute(&a, &b);
        let test = difference.t_test(level).unwrap();
        prop_assert!(is_probability(test.p) && test.interval.contains(difference.estimate));
        // But for those on the very edge.
        if (test.p - (1.0 - level)).abs() > 1e-9 {
            prop_assert_eq!(test.p < 1.0 - level, !test.interval.contains(0.0));
        }
        let least = (a.n().min(b.n()) - 1) as f64;
        prop_assert!(test.df >= least * (1.0 - 1e-9) && test.df <= (a.n() + b.n() - 2) as f64 * (1.0 + 1e-9));
    }

    #[test]
    fn looking_often_asks_for_more_than_looking_once((a, b) in samples(), tuning in 10.0f64..1e6) {
        let difference = Difference::absolute(&a, &b);
        let look = ConfidenceSequence::new(0.05, tuning).unwrap().look(&difference);
        let once = 2.0 * 1.959_963_984_540_054 * difference.error();
        prop_assert!(is_probability(look.p) && look.interval.width() > once);
        if (look.p - 0.05).abs() > 1e-9 {
            prop_assert_eq!(look.p < 0.05, !look.interval.contains(0.0));
        }
    }

    #[test]
    fn evidence_is_not_lost_by_looking_on(
        looks in prop::collection::vec((-1.0f64..1.0, 1e-4f64..1.0), 1..30), tau2 in 1e-4f64..1.0,
    ) {
        let mut test = Msprt::new(tau2).unwrap();
        let mut before = 1.0;
        for (difference, variance) in looks {
            let p = test.look(difference, variance).unwrap().p;
            prop_assert!(is_probability(p) && p <= before);
            before = p;
        }
    }

    #[test]
    fn intervals_of_shares_hold_the_share((seen, _) in arms(), level in 0.05f64..0.999) {
        for interval in [
            seen.wilson(level).unwrap(), seen.clopper_pearson(level).unwrap(), seen.agresti_coull(level).unwrap(),
        ] {
            prop_assert!(interval.low >= 0.0 && interval.high <= 1.0);
            let rounding = 1e-12;
            prop_assert!(interval.low <= seen.rate() + rounding && interval.high >= seen.rate() - rounding);
        }
    }

    #[test]
    fn corrections_keep_the_order_and_never_lower_p(p in prop::collection::vec(0.0f64..=1.0, 0..40)) {
        use Correction::*;
        let adjusted = [Bonferroni, Holm, Hochberg, BenjaminiHochberg, BenjaminiYekutieli]
            .map(|correction| correction.adjusted(&p).unwrap());
        for adjusted in &adjusted {
            for (left, raised) in p.iter().zip(adjusted) {
                prop_assert!(is_probability(*raised) && *raised >= *left * (1.0 - 1e-12));
                for (right, also) in p.iter().zip(adjusted) {
                    prop_assert!(left > right || raised <= also);
                }
            }
        }
        let [bonferroni, holm, hochberg, hochbergs_fdr, yekutieli] = &adjusted;
        for at in 0..p.len() {
            let below = |left: &[f64], right: &[f64]| left[at] <= right[at] * (1.0 + 1e-12);
            prop_assert!(below(holm, bonferroni) && below(hochberg, holm));
            prop_assert!(below(hochbergs_fdr, hochberg) && below(hochbergs_fdr, yekutieli));
        }
    }

    #[test]
    fn moments_do_not_depend_on_how_users_are_divided(
        pairs in prop::collection::vec((-1e3f64..1e3, -1e3f64..1e3), 2..60), cut in 0usize..60,
    ) {
        let (left, right) = pairs.split_at(cut.min(pairs.len()));
        let whole = Moments2::of(pairs.iter().copied());
        let mut merged = Moments2::of(left.iter().copied());
        merged.merge(&Moments2::of(right.iter().copied()));
        prop_assert_eq!(whole.n(), merged.n());
        let close = |left: f64, right: f64| (left - right).abs() <= 1e-9 * left.abs().max(1.0);
        prop_assert!(close(whole.x().variance().unwrap(), merged.x().variance().unwrap()));
        prop_assert!(close(whole.covariance().unwrap(), merged.covariance().unwrap()));
    }

    #[test]
    fn one_arm_or_the_other_is_better((a, b) in arms()) {
        let (there, back) = (beats(a, b, BetaPrior::UNIFORM), beats(b, a, BetaPrior::UNIFORM));
        prop_assert!(is_probability(there.b_beats_a));
        prop_assert!((there.b_beats_a + back.b_beats_a - 1.0).abs() < 1e-9);
        // What is lost by B less what is lost by A is what A is better by.
        let mean = |arm: Proportion| (arm.successes() + 1) as f64 / (arm.trials() + 2) as f64;
        prop_assert!((there.expected_loss - back.expected_loss - mean(a) + mean(b)).abs() < 1e-9);
    }

    #[test]
    fn cuped_never_adds_variance_to_both_arms_and_keeps_shifts(
        pairs in prop::collection::vec((-10f64..10.0, -10f64..10.0), 4..40), shift in -5f64..5.0,
    ) {
        let arm = Moments2::of(pairs.iter().copied());
        let shifted = Moments2::of(pairs.iter().map(|&(x, y)| (x, y + shift)));
        let cuped = cuped(&arm, &shifted).unwrap();
        let before = arm.y().variance().unwrap();
        prop_assert!(cuped.a.variance() <= before * (1.0 + 1e-9) + 1e-9);
        prop_assert!((cuped.b.mean() - cuped.a.mean() - shift).abs() < 1e-9);
    }

    #[test]
    fn a_ratio_by_one_is_a_mean(values in prop::collection::vec(-100f64..100.0, 2..50)) {
        let ratio = Moments2::of(values.iter().map(|value| (*value, 1.0))).ratio().unwrap();
        let mean = Moments::of(values).sample().unwrap();
        prop_assert!(same(ratio.mean(), mean.mean()) && same(ratio.variance(), mean.variance()));
    }

    #[test]
    fn more_users_find_more_and_the_number_asked_for_is_enough(
        effect in 0.02f64..1.0, alpha in 0.001f64..0.2, power in 0.3f64..0.99,
    ) {
        let users = Power::new(alpha, power).unwrap().users_for_means(effect).unwrap();
        prop_assert!(users == 2.0 || same(power_for_means(effect, users, alpha).unwrap(), power));
        prop_assert!(power_for_means(effect, users + 1.0, alpha).unwrap() > power);
        if users > 2.0 {
            let detectable = Power::new(alpha, power).unwrap().detectable(users).unwrap();
            prop_assert!(same(detectable, effect), "{} for {}", detectable, effect);
        }
    }
}
