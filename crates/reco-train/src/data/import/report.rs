//! What an import has read.

use crate::data::{BadRow, Dataset};
use crate::history::HistoryReport;
use reco_core::time::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

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
    /// Files of items or users that have no rows.
    pub empty_files: Vec<PathBuf>,
    /// What was added of a server's history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryReport>,
    /// Rows left out.
    pub bad_rows: usize,
    /// The first of them.
    pub bad_examples: Vec<BadRow>,
}

impl ImportReport {
    /// What a data set consists of, as if it had been read without a flaw.
    pub fn of(dataset: &Dataset) -> Self {
        let Dataset { catalog, log, users, extra } = dataset;
        let mut actions: BTreeMap<String, usize> = BTreeMap::new();
        for &code in &log.action {
            *actions.entry(log.actions[code as usize].name().to_owned()).or_default() += 1;
        }
        let user_columns: BTreeSet<&String> = users.iter().flat_map(BTreeMap::keys).collect();
        let kept_columns = [
            catalog.extra().keys().cloned().collect(),
            user_columns.into_iter().cloned().collect(),
            extra.keys().cloned().collect(),
        ];
        Self {
            items: catalog.len(),
            users: log.users.len(),
            interactions: log.len(),
            actions,
            span: log.has_times().then(|| log.span()).flatten(),
            kept_columns,
            ..Self::default()
        }
    }
}
