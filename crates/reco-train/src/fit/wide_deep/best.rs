//! Choosing among the states of a network while it learns.

use super::network::Network;
use crate::fit::FitError;
use crate::fit::learning::{is_ahead, mean};

/// The best state so far, by what each makes of the lists kept for validation.
#[derive(Default)]
pub(super) struct Best {
    /// One that is good without having learned anything.
    start: Option<State>,
    learned: Option<State>,
}

/// A network, and how it does.
pub(super) struct State {
    pub(super) trial: Trial,
    pub(super) network: Network,
}

/// What a network makes of the lists kept for validation.
pub(super) struct Trial {
    /// After how many passes.
    pub(super) epochs: usize,
    /// For every head and list the logits of its rows.
    pub(super) logits: Vec<Vec<Vec<f32>>>,
    pub(super) ndcg_of_each: Vec<f64>,
}

impl Best {
    /// Begins with a state that is only given up for one clearly better.
    pub(super) fn starting_at(trial: Trial, network: &Network) -> Result<Self, FitError> {
        let start = State { trial, network: network.copied()? };
        Ok(Self { start: Some(start), learned: None })
    }

    /// Looks at a network, and keeps a copy of one that is better than all before it.
    pub(super) fn offer(&mut self, trial: Trial, network: &Network) -> Result<(), FitError> {
        let is_better = |known: &State| mean(&trial.ndcg_of_each) > mean(&known.trial.ndcg_of_each);
        if self.learned.as_ref().is_none_or(is_better) {
            self.learned = Some(State { trial, network: network.copied()? });
        }
        Ok(())
    }

    /// The best state learned; the start, unless that is ahead of it by more than chance explains.
    pub(super) fn state(self) -> Option<State> {
        let Self { start, learned } = self;
        let is_better = |start: &State| {
            learned
                .as_ref()
                .is_some_and(|learned| is_ahead(&learned.trial.ndcg_of_each, &start.trial.ndcg_of_each))
        };
        match start {
            Some(start) if !is_better(&start) => Some(start),
            _ => learned,
        }
    }
}
