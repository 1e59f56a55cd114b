//! Data sets: items, users and interactions, read from files.

use reco_core::catalog::{Catalog, Value};
use reco_core::interactions::InteractionLog;
use std::collections::BTreeMap;

/// Everything that training and evaluation read.
#[derive(Debug, Default)]
pub struct Dataset {
    /// Items; every item of the log is in it.
    pub catalog: Catalog,
    /// Interactions.
    pub log: InteractionLog,
    /// What is known about each user, by row of `log.users`; shorter than that where nothing is known.
    pub users: Vec<BTreeMap<String, Value>>,
}
