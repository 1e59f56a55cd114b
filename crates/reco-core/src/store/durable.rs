//! The event log on this machine's disk.

use super::journal::{Journal, JournalError, JournalReader, LogConfig, Record, Records, Recovery, ScanError};
use super::{Appended, Delivery, EventSink, EventSource, Place};
use crate::error::{Fault, FaultKind};
use crate::event::Event;
use crate::time::Clock;
use async_trait::async_trait;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keeps events in a folder: what was appended is on the disk, whatever happens to the process.
///
/// * Appends that come at the same time share one write and one wait for the disk.
/// * Of a process that is killed while it writes, the unfinished end is cut off at the next opening; nobody was told that
///   it was kept. Damage in between is reported with its place, and what is around it can be read.
/// * An event whose id is among the latest [`LogConfig::remembered_ids`] is kept once, also across restarts.
/// * When the disk is full, appending is refused until there is room again; nothing is lost meanwhile.
/// * Old segments leave by age and size, but not before every group has committed them. A group that is gone for good
///   is to be [forgotten](Self::forget_group).
/// * Readers of one group do not share the work: each starts behind the group's last commit and gets everything from
///   there on. A group may lag as far as the disk has room, and holds nobody else up.
/// * A folder belongs to one process at a time. Reading needs a tokio runtime, on whose blocking threads files are read.
///
/// Events are JSON as in [`SCHEMA`](crate::event::SCHEMA), framed as described in `store/journal/block.rs`.
///
/// ```
/// use reco_core::event::Event;
/// use reco_core::store::{DurableLog, EventSink, EventSource, LogConfig};
/// use reco_core::time::SystemClock;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let open = || DurableLog::open(folder.path(), &LogConfig::default(), Arc::new(SystemClock));
/// let (log, _) = open()?;
/// let click: Event = serde_json::from_str(
///     r#"{"id":"01890a5dac96774bbcceb302099a8057","user_id":"ann","item_id":"tea","action":"click","timestamp":7}"#,
/// )?;
/// log.append(&[click.clone()]).await?;
/// drop(log);
///
/// let (log, _) = open()?;
/// assert_eq!(log.append(&[click.clone()]).await?.accepted(), 0, "it is known from before");
/// let mut reader = log.reader("features")?;
/// assert_eq!(reader.poll(10).await?[0].event, click);
/// reader.commit().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct DurableLog(Journal);

/// The name in metrics and faults.
const NAME: &str = "event_log";

impl DurableLog {
    /// Opens the log in a folder, which is made where it is missing, and says what it came upon.
    ///
    /// # Errors
    ///
    /// [`JournalError::Busy`] while another process has it open, [`JournalError::Foreign`] for files that are no segments
    /// of a log of this version, and what the system says.
    pub fn open(
        folder: &Path,
        config: &LogConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), JournalError> {
        let (journal, recovery) = Journal::open(folder, config, clock)?;
        Ok((Self(journal), recovery))
    }

    /// A reader that goes on behind the last commit of `group`; a new group starts with the oldest event kept.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the group's position cannot be read or written.
    pub fn reader(&self, group: &str) -> Result<DurableReader, Fault> {
        self.0.reader(NAME, group).map(DurableReader)
    }

    /// Everything kept from `position` on, whatever groups have read: for replays, exports and looking.
    pub fn scan(&self, position: u64) -> Scan {
        Scan { records: Records::new(self.0.cursor(position)) }
    }

    /// What is in a folder now, from `position` on, while another process may be writing to it.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open), but for [`JournalError::Busy`].
    pub fn look(folder: &Path, position: u64) -> Result<Scan, JournalError> {
        Ok(Scan { records: Records::new(Journal::look(folder, position)?) })
    }

    /// Whether there is a log in a folder, by the names of its files.
    pub fn is_in(folder: &Path) -> bool {
        let is_segment = |path: PathBuf| {
            let is_number = |stem: &str| stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            path.extension().is_some_and(|ending| ending == "log") && stem.is_some_and(is_number)
        };
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.flatten().any(|entry| is_segment(entry.path()))
    }

    /// Stops keeping events for `group` and says whether there was such a group. Readers it still has go on, but what they
    /// have not read may leave, and they can no longer commit.
    ///
    /// # Errors
    ///
    /// When the group's position cannot be removed.
    pub fn forget_group(&self, group: &str) -> io::Result<bool> {
        self.0.forget_group(group)
    }

    /// How many events each group has not committed.
    pub fn lags(&self) -> Vec<(Arc<str>, u64)> {
        self.0.lags()
    }

