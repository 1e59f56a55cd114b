//! What is said of numbers that make no sense.

use std::fmt::Display;

/// A parameter out of its range: which, what it was, and what would be right.
///
/// ```
/// use reco_core::experiment::statistics::Proportion;
///
/// let error = Proportion::new(12, 10).unwrap_err();
/// assert_eq!(error.to_string(), "successes is 12, must be at most the number of trials, 10");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {given}, must be {wanted}")]
pub struct StatisticsError {
    name: &'static str,
    given: String,
    wanted: String,
}

impl StatisticsError {
    pub(crate) fn new(name: &'static str, given: impl Display, wanted: impl Into<String>) -> Self {
        Self { name, given: given.to_string(), wanted: wanted.into() }
    }

    /// The parameter that is out of range.
    pub fn parameter(&self) -> &str {
        self.name
    }
}

/// Fails unless `holds`.
pub(crate) fn check(
    holds: bool,
    name: &'static str,
    given: impl Display,
    wanted: &str,
) -> Result<(), StatisticsError> {
    if holds { Ok(()) } else { Err(StatisticsError::new(name, given, wanted)) }
}

/// A share strictly between 0 and 1, such as a level of confidence or an error rate.
pub(crate) fn check_share(name: &'static str, given: f64) -> Result<(), StatisticsError> {
    check(given > 0.0 && given < 1.0, name, given, "between 0 and 1, both excluded")
}

/// A number that is one, and above 0.
pub(crate) fn check_positive(name: &'static str, given: f64) -> Result<(), StatisticsError> {
    check(given.is_finite() && given > 0.0, name, given, "a finite number above 0")
}

/// A number that is one.
pub(crate) fn check_finite(name: &'static str, given: f64) -> Result<(), StatisticsError> {
    check(given.is_finite(), name, given, "a finite number")
}
