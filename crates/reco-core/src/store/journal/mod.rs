//! A durable journal: records that are on the disk once appending returns, in segment files of our own.
//!
//! One thread writes. While it waits for the disk, appends queue up, and the next commit takes them all: one block, one
//! `fdatasync`, however many callers ([`writer`]). Blocks are framed and checksummed ([`block`]), so that a torn end
//! is told from damage in between, behind which reading goes on ([`segment`]).

mod block;
mod known;
mod positions;
mod reader;
mod recent;
mod recovery;
mod scan;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

pub use scan::ScanError;
pub use segment::Damage;

use crate::error::{Fault, FaultKind};
use crate::event::Event;
use crate::time::{Clock, Timestamp};
use parking_lot::Mutex;
use positions::Positions;
use recent::Recent;
use segment::Segment;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{Notify, mpsc, oneshot};

pub(super) use reader::{Cursor, JournalReader, Step};
pub(super) use scan::Records;

/// Something to be kept, with the id that tells whether it was kept before.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    pub(super) id: u128,
    pub(super) text: Box<[u8]>,
    /// What the text says, where that is known and an event: it is not kept, but handed to readers that are near.
    pub(super) event: Option<Arc<Event>>,
}

/// How a log on disk is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Days after which what every group has read is dropped.
    pub keep_days: f64,
    /// Megabytes past which the oldest of what every group has read is dropped.
    pub keep_mb: u64,
    /// Ids of the latest events that tell duplicates; about 50 bytes of memory each.
    pub remembered_ids: usize,
    /// Megabytes at which a new segment file is begun: the unit in which old events are dropped.
    pub segment_mb: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { keep_days: 90.0, keep_mb: 20_000, remembered_ids: 1_000_000, segment_mb: 64 }
    }
}

impl LogConfig {
    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let Self { keep_days, keep_mb, remembered_ids, segment_mb } = self;
        let checks = [
            (*keep_days > 0.0, format!("keep_days is {keep_days}, must be above 0")),
            (*keep_mb >= *segment_mb, format!("keep_mb is {keep_mb}, must be at least segment_mb")),
            (*remembered_ids > 0, "remembered_ids is 0, must be at least 1".to_owned()),
            (
                (1..=4_096).contains(segment_mb),
                format!("segment_mb is {segment_mb}, must be between 1 and 4096"),
            ),
        ];
        checks.into_iter().filter(|(holds, _)| !holds).map(|(_, problem)| problem).collect()
    }
}

/// Why a log on disk cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system says no.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it says.
        cause: io::Error,
    },
    /// Another process writes to it.
    #[error("{}: another process has this log open; stop it first, or ask it", .0.display())]
    Busy(PathBuf),
    /// A file is not what its name says, or newer than this program.
    #[error("{}: {problem}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl JournalError {
    fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause }
    }
}

/// What opening a log came upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What a killed process left at the very end, cut off: the file and the number of bytes. Nobody was told that it was
    /// kept, unless that end was damaged later: the two look the same.
    pub cut: Option<(PathBuf, u64)>,
    /// Ranges that cannot be read; what is around them can.
    pub damaged: Vec<Damage>,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.cut.iter().map(|(path, bytes)| {
            format!(
                "{}: cut off {bytes} bytes at the end, an unfinished write, or damage that looks the same",
                path.display()
            )
        });
        let lines: Vec<String> = cut.chain(self.damaged.iter().map(Damage::to_string)).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Where each record of an append is; nowhere, if it was known.
type Kept = Vec<Option<u64>>;

/// A folder of segments that this process alone writes to.
#[derive(Debug)]
pub(super) struct Journal {
    shared: Arc<Shared>,
    /// `None` while closing.
    appends: Option<mpsc::Sender<Append>>,
    writer: Option<JoinHandle<()>>,
    /// Held as long as we are.
    _lock: File,
}

/// What a caller waits for.
#[derive(Debug)]
struct Append {
    records: Vec<Record>,
    kept: oneshot::Sender<Result<Kept, Arc<io::Error>>>,
}

/// What the writer and the readers know of each other.
#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    state: Mutex<State>,
    /// Wakes readers when there is more to read, or never will be.
    news: Notify,
}

#[derive(Debug)]
struct State {
    /// In order, at least one.
    segments: Vec<Segment>,
    /// The position behind the last record that is on the disk.
    end: u64,
    recent: Recent,
    positions: Positions,
    closed: bool,
}

impl Journal {
    /// Appends that may wait before callers have to.
    const QUEUE: usize = 1_024;

