//! Fitting models.

pub mod als;
mod attributes;
pub mod autoencoder;
pub mod blend;
pub mod boosted;
pub mod bpr;
pub mod content;
pub mod counts;
pub mod ease;
pub mod examples;
pub mod insight;
pub mod item_item;
mod item_table;
mod learning;
pub mod rankers;
mod ranking;
pub mod rehearsal;
pub mod sequence;
pub mod snapshot;
pub mod spectral;
pub mod stored;
pub mod two_tower;
mod users;
pub mod vectors;
pub mod wide_deep;

use reco_core::embed::sentence::SentenceError;
use reco_core::error::{Fault, RecommendError};
use reco_core::event::ActionWeights;
use reco_core::index::IndexError;
use reco_core::interactions::{ActionTally, InteractionLog};
use reco_core::linalg::NotPositiveDefinite;
use reco_core::pipeline::BuildError;
use reco_core::rank::wide_deep::WeightsError;

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
    /// No action of the data has a weight.
    #[error("no interaction has a weight above 0: the data has {actions}; {hint}")]
    Unweighted {
        /// The actions with their numbers of rows.
        actions: String,
        /// What may help.
        hint: String,
    },
    /// Nothing to fit to.
    #[error("{model}: the data has no interaction with a weight above 0")]
    Empty {
        /// The model.
        model: &'static str,
    },
    /// Nobody whose choice could be learned from.
    #[error(
        "{model}: there is nothing to learn from: of nobody who was held back some of the candidates were taken and others \
         not; it takes more users and items"
    )]
    NoLists {
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
    /// Steps that were too long led out of the finite numbers.
    #[error("{model}: the weights are no longer finite; a smaller learning_rate may help")]
    NotFinite {
        /// The model.
        model: &'static str,
    },
    /// The pipeline whose candidates rankers learn to order cannot be built.
    #[error("ranking: {0}")]
    Pipeline(#[from] BuildError),
    /// That pipeline proposed nothing.
    #[error("ranking: the pipeline proposed nothing: {0}")]
    Candidates(#[from] RecommendError),
    /// A group of features could not be computed.
    #[error("features: {0}")]
    Features(#[source] Fault),
    /// The sentence model cannot be used.
    #[error("content.sentences: {0}")]
    Sentences(#[from] SentenceError),
    /// It could not embed a text.
    #[error("content.sentences: {}", .0.message())]
    Embedding(#[source] Fault),
    /// The neural ranker could not be computed.
    #[error("wide & deep: {0}")]
    Neural(#[from] candle_core::Error),
    /// The neural ranker ended with weights that no one can score by.
    #[error("wide & deep: {0}; a smaller learning_rate may help")]
    Weights(#[from] WeightsError),
    /// A ranker could not score what it was to be judged by.
    #[error("ranker: {0}")]
    Ranker(#[from] reco_core::rank::ModelError),
    /// A vector index refused a vector.
    #[error("vector neighbours: {0}")]
    Index(#[from] IndexError),
}

impl FitError {
    /// Actions named in an error; a column of ids taken for one of actions has many.
    const ACTIONS: usize = 10;

    /// Refuses interactions none of which has a weight, by the names of their actions.
    pub(crate) fn check_weights(log: &InteractionLog, weights: &ActionWeights) -> Result<(), Self> {
        let tallies = log.tally(weights);
        if tallies.is_empty() || tallies.iter().any(|tally| tally.weighted > 0) {
            return Ok(());
        }
        let hint = tallies.iter().find_map(ActionTally::hint);
        let hint = hint.unwrap_or_else(|| "none of them speaks for an item".to_owned());
        let mut actions: Vec<String> = tallies.iter().take(Self::ACTIONS).map(ToString::to_string).collect();
        if tallies.len() > Self::ACTIONS {
            actions.push(format!("{} more", tallies.len() - Self::ACTIONS));
        }
        Err(Self::Unweighted { actions: actions.join(", "), hint })
    }

    fn check(model: &'static str, problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::Params { model, problems }) }
    }
}

/// "field is value, must be want".
fn bad(field: &str, value: impl std::fmt::Display, want: &str) -> String {
    format!("{field} is {value}, must be {want}")
}
