//! Reading a history back, to train on.

use super::{PartError, part, parts};
use crate::data::Dataset;
use crate::progress::Progress;
use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Float32Type, TimestampMillisecondType};
use reco_core::event::Action;
use reco_core::time::Timestamp;
use serde::Serialize;
use std::io;
use std::path::Path;

/// What was read of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HistoryReport {
    /// Events that are part of the data now.
    pub events: usize,
    /// Events left out, on items that the data do not have; and the first few of these items.
    pub on_unknown_items: usize,
    /// Keys of some of those items.
    pub unknown_items: Vec<String>,
}

/// Items that a report names.
const MOST_NAMED: usize = 3;

/// Adds the events of a history to data, as interactions after those that are there. Events on items that the data do not
/// have are left out and counted: nothing but a key would be known of them. Further columns of the interactions are unknown of
/// these.
///
/// # Errors
///
/// [`PartError`] when a file cannot be read.
pub fn append(
    dataset: &mut Dataset,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<HistoryReport, PartError> {
    let parts = parts(folder).map_err(|cause| PartError::io(folder, cause))?;
    progress.begin("reading the history", parts.len() as u64);
    let mut report = HistoryReport::default();
    for path in &parts {
        let wrong = |what: String| PartError::io(path, io::Error::other(what));
        for batch in part::batches(path)? {
            let batch = batch.map_err(|cause| wrong(cause.to_string()))?;
            report.take(dataset, &batch).map_err(|problem| wrong(problem.to_owned()))?;
        }
        progress.advance(1);
    }
    let n_rows = dataset.log.len();
    let extra = std::mem::take(&mut dataset.extra);
    dataset.extra = extra.into_iter().map(|(name, column)| (name, column.padded(n_rows))).collect();
    progress.end(&format!("{} events", report.events));
    Ok(report)
}

impl HistoryReport {
    fn take(&mut self, dataset: &mut Dataset, batch: &RecordBatch) -> Result<(), &'static str> {
        let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let [users, items, actions] = ["user", "item", "action"].map(text);
        let (Some(users), Some(items), Some(actions)) = (users, items, actions) else {
            return Err("has no columns `user`, `item` and `action` of text");
        };
        let values =
            batch.column_by_name("value").and_then(|column| column.as_primitive_opt::<Float32Type>());
        let times = batch.column_by_name("timestamp");
        let times = times.and_then(|column| column.as_primitive_opt::<TimestampMillisecondType>());
        let Some(times) = times else { return Err("has no column `timestamp` of milliseconds") };
        for row in 0..batch.num_rows() {
            let at = Timestamp::from_millis(times.value(row));
            let value = values.filter(|values| values.is_valid(row)).map(|values| values.value(row));
            self.add(
                dataset,
                [users, items, actions].map(|texts: &StringArray| texts.value(row)),
                value,
                at,
            )?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        dataset: &mut Dataset,
        [user, item, action]: [&str; 3],
        value: Option<f32>,
        at: Timestamp,
    ) -> Result<(), &'static str> {
        let Some(id) = dataset.catalog.id(item) else {
            self.on_unknown_items += 1;
            if self.unknown_items.len() < MOST_NAMED && !self.unknown_items.iter().any(|known| known == item)
            {
                self.unknown_items.push(item.to_owned());
            }
            return Ok(());
        };
        let action = Action::from(action);
        if !dataset.log.has_room_for(&action) {
            return Err("has, with the other data, more than 256 different actions");
        }
        let user = dataset.log.users.intern(user);
        dataset.log.push(user, id, &action, value, at);
        self.events += 1;
        Ok(())
    }
}
