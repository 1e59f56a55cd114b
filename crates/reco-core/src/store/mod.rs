//! Events in and out: where they are kept and read back from.

mod dead;
mod durable;
mod items;
mod journal;
mod memory;
mod outbox;
mod records;

pub use dead::{DeadLetter, DeadLetters, Outstanding, ReplayError, Replayed};
pub use durable::{DurableLog, DurableReader, Scan};
pub use items::{ItemLog, ItemLogError};
pub use journal::{Damage, JournalError, LogConfig, Recovery, ScanError};
pub use memory::{MemoryLog, MemoryReader};
#[cfg(test)]
pub(crate) use outbox::FIRST_PAUSE;
pub use outbox::OutboxCounts;
pub(crate) use outbox::{Keep, Outbox, Pace};
pub(crate) use records::{RecordLog, look};

use crate::error::Fault;
use crate::event::Event;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// Takes events. `&self`: many writers share one sink.
///
/// ```
/// use async_trait::async_trait;
/// use reco_core::conformance;
/// use reco_core::error::Fault;
/// use reco_core::event::Event;
/// use reco_core::store::{Appended, EventSink, MemoryLog};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// /// Counts what another sink accepts.
/// #[derive(Debug)]
/// struct Counted<S> {
///     sink: S,
///     accepted: AtomicUsize,
/// }
///
/// #[async_trait]
/// impl<S: EventSink> EventSink for Counted<S> {
///     fn name(&self) -> &str {
///         self.sink.name()
///     }
///     async fn append(&self, events: &[Event]) -> Result<Appended, Fault> {
///         let appended = self.sink.append(events).await?;
///         self.accepted.fetch_add(appended.accepted(), Ordering::Relaxed);
///         Ok(appended)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let counted = Counted { sink: MemoryLog::default(), accepted: AtomicUsize::new(0) };
/// conformance::event_log(&counted, &|group| Box::new(counted.sink.reader(group))).await;
/// assert!(counted.accepted.into_inner() > 0);
/// # });
/// ```
#[async_trait]
pub trait EventSink: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics and faults.
    fn name(&self) -> &str;

    /// Accepts all of `events` or none. An event whose id was accepted before is not kept twice.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when none was accepted.
    async fn append(&self, events: &[Event]) -> Result<Appended, Fault>;
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Where each event of the batch is kept; nowhere, if its id was known already. A sink that cannot tell at
    /// this point (a remote log, say) keeps all of them.
    pub places: Vec<Option<Place>>,
}

impl Appended {
    /// Number of events kept.
    pub fn accepted(&self) -> usize {
        self.places.iter().flatten().count()
    }

    /// Positions in the batch, ascending, of events whose id was known already.
    pub fn duplicates(&self) -> impl Iterator<Item = usize> {
        self.places.iter().enumerate().filter(|(_, place)| place.is_none()).map(|(position, _)| position)
    }
}

/// Where in its log an event is kept, for ever: whoever notes which places they have taken in can tell what
/// comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// A part of the log with an order of its own; 0 where there are no parts. A user's events are all in one.
    pub partition: u32,
    /// Ascending within the partition.
    pub offset: u64,
}

/// An event and where it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Where.
    pub place: Place,
    /// What.
    pub event: Event,
}

/// Hands events out, at least once, each user's in the order of their arrival. `&mut self`: one
/// reader owns its position and hands each event out once; a new reader starts behind its group's
/// last commit.
///
/// ```
/// use async_trait::async_trait;
/// use reco_core::conformance;
/// use reco_core::error::Fault;
/// use reco_core::store::{Delivery, EventSource, MemoryLog};
///
/// /// Keeps memory small, whatever is asked for.
/// #[derive(Debug)]
/// struct SmallBites<S>(S);
///
/// #[async_trait]
/// impl<S: EventSource> EventSource for SmallBites<S> {
///     fn name(&self) -> &str {
///         self.0.name()
///     }
///     async fn poll(&mut self, max: usize) -> Result<Vec<Delivery>, Fault> {
///         self.0.poll(max.min(5)).await
///     }
///     async fn commit(&mut self) -> Result<(), Fault> {
///         self.0.commit().await
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let log = MemoryLog::default();
/// conformance::event_log(&log, &|group| Box::new(SmallBites(log.reader(group)))).await;
/// # });
/// ```
#[async_trait]
pub trait EventSource: Debug + Send + 'static {
    /// Stable name, used in metrics and faults.
    fn name(&self) -> &str;

    /// Waits for at least one event and returns up to `max` (0 counts as 1); empty only when no more
    /// will ever come. Dropping the future while it waits loses no event.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the source cannot be read now; polling again resumes where it failed.
    async fn poll(&mut self, max: usize) -> Result<Vec<Delivery>, Fault>;

    /// Marks everything polled so far as done; a new reader of the same group starts behind it.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the position may not have been stored; the events come again then.
    async fn commit(&mut self) -> Result<(), Fault>;

    /// How many events wait behind those polled so far, as far as that is known without asking anybody.
    fn behind(&self) -> Option<u64> {
        None
    }
}
