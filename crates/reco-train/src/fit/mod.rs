//! Fitting models.

pub mod als;
pub mod blend;
pub mod content;
pub mod counts;
pub mod ease;
pub mod item_item;
pub mod ranking;
pub mod sequence;
pub mod snapshot;
pub mod spectral;
pub mod stored;
pub mod vectors;

use reco_core::error::RecommendError;
use reco_core::index::IndexError;
use reco_core::linalg::NotPositiveDefinite;
use reco_core::pipeline::BuildError;

/// Why a model could not be fitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// Parameters out of range; all of them.
    #[error("{model}: {}", .problems.join("; "))]
    Params {
        /// The model.
        model: &'static str,
        /// One line each.
        problems: Vec<String>,
    },
    /// Nothing to fit to.
    #[error("{model}: the data has no interaction with a weight above 0")]
    Empty {
        /// The model.
        model: &'static str,
    },
    /// A linear system had no solution.
    #[error("{model}: {cause}")]
    Diverged {
        /// The model.
        model: &'static str,
        /// Where.
        cause: NotPositiveDefinite,
    },
    /// The pipeline whose candidates the blend learns to order cannot be built.
    #[error("blend: {0}")]
    Pipeline(#[from] BuildError),
    /// That pipeline proposed nothing.
    #[error("blend: the pipeline proposed nothing: {0}")]
    Candidates(#[from] RecommendError),
    /// A vector index refused a vector.
    #[error("vector neighbours: {0}")]
    Index(#[from] IndexError),
}

impl FitError {
    fn check(model: &'static str, problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::Params { model, problems }) }
    }
}

/// "field is value, must be want".
fn bad(field: &str, value: impl std::fmt::Display, want: &str) -> String {
    format!("{field} is {value}, must be {want}")
}
