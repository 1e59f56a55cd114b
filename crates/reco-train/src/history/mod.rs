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
use date::DateFolder;
pub(crate) use date::date_of;
use parking_lot::Mutex;
use reco_core::consume::Consumer;
use reco_core::error::{Fault, FaultKind};
use reco_core::event::Action;
use reco_core::live::Places;
use reco_core::store::Delivery;
use std::collections::BTreeMap;
use std::fs;
use std::io;
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
    /// Whether nothing is left of a process that was killed.
    is_repaired: bool,
}

impl HistoryWriter {
    /// The name of its group in the log.
    pub const NAME: &str = "history";

    /// Writes below a folder, which is made with the first event. What a process that was killed has left there is
    /// finished now or, where that fails, tried again when something is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let mut folders = Folders { root: folder.into(), dates: BTreeMap::new(), is_repaired: false };
        if let Err(error) = folders.repair() {
            tracing::warn!("the history is not repaired yet: {error}");
        }
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
            // Who was in which experiment is nothing to learn from.
            if self.places.insert(delivery.place) && delivery.event.action != Action::Exposure {
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
        self.repair()?;
        let mut by_date: BTreeMap<String, Vec<&Delivery>> = BTreeMap::new();
        for delivery in deliveries {
            by_date.entry(date_of(delivery.event.at)).or_default().push(delivery);
        }
        for (date, deliveries) in by_date {
            if !self.dates.contains_key(&date) {
                let folder = DateFolder::open(self.root.join(format!("date={date}")))?;
                self.dates.insert(date.clone(), folder);
            }
            if let Some(folder) = self.dates.get_mut(&date)
                && let Err(error) = folder.write(deliveries, places)
            {
                // Some of its files may be gone: next time it is looked at again.
                self.dates.remove(&date);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Finishes what a process that was killed has left, on all dates.
    fn repair(&mut self) -> Result<(), PartError> {
        if !self.is_repaired {
            let dates = match date_folders(&self.root) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
                dates => dates.map_err(|cause| PartError::io(&self.root, cause))?,
            };
            dates.iter().try_for_each(|date| date::finish(date))?;
            self.is_repaired = true;
        }
        Ok(())
    }
}

/// Files that have every event of a history once, in the order of their dates.
///
/// # Errors
///
/// What the system says of the folders, and which of the files is damaged.
pub fn parts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for date in date_folders(folder)? {
        parts.extend(date::readable(&date)?);
    }
    Ok(parts)
}

/// The folders of all dates, in order.
fn date_folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_date = |path: &PathBuf| {
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("date="));
        named && path.is_dir()
    };
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut dates: Vec<PathBuf> = paths.into_iter().filter(is_date).collect();
    dates.sort();
    Ok(dates)
}
