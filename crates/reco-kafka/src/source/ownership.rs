//! Which partitions a reader has.

use super::ends::Ends;
use crate::client;
use crate::reach::Reach;
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as ClientError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Is told which partitions a reader gets and loses, and says where to start.
///
/// Who keeps state that events went into together with how far it has come (in one transaction of a database, say)
/// answers with the offsets from there: then each event has its effect once, whatever was committed to Kafka.
///
/// Both functions are called from within [`poll`](reco_core::store::EventSource::poll) and from within closing, on the
/// thread that polls: they should be quick.
///
/// ```
/// use parking_lot::Mutex;
/// use reco_kafka::Ownership;
/// use std::collections::BTreeMap;
///
/// /// Counts of events, and the offset behind the last one counted, by partition.
/// #[derive(Debug, Default)]
/// struct Counts(Mutex<BTreeMap<u32, (u64, u64)>>);
///
/// impl Ownership for Counts {
///     fn assigned(&self, partitions: &[u32]) -> BTreeMap<u32, u64> {
///         let counts = self.0.lock();
///         partitions.iter().filter_map(|part| Some((*part, counts.get(part)?.1))).collect()
///     }
///     fn revoked(&self, partitions: &[u32], _lost: bool) {
///         partitions.iter().for_each(|part| drop(self.0.lock().remove(part)));
///     }
/// }
/// ```
pub trait Ownership: fmt::Debug + Send + Sync + 'static {
    /// These partitions are ours from now on. The answer has the offset of the first event wanted from each; what it
    /// leaves out starts behind the group's last commit.
    fn assigned(&self, partitions: &[u32]) -> BTreeMap<u32, u64>;

    /// These partitions are ours no longer; what was polled from them and not committed comes again, to somebody else.
    /// `lost` if others may have had them for a while, because we were taken for dead.
    fn revoked(&self, partitions: &[u32], lost: bool);
}

/// Starts where a map says, which does not change.
impl Ownership for BTreeMap<u32, u64> {
    fn assigned(&self, partitions: &[u32]) -> BTreeMap<u32, u64> {
        partitions.iter().filter_map(|partition| Some((*partition, *self.get(partition)?))).collect()
    }

    fn revoked(&self, _partitions: &[u32], _lost: bool) {}
}

/// What a consumer knows of its partitions while it is polled.
#[derive(Debug)]
pub(super) struct Owned {
    topic: String,
    ownership: Option<Arc<dyn Ownership>>,
    state: Mutex<State>,
    pub(super) reach: Reach,
    pub(super) ends: Ends,
}

#[derive(Debug, Default)]
struct State {
    owned: BTreeSet<u32>,
    /// Since this was last asked for.
    revoked: BTreeSet<u32>,
    failed: Option<ClientError>,
    /// Another consumer has taken over, and what becomes of this one is nobody's business.
    retired: bool,
}

impl Owned {
    pub(super) fn new(topic: &str, ownership: Option<Arc<dyn Ownership>>) -> Self {
        Self { ownership, ..Self::all(topic, std::iter::empty()) }
    }

    /// Of a reader that has these partitions for ever.
    pub(super) fn all(topic: &str, partitions: impl Iterator<Item = u32>) -> Self {
        let state = State { owned: partitions.collect(), ..State::default() };
        Self {
            topic: topic.to_owned(),
            ownership: None,
            state: Mutex::new(state),
            reach: Reach::default(),
            ends: Ends::default(),
        }
    }

    pub(super) fn has(&self, partition: u32) -> bool {
        self.state.lock().owned.contains(&partition)
    }

    pub(super) fn partitions(&self) -> BTreeSet<u32> {
        self.state.lock().owned.clone()
    }

    /// What went since this was last called, even if it came back.
    pub(super) fn take_revoked(&self) -> BTreeSet<u32> {
        std::mem::take(&mut self.state.lock().revoked)
    }

    /// Why partitions could not be taken over, if they could not.
    pub(super) fn take_failure(&self) -> Option<ClientError> {
        self.state.lock().failed.take()
    }

    /// Hands over to a successor: all partitions count as lost, and what happens while this consumer ends is not told.
    pub(super) fn retire(&self) -> Option<Arc<dyn Ownership>> {
        let partitions: Vec<u32> = {
            let mut state = self.state.lock();
            state.retired = true;
            std::mem::take(&mut state.owned).into_iter().collect()
        };
        if let Some(ownership) = &self.ownership
            && !partitions.is_empty()
        {
            ownership.revoked(&partitions, true);
        }
        self.ownership.clone()
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) -> KafkaResult<()> {
        let partitions = partitions(list);
        tracing::info!(target: "reco_kafka", topic = self.topic, ?partitions, "assigned");
        self.state.lock().owned.extend(&partitions);
        let starts = self.ownership.as_ref().map(|ownership| ownership.assigned(&partitions));
        for (partition, offset) in starts.unwrap_or_default() {
            if partitions.contains(&partition) {
                list.set_partition_offset(&self.topic, partition as i32, Offset::Offset(offset as i64))?;
            }
        }
        consumer.incremental_assign(list)
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let (partitions, lost) = (partitions(list), consumer.assignment_lost());
        tracing::info!(target: "reco_kafka", topic = self.topic, ?partitions, lost, "revoked");
        let is_retired = {
            let mut state = self.state.lock();
            state.owned.retain(|partition| !partitions.contains(partition));
            state.revoked.extend(&partitions);
            state.retired
        };
        if let Some(ownership) = &self.ownership
            && !is_retired
        {
            ownership.revoked(&partitions, lost);
        }
        consumer.incremental_unassign(list)
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<u32> {
    list.elements().iter().map(|element| element.partition() as u32).collect()
}

impl ClientContext for Owned {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log(level, facility, line);
    }

    fn error(&self, error: ClientError, reason: &str) {
        client::Log.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.reach.note(statistics);
        self.ends.note(statistics, &self.topic);
    }
}

impl ConsumerContext for Owned {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let outcome = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            _ => self.revoke(consumer, list),
        };
        if let Err(error) = outcome {
            self.state.lock().failed = Some(error);
        }
    }
}
