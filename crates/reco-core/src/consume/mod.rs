//! What becomes of events once they are kept: consumers, each with a position of its own in the log.
//!
//! A [`Consumer`] says what is done with events, [`consume`] does it: it reads from an [`EventSource`], hands on batch
//! after batch, tries again what failed, and stores how far the consumer came. Every consumer runs in a task of its own
//! with a reader of its own, so that one which is slow or fails holds up no other.

mod analytics;
mod run;
#[cfg(test)]
mod tests;

pub use analytics::{Activity, Analytics};
pub use run::{Pace, Progress, Stage, consume};

use crate::error::{BoxError, Fault, FaultKind};
use crate::store::Delivery;
use async_trait::async_trait;
use std::fmt::Debug;

#[cfg(doc)]
use crate::store::EventSource;

/// Does something with events.
///
/// An event comes at least once, a user's events in the order of their arrival. To count each once, keep the
/// [`Places`](crate::live::Places) that were taken in, and store them together with what they led to.
///
/// ```
/// use async_trait::async_trait;
/// use reco_core::consume::{Consumer, Pace, Progress, consume};
/// use reco_core::error::Fault;
/// use reco_core::event::{Action, Event, EventId};
/// use reco_core::live::Places;
/// use reco_core::store::{Delivery, EventSink, MemoryLog};
/// use reco_core::time::{SystemClock, Timestamp};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// /// Counts purchases.
/// #[derive(Debug, Default)]
/// struct Sold {
///     seen: Places,
///     count: Arc<AtomicUsize>,
/// }
///
/// #[async_trait]
/// impl Consumer for Sold {
///     fn name(&self) -> &str {
///         "sold"
///     }
///     async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
///         for Delivery { place, event } in deliveries {
///             if self.seen.insert(*place) && event.action == Action::Purchase {
///                 self.count.fetch_add(1, Ordering::Relaxed);
///             }
///         }
///         Ok(())
///     }
///     async fn flush(&mut self) -> Result<(), Fault> {
///         Ok(()) // A program that ends would write `seen` and `count` into one file here.
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let log = MemoryLog::default();
/// let sold = |id, item: &str| Event {
///     id: EventId(id),
///     user: "ann".into(),
///     item: item.into(),
///     action: Action::Purchase,
///     value: None,
///     at: Timestamp::from_secs(1_700_000_000),
///     details: None,
/// };
/// log.append(&[sold(1, "tea"), sold(2, "jam")]).await?;
/// let consumer = Sold::default();
/// let (count, reader) = (Arc::clone(&consumer.count), log.reader("sold"));
/// drop(log); // No more will come, so that consuming ends.
/// let (pace, progress) = (Pace::default(), Arc::new(Progress::default()));
/// consume(reader, consumer, pace, progress, Arc::new(SystemClock), std::future::pending()).await;
/// assert_eq!(count.load(Ordering::Relaxed), 2);
/// # Ok::<(), Fault>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Consumer: Debug + Send + 'static {
    /// Stable name: that of its group in the log, used in metrics and faults as well.
    fn name(&self) -> &str;

    /// Takes events in, all of them or none.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when none was taken in. One of the kind [`FaultKind::Invalid`] says
    /// that it is for the events themselves: they come again one by one, and those that are refused so are passed
    /// over. After any other, the same events come again later.
    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault>;

    /// Makes durable what was taken in: it does not come again.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when it may not be durable; flushing is tried again later.
    async fn flush(&mut self) -> Result<(), Fault>;
}

/// Runs `write` where it keeps no thread waiting that answers, as writing to a disk does; for [`flush`](Consumer::flush) of the
/// consumer `name`.
///
/// # Errors
///
/// [`FaultKind::Unavailable`] for what `write` says, [`FaultKind::Internal`] if it panics.
pub async fn write_aside<T, E>(
    name: &str,
    write: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Fault>
where
    T: Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    let written = tokio::task::spawn_blocking(write).await;
    written
        .map_err(|cause| Fault::new(name, FaultKind::Internal).because(cause))?
        .map_err(|cause| Fault::new(name, FaultKind::Unavailable).because(cause))
}

#[async_trait]
impl<C: Consumer + ?Sized> Consumer for Box<C> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        (**self).take(deliveries).await
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        (**self).flush().await
    }
}
