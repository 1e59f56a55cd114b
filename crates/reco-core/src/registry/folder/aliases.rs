//! Which versions of a model have a role, as a file that any tool reads.

use super::super::{Change, Rollout};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Champions remembered to go back to.
const MOST_EARLIER: usize = 100;

/// What `aliases.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Aliases {
    champion: Option<u64>,
    challenger: Option<Challenger>,
    /// Champions before this one, the latest last.
    earlier: Vec<u64>,
    /// How all this came to be, the latest last.
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Challenger {
    version: u64,
    per_mille: u16,
}

impl Aliases {
    pub(super) fn rollout(&self) -> Rollout {
        let canary = self.challenger.as_ref().map(|trial| (trial.version, trial.per_mille));
        Rollout { stable: self.champion, canary }
    }

    /// The champions before this one, the latest first.
    pub(super) fn earlier(&self) -> impl Iterator<Item = u64> {
        self.earlier.iter().rev().copied()
    }

    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Takes another rollout on; a champion that leaves is remembered.
    pub(super) fn set(&mut self, change: Change) {
        let next = &change.rollout;
        if let Some(leaving) = self.champion.filter(|_| self.champion != next.stable) {
            self.earlier.push(leaving);
            let n_more = self.earlier.len().saturating_sub(MOST_EARLIER);
            self.earlier.drain(..n_more);
        }
        self.champion = next.stable;
        self.challenger = next.canary.map(|(version, per_mille)| Challenger { version, per_mille });
        change.record(&mut self.changes);
    }

    /// Makes the latest earlier champion that `is_there` the champion again, and says which that is. Going back
    /// twice leads further back, never to and fro.
    pub(super) fn go_back(&mut self, is_there: impl Fn(u64) -> bool, at: Timestamp, by: &str) -> Option<u64> {
        let current = self.champion;
        while let Some(version) = self.earlier.pop() {
            if is_there(version) && Some(version) != current {
                self.champion = Some(version);
                self.challenger = self.challenger.take().filter(|trial| trial.version != version);
                let why = format!("goes back to v{version}");
                Change { at, by: by.to_owned(), why, rollout: self.rollout() }.record(&mut self.changes);
                return Some(version);
            }
        }
        None
    }
}
