//! The topics: created where they are missing, checked where they are there.

use crate::client::{self, Log};
use crate::config::KafkaConfig;
use crate::error::{IS_THERE, KafkaError, code};
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::metadata::MetadataTopic;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// Creates the topics of events and of dead letters where they are missing, unless
/// [`create_topics`](KafkaConfig::create_topics) forbids it, and checks them.
///
/// # Errors
///
/// [`KafkaError::Topics`] with everything in which they differ from the configuration, and the command that puts it
/// right; [`KafkaError::Cluster`] when the cluster does not answer or does not let us; [`KafkaError::Config`] and
/// [`KafkaError::Client`] as for opening a sink.
pub async fn prepare(config: &KafkaConfig) -> Result<(), KafkaError> {
    let cluster = Cluster::open(config)?;
    let mut problems = Vec::new();
    for topic in [&config.topic, &config.dead_letters] {
        problems.extend(cluster.prepare(topic).await?);
    }
    let brokers = config.brokers.clone();
    if problems.is_empty() { Ok(()) } else { Err(KafkaError::Topics { brokers, problems }) }
}

/// The command that creates a topic as configured.
pub(crate) fn creation(config: &KafkaConfig, name: &str) -> String {
    let KafkaConfig { brokers, replication, min_in_sync, .. } = config;
    let partitions = partitions(config, name);
    format!(
        "kafka-topics.sh --bootstrap-server {brokers} --create --topic {name} --partitions {partitions} \
         --replication-factor {replication} --config min.insync.replicas={min_in_sync}"
    )
}

/// How many a topic is created with. Dead letters need no sharing of work.
fn partitions(config: &KafkaConfig, name: &str) -> u32 {
    if name == config.dead_letters { 1 } else { config.partitions }
}

/// What a topic is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    partitions: u32,
    /// Of the partition that has fewest.
    replication: u32,
    min_in_sync: u32,
    max_message_bytes: u32,
}

/// What is wrong with a topic, one line each.
fn problems(config: &KafkaConfig, name: &str, found: Found) -> Vec<String> {
    let KafkaConfig { brokers, replication, min_in_sync, max_event_kb, .. } = config;
    let wanted = partitions(config, name);
    let is_shared = name == config.topic;
    let altered = |setting: &str| {
        format!(
            "kafka-configs.sh --bootstrap-server {brokers} --entity-type topics --entity-name {name} --alter \
             --add-config {setting}"
        )
    };
    let least_bytes = max_event_kb * 1_024;
    let checks = [
        (
            found.partitions >= wanted,
            format!(
                "topic {name} has {} partitions, must have {wanted}: kafka-topics.sh --bootstrap-server {brokers} \
                 --alter --topic {name} --partitions {wanted} (most users move to another partition then: let all \
                 groups come to the end first); or set partitions to {}",
                found.partitions, found.partitions
            ),
        ),
        (
            !is_shared || found.partitions <= wanted,
            format!(
                "topic {name} has {} partitions, must have {wanted}: set partitions to {}; or, as none can be taken \
                 away, delete it with all its events: kafka-topics.sh --bootstrap-server {brokers} --delete --topic \
                 {name}; then: {}",
                found.partitions,
                found.partitions,
                creation(config, name)
            ),
        ),
        (
            found.replication >= *replication,
            format!(
                "topic {name} is kept on {} brokers, must be on {replication}: kafka-topics.sh --bootstrap-server \
                 {brokers} --describe --topic {name} shows where, kafka-reassign-partitions.sh adds brokers; or set \
                 replication to {}",
                found.replication, found.replication
            ),
        ),
        (
            found.min_in_sync >= *min_in_sync,
            format!(
                "topic {name} has min.insync.replicas {}, must be {min_in_sync} or more: {}",
                found.min_in_sync,
                altered(&format!("min.insync.replicas={min_in_sync}"))
            ),
        ),
        (
            found.max_message_bytes >= least_bytes,
            format!(
                "topic {name} has max.message.bytes {}, must be {least_bytes} or more for a max_event_kb of \
                 {max_event_kb}: {}",
                found.max_message_bytes,
                altered(&format!("max.message.bytes={least_bytes}"))
            ),
        ),
    ];
    checks.into_iter().filter(|(holds, _)| !holds).map(|(_, problem)| problem).collect()
}

/// How long to wait before looking again for a topic that was just created.
const PAUSE: Duration = Duration::from_millis(100);

struct Cluster<'a> {
    config: &'a KafkaConfig,
    admin: Arc<AdminClient<Log>>,
    patience: Duration,
}

impl<'a> Cluster<'a> {
    fn open(config: &'a KafkaConfig) -> Result<Self, KafkaError> {
        let admin = client::admin(config)?.create_with_context(Log);
        let admin = Arc::new(admin.map_err(|cause| KafkaError::client(config, cause))?);
        Ok(Self { config, admin, patience: Duration::from_millis(u64::from(config.answer_timeout_ms)) })
    }

    /// Sees to a topic and tells what is wrong with it.
    async fn prepare(&self, name: &str) -> Result<Vec<String>, KafkaError> {
        let deadline = Instant::now() + self.patience;
        let mut created = false;
        loop {
            match self.found(name).await? {
                Some(found) => return Ok(problems(self.config, name, found)),
                None if created && Instant::now() < deadline => sleep(PAUSE).await,
                None if self.config.create_topics && !created => {
                    self.create(name).await?;
                    created = true;
                }
                None => {
                    return Ok(vec![format!("topic {name} does not exist: {}", creation(self.config, name))]);
                }
            }
        }
    }

