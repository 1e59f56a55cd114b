//! Exposures for others: copied from the log of events to a sink of their own, such as a topic that a warehouse reads.

use crate::consume::Consumer;
use crate::error::Fault;
use crate::event::{Action, Event};
use crate::store::{Delivery, EventSink};
use async_trait::async_trait;
use std::sync::Arc;

/// Copies exposures to a sink of their own, in their order.
///
/// The log stays what metrics are counted from. One that was copied comes again after a failure, with the id that it had.
///
/// ```
/// use reco_core::consume::Consumer;
/// use reco_core::event::{Action, Event, EventId};
/// use reco_core::experiment::ExposureCopies;
/// use reco_core::store::{Delivery, EventSource, MemoryLog, Place};
/// use reco_core::time::Timestamp;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let event = |offset, action| Delivery {
///     place: Place { partition: 0, offset },
///     event: Event {
///         id: EventId(u128::from(offset) + 1),
///         user: "ann".into(),
///         item: "few_alike".into(),
///         action,
///         value: None,
///         at: Timestamp::from_secs(1_700_000_000),
///         details: None,
///     },
/// };
/// let topic = Arc::new(MemoryLog::default());
/// let mut copies = ExposureCopies::new(Arc::<MemoryLog>::clone(&topic));
/// copies.take(&[event(0, Action::Click), event(1, Action::Exposure)]).await?;
///
/// let copied = topic.reader("warehouse").poll(10).await?;
/// assert_eq!(copied.len(), 1);
/// assert_eq!(copied[0].event.action, Action::Exposure);
/// # Ok::<(), reco_core::error::Fault>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ExposureCopies(Arc<dyn EventSink>);

impl ExposureCopies {
    /// The name of its group in the log.
    pub const NAME: &str = "exposure_copies";

    /// To a sink.
    pub fn new(sink: Arc<dyn EventSink>) -> Self {
        Self(sink)
    }
}

#[async_trait]
impl Consumer for ExposureCopies {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        let events = deliveries.iter().map(|delivery| &delivery.event);
        let exposures: Vec<Event> =
            events.filter(|event| event.action == Action::Exposure).cloned().collect();
        if exposures.is_empty() { Ok(()) } else { self.0.append(&exposures).await.map(drop) }
    }

    /// What the sink took, it keeps.
    async fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}
