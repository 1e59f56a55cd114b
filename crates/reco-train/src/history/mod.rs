//! The history of events as Parquet files by date, for training and for whoever wants to look: a consumer of the log.
//!
//! ```text
//! history/date=2026-11-22/events-p0-00000000000000000000.parquet
//! ```
//!
//! A file has one row an event, with the date in UTC at which it happened in the name of its folder, as the usual tools
//! expect it. Files whose names begin with `_` are not finished; those tools pass them over.
//!
//! Which places of the log a file is about stands in the file itself. So what comes again after a process was killed is
//! known for every date, whether or not its file had been written: every event is in the history once. Small files are
//! merged as they become many.

mod append;
mod date;
mod part;
#[cfg(test)]
mod tests;

pub use append::{HistoryReport, append};
pub use part::PartError;

use async_trait::async_trait;
use date::{DateFolder, date_of};
use parking_lot::Mutex;
use part::Part;
use reco_core::consume::Consumer;
use reco_core::error::{Fault, FaultKind};
use reco_core::live::Places;
use reco_core::store::Delivery;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes events into files by date, a few at a time.
///
/// ```
/// use reco_core::consume::Consumer;
/// use reco_core::event::{Action, Event, EventId};
/// use reco_core::store::{Delivery, Place};
/// use reco_core::time::Timestamp;
/// use reco_train::history::{HistoryWriter, parts};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let mut history = HistoryWriter::new(folder.path());
/// let event = Event {
///     id: EventId(1),
///     user: "ann".into(),
///     item: "tea".into(),
///     action: Action::Purchase,
///     value: None,
///     at: Timestamp::from_secs(1_700_000_000),
///     details: None,
/// };
/// history.take(&[Delivery { place: Place { partition: 0, offset: 0 }, event }]).await?;
/// history.flush().await?;
/// assert!(parts(folder.path())?[0].starts_with(folder.path().join("date=2023-11-14")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct HistoryWriter {
    /// Shared with the thread that writes.
    folders: Arc<Mutex<Folders>>,
    /// Taken in, but not written.
    waiting: Vec<Delivery>,
    places: Places,
}

#[derive(Debug)]
struct Folders {
    root: PathBuf,
    /// Those that were written to, by date.
    dates: BTreeMap<String, DateFolder>,
}

impl HistoryWriter {
    /// The name of its group in the log.
    pub const NAME: &str = "history";

    /// Writes below a folder, which is made with the first event.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folders = Folders { root: folder.into(), dates: BTreeMap::new() };
        Self { folders: Arc::new(Mutex::new(folders)), waiting: Vec::new(), places: Places::default() }
    }
}

#[async_trait]
impl Consumer for HistoryWriter {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        for delivery in deliveries {
            if self.places.insert(delivery.place) {
                self.waiting.push(delivery.clone());
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let fault = |kind, cause| Fault::new(Self::NAME, kind).because(cause);
        let folders = Arc::clone(&self.folders);
        let (waiting, places) = (std::mem::take(&mut self.waiting), self.places.clone());
        // The disk is not for threads that answer.
        let written = tokio::task::spawn_blocking(move || {
            let outcome = folders.lock().write(&waiting, &places);
            (outcome, waiting)
        });
        let (outcome, waiting) =
            written.await.map_err(|cause| fault(FaultKind::Internal, cause.to_string()))?;
        match outcome {
            Ok(()) => self.places = Places::default(),
            // It is tried again; what was written of it is known by then.
            Err(_) => self.waiting = waiting,
        }
        outcome.map_err(|cause| fault(FaultKind::Unavailable, cause.to_string()))
    }
}

impl Folders {
    /// Writes events of a part of the log, all that there are between its places.
    fn write(&mut self, deliveries: &[Delivery], places: &Places) -> Result<(), PartError> {
        let mut by_date: BTreeMap<String, Vec<&Delivery>> = BTreeMap::new();
        for delivery in deliveries {
            by_date.entry(date_of(delivery.event.at)).or_default().push(delivery);
        }
        for (date, deliveries) in by_date {
            if !self.dates.contains_key(&date) {
                let folder = DateFolder::open(self.root.join(format!("date={date}")))?;
                self.dates.insert(date.clone(), folder);
            }
            if let Some(folder) = self.dates.get_mut(&date) {
                folder.write(deliveries, places)?;
            }
        }
        Ok(())
    }
}

/// The finished files of a history, in the order of their dates.
///
/// # Errors
///
/// What the system says of the folders.
pub fn parts(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_date = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("date="));
        if !is_date {
            continue;
        }
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if Part::is_finished(&path) {
                parts.push(path);
            }
        }
    }
    parts.sort();
    Ok(parts)
}
