//! What to evaluate, how, and why it may not be possible.

use super::models::ModelError;
use crate::data::{DataError, Dataset, ImportSpec, Split, Target};
use crate::fit::FitError;
use crate::fit::snapshot::Plan;
use reco_core::event::ActionWeights;
use reco_core::pipeline::PipelineConfig;

/// The longest lists that are judged.
pub const MOST_CUT_OFF: usize = 1_000;

/// What to evaluate on.
#[derive(Debug)]
pub enum Source {
    /// One data set, divided here.
    Split(Box<Dataset>, Split),
    /// A data set to train on, and where test interactions are.
    Files(Box<Dataset>, Box<ImportSpec>),
}

/// How to evaluate.
#[derive(Clone, Debug)]
pub struct EvaluateOptions {
    /// The question.
    pub target: Target,
    /// Models asked for, of [`MODELS`](super::MODELS), or `pipeline:RANKER`; baselines are added.
    pub models: Vec<String>,
    /// Cut-offs, each 1 to [`MOST_CUT_OFF`]; one beyond the number of items is judged on all of them.
    pub k: Vec<usize>,
    /// Where user, item pairs are; ranks each user's relevant items among these only.
    pub negatives: Option<ImportSpec>,
    /// Parameters of the models.
    pub plan: Plan,
    /// The pipeline that the model `pipeline` runs.
    pub pipeline: PipelineConfig,
    /// Weights of the actions.
    pub weights: ActionWeights,
    /// Seed of training and intervals.
    pub seed: u64,
}

impl EvaluateOptions {
    /// The length of the rankings: the largest cut-off.
    pub(super) fn deepest(&self) -> usize {
        self.k.iter().copied().max().unwrap_or(1)
    }
}

/// Why an evaluation cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Interactions without weight.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// A cut-off of 0, or none.
    #[error("k must name at least one cut-off above 0")]
    CutOff,
    /// A cut-off of a list that nobody reads, whose variety alone would take minutes to measure.
    #[error("k is {k}, must be at most {MOST_CUT_OFF}")]
    CutOffBeyond {
        /// The cut-off.
        k: usize,
    },
    /// A share outside its range.
    #[error("the test share is {0}, must be above 0 and below 1")]
    TestShare(f64),
    /// A split by time of data without times.
    #[error("a split by time needs interactions with a timestamp")]
    NoTimes,
    /// The split left nobody to test.
    #[error("no user has a relevant test item; {hint}")]
    NothingToTest {
        /// What may help.
        hint: &'static str,
    },
}
