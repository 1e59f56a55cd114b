//! Accuracy user by user, for tests of one's own.

use super::metrics::Metrics;
use crate::data::table;
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What every model did for every user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PerUser {
    /// Keys of the users, in the order of the metrics.
    pub(super) users: Vec<String>,
    /// Cut-offs.
    pub(super) k: Vec<usize>,
    /// By model, cut-off and user.
    pub(super) models: Vec<(String, Vec<Vec<[f64; Metrics::N]>>)>,
}

impl PerUser {
    /// Writes a row per model and user to a Parquet file: `model`, `user`, then `hr@10` and so on. The file appears
    /// whole or not at all.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let n_users = self.users.len();
        let models = self.models.iter().flat_map(|(name, _)| std::iter::repeat_n(name.as_str(), n_users));
        let users = self.models.iter().flat_map(|_| self.users.iter().map(String::as_str));
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("model".into(), Arc::new(StringArray::from_iter_values(models))),
            ("user".into(), Arc::new(StringArray::from_iter_values(users))),
        ];
        let names = Metrics::default().named().map(|(name, _)| name);
        for (cut, k) in self.k.iter().enumerate() {
            for (metric, name) in names.iter().enumerate() {
                let values = self.models.iter().flat_map(|(_, cuts)| &cuts[cut]).map(|row| row[metric]);
                columns.push((format!("{name}@{k}"), Arc::new(Float64Array::from_iter_values(values))));
            }
        }
        table::save(&RecordBatch::try_from_iter(columns).map_err(io::Error::other)?, path)
    }
}
