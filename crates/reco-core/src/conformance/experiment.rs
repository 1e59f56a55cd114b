//! Promises of experiments.

use crate::experiment::{Arm, Experiment};
use crate::id::UserKey;

/// How many users are put in arms.
const USERS: u32 = 20_000;

/// Checks an experiment whose arms, from the first on, should get these `shares` of all users. They add
/// up to less than 1 when some users stay outside.
///
/// ```
/// use reco_core::conformance;
/// use reco_core::experiment::HashSplit;
///
/// let ninety_percent = HashSplit::new("colours", &[2.0, 1.0], 0.9)?;
/// conformance::experiment(&ninety_percent, &[0.6, 0.3]);
/// # Ok::<(), reco_core::experiment::SplitError>(())
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn experiment(experiment: &dyn Experiment, shares: &[f64]) {
    assert!(!experiment.name().is_empty(), "an experiment has a name");
    assert_eq!(experiment.n_arms(), shares.len(), "an arm a share");
    let users: Vec<UserKey> = (0..USERS).map(|i| UserKey::from(format!("user{i}"))).collect();
    let arms: Vec<Option<Arm>> = users.iter().map(|user| experiment.assign(user)).collect();
    let mut again: Vec<Option<Arm>> = users.iter().rev().map(|user| experiment.assign(user)).collect();
    again.reverse();
    assert!(arms == again, "the same user always gets the same arm, whoever was asked about before");
    let in_range = |arm: &Arm| usize::from(arm.0) < shares.len();
    assert!(arms.iter().flatten().all(in_range), "arms are numbered from 0 to their number less one");
    for (arm, &share) in shares.iter().enumerate() {
        let got = arms.iter().flatten().filter(|assigned| usize::from(assigned.0) == arm).count();
        is_about(share, got, arm);
    }
    for odd in ["", " ", "käse", "日本語", "a\0b", &"long".repeat(1_000)] {
        let arm = experiment.assign(&odd.into());
        assert!(arm.as_ref().is_none_or(in_range), "any text names a user: {odd:?}");
    }
}

fn is_about(share: f64, got: usize, arm: usize) {
    let expected = share * f64::from(USERS);
    // Five standard deviations of a binomial: a fair split fails once in two million.
    let tolerance = 5.0 * (expected * (1.0 - share)).max(0.0).sqrt();
    let miss = (got as f64 - expected).abs();
    assert!(
        miss <= tolerance + 1e-6,
        "arms get their shares: arm {arm} got {got}, about {expected:.0} expected"
    );
}
