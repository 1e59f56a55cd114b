//! Query parameters, checked by name.

use crate::ApiError;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use std::str::FromStr;

/// The parameters of a request; every one must be taken, so that a misspelt one is noticed.
pub(crate) struct Params(Vec<(String, String)>);

pub(crate) type RawQuery = Result<Query<Vec<(String, String)>>, QueryRejection>;

impl Params {
    pub(crate) fn new(query: RawQuery, known: &[&str]) -> Result<Self, ApiError> {
        let Query(pairs) = query.map_err(|rejection| ApiError::parameter("query", rejection.body_text()))?;
        for (i, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let message = format!("there is no parameter `{name}`; there are {}", known.join(", "));
                return Err(ApiError::parameter(name.clone(), message));
            }
            if pairs[..i].iter().any(|(other, _)| other == name) {
                return Err(ApiError::parameter(name.clone(), format!("`{name}` is given twice")));
            }
        }
        Ok(Self(pairs))
    }

    /// The text of a parameter; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some(found.1.as_str()).filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| ApiError::parameter(name, format!("`{name}` is missing")))
    }

    /// A parameter of any type that reads from text; `want` says what would be right.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str, want: &str) -> Result<Option<T>, ApiError> {
        self.text(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| ApiError::parameter(name, format!("{name} is `{text}`, must be {want}")))
            })
            .transpose()
    }

    /// Comma-separated values.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name).into_iter().flat_map(|text| text.split(',')).filter(|part| !part.is_empty())
    }
}
