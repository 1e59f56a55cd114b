//! The thread that writes: many appends, one commit.

use super::block::{self, MOST_BODY_BYTES, MOST_RECORDS};
use super::known::Known;
use super::segment::{HEADER_BYTES, Segment};
use super::{Append, Kept, LogConfig, Record, Retention, Shared};
use crate::time::Clock;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// The last segment.
    file: File,
    known: Known,
    segment_bytes: u64,
    retention: Retention,
    clock: Arc<dyn Clock>,
    /// What is behind the last commit cannot be trusted: the next goes to a new segment.
    distrusted: bool,
}

/// Records of appends that go into one block, and what their callers will be told.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    ids: HashSet<u128>,
    body_bytes: usize,
    /// Places are counted from the beginning of the block, until that is known.
    callers: Vec<(Append, Kept)>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        file: File,
        known: Known,
        config: LogConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let segment_bytes = config.segment_mb << 20;
        let retention = Retention::of(&config);
        Self { shared, file, known, segment_bytes, retention, clock, distrusted: false }
    }

    /// Commits what comes until nobody can send more.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Append>) {
        while let Some(append) = queue.blocking_recv() {
            let mut batch = Batch::default();
            batch.take(append, &self.known);
            while !batch.is_full()
                && let Ok(append) = queue.try_recv()
            {
                batch.take(append, &self.known);
            }
            let committed = self.commit(&mut batch.records).map_err(Arc::new);
            if committed.is_ok() {
                batch.ids.iter().for_each(|id| self.known.insert(*id));
            }
            for (append, kept) in batch.callers {
                let placed = |first: u64| kept.into_iter().map(|place| Some(first + place?)).collect();
                // A caller that no longer waits does not need to be told.
                let _ = append.kept.send(committed.clone().map(placed));
            }
        }
    }

    /// Brings records to the disk, all or none, and returns the position of the first.
    fn commit(&mut self, records: &mut [Record]) -> io::Result<u64> {
        if records.is_empty() {
            return Ok(self.shared.state.lock().end);
        }
        let (bytes, end) = self.room()?;
        let block = block::encode(end, records);
        let written = self
            .file
            .seek(SeekFrom::Start(bytes))
            .and_then(|_| self.file.write_all(&block))
            .and_then(|()| self.file.sync_data());
        if let Err(cause) = written {
            // Behind what can neither be finished nor taken back nothing more is written.
            self.distrusted = self.file.set_len(bytes).is_err() || self.file.sync_data().is_err();
            return Err(cause);
        }
        let mut state = self.shared.state.lock();
        state.end = end + records.len() as u64;
        state.recent.push(end, records);
        if let Some(last) = state.segments.last_mut() {
            last.bytes = bytes + block.len() as u64;
        }
        drop(state);
        self.shared.news.notify_waiters();
        Ok(end)
    }

    /// Where the next block goes: its byte in the last segment and the position of its first record.
    fn room(&mut self) -> io::Result<(u64, u64)> {
        let (bytes, end) = {
            let state = self.shared.state.lock();
            (state.segments.last().map_or(0, |last| last.bytes), state.end)
        };
        let is_empty = bytes <= HEADER_BYTES as u64;
        if self.distrusted || (bytes >= self.segment_bytes && !is_empty) {
            self.begin_segment(end)?;
            return Ok((HEADER_BYTES as u64, end));
        }
        Ok((bytes, end))
    }

    fn begin_segment(&mut self, end: u64) -> io::Result<()> {
        let now = self.clock.wall();
        let (segment, file) = Segment::create(&self.shared.folder, end, now)?;
        self.file = file;
        self.distrusted = false;
        let mut state = self.shared.state.lock();
        // An empty one has the same name and was replaced.
        state.segments.retain(|other| other.first != segment.first);
        state.segments.push(segment);
        // What could not be dropped now is dropped another time.
        let _ = self.retention.apply(&mut state, now);
        Ok(())
    }
}

impl Batch {
    /// Appends go into one commit until it is about this large.
    const BYTES: usize = 4 << 20;

    fn is_full(&self) -> bool {
        self.body_bytes >= Self::BYTES || self.records.len() >= MOST_RECORDS / 2
    }

    /// Takes in an append, or refuses it if it could not be read back.
    fn take(&mut self, mut append: Append, known: &Known) {
        let bytes: usize = append.records.iter().map(|record| record.text.len()).sum();
        if append.records.len() > MOST_RECORDS / 2 || bytes > MOST_BODY_BYTES / 2 {
            let problem = format!(
                "a batch of {} records with {bytes} bytes is too large; send smaller ones",
                append.records.len()
            );
            let _ = append.kept.send(Err(Arc::new(io::Error::new(io::ErrorKind::InvalidInput, problem))));
            return;
        }
        let records = std::mem::take(&mut append.records).into_iter();
        let kept = records.map(|record| self.add(record, known)).collect();
        self.callers.push((append, kept));
    }

    /// Adds a record that is new, and says where in the block.
    fn add(&mut self, record: Record, known: &Known) -> Option<u64> {
        if known.contains(record.id) || !self.ids.insert(record.id) {
            return None;
        }
        self.body_bytes += record.text.len();
        self.records.push(record);
        Some(self.records.len() as u64 - 1)
    }
}
