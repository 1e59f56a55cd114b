//! Quantiles, as the latency that 95 % of answers stay below, with users as the unit.

use super::error::{StatisticsError, check, check_share};
use super::special::normal_above;
use super::{Moments2, Sample};

/// A quantile of all values of all users in an arm; `share`, between 0 and 1, says which.
///
/// Values of one user go together, so the share of values below the quantile varies more than values that know nothing
/// of each other would: how much is told by the delta method, and the quantile's error by the values at that share plus
/// and minus its error (Deng, Knoblich & Lu, "Applying the delta method in metric analytics", KDD 2018, section 4, with
/// adjustment beforehand).
///
/// ```
/// use reco_core::experiment::statistics::{Difference, quantile};
///
/// let slow: Vec<Vec<f64>> = (0..200).map(|user| vec![f64::from(user), f64::from(user) + 3.0]).collect();
/// let fast: Vec<Vec<f64>> = (0..200).map(|user| vec![f64::from(user) / 2.0]).collect();
/// let difference = Difference::absolute(&quantile(&slow, 0.5)?, &quantile(&fast, 0.5)?);
/// assert!(difference.t_test(0.95)?.p < 0.001);
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
///
/// # Errors
///
/// Fewer than 2 users, values that are no finite numbers, or too few of them: the quantile's error must lie within them.
pub fn quantile(users: &[impl AsRef<[f64]>], share: f64) -> Result<Sample, StatisticsError> {
    check_share("share", share)?;
    let mut sorted: Vec<f64> = users.iter().flat_map(AsRef::as_ref).copied().collect();
    for &value in &sorted {
        check(value.is_finite(), "a value", value, "a finite number")?;
    }
    sorted.sort_by(f64::total_cmp);
    check(!sorted.is_empty(), "the number of values", 0, "at least 1")?;
    let at = of_sorted(&sorted, share);
    let below = |values: &[f64]| values.iter().filter(|value| **value <= at).count() as f64;
    let counts = users.iter().map(AsRef::as_ref).map(|values| (below(values), values.len() as f64));
    let below = Moments2::of(counts).ratio()?;
    let n = users.len() as u64;
    let z = normal_above(0.025);
    let reach = z * (below.variance() / n as f64).sqrt();
    let inside = share - reach > 0.0 && share + reach < 1.0;
    check(inside, "the number of users", n, "more, for so extreme a quantile")?;
    let error = (of_sorted(&sorted, share + reach) - of_sorted(&sorted, share - reach)) / (2.0 * z);
    Sample::new(n, at, error * error * n as f64)
}

/// The quantile of ascending values, between two of them in proportion (Hyndman & Fan 1996, definition 7).
pub(super) fn of_sorted(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = (place.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}
