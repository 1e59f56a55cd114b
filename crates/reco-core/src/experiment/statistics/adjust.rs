//! Metrics made of two values per user: ratios, and what CUPED leaves of a metric.

use super::error::{StatisticsError, check};
use super::{Moments2, Sample};

impl Moments2 {
    /// The sum of all x by the sum of all y, as clicks by views, with users as the unit: what one user does often is
    /// not independent. The variance is by the delta method (Deng, Knoblich & Lu, KDD 2018, section 3.2).
    ///
    /// ```
    /// use reco_core::experiment::statistics::{Difference, Moments2};
    ///
    /// // Clicks and views of each user.
    /// let a = Moments2::of([(1.0, 10.0), (0.0, 4.0), (3.0, 12.0)]).ratio()?;
    /// let b = Moments2::of([(2.0, 9.0), (1.0, 5.0), (3.0, 10.0)]).ratio()?;
    /// assert!(Difference::absolute(&a, &b).t_test(0.95)?.p > 0.05);
    /// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fewer than 2 users, or values of y that sum to 0.
    pub fn ratio(&self) -> Result<Sample, StatisticsError> {
        let spread = self.spread()?;
        let (x, y) = (self.x().mean(), self.y().mean());
        check(y != 0.0, "the mean of the denominators", y, "another number than 0")?;
        let ratio = x / y;
        // The same as var(x) / y² - 2 cov x / y³ + x² var(y) / y⁴, with less to overflow.
        let variance = (spread.x - 2.0 * ratio * spread.both + ratio * ratio * spread.y) / (y * y);
        Sample::new(self.n(), ratio, variance.max(0.0))
    }
}

/// Both arms of a metric without what was known before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cuped {
    /// How much of what was before is taken off.
    pub theta: f64,
    /// The control.
    pub a: Sample,
    /// The other arm.
    pub b: Sample,
}

/// CUPED (Deng, Xu, Kohavi & Walker, WSDM 2013): of every user's metric `y`, takes off what the same user's value
/// before the experiment, `x`, foretold. The difference between the arms stays; its variance falls by the square of the
/// correlation. The slope is that of both arms together; where `x` or `y` does not vary, nothing is taken off.
///
/// # Errors
///
/// Fewer than 2 users in an arm.
pub fn cuped(a: &Moments2, b: &Moments2) -> Result<Cuped, StatisticsError> {
    let mut both = *a;
    both.merge(b);
    let spread = both.spread()?;
    let theta = if spread.x > 0.0 && spread.y > 0.0 { spread.both / spread.x } else { 0.0 };
    let adjusted = |arm: &Moments2| {
        let spread = arm.spread()?;
        let variance = spread.y + theta * theta * spread.x - 2.0 * theta * spread.both;
        let mean = arm.y().mean() - theta * arm.x().mean();
        Sample::adjusted(arm.n(), mean, variance.max(0.0), arm.y().mean())
    };
    Ok(Cuped { theta, a: adjusted(a)?, b: adjusted(b)? })
}
