//! Shares of users who did something: their intervals, and whether two of them differ.

use super::error::{StatisticsError, check, check_share};
use super::special::{beta_quantile_logit, normal_above, normal_two_sided, sigmoid};
use super::{Interval, Sample};
use serde::Serialize;

/// So many users who did, of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Proportion {
    successes: u64,
    trials: u64,
}

impl Proportion {
    /// `trials`: users, from 1; `successes`: those of them who did, each once.
    ///
    /// # Errors
    ///
    /// [`StatisticsError`] for no users, or more successes than users.
    pub fn new(successes: u64, trials: u64) -> Result<Self, StatisticsError> {
        check(trials > 0, "trials", trials, "at least 1")?;
        let most = || format!("at most the number of trials, {trials}");
        if successes > trials {
            return Err(StatisticsError::new("successes", successes, most()));
        }
        Ok(Self { successes, trials })
    }

    /// Users who did.
    pub fn successes(self) -> u64 {
        self.successes
    }

    /// All users.
    pub fn trials(self) -> u64 {
        self.trials
    }

    /// The share, 0 to 1.
    pub fn rate(self) -> f64 {
        self.successes as f64 / self.trials as f64
    }

    /// For tests that take any metric; the variance is rate × (1 - rate).
    ///
    /// # Errors
    ///
    /// Fewer than 2 users.
    pub fn sample(self) -> Result<Sample, StatisticsError> {
        let failed = (self.trials - self.successes) as f64 / self.trials as f64;
        Sample::new(self.trials, self.rate(), self.rate() * failed)
    }

    /// Wilson's score interval (JASA 22, 1927): short, and right on average for any rate.
    ///
    /// # Errors
    ///
    /// A level that is not between 0 and 1.
    pub fn wilson(self, level: f64) -> Result<Interval, StatisticsError> {
        let z = two_sided_z(level)?;
        let (n, rate, square) = (self.trials as f64, self.rate(), z * z);
        let scale = 1.0 + square / n;
        let centre = (rate + square / (2.0 * n)) / scale;
        let half = z * (rate * (1.0 - rate) / n + square / (4.0 * n * n)).sqrt() / scale;
        let interval = Interval::around(centre, half).of_shares();
        // Exact where rounding would leave a trace.
        let low = if self.successes == 0 { 0.0 } else { interval.low };
        let high = if self.successes == self.trials { 1.0 } else { interval.high };
        Ok(Interval { low, high })
    }

    /// Clopper and Pearson's interval (Biometrika 26, 1934): never covers less than its level, often more.
    ///
    /// # Errors
    ///
    /// A level that is not between 0 and 1.
    pub fn clopper_pearson(self, level: f64) -> Result<Interval, StatisticsError> {
        check_share("level", level)?;
        let tail = (1.0 - level) / 2.0;
        let (x, rest) = (self.successes as f64, (self.trials - self.successes) as f64);
        let low = if x == 0.0 { 0.0 } else { sigmoid(beta_quantile_logit(tail, x, rest + 1.0)) };
        let high = if rest == 0.0 { 1.0 } else { sigmoid(-beta_quantile_logit(tail, rest, x + 1.0)) };
        Ok(Interval { low, high })
    }

    /// Agresti and Coull's interval (The American Statistician 52, 1998): Wilson's centre and a simpler width.
    ///
    /// # Errors
    ///
    /// A level that is not between 0 and 1.
    pub fn agresti_coull(self, level: f64) -> Result<Interval, StatisticsError> {
        let z = two_sided_z(level)?;
        let n = self.trials as f64 + z * z;
        let rate = (self.successes as f64 + z * z / 2.0) / n;
        Ok(Interval::around(rate, z * (rate * (1.0 - rate) / n).sqrt()).of_shares())
    }
}

/// What the test of two shares says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ZTest {
    /// The difference in standard deviations.
    pub z: f64,
    /// Probability of a difference at least as large, in either direction, where there is none.
    pub p: f64,
    /// B's rate less A's.
    pub difference: f64,
    /// Of the difference.
    pub interval: Interval,
}

/// Whether the rate of B differs from A's: the z-test with pooled variance, and Wald's interval of the difference, whose
/// variance is not pooled (Fleiss, Levin & Paik 2003, sections 3.1 and 3.2).
///
/// Where everybody or nobody did in both arms, there is nothing to judge by: z and p are NaN, below no level.
///
/// ```
/// use reco_core::experiment::statistics::{Proportion, two_proportion_z};
///
/// let (a, b) = (Proportion::new(100, 1_000)?, Proportion::new(120, 1_000)?);
/// let test = two_proportion_z(a, b, 0.95)?;
/// assert!(test.p > 0.15 && test.interval.contains(0.0));
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
///
/// # Errors
///
/// A level that is not between 0 and 1.
pub fn two_proportion_z(a: Proportion, b: Proportion, level: f64) -> Result<ZTest, StatisticsError> {
    let (n_a, n_b) = (a.trials as f64, b.trials as f64);
    let difference = b.rate() - a.rate();
    let pooled = (a.successes + b.successes) as f64 / (n_a + n_b);
    let z = difference / (pooled * (1.0 - pooled) * (1.0 / n_a + 1.0 / n_b)).sqrt();
    let variance = a.rate() * (1.0 - a.rate()) / n_a + b.rate() * (1.0 - b.rate()) / n_b;
    let interval = Interval::around(difference, two_sided_z(level)? * variance.sqrt());
    Ok(ZTest { z, p: normal_two_sided(z), difference, interval })
}

/// The z that a normal variable stays within with this probability.
pub(super) fn two_sided_z(level: f64) -> Result<f64, StatisticsError> {
    check_share("level", level)?;
    Ok(normal_above((1.0 - level) / 2.0))
}
