//! A plain split of users into arms.

use super::{Arm, Experiment};
use crate::id::UserKey;

/// Hashes users into arms of given weights.
///
/// A user's place n in 0..1 is GrowthBook's hash version 2, n = fnv1a32(str(fnv1a32(seed + user))) mod
/// 10,000 / 10,000, so that a web front end with that SDK agrees. The arms divide 0..1 by their
/// weights; each takes in the first `coverage` of its part. Raising the coverage moves nobody who
/// is already in.
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
    /// Start and end of each arm within 0..1.
    ranges: Vec<(f64, f64)>,
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
            let range = (start, start + share * coverage);
            start += share;
            range
        };
        Ok(Self { name: name.into(), ranges: weights.iter().map(range).collect() })
    }

    /// A user's place in 0..1, in steps of 1/10,000.
    pub fn place(&self, user: &UserKey) -> f64 {
        f64::from(fnv1a(fnv1a_pair(&self.name, user.as_str()).to_string().bytes()) % 10_000) / 10_000.0
    }
}

fn fnv1a(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn fnv1a_pair(seed: &str, value: &str) -> u32 {
    fnv1a(seed.bytes().chain(value.bytes()))
}

impl Experiment for HashSplit {
    fn name(&self) -> &str {
        &self.name
    }

    fn n_arms(&self) -> usize {
        self.ranges.len()
    }

    fn assign(&self, user: &UserKey) -> Option<Arm> {
        let place = self.place(user);
        let arm = self.ranges.iter().position(|(start, end)| (*start..*end).contains(&place))?;
        u8::try_from(arm).ok().map(Arm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cases of GrowthBook's SDK conformance suite (hash version 2).
    #[test]
    fn hashes_like_growthbook() {
        let cases = [
            ("seed", "a", 0.0505),
            ("seed", "b", 0.2696),
            ("foo", "ab", 0.2575),
            ("foo", "def", 0.2019),
            ("89123klj", "8952klfjas09ujkasdf", 0.124),
            ("90850943850283058242805", "123", 0.7516),
            ("()**(%$##$%#$#", "___)((*\":&", 0.0128),
        ];
        for (seed, user, place) in cases {
            let split = HashSplit::new(seed, &[1.0], 1.0).unwrap();
            assert!((split.place(&user.into()) - place).abs() < 1e-9, "{seed} {user}");
        }
    }

    /// Cases of the same suite; (weights, coverage) and the arms' ranges.
    #[test]
    fn divides_like_growthbook() {
        type Case<'a> = (&'a [f64], f64, &'a [(f64, f64)]);
        let cases: [Case<'_>; 5] = [
            (&[0.5, 0.5], 1.0, &[(0.0, 0.5), (0.5, 1.0)]),
            (&[0.5, 0.5], 0.5, &[(0.0, 0.25), (0.5, 0.75)]),
            (&[0.5, 0.5], 0.0, &[(0.0, 0.0), (0.5, 0.5)]),
            (&[0.2, 0.3, 0.5], 1.0, &[(0.0, 0.2), (0.2, 0.5), (0.5, 1.0)]),
            (&[0.2, 0.3, 0.5], 0.2, &[(0.0, 0.04), (0.2, 0.26), (0.5, 0.6)]),
        ];
        for (weights, coverage, ranges) in cases {
            let split = HashSplit::new("x", weights, coverage).unwrap();
            let same = |(a, b): (&(f64, f64), &(f64, f64))| (a.0 - b.0).abs() + (a.1 - b.1).abs() < 1e-9;
            assert!(split.ranges.iter().zip(ranges).all(same), "{:?} {ranges:?}", split.ranges);
        }
    }

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