    async fn create(&self, name: &str) -> Result<(), KafkaError> {
        let min_in_sync = self.config.min_in_sync.to_string();
        let replication = TopicReplication::Fixed(self.config.replication as i32);
        let topic = NewTopic::new(name, partitions(self.config, name) as i32, replication)
            .set("min.insync.replicas", &min_in_sync);
        let outcome = self.admin.create_topics([&topic], &self.options()).await;
        let refused = match outcome.as_deref() {
            // Another process may have been faster.
            Ok([Ok(_) | Err((_, Code::TopicAlreadyExists))]) => return Ok(()),
            Ok(outcomes) => {
                let code = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
                code.map_or(Code::Unknown, |(_, code)| *code)
            }
            Err(error) => return Err(self.unreachable(&format!("creating topic {name}"), error)),
        };
        Err(self.refused(name, refused))
    }

    fn refused(&self, name: &str, code: Code) -> KafkaError {
        let by_hand = creation(self.config, name);
        let hint = match code {
            Code::InvalidReplicationFactor => format!(
                "; replication is {}, must be at most the number of brokers: start more of them, or set replication \
                 and min_in_sync",
                self.config.replication
            ),
            _ => format!("; whoever may: {by_hand}"),
        };
        KafkaError::hinted(self.config, &format!("creating topic {name}"), code, hint)
    }

    /// What a topic is like, if there is one.
    async fn found(&self, name: &str) -> Result<Option<Found>, KafkaError> {
        let Some((partitions, replication)) = self.layout(name).await? else { return Ok(None) };
        let settings = self.settings(name).await?;
        let number = |setting| settings.as_ref()?.get(setting)?.value.as_ref()?.parse().ok();
        // Of who may not ask for them, settings are taken to be right.
        let number = |setting| number(setting).unwrap_or(u32::MAX);
        Ok(Some(Found {
            partitions,
            replication,
            min_in_sync: number("min.insync.replicas"),
            max_message_bytes: number("max.message.bytes"),
        }))
    }

    async fn settings(&self, name: &str) -> Result<Option<ConfigResource>, KafkaError> {
        let asked = self.admin.describe_configs([&ResourceSpecifier::Topic(name)], &self.options()).await;
        let doing = format!("asking for the settings of topic {name}");
        let asked = asked.map_err(|error| self.unreachable(&doing, &error))?;
        Ok(asked.into_iter().find_map(Result::ok))
    }

    /// Partitions, and brokers that keep each of them, once all of them have a leader.
    async fn layout(&self, name: &str) -> Result<Option<(u32, u32)>, KafkaError> {
        let (admin, topic, patience) = (Arc::clone(&self.admin), name.to_owned(), self.patience);
        let asked = spawn_blocking(move || {
            let metadata = admin.inner().fetch_metadata(Some(&topic), patience)?;
            Ok::<_, ClientError>(
                metadata.topics().iter().find(|found| found.name() == topic).and_then(layout),
            )
        });
        let doing = format!("asking for the partitions of topic {name}");
        let asked = asked.await.map_err(|cause| KafkaError::cluster(self.config, &doing, cause))?;
        asked.map_err(|error| self.unreachable(&doing, &error))
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.patience)).operation_timeout(Some(self.patience))
    }

    fn unreachable(&self, doing: &str, error: &ClientError) -> KafkaError {
        let waited = format!("; answer_timeout_ms is {}, {IS_THERE}", self.config.answer_timeout_ms);
        let hint = match code(error) {
            Code::OperationTimedOut | Code::BrokerTransportFailure | Code::AllBrokersDown => waited,
            _ => String::new(),
        };
        KafkaError::hinted(self.config, doing, error.clone(), hint)
    }
}

fn layout(topic: &MetadataTopic) -> Option<(u32, u32)> {
    let partitions = topic.partitions();
    let is_led = partitions.iter().all(|partition| partition.leader() >= 0);
    let fewest = partitions.iter().map(|partition| partition.replicas().len()).min()?;
    is_led.then_some((partitions.len() as u32, fewest as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Found), expected: &[&str]) {
        let config = KafkaConfig { brokers: "kafka-1:9092".to_owned(), ..KafkaConfig::default() };
        let mut found =
            Found { partitions: 100, replication: 3, min_in_sync: 2, max_message_bytes: 1_048_588 };
        change(&mut found);
        let problems = problems(&config, &config.topic, found);
        assert_eq!(problems.is_empty(), expected.is_empty(), "{problems:?}");
        for part in expected {
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part} is not in {problems:?}");
        }
    }

    #[test]
    fn problems_come_with_the_command_that_solves_them() {
        check(|_| (), &[]);
        check(
            |found| found.partitions = 10,
            &["--alter --topic clickstream.events --partitions 100", "set partitions to 10"],
        );
        check(
            |found| found.partitions = 200,
            &["set partitions to 200", "--delete --topic clickstream.events"],
        );
        check(|found| found.replication = 1, &["kept on 1 brokers, must be on 3"]);
        check(
            |found| found.min_in_sync = 1,
            &["--entity-name clickstream.events --alter --add-config min.insync.replicas=2"],
        );
        check(|found| found.max_message_bytes = 1_000, &["--add-config max.message.bytes=921600"]);
    }
}
