//! The event log of a process that keeps nothing: bounded, in memory.

use super::{Appended, Delivery, EventSink, EventSource, Place};
use crate::error::{Fault, FaultKind};
use crate::event::{Event, EventId};
use async_trait::async_trait;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;

/// Keeps the latest events in memory, for readers in any number of independent groups.
///
/// * When the log is full, the oldest events leave that every group has committed; without groups the
///   oldest simply leave.
/// * When a group lags so far that there is no room, appending is refused and the group named, rather than
///   losing what it has not seen. A group that is gone for good is to be
///   [forgotten](Self::forget_group).
/// * Event ids are remembered as long as their events are, so the window for duplicates is the last
///   `capacity` events.
/// * Readers of one group do not share the work: each starts behind the group's last commit and gets
///   everything from there on.
///
/// ```
/// use reco_core::event::{Action, Event, EventId};
/// use reco_core::store::{EventSink, EventSource, MemoryLog};
/// use reco_core::time::Timestamp;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let log = MemoryLog::with_capacity(1_000);
/// let mut reader = log.reader("features");
/// let click = Event {
///     id: EventId(1),
///     user: "ann".into(),
///     item: "tea".into(),
///     action: Action::Click,
///     value: None,
///     at: Timestamp::from_secs(1_700_000_000),
///     details: None,
/// };
/// log.append(&[click.clone()]).await?;
/// assert_eq!(reader.poll(10).await?[0].event, click);
/// reader.commit().await?;
///
/// drop(log);
/// assert_eq!(reader.poll(10).await?, [], "the log is gone: no more will ever come");
/// # Ok::<(), reco_core::error::Fault>(())
/// # }).unwrap();
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
    committed: BTreeMap<Arc<str>, u64>,
    closed: bool,
}

impl Default for MemoryLog {
    /// Room for a hundred thousand events.
    fn default() -> Self {
        Self::with_capacity(100_000)
    }
}

impl MemoryLog {
    const NAME: &str = "memory_log";

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

    /// Stops keeping events for `group` and says whether there was such a group. Readers it still has
    /// go on, but what they have not read may leave, and they can no longer commit.
    pub fn forget_group(&self, group: &str) -> bool {
        self.0.state.lock().committed.remove(group).is_some()
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
        Self::NAME
    }

    async fn append(&self, events: &[Event]) -> Result<Appended, Fault> {
        let appended = self.0.state.lock().append(events, self.0.capacity)?;
        self.0.news.notify_waiters();
        Ok(appended)
    }
}

impl State {
    fn append(&mut self, events: &[Event], capacity: usize) -> Result<Appended, Fault> {
        let mut in_batch = FxHashSet::default();
        let is_fresh = |event: &Event| !self.ids.contains(&event.id) && in_batch.insert(event.id);
        let is_fresh: Vec<bool> = events.iter().map(is_fresh).collect();
        self.make_room(in_batch.len(), capacity)?;
        let places = events.iter().zip(is_fresh).map(|(event, is_fresh)| is_fresh.then(|| self.keep(event)));
        Ok(Appended { places: places.collect() })
    }

    fn keep(&mut self, event: &Event) -> Place {
        self.ids.insert(event.id);
        self.events.push_back(event.clone());
        place(self.first + self.events.len() as u64 - 1)
    }

    fn make_room(&mut self, n_events: usize, capacity: usize) -> Result<(), Fault> {
        if n_events > capacity {
            let cause =
                format!("a batch of {n_events} events is more than the log holds, which is {capacity}");
            return Err(Fault::new(MemoryLog::NAME, FaultKind::Invalid).because(cause));
        }
        let surplus = (self.events.len() + n_events).saturating_sub(capacity);
        if let Some((group, &position)) = self.committed.iter().min_by_key(|(_, position)| **position)
            && position < self.first + surplus as u64
        {
            let behind = self.first + self.events.len() as u64 - position;
            let cause =
                format!("the log is full ({capacity} events) and `{group}` is {behind} events behind");
            return Err(Fault::new(MemoryLog::NAME, FaultKind::Unavailable).because(cause));
        }
        for event in self.events.drain(..surplus) {
            self.ids.remove(&event.id);
        }
        self.first += surplus as u64;
        Ok(())
    }
}

