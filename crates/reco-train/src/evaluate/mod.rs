//! Evaluation: splits, models side by side, metrics with intervals.
//!
//! Every user with at least one relevant item gets a ranking; a metric is computed per user and averaged over
//! those users. The rules, in full:
//!
//! * **Relevant** are a user's distinct test items whose action has a weight above 0, its value considered. For
//!   target *new* only those of them count that the user did not have in training, and the items the user had
//!   are not ranked.
//! * **Ratings** too low to speak for an item neither train nor test. Where training is rated and a test file is
//!   not, the question is what users take up: all ratings of training count then, and the report remarks it.
//! * **Rankings** are by descending score; ties go to the item that the data names first. An item without a
//!   finite score is not ranked, and so is never a hit.
//! * **Users without a relevant item** have no defined recall; they are left out and counted.
//! * **Users whom training does not know** are ranked by what the model says of nobody, and counted.
//! * **Items that training does not have** stay relevant although few models can rank them, and are counted.
//! * **Given negatives**: a user's relevant items and negatives are ranked together. With one relevant item a
//!   user this is the protocol of He et al. (WWW 2017); with several, hits compete with one another as they do
//!   on a page. Users without negatives would win unopposed; they are left out and counted.
//! * **Moment**: models that look at time are asked as of the cut (split by time), of the user's own test
//!   interaction (last one), or of the end of training (files).
//!
//! The same data, options and seed give the same figures, except times and memory, on any number of threads.

mod acclaim;
mod arrivals;
mod blend;
mod bootstrap;
mod calibration;
mod cases;
mod exposure;
mod inputs;
mod metrics;
mod models;
mod named;
mod options;
mod per_user;
mod pipeline;
mod report;
mod run;
mod scorers;
#[cfg(test)]
mod tests;
mod views;

pub use crate::data::{Split, Target};
pub use arrivals::{ArrivalOptions, ArrivalReport, BASELINES, Curve, Point, arrivals};
pub use bootstrap::mean_intervals;
pub(crate) use calibration::BINS;
pub use calibration::{Bin, calibration_error, expected_calibration_error, reliability};
pub use exposure::{coverage, gini};
pub use metrics::Metrics;
pub use models::{MODELS, ModelError};
pub use named::Metric;
pub use options::{EvaluateError, EvaluateOptions, MOST_CUT_OFF, Source};
pub use per_user::PerUser;
pub use pipeline::ranker_of;
pub use report::{ModelReport, Report, Versus};
pub(crate) use run::on_few;
pub use run::{alone, run};
