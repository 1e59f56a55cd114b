//! Exponentially decaying counts whose order never changes by waiting.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The decayed weight of some events, as the base-2 logarithm of their mass
/// moved to the epoch.
///
/// An event of weight w at time t counts w * 2^((t - now) / half-life) now.
/// Dividing every count by the same 2^(-now / half-life) leaves
/// Σ w * 2^(t / half-life), which no longer depends on `now`: two trends compare
/// the same at any moment, so a sorted board stays sorted until the next event
/// (forward decay, Cormode et al., ICDE 2009, section 3). The logarithm keeps
/// that sum in range.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trend(f64);

impl Default for Trend {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl Trend {
    /// No events.
    pub const NOTHING: Self = Self(f64::NEG_INFINITY);

    /// One event of `weight` (> 0) at `at`.
    pub fn of_event(weight: f32, at: Timestamp, half_life_days: f64) -> Self {
        Self(f64::from(weight).log2() + epoch_half_lives(at, half_life_days))
    }

    /// The events of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (high, low) = if self.0 >= other.0 { (self.0, other.0) } else { (other.0, self.0) };
        if low == f64::NEG_INFINITY {
            return Self(high);
        }
        Self(high + (low - high).exp2().ln_1p() / std::f64::consts::LN_2)
    }

    /// The same events with `factor` (>= 0) times their weight.
    #[must_use]
    pub fn times(self, factor: f32) -> Self {
        Self(self.0 + f64::from(factor).log2())
    }

    /// The decayed count at `now`.
    pub fn at(self, now: Timestamp, half_life_days: f64) -> f32 {
        (self.0 - epoch_half_lives(now, half_life_days)).exp2() as f32
    }

    /// Total order, most trending first.
    pub fn descending(self, other: Self) -> std::cmp::Ordering {
        other.0.total_cmp(&self.0)
    }
}

fn epoch_half_lives(at: Timestamp, half_life_days: f64) -> f64 {
    at.days_since(Timestamp::default()) / half_life_days
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_sum_it_stands_for(
            events in prop::collection::vec((0.125f32..5.0, 0i64..3_000_000), 1..50),
            half_life in 0.5f64..60.0,
        ) {
            let base = Timestamp::from_secs(1_700_000_000);
            let at = |secs: i64| Timestamp::from_secs(1_700_000_000 + secs);
            let now = at(3_000_000);
            let trend = events.iter().fold(Trend::NOTHING, |sum, &(weight, secs)| {
                sum.plus(Trend::of_event(weight, at(secs), half_life))
            });
            let direct: f64 = events.iter()
                .map(|&(weight, secs)| f64::from(weight) * (-now.days_since(at(secs)) / half_life).exp2())
                .sum();
            prop_assert!((f64::from(trend.at(now, half_life)) / direct - 1.0).abs() < 1e-3);
            prop_assert!(trend.at(base, half_life) >= trend.at(now, half_life));
            prop_assert!((trend.times(0.25).at(now, half_life) / trend.at(now, half_life) - 0.25).abs() < 1e-4);
            prop_assert!(trend.times(0.0).at(now, half_life).abs() < f32::MIN_POSITIVE);
        }
    }
}
