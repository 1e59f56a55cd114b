//! Events in Apache Kafka: [`KafkaSink`] writes them, [`KafkaSource`] reads them as a member of a consumer group, and
//! [`topics`] sees to it that there is a topic to write to.
//!
//! An event is a message: its key is the user, so that a user's events are in one partition and keep their order; its
//! value is the event's JSON; the header `event-id` has its id. Delivery is at least once, and whoever counts events
//! tells by their ids what comes again. `docs/kafka.md` has the layout and what is promised.
//!
//! ```no_run
//! use reco_core::event::Event;
//! use reco_core::store::{EventSink, EventSource};
//! use reco_kafka::{KafkaConfig, KafkaSink, KafkaSource, topics};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = KafkaConfig { brokers: "kafka-1:9092,kafka-2:9092".into(), ..KafkaConfig::default() };
//! topics::prepare(&config).await?;
//!
//! let sink = KafkaSink::open(&config)?;
//! let click: Event = serde_json::from_str(
//!     r#"{"id":"01890a5dac96774bbcceb302099a8057","user_id":"ann","item_id":"tea","action":"click","timestamp":7}"#,
//! )?;
//! let appended = sink.append(&[click]).await?;
//! println!("kept at {:?}", appended.places);
//!
//! let mut features = KafkaSource::open(&config, "features")?;
//! loop {
//!     for delivery in features.poll(1_000).await? {
//!         println!("{:?}: {:?}", delivery.place, delivery.event);
//!     }
//!     features.commit().await?;
//! }
//! # }
//! ```
//!
//! Everything here waits on a tokio runtime with time enabled. Connections are made in the background; a cluster that
//! is away when a sink or a source is opened is waited for by their first use.

mod client;
mod config;
mod error;
mod outbox;
mod partition;
mod properties;
mod reach;
mod sink;
mod source;
pub mod topics;

pub use config::{Compression, KafkaConfig};
pub use error::KafkaError;
pub use partition::partition_of;
pub use properties::Properties;
pub use sink::{EVENT_ID, KafkaSink};
pub use source::{KafkaSource, Ownership, origin, ranges};
