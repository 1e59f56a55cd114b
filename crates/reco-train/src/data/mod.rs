//! Data sets: items, users and interactions, read from files.

mod cells;
mod error;
mod import;
mod layout;
mod spec;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod text;

pub use error::{BadRow, DataError};
pub use import::{ImportReport, read};
pub use spec::{Bare, FileSpec, Format, ImportSpec, Preset};

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
