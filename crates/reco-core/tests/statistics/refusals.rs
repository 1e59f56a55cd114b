//! Numbers that leave nothing to be said, or make no sense.

use reco_core::experiment::statistics::*;

#[test]
fn without_variance_there_is_certainty_or_nothing() {
    let flat = |mean| Sample::new(10, mean, 0.0).unwrap();
    let equal = Difference::absolute(&flat(1.0), &flat(1.0)).t_test(0.95).unwrap();
    assert!(equal.t.is_nan() && equal.p.is_nan() && equal.df == 1.0);
    let apart = Difference::absolute(&flat(1.0), &flat(2.0)).t_test(0.95).unwrap();
    assert_eq!((apart.p, apart.interval.low, apart.interval.high), (0.0, 1.0, 1.0));
    assert_eq!(Difference::relative(&flat(0.0), &flat(2.0)), None);
    let nobody = Proportion::new(0, 10).unwrap();
    let z = two_proportion_z(nobody, nobody, 0.95).unwrap();
    assert!(z.p.is_nan() && z.interval == Interval { low: 0.0, high: 0.0 });
    let look =
        ConfidenceSequence::new(0.05, 100.0).unwrap().look(&Difference::absolute(&flat(1.0), &flat(2.0)));
    assert_eq!(look.p, 1.0);
}

#[test]
fn nonsense_is_refused_by_name() {
    let refusals = [
        (Proportion::new(1, 0).unwrap_err(), "trials is 0, must be at least 1"),
        (Sample::new(1, 0.0, 0.0).unwrap_err(), "n is 1, must be at least 2 users"),
        (Sample::new(9, f64::NAN, 0.0).unwrap_err(), "mean is NaN, must be a finite number"),
        (Sample::new(9, 0.0, -1.0).unwrap_err(), "variance is -1, must be a finite number not below 0"),
        (ConfidenceSequence::new(1.0, 10.0).unwrap_err(), "alpha is 1, must be between 0 and 1"),
        (ConfidenceSequence::new(0.1, 0.0).unwrap_err(), "tuning is 0, must be a finite number above 0"),
        (Msprt::new(0.0).unwrap_err(), "tau2 is 0"),
        (Power::new(0.05, 0.04).unwrap_err(), "power is 0.04, must be above alpha"),
        (Correction::Holm.adjusted(&[0.1, 1.5]).unwrap_err(), "a p-value is 1.5, must be from 0 to 1"),
        (sample_ratio_mismatch(&[1, 2], &[1.0]).unwrap_err(), "the number of weights is 1, must be 2"),
        (sample_ratio_mismatch(&[1, 2], &[1.0, 0.0]).unwrap_err(), "a weight is 0, must be above 0"),
        (days(10.0, 2, 0.0, 7).unwrap_err(), "users per day is 0"),
        (Bootstrap::new(1, 0).unwrap_err(), "resamples is 1, must be from 100"),
        (quantile(&[vec![1.0], vec![2.0]], 0.99).unwrap_err(), "the number of users is 2, must be more"),
        (Caps::of(&[1.0], 0.5, 0.1).unwrap_err(), "the upper quantile is 0.1"),
    ];
    for (error, said) in refusals {
        assert!(error.to_string().starts_with(said), "{error}");
    }
}
