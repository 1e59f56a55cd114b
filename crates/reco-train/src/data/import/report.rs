//! What an import has read.

use crate::data::BadRow;
use reco_core::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What was read.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ImportReport {
    /// Items, those without a row of their own included.
    pub items: usize,
    /// Items that only interactions name.
    pub items_without_row: usize,
    /// Users.
    pub users: usize,
    /// Interactions.
    pub interactions: usize,
    /// Interactions per action.
    pub actions: BTreeMap<String, usize>,
    /// First and last moment, where the data has times.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Columns kept as attributes: of items, users, interactions.
    pub kept_columns: [Vec<String>; 3],
    /// Rows left out.
    pub bad_rows: usize,
    /// The first of them.
    pub bad_examples: Vec<BadRow>,
}
