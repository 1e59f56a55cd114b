//! Whether what was computed is what was expected.

use super::json::number;
use serde_json::Value;

/// How far two numbers may lie apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tolerance {
    /// A share of the expected one, or 10⁻¹² where that is more.
    Relative(f64),
    Absolute(f64),
}

/// The case's own tolerance, which is not compared.
const OF_CASE: &str = "abs_tol";

impl Tolerance {
    /// The family's, or the case's own.
    pub(super) fn of(family: Option<f64>, expected: &Value) -> Option<Self> {
        let own = || expected.get(OF_CASE).and_then(Value::as_f64).map(Self::Absolute);
        family.map(Self::Relative).or_else(own)
    }

    fn accepts(self, expected: f64, got: f64) -> bool {
        let most = match self {
            // A share of infinity would let everything pass.
            Self::Relative(share) if expected.is_finite() => (share * expected.abs()).max(1e-12),
            Self::Relative(_) => 0.0,
            Self::Absolute(most) => most,
        };
        // Infinite ones are the same or not; what is no number on both sides agrees.
        expected.total_cmp(&got).is_eq()
            || (expected.is_nan() && got.is_nan())
            || (expected - got).abs() <= most
    }
}

/// Field, expected and got, wherever they differ.
pub(super) fn differences(
    expected: &Value,
    got: &Value,
    tolerance: Tolerance,
) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    compare("", expected, Some(got), tolerance, &mut found);
    found
}

fn compare(
    field: &str,
    expected: &Value,
    got: Option<&Value>,
    tolerance: Tolerance,
    found: &mut Vec<(String, String, String)>,
) {
    let mut differ = |got: String| found.push((field.to_owned(), expected.to_string(), got));
    let Some(got) = got else {
        return differ("nothing of this name is computed".to_owned());
    };
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (name, expected) in expected.iter().filter(|(name, _)| *name != OF_CASE) {
                let field = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                compare(&field, expected, got.get(name), tolerance, found);
            }
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            for (at, (expected, got)) in expected.iter().zip(got).enumerate() {
                compare(&format!("{field}[{at}]"), expected, Some(got), tolerance, found);
            }
        }
        _ => {
            let agree = match (number(expected), number(got)) {
                (Some(expected), Some(got)) => tolerance.accepts(expected, got),
                _ => expected == got,
            };
            if !agree {
                differ(got.to_string());
            }
        }
    }
}
