//! Messages on their way to a topic: bounded in memory, and done when Kafka says so.

use crate::client;
use crate::config::KafkaConfig;
use crate::error::{KafkaError, NAME, code, fault};
use crate::reach::Reach;
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig, ThreadedProducer,
};
use reco_core::error::{Fault, FaultKind};
use reco_core::store::Place;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A message to be sent.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: OwnedHeaders,
}

impl Record {
    /// What the library keeps of a message besides key and value, roughly.
    const AROUND: usize = 512;

    fn weight(&self) -> usize {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        Self::AROUND + length(&self.key) + length(&self.value)
    }
}

/// Sends messages to one topic.
pub(crate) struct Outbox {
    config: KafkaConfig,
    topic: String,
    client: ClientConfig,
    producer: Mutex<ThreadedProducer<Reports>>,
    /// A permit for each byte that may be on its way.
    room: Arc<Semaphore>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("topic", &self.topic)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Outbox {
    pub(crate) fn open(config: &KafkaConfig, topic: &str) -> Result<Self, KafkaError> {
        let client = client::producer(config)?;
        let producer = client
            .create_with_context(Reports::default())
            .map_err(|cause| KafkaError::client(config, cause))?;
        Ok(Self {
            config: config.clone(),
            topic: topic.to_owned(),
            client,
            producer: Mutex::new(producer),
            room: Arc::new(Semaphore::new(capacity(config))),
        })
    }

    /// Waits until all of `records` are kept and says where. There is room for all of them before the first is sent.
    pub(crate) async fn send(&self, records: Vec<Record>) -> Result<Vec<Place>, Fault> {
        let n_records = records.len();
        let room = self.room_for(&records).await?;
        let (reports, mut reported) = unbounded_channel();
        let batch = Arc::new(Batch { reports, _room: room });
        let mut refused = self.post(batch, records).err();
        let mut places = Vec::with_capacity(n_records);
        // The channel ends with the last message's report.
        while let Some((position, outcome)) = reported.recv().await {
            match outcome {
                Ok(place) => places.push((position, place)),
                Err(code) => refused = Some(code),
            }
        }
        match refused {
            Some(code) => Err(self.undelivered(code, places.len(), n_records)),
            None => Ok(in_order(places)),
        }
    }

    async fn room_for(&self, records: &[Record]) -> Result<OwnedSemaphorePermit, Fault> {
        let weight: usize = records.iter().map(Record::weight).sum();
        let (n_records, KafkaConfig { buffer_mb, room_wait_ms, .. }) = (records.len(), &self.config);
        let capacity = capacity(&self.config);
        if weight > capacity && n_records > 1 {
            let cause = format!(
                "a batch of {n_records} events for topic {} takes {weight} bytes, more than buffer_mb, which is \
                 {buffer_mb}; send smaller batches",
                self.topic
            );
            return Err(Fault::new(NAME, FaultKind::Invalid).because(cause));
        }
        let permits = Arc::clone(&self.room).acquire_many_owned(weight.min(capacity) as u32);
        let patience = Duration::from_millis(u64::from(*room_wait_ms));
        if let Ok(permits) = tokio::time::timeout(patience, permits).await {
            return Ok(permits.expect("nobody closes the semaphore"));
        }
        let cause = format!(
            "{buffer_mb} MB of events (buffer_mb) wait for topic {} at {}, and there was no room for {n_records} more \
             within {room_wait_ms} ms (room_wait_ms); try again later",
            self.topic, self.config.brokers
        );
        Err(Fault::new(NAME, FaultKind::Unavailable).because(cause))
    }

    /// Hands the messages to the library, which sends them in this order. Those before one that it refuses are sent.
    fn post(&self, batch: Arc<Batch>, records: Vec<Record>) -> Result<(), Code> {
        let producer = self.producer()?;
        for (position, record) in records.into_iter().enumerate() {
            let ticket = Box::new(Ticket { batch: Arc::clone(&batch), position });
            let mut message = BaseRecord::with_opaque_to(&self.topic, ticket).headers(record.headers);
            (message.key, message.payload) = (record.key.as_ref(), record.value.as_ref());
            producer.send(message).map_err(|(error, _)| code(&error))?;
        }
        Ok(())
    }

    /// The producer; a new one, should the last be of no use any more.
    fn producer(&self) -> Result<ThreadedProducer<Reports>, Code> {
        let mut producer = self.producer.lock();
        if let Some(reason) = given_up(&producer) {
            tracing::error!(target: "reco_kafka", topic = self.topic, "{reason}; beginning anew");
            let new = self.client.create_with_context(Reports::default()).map_err(|_| Code::Fatal)?;
            retire(std::mem::replace(&mut *producer, new));
        }
        Ok(producer.clone())
    }

    fn undelivered(&self, code: Code, kept: usize, n_records: usize) -> Fault {
        let doing =
            format!("{kept} of {n_records} events are known to be kept, send all of them again: writing to");
        fault(&self.config, &doing, &self.topic, code)
    }
}

/// Why a producer will never send anything again, if so.
fn given_up(producer: &ThreadedProducer<Reports>) -> Option<String> {
    // The library stops for good rather than lose or double a message.
    let fatal = producer.client().fatal_error().map(|(code, reason)| format!("{code}: {reason}"));
    let is_lost = producer.client().context().reach.is_lost();
    fatal.or_else(|| is_lost.then(|| "the client has lost all brokers".to_owned()))
}

/// What waits in it is withdrawn, and reported as not kept, before anything is sent by its successor.
fn retire(producer: ThreadedProducer<Reports>) {
    producer.purge(PurgeConfig::default().queue().inflight());
    // Dropping it waits for its threads.
    let retiring = std::thread::Builder::new().name("reco-kafka-retire".to_owned());
    if let Err(cause) = retiring.spawn(move || drop(producer)) {
        tracing::warn!(target: "reco_kafka", "no thread to drop a producer on: {cause}");
    }
}

fn capacity(config: &KafkaConfig) -> usize {
    config.buffer_mb as usize * 1_024 * 1_024
}

fn in_order(mut places: Vec<(usize, Place)>) -> Vec<Place> {
    places.sort_unstable_by_key(|(position, _)| *position);
    places.into_iter().map(|(_, place)| place).collect()
}

/// What the messages of one batch share. It ends, and its room is free again, with the last message's report, also
/// when nobody waits for it any more.
#[derive(Debug)]
struct Batch {
    reports: UnboundedSender<(usize, Result<Place, Code>)>,
    _room: OwnedSemaphorePermit,
}

/// What a message is known by until its report.
#[derive(Debug)]
struct Ticket {
    batch: Arc<Batch>,
    position: usize,
}

/// Tells each batch what became of its messages.
#[derive(Debug, Default)]
struct Reports {
    reach: Reach,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log(level, facility, line);
    }

    fn error(&self, error: ClientError, reason: &str) {
        client::Log.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.reach.note(statistics);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let outcome = match result {
            Ok(message) => {
                Ok(Place { partition: message.partition() as u32, offset: message.offset() as u64 })
            }
            Err((error, _)) => Err(code(error)),
        };
        // Whoever sent it may have stopped waiting.
        let _ = ticket.batch.reports.send((ticket.position, outcome));
    }
}
