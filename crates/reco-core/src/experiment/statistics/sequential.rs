//! Tests that may be looked at whenever one likes.

use super::error::{check, check_positive, check_share};
use super::{Difference, Interval, StatisticsError};
use serde::Serialize;

/// An asymptotic confidence sequence: intervals that all hold at once, however often and whenever one looks
/// (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform central limit theory and asymptotic confidence
/// sequences", Annals of Statistics 52, 2024, equation 9; arXiv 2103.06476).
///
/// ```
/// use reco_core::experiment::statistics::{ConfidenceSequence, Difference, Proportion};
///
/// // Tightest when about 20,000 users are in.
/// let sequence = ConfidenceSequence::new(0.05, 20_000.0)?;
/// let (a, b) = (Proportion::new(500, 10_000)?, Proportion::new(620, 10_000)?);
/// let today = sequence.look(&Difference::absolute(&a.sample()?, &b.sample()?));
/// assert!(today.p < 0.05 && !today.interval.contains(0.0));
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfidenceSequence {
    alpha: f64,
    rho: f64,
}

/// What a confidence sequence says at one look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Look {
    /// Of the difference.
    pub interval: Interval,
    /// Below alpha in at most a share alpha of all experiments without a difference, whenever one looks.
    pub p: f64,
}

impl ConfidenceSequence {
    /// `alpha`: the share of experiments, 0 to 1, that may be told of a difference where there is none; `tuning`: the
    /// number of users of both arms at which the intervals are to be tightest, above 0.
    ///
    /// # Errors
    ///
    /// [`StatisticsError`] for values out of range.
    pub fn new(alpha: f64, tuning: f64) -> Result<Self, StatisticsError> {
        check_share("alpha", alpha)?;
        check_positive("tuning", tuning)?;
        let odds = -2.0 * alpha.ln();
        Ok(Self { alpha, rho: ((odds + odds.ln_1p()) / tuning).sqrt() })
    }

    /// The width of the mixture behind it, by equation 161 of the preprint's seventh version.
    pub fn rho(&self) -> f64 {
        self.rho
    }

    /// What is known now. Where neither arm varies, nothing is: the interval is the estimate alone, and p is 1.
    pub fn look(&self, difference: &Difference) -> Look {
        let Difference { estimate, variance, n, .. } = *difference;
        let n = n as f64;
        let (rho2, scale) = (self.rho * self.rho, n * self.rho * self.rho + 1.0);
        let half =
            (variance * n).sqrt() * (2.0 * scale * (scale.sqrt() / self.alpha).ln()).sqrt() / (n * self.rho);
        let squares = estimate * estimate * n / variance;
        // The evidence against no difference, an e-value (equation 155), as a logarithm that cannot overflow.
        let evidence = rho2 * squares / (2.0 * scale) - 0.5 * scale.ln();
        let p = if variance > 0.0 { (-evidence).exp().min(1.0) } else { 1.0 };
        Look { interval: Interval::around(estimate, half), p }
    }
}

/// The mixture sequential probability ratio test (Johari, Koomen, Pekelis & Walsh, "Always valid inference: continuous
/// monitoring of A/B tests", Operations Research 70, 2022): effects are weighed by a normal distribution around 0.
///
/// Its p never rises, and falls below alpha in at most a share alpha of all experiments without a difference.
///
/// ```
/// use reco_core::experiment::statistics::Msprt;
///
/// let mut test = Msprt::new(0.01)?;
/// assert_eq!(test.look(0.05, 0.01)?.p, 1.0);
/// let (found, later) = (test.look(0.4, 0.005)?.p, test.look(0.1, 0.004)?.p);
/// assert!(found < 0.01 && later == found);
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Msprt {
    tau2: f64,
    p: f64,
}

/// What the test says at one look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Logarithm of the likelihood of a difference by that of none.
    pub ln_ratio: f64,
    /// The always-valid p: the least of all looks so far, at most 1.
    pub p: f64,
}

impl Msprt {
    /// `tau2`: the variance of the effects that are weighed, in squared units of the metric, above 0; about the square
    /// of the effect that matters.
    ///
    /// # Errors
    ///
    /// A `tau2` out of range.
    pub fn new(tau2: f64) -> Result<Self, StatisticsError> {
        check_positive("tau2", tau2)?;
        Ok(Self { tau2, p: 1.0 })
    }

    /// Another look: the difference so far and its variance, 2 σ² / n for n users in each arm that vary by σ².
    ///
    /// # Errors
    ///
    /// A difference that is no number, or a variance that is not above 0.
    pub fn look(&mut self, difference: f64, variance: f64) -> Result<Evidence, StatisticsError> {
        check(difference.is_finite(), "difference", difference, "a finite number")?;
        check_positive("variance", variance)?;
        let (tau2, both) = (self.tau2, variance + self.tau2);
        let ln_ratio =
            0.5 * (variance / both).ln() + tau2 * difference * difference / (2.0 * variance * both);
        self.p = self.p.min((-ln_ratio).exp());
        Ok(Evidence { ln_ratio, p: self.p })
    }
}