    /// Opens the journal in a folder, which is made where it is missing, and repairs what a killed process left.
    pub(super) fn open(
        folder: &Path,
        config: &LogConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), JournalError> {
        let opened = recovery::open(folder, config, clock.wall())?;
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            state: Mutex::new(opened.state),
            news: Notify::new(),
        });
        let (appends, queue) = mpsc::channel(Self::QUEUE);
        let writer =
            writer::Writer::new(Arc::clone(&shared), opened.file, opened.known, config.clone(), clock);
        let writer = std::thread::Builder::new()
            .name("reco-log".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|cause| JournalError::io(folder, cause))?;
        let journal = Self { shared, appends: Some(appends), writer: Some(writer), _lock: opened.lock };
        Ok((journal, opened.recovery))
    }

    /// Walks over what is in a folder now, without opening it for writing.
    pub(super) fn look(folder: &Path, position: u64) -> Result<Cursor, JournalError> {
        let state = Mutex::new(recovery::look(folder)?);
        let shared = Arc::new(Shared { folder: folder.to_owned(), state, news: Notify::new() });
        Ok(Cursor::new(shared, position))
    }

    /// Keeps all of `records` or none; they are on the disk once this returns.
    pub(super) async fn append(&self, name: &'static str, records: Vec<Record>) -> Result<Kept, Fault> {
        let gone =
            || Fault::new(name, FaultKind::Internal).because("the thread that writes the log has ended");
        let (kept, told) = oneshot::channel();
        let appends = self.appends.as_ref().ok_or_else(gone)?;
        appends.send(Append { records, kept }).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?.map_err(|cause| {
            let kind = match cause.kind() {
                io::ErrorKind::InvalidInput => FaultKind::Invalid,
                _ => FaultKind::Unavailable,
            };
            Fault::new(name, kind).because(format!("{}: {cause}", self.shared.folder.display()))
        })
    }

    /// A reader of a group, behind its last commit; a new group begins with the oldest record.
    pub(super) fn reader(&self, name: &'static str, group: &str) -> Result<JournalReader, Fault> {
        JournalReader::open(name, Arc::clone(&self.shared), group.into())
    }

    /// Walks over everything from `position` on, whatever groups have read.
    pub(super) fn cursor(&self, position: u64) -> Cursor {
        Cursor::new(Arc::clone(&self.shared), position)
    }

    /// Stops keeping records for a group and says whether there was such a group.
    pub(super) fn forget_group(&self, group: &str) -> io::Result<bool> {
        self.shared.state.lock().positions.forget(group)
    }

    /// How many records each group has not committed.
    pub(super) fn lags(&self) -> Vec<(Arc<str>, u64)> {
        let state = self.shared.state.lock();
        let lag =
            |(group, position): (&Arc<str>, u64)| (Arc::clone(group), state.end.saturating_sub(position));
        state.positions.iter().map(lag).collect()
    }

    /// Positions of the first record and behind the last.
    pub(super) fn range(&self) -> std::ops::Range<u64> {
        let state = self.shared.state.lock();
        state.first()..state.end
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The writer commits what is queued and ends.
        self.appends = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        self.shared.state.lock().closed = true;
        self.shared.news.notify_waiters();
    }
}

impl State {
    /// Position of the oldest record.
    fn first(&self) -> u64 {
        self.segments.first().map_or(self.end, |segment| segment.first)
    }

    /// The segment of a position, and the position of the first record behind the segment.
    fn segment(&self, position: u64) -> Option<(&Segment, u64)> {
        let behind = self.segments.partition_point(|segment| segment.first <= position);
        let segment = self.segments.get(behind.checked_sub(1)?)?;
        Some((segment, self.segments.get(behind).map_or(u64::MAX, |next| next.first)))
    }
}

/// When what was kept may go, and how much there may be of it.
#[derive(Clone, Copy, Debug)]
struct Retention {
    days: f64,
    bytes: u64,
}

impl Retention {
    fn of(config: &LogConfig) -> Self {
        Self { days: config.keep_days, bytes: config.keep_mb.saturating_mul(1 << 20) }
    }

    /// Drops the oldest segments that are too old or too much, as far as every group has read them.
    fn apply(self, state: &mut State, now: Timestamp) -> io::Result<()> {
        let held = state.positions.iter().map(|(_, position)| position).min().unwrap_or(u64::MAX);
        let mut total: u64 = state.segments.iter().map(|segment| segment.bytes).sum();
        while let [oldest, next, ..] = &state.segments[..] {
            // The next one was begun when the oldest was full.
            let is_old = now.days_since(next.created) > self.days;
            if next.first > held || !(is_old || total > self.bytes) {
                break;
            }
            std::fs::remove_file(&oldest.path)?;
            total -= oldest.bytes;
            state.segments.remove(0);
        }
        Ok(())
    }
}
