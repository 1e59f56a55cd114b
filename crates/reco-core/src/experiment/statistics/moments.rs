//! Means, variances and covariances, one user at a time or merged from parts.

use super::error::{StatisticsError, check};
use super::{Sample, check_finite};
use serde::{Deserialize, Serialize};

/// Number, mean and variance of values, one per user.
///
/// Sums of squares lose digits; what is kept here does not (Welford, Technometrics 4, 1962; merging by Chan, Golub &
/// LeVeque 1979).
///
/// ```
/// use reco_core::experiment::statistics::Moments;
///
/// let (mut all, part) = (Moments::of([1.0, 2.0]), Moments::of([3.0]));
/// all.merge(&part);
/// assert_eq!((all.n(), all.mean(), all.variance()), (3, 2.0, Some(1.0)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    n: u64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
}

impl Moments {
    /// Of these values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.push(value));
        moments
    }

    /// Another user's value.
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        let off = value - self.mean;
        self.mean += off / self.n as f64;
        self.squares += off * (value - self.mean);
    }

    /// The values of other users.
    pub fn merge(&mut self, others: &Self) {
        if others.n == 0 {
            return;
        }
        let (mine, theirs) = (self.n as f64, others.n as f64);
        let (off, n) = (others.mean - self.mean, mine + theirs);
        self.mean += off * theirs / n;
        self.squares += others.squares + off * off * mine * theirs / n;
        self.n += others.n;
    }

    /// Number of users.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Their mean, 0 of none.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Of one user, with n - 1 as divisor; not known of fewer than 2.
    pub fn variance(&self) -> Option<f64> {
        (self.n >= 2).then(|| self.squares / (self.n - 1) as f64)
    }

    /// For the tests of two arms.
    ///
    /// # Errors
    ///
    /// Fewer than 2 users, or values that are no finite numbers.
    pub fn sample(&self) -> Result<Sample, StatisticsError> {
        Sample::new(self.n, self.mean, self.variance().unwrap_or_default())
    }
}

/// Means, variances and covariance of two values per user: numerator and denominator of a ratio, or what a user did
/// before and during an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments2 {
    x: Moments,
    y: Moments,
    /// Sum of products of deviations from the means.
    products: f64,
}

impl Moments2 {
    /// Of these pairs (x, y).
    pub fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut moments = Self::default();
        pairs.into_iter().for_each(|(x, y)| moments.push(x, y));
        moments
    }

    /// Another user's values.
    pub fn push(&mut self, x: f64, y: f64) {
        let off = x - self.x.mean;
        self.x.push(x);
        self.y.push(y);
        self.products += off * (y - self.y.mean);
    }

    /// The values of other users.
    pub fn merge(&mut self, others: &Self) {
        if others.n() == 0 {
            return;
        }
        let (mine, theirs) = (self.n() as f64, others.n() as f64);
        let off = (others.x.mean - self.x.mean) * (others.y.mean - self.y.mean);
        self.products += others.products + off * mine * theirs / (mine + theirs);
        self.x.merge(&others.x);
        self.y.merge(&others.y);
    }

    /// Number of users.
    pub fn n(&self) -> u64 {
        self.x.n
    }

    /// The first values alone.
    pub fn x(&self) -> &Moments {
        &self.x
    }

    /// The second values alone.
    pub fn y(&self) -> &Moments {
        &self.y
    }

    /// With n - 1 as divisor; not known of fewer than 2.
    pub fn covariance(&self) -> Option<f64> {
        (self.n() >= 2).then(|| self.products / (self.n() - 1) as f64)
    }

    /// Variances and covariance of at least 2 users.
    pub(super) fn spread(&self) -> Result<Spread, StatisticsError> {
        check(self.n() >= 2, "n", self.n(), "at least 2 users, or nothing is known of their variance")?;
        let divisor = (self.n() - 1) as f64;
        let spread = Spread {
            x: self.x.squares / divisor,
            y: self.y.squares / divisor,
            both: self.products / divisor,
        };
        check_finite("x", spread.x)?;
        check_finite("y", spread.y)?;
        Ok(spread)
    }
}

/// Variances of x and y, and their covariance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) both: f64,
}
