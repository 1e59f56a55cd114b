//! The event log of a process that keeps nothing: bounded, in memory.

use super::{Appended, EventSink, EventSource};
use crate::error::{Fault, FaultKind};
use crate::event::{Event, EventId};
use async_trait::async_trait;
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// Keeps the latest events in memory, for readers in any number of independent groups.
///
/// An event leaves when the log is full and every group has committed it; without groups the
/// oldest simply leaves. When a group lags so far that there is no room, appending is refused by
/// name rather than losing what that group has not seen. Event ids are remembered as long as
/// their events are.
///
/// ```
/// use reco_core::store::{EventSource, MemoryLog};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let log = MemoryLog::with_capacity(1_000);
/// let mut reader = log.reader("features");
/// # drop(log);
/// assert_eq!(reader.poll(10).await.unwrap(), []); // The log is gone: no more will ever come.
/// # });
/// ```
#[derive(Debug)]
pub struct MemoryLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes readers when there is more to read, or never will be.
    news: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    ids: FxHashSet<EventId>,
    /// Position of the first event kept.
    first: u64,
    /// Per group the position behind its last commit.
    committed: FxHashMap<Arc<str>, u64>,
    closed: bool,
}

impl Default for MemoryLog {
    /// Room for a hundred thousand events.
    fn default() -> Self {
        Self::with_capacity(100_000)
    }
}

impl MemoryLog {
    /// A log that keeps at most `capacity` events, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), news: Notify::new(), capacity: capacity.max(1) }))
    }

    /// A reader that goes on behind the last commit of `group`; a new group starts with the
    /// oldest event kept.
    pub fn reader(&self, group: &str) -> MemoryReader {
        let mut state = self.0.state.lock();
        let first = state.first;
        let next = *state.committed.entry(group.into()).or_insert(first);
        MemoryReader { log: Arc::clone(&self.0), group: group.into(), next }
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.news.notify_waiters();
    }
}

#[async_trait]
impl EventSink for MemoryLog {
    fn name(&self) -> &'static str {
        "memory_log"
    }

    async fn append(&self, events: &[Event]) -> Result<Appended, Fault> {
        let appended = self.0.state.lock().append(events, self.0.capacity)?;
        self.0.news.notify_waiters();
        Ok(appended)
    }
}

impl State {
    fn append(&mut self, events: &[Event], capacity: usize) -> Result<Appended, Fault> {
        let mut fresh: FxHashSet<EventId> = FxHashSet::default();
        let mut appended = Appended::default();
        for (position, event) in events.iter().enumerate() {
            if self.ids.contains(&event.id) || !fresh.insert(event.id) {
                appended.duplicates.push(position);
            }
        }
        self.make_room(fresh.len(), capacity)?;
        for event in events {
            if self.ids.insert(event.id) {
                self.events.push_back(event.clone());
                appended.accepted += 1;
            }
        }
        Ok(appended)
    }

    fn make_room(&mut self, n_events: usize, capacity: usize) -> Result<(), Fault> {
        let surplus = (self.events.len() + n_events).saturating_sub(capacity);
        let behind = self.committed.iter().min_by(|a, b| a.1.cmp(b.1).then(a.0.cmp(b.0)));
        let removable = behind.map_or(self.events.len() as u64, |(_, &position)| position - self.first);
        if surplus > self.events.len() || surplus as u64 > removable {
            let group = behind.map_or("no group", |(group, _)| group);
            let cause =
                format!("the log holds at most {capacity} events and `{group}` has not committed the oldest");
            return Err(Fault::new("memory_log", FaultKind::Unavailable).because(cause));
        }
        for event in self.events.drain(..surplus) {
            self.ids.remove(&event.id);
        }
        self.first += surplus as u64;
        Ok(())
    }
}

/// Reads a [`MemoryLog`] from where its group left off.
#[derive(Debug)]
pub struct MemoryReader {
    log: Arc<Shared>,
    group: Arc<str>,
    next: u64,
}

impl MemoryReader {
    /// The next events, if there are any; `None` when none will ever come.
    fn take(&mut self, max: usize) -> Option<Vec<Event>> {
        let state = self.log.state.lock();
        let start = self.next.saturating_sub(state.first) as usize;
        let events: Vec<Event> = state.events.iter().skip(start).take(max).cloned().collect();
        if events.is_empty() && state.closed {
            return None;
        }
        self.next = state.first.max(self.next) + events.len() as u64;
        Some(events)
    }
}

#[async_trait]
impl EventSource for MemoryReader {
    fn name(&self) -> &'static str {
        "memory_log"
    }

    async fn poll(&mut self, max: usize) -> Result<Vec<Event>, Fault> {
        loop {
            let log = Arc::clone(&self.log);
            // Listening begins before looking, so that no news is missed in between.
            let mut news = std::pin::pin!(log.news.notified());
            news.as_mut().enable();
            match self.take(max) {
                None => return Ok(Vec::new()),
                Some(events) if !events.is_empty() => return Ok(events),
                Some(_) => news.await,
            }
        }
    }

    async fn commit(&mut self) -> Result<(), Fault> {
        let mut state = self.log.state.lock();
        let committed = state.committed.entry(Arc::clone(&self.group)).or_default();
        *committed = self.next.max(*committed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;
    use crate::event::Action;
    use crate::time::Timestamp;

    fn events(ids: std::ops::Range<u128>) -> Vec<Event> {
        ids.map(|id| Event {
            id: EventId(id),
            user: "ann".into(),
            item: "tea".into(),
            action: Action::Click,
            value: None,
            at: Timestamp::from_secs(0),
        })
        .collect()
    }

    #[tokio::test]
    async fn conforms() {
        conformance::event_log(&MemoryLog::default(), &|log, group| Box::new(log.reader(group))).await;
    }

    #[tokio::test]
    async fn a_lagging_group_is_named_and_loses_nothing() {
        let log = MemoryLog::with_capacity(3);
        let mut slow = log.reader("slow");
        log.append(&events(0..3)).await.unwrap();
        let refused = log.append(&events(3..4)).await.unwrap_err();
        assert!(refused.message().contains("`slow`"), "{}", refused.message());
        assert_eq!(slow.poll(2).await.unwrap().len(), 2);
        slow.commit().await.unwrap();
        log.append(&events(3..5)).await.unwrap();
        let rest: Vec<u128> = slow.poll(9).await.unwrap().into_iter().map(|event| event.id.0).collect();
        assert_eq!(rest, [2, 3, 4]);
    }

    #[tokio::test]
    async fn without_readers_the_oldest_leaves() {
        let log = MemoryLog::with_capacity(3);
        for id in 0..10 {
            log.append(&events(id..id + 1)).await.unwrap();
        }
        assert_eq!(log.reader("late").poll(9).await.unwrap().len(), 3);
    }
}
