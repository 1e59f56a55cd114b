//! Whether users came into the arms in the ratio that was meant.

use super::error::{StatisticsError, check};
use super::special::chi_square_tail;
use serde::Serialize;

/// What the check says of the arms' sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mismatch {
    /// Pearson's chi-square.
    pub chi2: f64,
    /// Number of arms less 1.
    pub df: usize,
    /// Probability of sizes at least as far off, were all well.
    pub p: f64,
}

impl Mismatch {
    /// The usual bound: so small that an alarm is hardly ever false, though every experiment is checked every day.
    pub const ALARM: f64 = 0.001;

    /// Whether something is wrong with how users came into the arms, so that no other figure may be believed.
    pub fn alarms(&self) -> bool {
        self.p < Self::ALARM
    }
}

/// Sample-ratio mismatch: Pearson's chi-square of the users seen in each arm against the arms' weights (Fabijan et al.,
/// "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019). Without any users, p is 1.
///
/// ```
/// use reco_core::experiment::statistics::sample_ratio_mismatch;
///
/// assert!(sample_ratio_mismatch(&[821_588, 815_482], &[1.0, 1.0])?.alarms());
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
///
/// # Errors
///
/// Fewer than two arms, another number of weights than arms, or weights that are not above 0.
pub fn sample_ratio_mismatch(observed: &[u64], weights: &[f64]) -> Result<Mismatch, StatisticsError> {
    check(observed.len() >= 2, "the number of arms", observed.len(), "at least 2")?;
    if weights.len() != observed.len() {
        let wanted = format!("{}, one per arm", observed.len());
        return Err(StatisticsError::new("the number of weights", weights.len(), wanted));
    }
    for &weight in weights {
        check(
            weight.is_finite() && weight > 0.0,
            "a weight",
            weight,
            "above 0; leave out arms without users",
        )?;
    }
    let users: f64 = observed.iter().map(|&n| n as f64).sum();
    let whole: f64 = weights.iter().sum();
    let part = |(&n, weight): (&u64, &f64)| {
        let expected = users * weight / whole;
        if users > 0.0 { (n as f64 - expected).powi(2) / expected } else { 0.0 }
    };
    let chi2 = observed.iter().zip(weights).map(part).sum();
    let df = observed.len() - 1;
    Ok(Mismatch { chi2, df, p: chi_square_tail(chi2, df as f64) })
}
