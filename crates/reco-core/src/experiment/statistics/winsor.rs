//! Metrics whose few largest values would drown all others.

use super::error::{StatisticsError, check};
use super::quantile::of_sorted;

/// Bounds that values are drawn in to: whoever spends more than the cap counts as having spent the cap.
///
/// Bounds must be the same in all arms, or the arms differ by them: they are taken from all users together.
///
/// ```
/// use reco_core::experiment::statistics::Caps;
///
/// let caps = Caps::of(&[1.0, 2.0, 3.0, 4.0, 100.0], 0.0, 0.75)?;
/// assert_eq!((caps.apply(100.0), caps.apply(2.0)), (4.0, 2.0));
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caps {
    low: f64,
    high: f64,
}

impl Caps {
    /// At these quantiles, from 0 to 1, of the values of all arms (Hyndman & Fan's definition 7, as NumPy has it).
    ///
    /// # Errors
    ///
    /// No values, values that are no numbers, or quantiles out of range or order.
    pub fn of(values: &[f64], low: f64, high: f64) -> Result<Self, StatisticsError> {
        check(!values.is_empty(), "the number of values", 0, "at least 1")?;
        check((0.0..=1.0).contains(&low), "the lower quantile", low, "from 0 to 1")?;
        check((low..=1.0).contains(&high), "the upper quantile", high, "from the lower one to 1")?;
        for &value in values {
            check(!value.is_nan(), "a value", value, "a number")?;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Ok(Self { low: of_sorted(&sorted, low), high: of_sorted(&sorted, high) })
    }

    /// The value, or the bound that it lies beyond.
    pub fn apply(&self, value: f64) -> f64 {
        value.clamp(self.low, self.high)
    }
}
