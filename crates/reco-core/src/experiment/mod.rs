//! Experiments: who sees which variant.

mod assignment;
mod bucket;
mod config;
mod copies;
mod decision;
mod exposure;
pub mod interleave;
mod ledger;
mod metrics;
pub mod rollout;
mod split;
pub mod statistics;
#[cfg(test)]
mod tests;
mod traffic;

pub(crate) use assignment::are_apart;
pub use assignment::{Assignment, Experiments, How, Memory, NoMemory, Subject};
pub use bucket::{HashVersion, bucket_ranges, choose_variation, equal_weights, in_namespace};
pub use config::{ExperimentConfig, Holdout, Layer, Split, State, Unit, VariantConfig};
pub use copies::ExposureCopies;
pub use decision::{Decision, DecisionRules, Verdict};
pub use exposure::{Asked, Exposure, Exposures, Served};
pub use ledger::Ledger;
pub use metrics::{
    ArmReport, Before, Better, Comparison, Effect, ExperimentReport, Measured, MetricConfig, MetricKind,
    MetricReport, Metrics, SegmentReport,
};
pub use split::{HashSplit, SplitError};
pub use traffic::{Answered, Histogram, Tally, Traffic};

use crate::id::UserKey;
use std::fmt::Debug;

/// Puts a user in an arm. Pure: the same user always gets the same arm.
///
/// ```
/// use reco_core::conformance;
/// use reco_core::experiment::{Arm, Experiment};
/// use reco_core::id::UserKey;
///
/// /// Staff try what is new; everybody else stays outside.
/// #[derive(Debug)]
/// struct StaffOnly;
///
/// impl Experiment for StaffOnly {
///     fn name(&self) -> &str {
///         "staff_only"
///     }
///     fn n_arms(&self) -> usize {
///         1
///     }
///     fn assign(&self, user: &UserKey) -> Option<Arm> {
///         user.as_str().ends_with("@example.com").then_some(Arm(0))
///     }
/// }
///
/// conformance::experiment(&StaffOnly, &[0.0]);
/// ```
pub trait Experiment: Debug + Send + Sync + 'static {
    /// Stable name; part of the hash salt.
    fn name(&self) -> &str;

    /// Number of arms, 1 to 256.
    fn n_arms(&self) -> usize;

    /// The arm, or `None` for a user outside the experiment.
    fn assign(&self, user: &UserKey) -> Option<Arm>;
}

/// Index of an arm inside its experiment, 0 for the control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arm(pub u8);
