//! Evaluation: splits, models side by side, metrics with intervals.
//!
//! Every user with at least one relevant item gets a ranking; a metric is computed per user and averaged.
//! Rankings are by descending score, ties by the smaller item id, and scores that are not finite come last.
//! Relevant are, for target *all*, the user's distinct test items; for target *new* those among them that the
//! user did not have in training, whose training items are also left out of the rankings. Users without
//! relevant items are left out and counted.

mod bootstrap;
mod metrics;
mod models;
mod run;
mod split;

pub use bootstrap::mean_interval;
pub use metrics::{Metrics, coverage, gini};
pub use models::{MODELS, ModelError};
pub use run::{EvaluateError, EvaluateOptions, ModelReport, Report, Source, run};
pub use split::{Split, Target, split};
