//! Data sets: items, users and interactions, read from files.

mod cells;
pub mod clean;
mod error;
pub(crate) mod extra;
mod files;
mod import;
mod ipc;
mod json_lines;
mod layout;
pub(crate) mod moments;
mod preset;
mod rows;
mod separated;
mod source;
mod spec;
mod split;
mod store;
pub(crate) mod table;
mod tables;
#[cfg(test)]
mod tests;

pub use error::{BadRow, DataError};
pub use import::{ImportReport, problems, read};
pub use moments::written;
pub use preset::Preset;
pub use spec::{FileSpec, Format, ImportSpec};
pub use split::{Division, Split, Target, split};

use reco_core::catalog::{Catalog, Column, Value};
use reco_core::interactions::InteractionLog;
use std::collections::BTreeMap;

/// Everything that training and evaluation read.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Items; every item of the log is in it.
    pub catalog: Catalog,
    /// Interactions.
    pub log: InteractionLog,
    /// What is known about each user, by row of `log.users`.
    pub users: Vec<BTreeMap<String, Value>>,
    /// Further columns of the interactions, one cell per row of `log`.
    pub extra: BTreeMap<String, Column>,
}

impl Dataset {
    /// The rows named of the log, in that order, with what else is known about them; items and users stay.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let extra = self.extra.iter().map(|(name, column)| (name.clone(), column.select(rows)));
        Self {
            catalog: self.catalog.clone(),
            log: self.log.select(rows),
            users: self.users.clone(),
            extra: extra.collect(),
        }
    }
}
