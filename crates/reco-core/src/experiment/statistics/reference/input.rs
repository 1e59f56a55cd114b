//! Reading the inputs of a case.

use super::json::number;
use crate::experiment::statistics::StatisticsError;
use serde_json::Value;

/// Why a case cannot be evaluated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// Not one of [`FAMILIES`](super::FAMILIES).
    #[error("there is no family `{0}`; families are {families}", families = super::FAMILIES.join(", "))]
    UnknownFamily(String),
    /// A field that its family needs.
    #[error("`in.{0}` is missing")]
    Missing(&'static str),
    /// A field that is something else.
    #[error("`in.{field}` is {given}, must be {wanted}")]
    Wrong {
        /// The field.
        field: &'static str,
        /// What it is, shortened.
        given: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Numbers that make no sense.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
}

/// The inputs of a case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(pub(super) &'a Value);

impl<'a> Input<'a> {
    pub(super) fn has(self, field: &str) -> bool {
        self.0.get(field).is_some()
    }

    pub(super) fn get(self, field: &'static str) -> Result<&'a Value, CaseError> {
        self.0.get(field).ok_or(CaseError::Missing(field))
    }

    pub(super) fn number(self, field: &'static str) -> Result<f64, CaseError> {
        as_number(field, self.get(field)?)
    }

    pub(super) fn count(self, field: &'static str) -> Result<u64, CaseError> {
        as_count(field, self.get(field)?)
    }

    pub(super) fn text(self, field: &'static str) -> Result<&'a str, CaseError> {
        let value = self.get(field)?;
        value.as_str().ok_or_else(|| wrong(field, value, "a text"))
    }

    pub(super) fn numbers(self, field: &'static str) -> Result<Vec<f64>, CaseError> {
        self.list(field)?.iter().map(|value| as_number(field, value)).collect()
    }

    pub(super) fn counts(self, field: &'static str) -> Result<Vec<u64>, CaseError> {
        self.list(field)?.iter().map(|value| as_count(field, value)).collect()
    }

    pub(super) fn list(self, field: &'static str) -> Result<&'a [Value], CaseError> {
        let value = self.get(field)?;
        value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(field, value, "a list"))
    }

    /// Two lists of the same length, as pairs.
    pub(super) fn pairs(
        self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Vec<(f64, f64)>, CaseError> {
        let (x, y) = (self.numbers(first)?, self.numbers(second)?);
        if x.len() != y.len() {
            return Err(wrong(second, self.get(second)?, "as long as the list of the same users beside it"));
        }
        Ok(x.into_iter().zip(y).collect())
    }
}

fn as_number(field: &'static str, value: &Value) -> Result<f64, CaseError> {
    let finite = number(value).filter(|number| number.is_finite());
    finite.ok_or_else(|| wrong(field, value, "a finite number"))
}

/// A whole number, which may be written as 3.0.
fn as_count(field: &'static str, value: &Value) -> Result<u64, CaseError> {
    let whole = |number: f64| {
        (number >= 0.0 && number <= 2f64.powi(53) && number.fract() == 0.0).then_some(number as u64)
    };
    let count = value.as_u64().or_else(|| value.as_f64().and_then(whole));
    count.ok_or_else(|| wrong(field, value, "a whole number from 0"))
}

fn wrong(field: &'static str, value: &Value, wanted: &'static str) -> CaseError {
    let given = value.to_string();
    let short: String = given.chars().take(60).collect();
    let given = if short.len() < given.len() { format!("{short}…") } else { short };
    CaseError::Wrong { field, given, wanted }
}
