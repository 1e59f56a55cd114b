//! Experiments: who sees which variant.

mod split;

pub use split::{HashSplit, SplitError};

use crate::id::UserKey;
use std::fmt::Debug;

/// Puts a user in an arm. Pure: the same user always gets the same arm.
pub trait Experiment: Debug + Send + Sync + 'static {
    /// Stable name; part of the hash salt.
    fn name(&self) -> &str;

    /// Number of arms.
    fn n_arms(&self) -> usize;

    /// The arm, or `None` for a user outside the experiment.
    fn assign(&self, user: &UserKey) -> Option<Arm>;
}

/// Index of an arm inside its experiment, 0 for the control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arm(pub u8);
