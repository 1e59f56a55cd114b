//! Tables of numbers that others computed, held against what is computed here.
//!
//! A table is JSON: families of cases by the name of what they are about, each with inputs and outputs.
//!
//! ```
//! use reco_core::experiment::statistics::reference::Table;
//!
//! let table = Table::parse(r#"{"families": {"srm_chi_square": {"tol": 1e-8, "cases": [
//!     {"id": "halves", "in": {"observed": [9100, 900], "weights": [0.9, 0.1]},
//!      "out": {"chi2": 11.11111111111111, "p": 0.0008581206663936758, "srm_at_0_001": true}}
//! ]}}}"#)?;
//! let checked = table.check();
//! assert_eq!((checked[0].cases, checked[0].passed), (1, 1));
//! # Ok::<(), reco_core::experiment::statistics::reference::TableError>(())
//! ```
//!
//! Numbers agree if they are within `tol` of each other as a share of the table's, or within 10⁻¹²; where `tol` is null,
//! within the case's own `abs_tol`. What is not a finite number is written as `NaN`, `Infinity` or a string of that, or, as
//! JSON has it, null. What is computed beyond a case's `out` is not looked at.

mod compare;
mod families;
mod input;
mod json;

pub use families::{FAMILIES, evaluate};
pub use input::CaseError;

use compare::{Tolerance, differences};
use serde::Serialize;
use serde_json::{Map, Value};

/// Why a text is no table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Not JSON.
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON of another shape.
    #[error("it has no object `families` that maps names to {{\"tol\", \"cases\"}}")]
    Shape,
}

/// Families of cases.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    families: Map<String, Value>,
}

/// What came of the cases of a family.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// The family.
    pub family: String,
    /// How many cases it has.
    pub cases: usize,
    /// How many of them agree in everything.
    pub passed: usize,
    /// Where they do not; several of one case where several of its fields differ.
    pub failures: Vec<Failure>,
}

impl Checked {
    /// Cases that do not agree. A family that cannot be read at all is one that failed.
    pub fn failed(&self) -> usize {
        self.cases - self.passed
    }
}

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// The case, by its `id` or its place.
    pub id: String,
    /// The field of the output, as `absolute.ci[0]`; empty where nothing was computed.
    pub field: String,
    /// What the table says.
    pub expected: String,
    /// What is computed here, or why nothing is.
    pub got: String,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    ///
    /// [`TableError`] for a text that is none. Families and cases that make no sense are told by [`check`](Self::check).
    pub fn parse(text: &str) -> Result<Self, TableError> {
        match json::read(text)?.get_mut("families").map(Value::take) {
            Some(Value::Object(families)) => Ok(Self { families }),
            _ => Err(TableError::Shape),
        }
    }

    /// Evaluates every case of every family.
    pub fn check(&self) -> Vec<Checked> {
        self.families.iter().map(|(family, table)| checked(family, table)).collect()
    }
}

fn checked(family: &str, table: &Value) -> Checked {
    let cases = match cases(family, table) {
        Ok(cases) => cases,
        Err(problem) => {
            let failure = Failure::without_field(family, problem);
            return Checked { family: family.to_owned(), cases: 1, passed: 0, failures: vec![failure] };
        }
    };
    let tol = table.get("tol").and_then(Value::as_f64);
    let (mut passed, mut failures) = (0, Vec::new());
    for (id, case) in &cases {
        let found = judged(family, id, case, tol);
        passed += usize::from(found.is_empty());
        failures.extend(found);
    }
    Checked { family: family.to_owned(), cases: cases.len(), passed, failures }
}

/// The cases of a family by id. Those of the sign test of a draft stand apart, without `in` and `out`.
fn cases(family: &str, table: &Value) -> Result<Vec<(String, Value)>, String> {
    if !FAMILIES.contains(&family) {
        return Err(CaseError::UnknownFamily(family.to_owned()).to_string());
    }
    let listed = table.get("cases").and_then(Value::as_array).ok_or("`cases` is missing, must be a list")?;
    let named = (1..).zip(listed).map(|(place, case)| {
        let id = case.get("id").and_then(Value::as_str);
        (id.map_or_else(|| format!("{family}#{place}"), str::to_owned), case.clone())
    });
    let apart = table.get("sign_test").and_then(Value::as_array).into_iter().flatten();
    let apart = (1..).zip(apart).map(|(place, case)| {
        let case = serde_json::json!({"in": case, "out": {"p": case.get("p")}});
        (format!("sign_test#{place}"), case)
    });
    Ok(named.chain(apart).collect())
}

fn judged(family: &str, id: &str, case: &Value, tol: Option<f64>) -> Vec<Failure> {
    let Some(expected) = case.get("out") else {
        return vec![Failure::without_field(id, "`out` is missing".to_owned())];
    };
    let Some(tolerance) = Tolerance::of(tol, expected) else {
        let problem = "neither `tol` of the family nor `abs_tol` of the case is a number".to_owned();
        return vec![Failure::without_field(id, problem)];
    };
    match evaluate(family, case.get("in").unwrap_or(&Value::Null)) {
        Ok(got) => differences(expected, &got, tolerance)
            .into_iter()
            .map(|(field, expected, got)| Failure { id: id.to_owned(), field, expected, got })
            .collect(),
        Err(error) => {
            let got = error.to_string();
            vec![Failure { id: id.to_owned(), field: String::new(), expected: expected.to_string(), got }]
        }
    }
}

impl Failure {
    fn without_field(id: &str, got: String) -> Self {
        Self { id: id.to_owned(), field: String::new(), expected: String::new(), got }
    }
}
