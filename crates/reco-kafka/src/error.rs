//! What can go wrong, in words that say what to do about it.

use crate::config::KafkaConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use reco_core::error::{BoxError, Fault, FaultKind};

/// The name of sink and source in metrics and faults.
pub(crate) const NAME: &str = "kafka";

/// Why a sink, a source or a topic is not ready for use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// The configuration is wrong; every problem is told.
    #[error("the configuration of Kafka is wrong: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The client library cannot work with its properties.
    #[error("no client for Kafka at {brokers}: {cause}{hint}")]
    Client {
        /// As configured.
        brokers: String,
        /// What the library says.
        cause: BoxError,
        /// What to do about it.
        hint: &'static str,
    },
    /// The cluster does not answer, or says no.
    #[error("{doing} at {brokers}: {cause}{hint}")]
    Cluster {
        /// What was being done.
        doing: String,
        /// As configured.
        brokers: String,
        /// What the library says.
        cause: BoxError,
        /// What to do about it.
        hint: String,
    },
    /// Topics are not as configured; what is wrong with each, and the command that puts it right.
    #[error("topics at {brokers} are not as configured:\n{}", problems.join("\n"))]
    Topics {
        /// As configured.
        brokers: String,
        /// One for each thing that is wrong.
        problems: Vec<String>,
    },
}

impl KafkaError {
    pub(crate) fn client(config: &KafkaConfig, cause: ClientError) -> Self {
        let lacks_tls = cause.to_string().contains("not available at build time");
        let hint = if lacks_tls { "; build reco-kafka with its feature `tls`" } else { "" };
        Self::Client { brokers: config.brokers.clone(), cause: cause.into(), hint }
    }

    pub(crate) fn cluster(config: &KafkaConfig, doing: &str, cause: impl Into<BoxError>) -> Self {
        Self::hinted(config, doing, cause, String::new())
    }

    pub(crate) fn hinted(
        config: &KafkaConfig,
        doing: &str,
        cause: impl Into<BoxError>,
        hint: String,
    ) -> Self {
        Self::Cluster { doing: doing.to_owned(), brokers: config.brokers.clone(), cause: cause.into(), hint }
    }
}

/// A fault that says what was being done with which topic where, and what to do next.
pub(crate) fn fault(config: &KafkaConfig, doing: &str, topic: &str, code: Code) -> Fault {
    let hint = hint(config, topic, code);
    let brokers = &config.brokers;
    Fault::new(NAME, kind(code)).because(format!("{doing} topic {topic} at {brokers}: {code}{hint}"))
}

/// What a caller may do about it. What an operator has to put right counts as unavailable: it is not the events' fault,
/// and worth trying later.
fn kind(code: Code) -> FaultKind {
    match code {
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessage
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::InvalidTopic
        | Code::InvalidArgument
        | Code::UnsupportedCompressionType => FaultKind::Invalid,
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::UnknownTopicId => FaultKind::NotFound,
        Code::Fatal
        | Code::Inconsistent
        | Code::BadMessage
        | Code::OutOfOrderSequenceNumber
        | Code::InvalidProducerEpoch => FaultKind::Internal,
        _ => FaultKind::Unavailable,
    }
}

/// Who is not let in, because of a password or a certificate, only hears nothing: the library logs why, and tries again.
pub(crate) const IS_THERE: &str =
    "is there a broker? Does it let us in? The log of reco_kafka tells why connections end";

fn hint(config: &KafkaConfig, topic: &str, code: Code) -> String {
    let (brokers, least) = (&config.brokers, config.min_in_sync);
    match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => format!(
            "; max_event_kb is {}, the topic's max.message.bytes must be above that: kafka-configs.sh --bootstrap-server \
             {brokers} --entity-type topics --entity-name {topic} --describe --all",
            config.max_event_kb
        ),
        Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition => {
            format!("; topics::prepare creates it, or: {}", crate::topics::creation(config, topic))
        }
        Code::MessageTimedOut => {
            format!("; delivery_timeout_ms is {}, {IS_THERE}", config.delivery_timeout_ms)
        }
        Code::PurgeQueue | Code::PurgeInflight => {
            "; the client was of no use any more, a new one has taken its place".to_owned()
        }
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => format!(
            "; fewer brokers are in sync than the topic's min.insync.replicas, which should be {least} (min_in_sync)"
        ),
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => {
            "; grant it with kafka-acls.sh, or set who we are in properties".to_owned()
        }
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "; check sasl.mechanism, sasl.username and sasl.password in properties".to_owned()
        }
        Code::PollExceeded => format!(
            "; more than poll_interval_ms, which is {}, passed between two polls; the next one joins again",
            config.poll_interval_ms
        ),
        _ => String::new(),
    }
}

/// Of the client library's errors the part that says what it is about.
pub(crate) fn code(error: &ClientError) -> Code {
    match error {
        ClientError::AdminOp(code) => *code,
        error => error.rdkafka_error_code().unwrap_or(Code::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: Code, expected: FaultKind, said: &str) {
        let config = KafkaConfig { brokers: "kafka-1:9092".to_owned(), ..KafkaConfig::default() };
        let fault = fault(&config, "writing to", "clicks", code);
        assert_eq!(fault.kind, expected, "{}", fault.message());
        for part in ["kafka-1:9092", "topic clicks", said] {
            assert!(fault.message().contains(part), "\"{part}\" is not in: {}", fault.message());
        }
    }

    #[test]
    fn faults_tell_what_to_do() {
        check(Code::MessageSizeTooLarge, FaultKind::Invalid, "max_event_kb is 900");
        check(
            Code::UnknownTopic,
            FaultKind::NotFound,
            "kafka-topics.sh --bootstrap-server kafka-1:9092 --create",
        );
        check(Code::MessageTimedOut, FaultKind::Unavailable, "delivery_timeout_ms is 30000");
        check(Code::PurgeQueue, FaultKind::Unavailable, "a new one has taken its place");
        check(Code::NotEnoughReplicas, FaultKind::Unavailable, "should be 2 (min_in_sync)");
        check(Code::TopicAuthorizationFailed, FaultKind::Unavailable, "kafka-acls.sh");
        check(Code::Fatal, FaultKind::Internal, "writing to");
    }
}
