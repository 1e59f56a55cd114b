//! Reading: a cursor over everything, and readers of groups that wait for more.

use super::segment::{Blocks, Found, Look};
use super::{Damage, Record, Shared};
use crate::error::{BoxError, Fault, FaultKind};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Walks over the records of a journal, from segment to segment.
#[derive(Debug)]
pub(in crate::store) struct Cursor {
    shared: Arc<Shared>,
    blocks: Option<Blocks>,
    /// The position of the next record.
    next: u64,
}

/// What a cursor comes upon.
#[derive(Debug)]
pub(in crate::store) enum Step {
    /// Records with their positions, ascending.
    Records(Vec<(u64, Record)>),
    /// What cannot be read; the next step is behind it.
    Damage(Damage),
    /// Nothing more for now.
    End,
    /// Nothing more ever.
    Closed,
}

impl Cursor {
    pub(super) fn new(shared: Arc<Shared>, position: u64) -> Self {
        Self { shared, blocks: None, next: position }
    }

    /// The next block.
    pub(in crate::store) fn step(&mut self) -> io::Result<Step> {
        loop {
            let until = match self.arrive()? {
                Ok(until) => until,
                Err(nothing) => return Ok(nothing),
            };
            let Some(blocks) = &mut self.blocks else { return Ok(Step::End) };
            // A segment may be damaged before the record that is looked for; what is there is passed over.
            let from = self.next;
            match blocks.next(Look::Whole, until)? {
                Found::Block { first, content } => {
                    self.next = from.max(blocks.expected());
                    let records = (first..).zip(content.records).filter(|(position, _)| *position >= from);
                    let records: Vec<(u64, Record)> = records.collect();
                    if !records.is_empty() {
                        return Ok(Step::Records(records));
                    }
                }
                Found::Damage(damage) => {
                    self.next = from.max(blocks.expected());
                    if damage.lost.end > from {
                        return Ok(Step::Damage(damage));
                    }
                }
                // The segment is done: the next one begins here.
                Found::End => self.next = self.next.max(until),
            }
        }
    }

    /// Stands before the block of the next record and returns where its segment ends, or that there is no record.
    fn arrive(&mut self) -> io::Result<Result<u64, Step>> {
        let state = self.shared.state.lock();
        self.next = self.next.max(state.first());
        let Some((segment, until)) = state.segment(self.next).filter(|_| self.next < state.end) else {
            return Ok(Err(if state.closed { Step::Closed } else { Step::End }));
        };
        // Readable is what is on the disk: the segment may have grown meanwhile.
        let (segment, until) = (segment.clone(), until.min(state.end));
        drop(state);
        match &mut self.blocks {
            Some(blocks) if blocks.first() == segment.first => blocks.grown_to(segment.bytes),
            _ => {
                let mut blocks = Blocks::of(&segment)?;
                blocks.skip_to(self.next)?;
                self.blocks = Some(blocks);
            }
        }
        Ok(Ok(until))
    }
}

/// Reads from where its group left off, and waits for more.
#[derive(Debug)]
pub(in crate::store) struct JournalReader {
    name: &'static str,
    shared: Arc<Shared>,
    group: Arc<str>,
    /// `None` while a thread reads, so that a poll that was given up begins anew at `next`.
    cursor: Option<Cursor>,
    /// Read, but not handed out.
    waiting: VecDeque<(u64, Record)>,
    /// The position behind what was handed out.
    next: u64,
}

impl JournalReader {
    pub(super) fn open(name: &'static str, shared: Arc<Shared>, group: Arc<str>) -> Result<Self, Fault> {
        let mut state = shared.state.lock();
        let first = state.first();
        let entered = state.positions.enter(&group, first);
        drop(state);
        let unavailable = |cause| Fault::new(name, FaultKind::Unavailable).because(cause);
        let next = entered.map_err(unavailable)?;
        Ok(Self { name, shared, group, cursor: None, waiting: VecDeque::new(), next })
    }

    pub(in crate::store) fn name(&self) -> &'static str {
        self.name
    }

    /// What `decode` makes of up to `max` records, at least one; none only when no more will ever come. A record that it
    /// makes nothing of is told by itself, after those before it.
    pub(in crate::store) async fn poll<T>(
        &mut self,
        max: usize,
        decode: impl Fn(u64, &Record) -> Result<T, BoxError>,
    ) -> Result<Vec<T>, Fault> {
        let shared = Arc::clone(&self.shared);
        while self.waiting.is_empty() {
            // Listening begins before looking, so that no news is missed in between.
            let mut news = std::pin::pin!(shared.news.notified());
            news.as_mut().enable();
            match self.next_step(max).await? {
                Step::Records(records) => self.waiting.extend(records),
                Step::Damage(damage) => {
                    self.next = self.next.max(damage.lost.end);
                    return Err(Fault::new(self.name, FaultKind::Internal).because(damage));
                }
                Step::End => news.await,
                Step::Closed => return Ok(Vec::new()),
            }
        }
        let mut polled = Vec::new();
        while polled.len() < max.max(1)
            && let Some((position, record)) = self.waiting.front()
        {
            let decoded = decode(*position, record);
            if decoded.is_err() && !polled.is_empty() {
                break;
            }
            self.next = position + 1;
            self.waiting.pop_front();
            match decoded {
                Ok(decoded) => polled.push(decoded),
                Err(cause) => {
                    let place =
                        format!("the record at position {} cannot be understood: {cause}", self.next - 1);
                    return Err(Fault::new(self.name, FaultKind::Internal).because(place));
                }
            }
        }
        Ok(polled)
    }

    /// What comes next: of what was committed just now, or from the disk.
    async fn next_step(&mut self, max: usize) -> Result<Step, Fault> {
        {
            let state = self.shared.state.lock();
            let recent = state.recent.from(self.next, max.max(1));
            if !recent.is_empty() {
                // Wherever the cursor stood, it would go on from there.
                self.cursor = None;
                return Ok(Step::Records(recent));
            }
            if self.next >= state.end {
                return Ok(if state.closed { Step::Closed } else { Step::End });
            }
        }
        self.step().await
    }

    /// Reads a block, away from the threads that must not wait for a disk.
    async fn step(&mut self) -> Result<Step, Fault> {
        let fault = |kind, cause: BoxError| Fault::new(self.name, kind).because(cause);
        let fresh = || Cursor::new(Arc::clone(&self.shared), self.next);
        let mut cursor = self.cursor.take().unwrap_or_else(fresh);
        let read = tokio::task::spawn_blocking(move || (cursor.step(), cursor)).await;
        let (step, cursor) = read.map_err(|cause| fault(FaultKind::Internal, cause.into()))?;
        let step = step.map_err(|cause| fault(FaultKind::Unavailable, cause.into()))?;
        self.cursor = Some(cursor);
        Ok(step)
    }

    /// How many records there are behind what was handed out.
    pub(in crate::store) fn behind(&self) -> u64 {
        let state = self.shared.state.lock();
        state.end.saturating_sub(self.next.max(state.first()))
    }

    /// Marks everything handed out as done.
    pub(in crate::store) fn commit(&mut self) -> Result<(), Fault> {
        let committed = self.shared.state.lock().positions.commit(&self.group, self.next);
        committed.map_err(|cause| Fault::new(self.name, FaultKind::Unavailable).because(cause))
    }
}