    /// Position of the oldest event kept, and that of the next to come.
    pub fn range(&self) -> Range<u64> {
        self.0.range()
    }
}

#[async_trait]
impl EventSink for DurableLog {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn append(&self, events: &[Event]) -> Result<Appended, Fault> {
        let unwritable = |cause: serde_json::Error| Fault::new(NAME, FaultKind::Invalid).because(cause);
        let records: Vec<Record> = events.iter().map(record).collect::<Result<_, _>>().map_err(unwritable)?;
        let kept = self.0.append(NAME, records).await?;
        Ok(Appended { places: kept.into_iter().map(|position| position.map(place)).collect() })
    }
}

fn place(offset: u64) -> Place {
    Place { partition: 0, offset }
}

fn record(event: &Event) -> Result<Record, serde_json::Error> {
    let text = serde_json::to_vec(event)?.into();
    Ok(Record { id: event.id.0, text, event: Some(Arc::new(event.clone())) })
}

/// Reads a [`DurableLog`] from where its group left off.
///
/// What cannot be read, because a file is damaged, is a [`Fault`] of the kind [`FaultKind::Internal`] that names the place;
/// the next poll goes on behind it.
#[derive(Debug)]
pub struct DurableReader(JournalReader);

#[async_trait]
impl EventSource for DurableReader {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn poll(&mut self, max: usize) -> Result<Vec<Delivery>, Fault> {
        let read = |position, record: &Record| {
            let event = match &record.event {
                Some(event) => Event::clone(event),
                None => serde_json::from_slice(&record.text)?,
            };
            Ok(Delivery { place: place(position), event })
        };
        self.0.poll(max, read).await
    }

    async fn commit(&mut self) -> Result<(), Fault> {
        self.0.commit()
    }

    fn behind(&self) -> Option<u64> {
        Some(self.0.behind())
    }
}

/// The events of a [`DurableLog`], one after the other, up to the last when it is reached.
#[derive(Debug)]
pub struct Scan {
    records: Records,
}

impl Iterator for Scan {
    type Item = Result<Delivery, ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = |(position, record): (u64, Record)| {
            let event = serde_json::from_slice(&record.text);
            event
                .map(|event| Delivery { place: place(position), event })
                .map_err(|cause| ScanError::Foreign { position, cause })
        };
        Some(self.records.next()?.and_then(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;
    use crate::time::SystemClock;

    fn log() -> (tempfile::TempDir, DurableLog) {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = DurableLog::open(folder.path(), &LogConfig::default(), Arc::new(SystemClock)).unwrap();
        (folder, log)
    }

    #[tokio::test]
    async fn it_is_a_log() {
        let (_folder, log) = log();
        conformance::event_log(&log, &|group| Box::new(log.reader(group).unwrap())).await;
    }

    #[tokio::test]
    async fn it_tells_duplicates() {
        let (_folder, log) = log();
        conformance::deduplicating_log(&log, &|group| Box::new(log.reader(group).unwrap())).await;
    }

    #[tokio::test]
    async fn what_is_no_event_is_told_and_holds_nobody_up() {
        let (_folder, log) = log();
        let text = |text: &str| Box::from(text.as_bytes());
        let event = r#"{"id":"00000000000000000000000000000001","user_id":"ann","item_id":"tea","action":"click","timestamp":1}"#;
        let records = [event, "{}", event].into_iter().zip(1..).map(|(json, id)| Record {
            id,
            text: text(json),
            event: None,
        });
        log.0.append(NAME, records.collect()).await.unwrap();
        let mut reader = log.reader("reader").unwrap();
        assert_eq!(reader.poll(9).await.unwrap().len(), 1);
        let told = reader.poll(9).await.unwrap_err().message();
        assert!(told.contains("position 1 cannot be understood: user_id is missing"), "{told}");
        assert_eq!(reader.poll(9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_reader_outlives_its_log_by_what_is_left() {
        let (_folder, log) = log();
        let event = |id: u128| -> Event {
            let json = format!(
                r#"{{"id":"{id:032x}","user_id":"ann","item_id":"tea","action":"click","timestamp":1}}"#
            );
            serde_json::from_str(&json).unwrap()
        };
        let mut reader = log.reader("reader").unwrap();
        log.append(&[event(1), event(2)]).await.unwrap();
        let second = Delivery { place: place(1), event: event(2) };
        assert_eq!(log.scan(1).next().unwrap().unwrap(), second);
        drop(log);
        assert_eq!(reader.poll(1).await.unwrap()[0].event, event(1));
        assert_eq!(reader.poll(9).await.unwrap(), [second]);
        assert_eq!(reader.poll(9).await.unwrap(), []);
    }
}
