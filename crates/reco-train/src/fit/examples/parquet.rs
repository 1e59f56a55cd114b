//! Examples as a table that any tool reads.

use super::Examples;
use crate::data::table;
use arrow::array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow::error::ArrowError;
use reco_core::catalog::Catalog;
use reco_core::interactions::UserTable;
use std::io;
use std::path::Path;
use std::sync::Arc;

impl Examples {
    /// Writes a row per candidate to a Parquet file: `list` (rows of one list stand together), `user`, `asker`,
    /// `item`, `taken`, `list_taken` (items taken by the user of the list, proposed or not), `list_seen` (whether the
    /// list is of what the user took or was shown), then the features, null where they are missing. The file appears
    /// whole or not at all.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, users: &UserTable, catalog: &Catalog, path: &Path) -> io::Result<()> {
        let batch = self.batch(users, catalog).map_err(io::Error::other)?;
        table::save(&batch, path)
    }

    fn batch(&self, users: &UserTable, catalog: &Catalog) -> Result<RecordBatch, ArrowError> {
        // The place of its list, row by row.
        let places = || {
            let lists = self.lists.iter().enumerate();
            lists.flat_map(|(place, list)| list.rows.clone().map(move |_| place))
        };
        let each = |value: &dyn Fn(usize) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(places().map(value)))
        };
        let texts = |value: &dyn Fn(usize) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(places().map(value)))
        };
        let seen: BooleanArray = places().map(|place| Some(self.lists[place].is_seen)).collect();
        let items = self.items.iter().map(|&id| catalog.key(id).as_str());
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("list".into(), each(&|place| place as u32)),
            ("user".into(), texts(&|place| users.keys()[self.lists[place].user as usize].to_string())),
            ("asker".into(), texts(&|place| self.lists[place].asker.name().to_owned())),
            ("item".into(), Arc::new(StringArray::from_iter_values(items))),
            ("taken".into(), Arc::new(BooleanArray::from(self.is_taken.clone()))),
            ("list_taken".into(), each(&|place| self.lists[place].n_taken as u32)),
            ("list_seen".into(), Arc::new(seen)),
        ];
        for (column, feature) in self.features.iter().enumerate() {
            let values = self.values.iter().skip(column).step_by(self.width());
            let known = values.map(|value| Some(*value).filter(|value| !value.is_nan()));
            columns.push((feature.name.to_string(), Arc::new(Float32Array::from_iter(known))));
        }
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        RecordBatch::try_from_iter_with_nullable(columns)
    }
}
