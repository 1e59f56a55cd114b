//! Where Kafka is, and how it is written and read.

use crate::properties::Properties;
use serde::{Deserialize, Serialize};

/// Where Kafka is, and how it is written and read.
///
/// ```
/// use reco_kafka::KafkaConfig;
///
/// let config: KafkaConfig = serde_json::from_str(r#"{"brokers": "kafka-1:9092", "partitions": 0}"#)?;
/// assert_eq!(config.problems(), ["partitions is 0, must be between 1 and 100000"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Some brokers of the cluster, `host:port` with commas between; they tell of the others.
    pub brokers: String,
    /// The topic of events.
    pub topic: String,
    /// The topic for messages that are no events.
    pub dead_letters: String,
    /// The topic that exposures to experiments are copied to, for other programs; none where it is empty.
    pub experiments: String,
    /// Partitions of the topic of events: how many readers of one group can share the work.
    pub partitions: u32,
    /// Brokers on which each partition is kept.
    pub replication: u32,
    /// Brokers that must have an event before it counts as kept.
    pub min_in_sync: u32,
    /// Whether topics that are missing are created; else that is an error, which tells how.
    pub create_topics: bool,
    /// How batches are compressed on their way and on the brokers' disks.
    pub compression: Compression,
    /// Milliseconds to wait for company before a batch is sent.
    pub linger_ms: u32,
    /// Megabytes of events that may wait for their acknowledgement; who has more to send waits.
    pub buffer_mb: u32,
    /// Kilobytes that one event may take.
    pub max_event_kb: u32,
    /// Milliseconds to wait for room in that buffer before appending fails.
    pub room_wait_ms: u32,
    /// Milliseconds after which an event that no broker has acknowledged counts as not kept.
    pub delivery_timeout_ms: u32,
    /// Milliseconds to wait for an answer of a broker.
    pub answer_timeout_ms: u32,
    /// Milliseconds without a sign of life after which a reader's partitions go to the others.
    pub session_timeout_ms: u32,
    /// Milliseconds between two polls after which a reader counts as stuck, and its partitions go to the others.
    pub poll_interval_ms: u32,
    /// Megabytes of events that are read in advance.
    pub fetch_mb: u32,
    /// What else librdkafka is to be told: encryption, passwords and the like, by its own names.
    pub properties: Properties,
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4: the least work.
    #[default]
    Lz4,
    /// Zstandard: the fewest bytes.
    Zstd,
}

impl Compression {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            topic: "clickstream.events".to_owned(),
            dead_letters: "clickstream.events.dead".to_owned(),
            experiments: "experiments".to_owned(),
            partitions: 100,
            replication: 3,
            min_in_sync: 2,
            create_topics: true,
            compression: Compression::default(),
            linger_ms: 5,
            buffer_mb: 64,
            max_event_kb: 900,
            room_wait_ms: 1_000,
            delivery_timeout_ms: 30_000,
            answer_timeout_ms: 10_000,
            session_timeout_ms: 45_000,
            poll_interval_ms: 300_000,
            fetch_mb: 64,
            properties: Properties::default(),
        }
    }
}

impl KafkaConfig {
    /// The same for the topic that exposures are copied to, if there is to be one.
    pub fn of_experiments(&self) -> Option<Self> {
        let config = Self { topic: self.experiments.clone(), experiments: String::new(), ..self.clone() };
        (!self.experiments.is_empty()).then_some(config)
    }

    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let range = |name: &str, value: u32, least: u32, most: u32| {
            let problem = || format!("{name} is {value}, must be between {least} and {most}");
            (!(least..=most).contains(&value)).then(problem)
        };
        let ranges = [
            range("partitions", self.partitions, 1, 100_000),
            range("replication", self.replication, 1, 100),
            range("linger_ms", self.linger_ms, 0, 10_000),
            range("buffer_mb", self.buffer_mb, 1, 2_047),
            range("max_event_kb", self.max_event_kb, 1, 100_000),
            range("room_wait_ms", self.room_wait_ms, 0, 600_000),
            range("delivery_timeout_ms", self.delivery_timeout_ms, 1_000, 3_600_000),
            range("answer_timeout_ms", self.answer_timeout_ms, 2_000, 300_000),
            range("session_timeout_ms", self.session_timeout_ms, 1_000, 3_600_000),
            range("poll_interval_ms", self.poll_interval_ms, 1_000, 86_400_000),
            range("fetch_mb", self.fetch_mb, 1, 2_047),
        ];
        let experiments = Some(&self.experiments).filter(|topic| !topic.is_empty());
        let names = [
            name_problem("topic", &self.topic),
            name_problem("dead_letters", &self.dead_letters),
            experiments.and_then(|topic| name_problem("experiments", topic)),
        ];
        let lines = names.into_iter().chain(ranges).flatten();
        lines
            .chain(self.broker_problems())
            .chain(self.mutual_problems())
            .chain(self.properties.problems())
            .collect()
    }

    /// What is wrong with how settings stand to each other.
    fn mutual_problems(&self) -> impl Iterator<Item = String> {
        let Self { replication, min_in_sync, session_timeout_ms, poll_interval_ms, linger_ms, .. } = self;
        let checks = [
            (
                (1..=*replication).contains(min_in_sync),
                format!(
                    "min_in_sync is {min_in_sync}, must be between 1 and replication, which is {replication}"
                ),
            ),
            (
                self.topic != self.dead_letters,
                format!("dead_letters is {}, must be another topic than that of events", self.dead_letters),
            ),
            (
                self.experiments.is_empty()
                    || ![&self.topic, &self.dead_letters].contains(&&self.experiments),
                format!("experiments is {}, must be a topic of its own, or empty", self.experiments),
            ),
            (
                poll_interval_ms >= session_timeout_ms,
                format!(
                    "poll_interval_ms is {poll_interval_ms}, must be at least session_timeout_ms, which is {session_timeout_ms}"
                ),
            ),
            (
                self.delivery_timeout_ms > *linger_ms,
                format!(
                    "delivery_timeout_ms is {}, must be above linger_ms, which is {linger_ms}",
                    self.delivery_timeout_ms
                ),
            ),
            (
                self.max_event_kb <= self.buffer_mb.saturating_mul(1_024),
                format!(
                    "max_event_kb is {}, must fit into buffer_mb, which is {}",
                    self.max_event_kb, self.buffer_mb
                ),
            ),
        ];
        checks.into_iter().filter(|(holds, _)| !holds).map(|(_, problem)| problem)
    }

    fn broker_problems(&self) -> impl Iterator<Item = String> {
        let wrong = self.brokers.split(',').map(str::trim).filter(|broker| !is_address(broker));
        wrong.map(|broker| {
            let all = &self.brokers;
            format!("brokers is \"{all}\", of which \"{broker}\" must be host:port, such as kafka-1:9092")
        })
    }
}

