//! What is known of a metric in one arm, and the difference between two arms.

use super::error::{check, check_finite};
use super::special::{t_two_sided, t_two_sided_above};
use super::{Interval, StatisticsError, check_share};
use serde::Serialize;

/// A metric in one arm: the number of users, and mean and variance of one user.
///
/// All that the tests need, whatever the metric: [`Proportion`](super::Proportion), [`Moments`](super::Moments),
/// [`Moments2`](super::Moments2) (ratios, CUPED) and [`quantile`](super::quantile) make one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    n: u64,
    mean: f64,
    variance: f64,
    unadjusted_mean: f64,
}

impl Sample {
    /// `n`: users, from 2; `mean`: in units of the metric; `variance`: of one user, in their square, from 0.
    ///
    /// # Errors
    ///
    /// [`StatisticsError`] for numbers out of range.
    pub fn new(n: u64, mean: f64, variance: f64) -> Result<Self, StatisticsError> {
        Self::adjusted(n, mean, variance, mean)
    }

    /// The same of a metric that was adjusted by what was known before, where relative effects are told of the mean
    /// without the adjustment.
    pub(super) fn adjusted(
        n: u64,
        mean: f64,
        variance: f64,
        unadjusted: f64,
    ) -> Result<Self, StatisticsError> {
        check(n >= 2, "n", n, "at least 2 users, or nothing is known of their variance")?;
        check_finite("mean", mean)?;
        check(variance.is_finite() && variance >= 0.0, "variance", variance, "a finite number not below 0")?;
        Ok(Self { n, mean, variance, unadjusted_mean: unadjusted })
    }

    /// Number of users.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The metric, in its own unit.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Variance of one user.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// Variance of the mean.
    fn of_mean(&self) -> f64 {
        self.variance / self.n as f64
    }
}

/// How much more there is in B than in A, and how exactly that is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// B less A; of a relative difference, as a share of A.
    pub estimate: f64,
    /// The estimate's variance.
    pub variance: f64,
    /// Degrees of freedom by Welch and Satterthwaite; 1 where neither arm varies.
    pub df: f64,
    /// Users of both arms.
    pub n: u64,
}

impl Difference {
    /// B less A, in units of the metric.
    pub fn absolute(a: &Sample, b: &Sample) -> Self {
        Self {
            estimate: b.mean - a.mean,
            variance: a.of_mean() + b.of_mean(),
            df: welch_df(a, b),
            n: a.n + b.n,
        }
    }

    /// B less A as a share of A, its variance by the delta method (Deng, Knoblich & Lu, KDD 2018, section 3.1);
    /// nothing where A is 0.
    pub fn relative(a: &Sample, b: &Sample) -> Option<Self> {
        let base = a.unadjusted_mean;
        let lift = (b.mean - a.mean) / base;
        let variance = b.of_mean() / base.powi(2) + a.of_mean() * b.unadjusted_mean.powi(2) / base.powi(4);
        let known = base != 0.0 && lift.is_finite() && variance.is_finite();
        known.then(|| Self { estimate: lift, variance, df: welch_df(a, b), n: a.n + b.n })
    }

    /// Standard deviation of the estimate.
    pub fn error(&self) -> f64 {
        self.variance.sqrt()
    }

    /// Welch's t-test that there is no difference, with an interval of this level, such as 0.95 (Welch, Biometrika 34,
    /// 1947). It is valid for one look at a moment that was fixed before.
    ///
    /// Where neither arm varies, a difference has t = ±∞ and p = 0, and no difference has no t and no p (NaN).
    ///
    /// # Errors
    ///
    /// A level that is not between 0 and 1.
    pub fn t_test(&self, level: f64) -> Result<TTest, StatisticsError> {
        check_share("level", level)?;
        let t = self.estimate / self.error();
        let half = t_two_sided_above(1.0 - level, self.df) * self.error();
        let interval = Interval::around(self.estimate, half);
        Ok(TTest { t, df: self.df, p: t_two_sided(t, self.df), interval })
    }
}

/// What Welch's test says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TTest {
    /// The difference in standard deviations.
    pub t: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// Probability of a difference at least as large, in either direction, where there is none.
    pub p: f64,
    /// Of the difference.
    pub interval: Interval,
}

fn welch_df(a: &Sample, b: &Sample) -> f64 {
    let part = |sample: &Sample| sample.of_mean().powi(2) / (sample.n - 1) as f64;
    let df = (a.of_mean() + b.of_mean()).powi(2) / (part(a) + part(b));
    if df.is_finite() { df } else { 1.0 }
}
