//! Experiments: who sees which variant.

mod split;

pub use split::{HashSplit, SplitError};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arm(pub u8);
