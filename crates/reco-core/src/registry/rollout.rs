//! Which version serves whom, the names that people use for it, and how it came to be.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which version serves whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Serves everyone else: the champion.
    pub stable: Option<u64>,
    /// A version on trial, the challenger, and its share in per mille.
    pub canary: Option<(u64, u16)>,
}

/// How a rollout came to be: what a registry keeps on record of every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Who changed it: a person, a command, a controller.
    pub by: String,
    /// Why, as a sentence.
    pub why: String,
    /// What it has been since.
    pub rollout: Rollout,
}

impl Change {
    /// Changes that a registry keeps on record, at least.
    pub const ON_RECORD: usize = 1_000;

    /// Puts a change on record; those before the latest [`ON_RECORD`](Self::ON_RECORD) are forgotten.
    pub(super) fn record(self, changes: &mut Vec<Self>) {
        changes.push(self);
        let n_old = changes.len().saturating_sub(Self::ON_RECORD);
        changes.drain(..n_old);
    }
}

/// A name for a role in a [`Rollout`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alias {
    /// The version that serves: [`Rollout::stable`].
    #[default]
    Champion,
    /// The version on trial: [`Rollout::canary`].
    Challenger,
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Champion => "champion",
            Self::Challenger => "challenger",
        })
    }
}

impl Rollout {
    /// The version that an alias stands for.
    ///
    /// ```
    /// use reco_core::registry::{Alias, Rollout};
    ///
    /// let rollout = Rollout { stable: Some(3), canary: Some((4, 50)) };
    /// assert_eq!((rollout.named(Alias::Champion), rollout.named(Alias::Challenger)), (Some(3), Some(4)));
    /// ```
    pub fn named(&self, alias: Alias) -> Option<u64> {
        match alias {
            Alias::Champion => self.stable,
            Alias::Challenger => self.canary.map(|(version, _)| version),
        }
    }

    /// The versions it names.
    pub(super) fn versions(&self) -> impl Iterator<Item = u64> {
        self.stable.into_iter().chain(self.canary.map(|(version, _)| version))
    }
}
