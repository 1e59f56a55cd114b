//! What librdkafka is told, for each of its kinds of client.

use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::reach;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError as ClientError;

/// Passes on to `tracing` what the library has to say.
#[derive(Debug)]
pub(crate) struct Log;

impl ClientContext for Log {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: ClientError, reason: &str) {
        tracing::warn!(target: "reco_kafka", "{error}: {reason}");
    }
}

impl ConsumerContext for Log {}

pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    // The library warns that producers take no notice of it, but they do.
    if facility == "CONFWARN" && line.contains("allow.auto.create.topics") {
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(target: "reco_kafka", facility, "{line}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "reco_kafka", facility, "{line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "reco_kafka", facility, "{line}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "reco_kafka", facility, "{line}"),
    }
}

/// What every client is told, once the configuration is right.
pub(crate) fn admin(config: &KafkaConfig) -> Result<ClientConfig, KafkaError> {
    let problems = config.problems();
    if !problems.is_empty() {
        return Err(KafkaError::Config(problems));
    }
    let mut client = ClientConfig::new();
    client
        .set("client.id", "reco")
        .set("bootstrap.servers", &config.brokers)
        .set("socket.timeout.ms", config.answer_timeout_ms.to_string())
        .set("socket.keepalive.enable", "true")
        // Else who writes to a missing topic, or asks for it, gets one with the brokers' defaults.
        .set("allow.auto.create.topics", "false")
        // A cluster that comes back is found soon.
        .set("reconnect.backoff.max.ms", "1000");
    for (name, value) in &config.properties.0 {
        client.set(name, value);
    }
    Ok(client)
}

pub(crate) fn producer(config: &KafkaConfig) -> Result<ClientConfig, KafkaError> {
    let mut client = admin(config)?;
    client
        .set("statistics.interval.ms", reach::INTERVAL_MS.to_string())
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", config.compression.name())
        .set("linger.ms", config.linger_ms.to_string())
        .set("partitioner", "murmur2_random")
        // The message around an event, key and header included, is larger than the event.
        .set("message.max.bytes", (config.max_event_kb * 1_024 + ROOM_AROUND).to_string())
        .set("delivery.timeout.ms", config.delivery_timeout_ms.to_string())
        .set("request.timeout.ms", config.answer_timeout_ms.min(config.delivery_timeout_ms).to_string())
        // The outbox keeps count of its bytes; the library's own bounds, which would cut batches, lie above.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", i32::MAX.to_string());
    Ok(client)
}

/// Bytes of a message besides the event: key, header and Kafka's own.
const ROOM_AROUND: u32 = 8_192;

pub(crate) fn consumer(config: &KafkaConfig, group: &str) -> Result<ClientConfig, KafkaError> {
    let mut client = admin(config)?;
    client
        .set("statistics.interval.ms", reach::INTERVAL_MS.to_string())
        .set("group.id", group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("session.timeout.ms", config.session_timeout_ms.to_string())
        .set("heartbeat.interval.ms", (config.session_timeout_ms / 5).min(3_000).to_string())
        .set("max.poll.interval.ms", config.poll_interval_ms.to_string())
        .set("queued.max.messages.kbytes", (config.fetch_mb * 1_024).to_string())
        // A full buffer is looked at again after this; the library's own second would leave readers waiting.
        .set("fetch.queue.backoff.ms", "10");
    Ok(client)
}
