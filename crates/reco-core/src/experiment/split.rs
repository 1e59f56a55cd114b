//! A plain split of users into arms.

use super::{Arm, Experiment, HashVersion, choose_variation};
use crate::id::UserKey;
use std::ops::Range;

/// Hashes users into arms of given weights.
///
/// A user's place in 0..1 is that of GrowthBook's hash version 2 ([`HashVersion::V2`]), so that a web front end with
/// that SDK agrees. The arms divide 0..1 by their weights; each takes in the first `coverage` of its part. Raising the
/// coverage moves nobody who is already in.
///
/// For experiments with layers, targeting and variants that change pages see [`ExperimentConfig`](super::ExperimentConfig).
///
/// ```
/// use reco_core::experiment::{Experiment, HashSplit};
///
/// let half = HashSplit::new("new-ranker", &[1.0, 1.0], 1.0)?;
/// assert_eq!(half.assign(&"ann".into()), half.assign(&"ann".into()));
/// # Ok::<(), reco_core::experiment::SplitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HashSplit {
    name: String,
    /// The part of each arm within 0..1.
    ranges: Vec<Range<f64>>,
}

/// Why a split makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// No arms, more than 256, or weights that are no positive numbers.
    #[error("weights are {0:?}, must be 1 to 256 numbers not below 0 with a finite sum above 0")]
    Weights(Vec<f64>),
    /// Not a share.
    #[error("coverage is {0}, must be 0 to 1")]
    Coverage(f64),
}

impl HashSplit {
    /// `weights`: one per arm, in any unit; `coverage`: the share of users that take part.
    ///
    /// # Errors
    ///
    /// [`SplitError`] for values out of range.
    pub fn new(name: impl Into<String>, weights: &[f64], coverage: f64) -> Result<Self, SplitError> {
        let total: f64 = weights.iter().sum();
        let sane = (1..=256).contains(&weights.len()) && weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        if !sane || total <= 0.0 || !total.is_finite() {
            return Err(SplitError::Weights(weights.to_vec()));
        }
        if !(0.0..=1.0).contains(&coverage) {
            return Err(SplitError::Coverage(coverage));
        }
        let mut start = 0.0;
        let range = |weight: &f64| {
            let share = weight / total;
            let range = start..start + share * coverage;
            start += share;
            range
        };
        Ok(Self { name: name.into(), ranges: weights.iter().map(range).collect() })
    }

    /// A user's place in 0..1, in steps of 1/10,000.
    pub fn place(&self, user: &UserKey) -> f64 {
        HashVersion::V2.place(&self.name, user.as_str())
    }
}

impl Experiment for HashSplit {
    fn name(&self) -> &str {
        &self.name
    }

    fn n_arms(&self) -> usize {
        self.ranges.len()
    }

    fn assign(&self, user: &UserKey) -> Option<Arm> {
        let arm = choose_variation(self.place(user), &self.ranges)?;
        u8::try_from(arm).ok().map(Arm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_ramp_moves_nobody_who_is_in(
            users in prop::collection::vec("[a-z0-9]{1,12}", 1..50),
            weights in prop::collection::vec(0.1f64..10.0, 1..6),
            at in 0.0f64..=1.0,
            then in 0.0f64..=1.0,
        ) {
            let before = HashSplit::new("ramp", &weights, at.min(then)).unwrap();
            let after = HashSplit::new("ramp", &weights, at.max(then)).unwrap();
            for user in users {
                let user = UserKey::from(user);
                if let Some(arm) = before.assign(&user) {
                    prop_assert_eq!(after.assign(&user), Some(arm));
                }
            }
        }

        #[test]
        fn full_coverage_leaves_nobody_out(
            user in ".{0,20}",
            weights in prop::collection::vec(0.1f64..10.0, 1..9),
        ) {
            let split = HashSplit::new("all", &weights, 1.0).unwrap();
            prop_assert!(split.assign(&user.into()).is_some());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!(HashSplit::new("x", &[], 1.0), Err(SplitError::Weights(_))));
        assert!(matches!(HashSplit::new("x", &[f64::NAN], 1.0), Err(SplitError::Weights(_))));
        assert!(matches!(HashSplit::new("x", &[0.0, 0.0], 1.0), Err(SplitError::Weights(_))));
        assert!(matches!(HashSplit::new("x", &[1.0; 257], 1.0), Err(SplitError::Weights(_))));
        assert!(matches!(HashSplit::new("x", &[f64::MAX; 2], 1.0), Err(SplitError::Weights(_))));
        for coverage in [-0.1, 1.5, f64::NAN] {
            assert!(matches!(HashSplit::new("x", &[1.0], coverage), Err(SplitError::Coverage(_))));
        }
    }
}
