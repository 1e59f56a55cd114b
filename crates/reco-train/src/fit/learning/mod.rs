//! What all rankers that learn from lists have in common: the lists, what is foreseen, and how good it is.

mod calibration;
mod chance;
mod columns;
mod objectives;
mod sides;

pub(super) use calibration::{Calibrated, calibrated};
pub(super) use chance::{is_ahead, mean};
pub(super) use columns::{Moments, varying};
pub(super) use objectives::{Objective, ndcg_of_each};
pub(super) use sides::Sides;

/// A ranker, and what shows how good it is.
#[derive(Clone, Debug)]
pub struct Fitted<M> {
    /// The one to serve, trained on all lists.
    pub ranker: M,
    /// As it was before it saw the lists of `validation`.
    pub judged: M,
    /// Numbers of the lists that `judged` was not trained on.
    pub validation: Vec<usize>,
}

/// Fewer lists than these teach nothing that holds for others.
pub(super) const FEWEST_LISTS: usize = 10;