fn place(offset: u64) -> Place {
    Place { partition: 0, offset }
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
    fn take(&mut self, max: usize) -> Option<Vec<Delivery>> {
        let state = self.log.state.lock();
        let first = state.first.max(self.next);
        let events = state.events.iter().skip((first - state.first) as usize).take(max.max(1));
        let delivery =
            |(offset, event): (u64, &Event)| Delivery { place: place(offset), event: event.clone() };
        let deliveries: Vec<Delivery> = (first..).zip(events).map(delivery).collect();
        if deliveries.is_empty() && state.closed {
            return None;
        }
        self.next = first + deliveries.len() as u64;
        Some(deliveries)
    }
}

#[async_trait]
impl EventSource for MemoryReader {
    fn name(&self) -> &'static str {
        MemoryLog::NAME
    }

    async fn poll(&mut self, max: usize) -> Result<Vec<Delivery>, Fault> {
        loop {
            let log = Arc::clone(&self.log);
            // Listening begins before looking, so that no news is missed in between.
            let mut news = std::pin::pin!(log.news.notified());
            news.as_mut().enable();
            match self.take(max) {
                None => return Ok(Vec::new()),
                Some(deliveries) if !deliveries.is_empty() => return Ok(deliveries),
                Some(_) => news.await,
            }
        }
    }

    async fn commit(&mut self) -> Result<(), Fault> {
        let mut state = self.log.state.lock();
        if let Some(committed) = state.committed.get_mut(&self.group) {
            *committed = self.next.max(*committed);
        }
        Ok(())
    }

    fn behind(&self) -> Option<u64> {
        let state = self.log.state.lock();
        Some((state.first + state.events.len() as u64).saturating_sub(self.next.max(state.first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            details: None,
        })
        .collect()
    }

    fn ids(deliveries: Vec<Delivery>) -> Vec<u128> {
        deliveries.into_iter().map(|delivery| delivery.event.id.0).collect()
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
        assert_eq!(ids(slow.poll(9).await.unwrap()), [2, 3, 4]);
    }

    #[tokio::test]
    async fn without_readers_the_oldest_leaves() {
        let log = MemoryLog::with_capacity(3);
        for id in 0..10 {
            log.append(&events(id..id + 1)).await.unwrap();
        }
        assert_eq!(log.reader("late").poll(9).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_refused_batch_leaves_no_trace() {
        let log = MemoryLog::with_capacity(3);
        let mut reader = log.reader("reader");
        log.append(&events(0..2)).await.unwrap();
        assert_eq!(log.append(&events(1..4)).await.unwrap_err().kind, FaultKind::Unavailable);
        assert_eq!(log.append(&events(2..9)).await.unwrap_err().kind, FaultKind::Invalid);
        assert_eq!(log.append(&events(2..3)).await.unwrap().accepted(), 1, "its ids are not known");
        assert_eq!(ids(reader.poll(9).await.unwrap()), [0, 1, 2]);
    }

    #[tokio::test]
    async fn a_duplicate_of_what_leaves_now_is_still_one() {
        let log = MemoryLog::with_capacity(3);
        log.append(&events(0..3)).await.unwrap();
        let appended = log.append(&events(0..5)).await.unwrap();
        assert_eq!(appended.places, [None, None, None, Some(place(3)), Some(place(4))]);
        assert_eq!(ids(log.reader("late").poll(9).await.unwrap()), [2, 3, 4]);
    }

    #[tokio::test]
    async fn a_group_that_is_forgotten_holds_nothing_back() {
        let log = MemoryLog::with_capacity(2);
        let mut gone = log.reader("gone");
        log.append(&events(0..2)).await.unwrap();
        assert!(log.forget_group("gone") && !log.forget_group("gone"));
        log.append(&events(2..3)).await.unwrap();
        assert_eq!(ids(gone.poll(9).await.unwrap()), [1, 2]);
        gone.commit().await.unwrap();
        assert!(!log.forget_group("gone"), "a commit does not bring it back");
    }

    #[tokio::test]
    async fn a_reader_outlives_its_log_by_what_is_left() {
        let log = MemoryLog::default();
        let mut reader = log.reader("reader");
        log.append(&events(0..2)).await.unwrap();
        drop(log);
        assert_eq!(ids(reader.poll(1).await.unwrap()), [0]);
        assert_eq!(ids(reader.poll(9).await.unwrap()), [1]);
        assert_eq!(reader.poll(9).await.unwrap(), []);
    }
}