fn is_address(broker: &str) -> bool {
    let port =
        |(host, port): (&str, &str)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    broker.rsplit_once(':').is_some_and(port)
}

/// Kafka's own rule for names of topics.
fn name_problem(setting: &str, name: &str) -> Option<String> {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_right =
        (1..=249).contains(&name.len()) && name.chars().all(letters) && !matches!(name, "." | "..");
    (!is_right).then(|| format!("{setting} is \"{name}\", must be 1 to 249 letters, digits, dots, _ or -"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut KafkaConfig), expected: &[&str]) {
        let mut config = KafkaConfig::default();
        change(&mut config);
        assert_eq!(config.problems(), expected);
    }

    #[test]
    fn defaults_are_right() {
        check(|_| (), &[]);
    }

    #[test]
    fn everything_wrong_is_told_with_what_would_be_right() {
        check(
            |config| {
                config.topic = "click stream".to_owned();
                config.buffer_mb = 0;
                config.brokers = "kafka-1:9092,kafka-2".to_owned();
                config.min_in_sync = 4;
                config.properties = [("acks", "1"), ("client.id", "shop")].into_iter().collect();
            },
            &[
                "topic is \"click stream\", must be 1 to 249 letters, digits, dots, _ or -",
                "buffer_mb is 0, must be between 1 and 2047",
                "brokers is \"kafka-1:9092,kafka-2\", of which \"kafka-2\" must be host:port, such as kafka-1:9092",
                "min_in_sync is 4, must be between 1 and replication, which is 3",
                "max_event_kb is 900, must fit into buffer_mb, which is 0",
                "properties has acks, must be left out: it is always all",
            ],
        );
    }

    #[test]
    fn settings_are_held_against_each_other() {
        check(
            |config| config.experiments = config.topic.clone(),
            &["experiments is clickstream.events, must be a topic of its own, or empty"],
        );
        check(|config| config.experiments = String::new(), &[]);
        check(
            |config| config.dead_letters = config.topic.clone(),
            &["dead_letters is clickstream.events, must be another topic than that of events"],
        );
        check(
            |config| config.poll_interval_ms = 10_000,
            &["poll_interval_ms is 10000, must be at least session_timeout_ms, which is 45000"],
        );
    }

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for wrong in ["", "kafka", ":9092", "kafka:0", "kafka:port", "kafka:9092,"] {
            let config = KafkaConfig { brokers: wrong.to_owned(), ..KafkaConfig::default() };
            assert_eq!(config.problems().len(), 1, "{wrong}");
        }
        let config = KafkaConfig { brokers: "[::1]:9092, b:1".to_owned(), ..KafkaConfig::default() };
        assert_eq!(config.problems(), Vec::<String>::new());
    }

    #[test]
    fn a_file_says_only_what_differs() {
        let config: KafkaConfig = serde_json::from_str(r#"{"compression": "zstd"}"#).unwrap();
        assert_eq!(config, KafkaConfig { compression: Compression::Zstd, ..KafkaConfig::default() });
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<KafkaConfig>(&text).unwrap(), config);
        assert!(serde_json::from_str::<KafkaConfig>(r#"{"compresion": "zstd"}"#).is_err());
    }
}
