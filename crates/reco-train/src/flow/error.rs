//! Why a flow ends early.

use crate::evaluate::EvaluateError;
use crate::fit::FitError;
use crate::fit::stored::StoredError;
use crate::track::{RunId, TrackError};
use reco_core::error::RecommendError;
use reco_core::pipeline::BuildError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a flow ends early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// Settings of the judgement out of range; all of them.
    #[error("judge: {}", .0.join("; "))]
    Params(Vec<String>),
    /// There is nothing to try.
    #[error("there is no candidate to train")]
    NoCandidate,
    /// Candidates that cannot be judged.
    #[error("candidates cannot be told apart: {why}; name one, or give more data")]
    NoChoice {
        /// What the evaluation says.
        why: String,
    },
    /// Another process is at it.
    #[error("run {0} is under way in another process")]
    Busy(RunId),
    /// The log of runs.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// An evaluation.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The last fit.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The pipeline over the last fit cannot be built.
    #[error(transparent)]
    Pipeline(#[from] BuildError),
    /// The pipeline over the last fit gave no page.
    #[error("example pages: {0}")]
    Recommend(#[from] RecommendError),
    /// The snapshot of the run.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// A file of the run.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

impl FlowError {
    /// For `map_err`.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self + use<'_> {
        |cause| Self::Io { path: path.to_owned(), cause }
    }
}
