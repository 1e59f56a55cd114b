//! Properties of the client library that are passed through, and the ones that are not.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Properties of librdkafka by name, such as those about encryption and who we are. Shown without what is secret.
///
/// ```
/// use reco_kafka::Properties;
///
/// let properties: Properties = [
///     ("security.protocol", "SASL_SSL"),
///     ("sasl.username", "reco"),
///     ("sasl.password", "tea"),
/// ]
/// .into_iter()
/// .collect();
/// assert!(!format!("{properties:?}").contains("tea"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Properties(pub BTreeMap<String, String>);

/// What our promises rest on, and what has a setting of its own.
const RESERVED: &[(&str, &str)] = &[
    ("acks", "it is always all"),
    ("allow.auto.create.topics", "see create_topics"),
    ("auto.offset.reset", "a new group always starts with the oldest event"),
    ("bootstrap.servers", "set brokers"),
    ("compression.codec", "set compression"),
    ("compression.type", "set compression"),
    ("delivery.timeout.ms", "set delivery_timeout_ms"),
    ("enable.auto.commit", "committing is up to the reader"),
    ("enable.auto.offset.store", "committing is up to the reader"),
    ("enable.idempotence", "it is always true"),
    ("enable.partition.eof", "a reader waits at the end"),
    ("group.id", "it is given when a source is opened"),
    ("group.protocol", "it is always classic"),
    ("isolation.level", "it is always read_committed"),
    ("linger.ms", "set linger_ms"),
    ("max.poll.interval.ms", "set poll_interval_ms"),
    ("message.max.bytes", "set max_event_kb"),
    ("message.timeout.ms", "set delivery_timeout_ms"),
    ("metadata.broker.list", "set brokers"),
    ("partition.assignment.strategy", "it is always cooperative-sticky"),
    ("partitioner", "it is always murmur2_random"),
    ("queue.buffering.max.kbytes", "set buffer_mb"),
    ("queue.buffering.max.messages", "set buffer_mb"),
    ("queue.buffering.max.ms", "set linger_ms"),
    ("queued.max.messages.kbytes", "set fetch_mb"),
    ("request.required.acks", "it is always all"),
    ("session.timeout.ms", "set session_timeout_ms"),
    ("socket.timeout.ms", "set answer_timeout_ms"),
    ("statistics.interval.ms", "they tell whether a client has lost all brokers"),
    ("transactional.id", "events are not written in transactions"),
];

impl Properties {
    /// What is wrong with them, one line each.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        RESERVED
            .iter()
            .filter(|(name, _)| self.0.contains_key(*name))
            .map(|(name, instead)| format!("properties has {name}, must be left out: {instead}"))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(properties: I) -> Self {
        Self(properties.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str, value| if is_secret(name) { "(hidden)" } else { value };
        f.debug_map().entries(self.0.iter().map(|(name, value)| (name, shown(name, value)))).finish()
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", "key.pem", "oauthbearer.config"].iter().any(|part| name.contains(part))
}
