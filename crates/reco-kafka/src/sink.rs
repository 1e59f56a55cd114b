//! Events into Kafka.

use crate::config::KafkaConfig;
use crate::error::{KafkaError, NAME};
use crate::outbox::{Outbox, Record};
use async_trait::async_trait;
use rdkafka::message::{Header, OwnedHeaders};
use reco_core::error::{Fault, FaultKind};
use reco_core::event::Event;
use reco_core::store::{Appended, EventSink};

/// The header with an event's id: 32 hexadecimal digits.
pub const EVENT_ID: &str = "event-id";

/// Writes events to a topic; what was appended is on as many brokers as the topic asks for.
///
/// * A batch is sent once there is room for all of it, and appending returns when all of it is kept. Should it fail on
///   the way, part of the batch may be there: send it again, and whoever counts tells by the ids.
/// * What the library sends again by itself after a lost answer is kept once, and a user's events keep their order.
/// * It does not look for ids that were appended before: every event gets a place.
/// * At most [`buffer_mb`](KafkaConfig::buffer_mb) of events wait for their acknowledgement. Who has more waits
///   for [`room_wait_ms`](KafkaConfig::room_wait_ms); then appending is refused as
///   [unavailable](FaultKind::Unavailable).
/// * Appending needs a tokio runtime with time enabled. Dropping its future takes nothing back.
#[derive(Debug)]
pub struct KafkaSink {
    outbox: Outbox,
    largest: usize,
}

impl KafkaSink {
    /// A sink for the topic of events; connections are made in the background.
    ///
    /// # Errors
    ///
    /// [`KafkaError::Config`] with all that is wrong, and [`KafkaError::Client`] for properties that the client library
    /// does not take.
    pub fn open(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let outbox = Outbox::open(config, &config.topic)?;
        Ok(Self { outbox, largest: config.max_event_kb as usize * 1_024 })
    }

    fn record(&self, event: &Event) -> Result<Record, Fault> {
        let unusable = |cause: String| {
            Fault::new(NAME, FaultKind::Invalid).because(format!("event {}: {cause}", event.id))
        };
        let value = serde_json::to_vec(event).map_err(|cause| unusable(cause.to_string()))?;
        let user = event.user.as_str().as_bytes();
        let size = value.len() + user.len();
        if size > self.largest {
            let largest = self.largest;
            return Err(unusable(format!("takes {size} bytes, must be at most {largest} (max_event_kb)")));
        }
        let id = event.id.to_string();
        let headers = OwnedHeaders::new_with_capacity(1).insert(Header { key: EVENT_ID, value: Some(&id) });
        Ok(Record { key: Some(user.to_vec()), value: Some(value), headers })
    }
}

#[async_trait]
impl EventSink for KafkaSink {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn append(&self, events: &[Event]) -> Result<Appended, Fault> {
        // Nothing is sent unless all of it can be.
        let records = events.iter().map(|event| self.record(event)).collect::<Result<_, _>>()?;
        let places = self.outbox.send(records).await?;
        Ok(Appended { places: places.into_iter().map(Some).collect() })
    }
}
