//! How far a group is behind.

use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;

/// Messages behind the group's last commit, by partition of the topic. Three requests, each of which waits for
/// `patience` at most.
pub(super) fn of_group<C: ConsumerContext>(
    consumer: &impl Consumer<C>,
    topic: &str,
    patience: Duration,
) -> KafkaResult<BTreeMap<u32, u64>> {
    let partitions = partitions(consumer, topic, patience)?;
    let ends = offsets(&consumer.offsets_for_times(list(topic, &partitions, Offset::End)?, patience)?)?;
    let committed = consumer.committed_offsets(list(topic, &partitions, Offset::Invalid)?, patience)?;
    let committed = offsets(&committed)?;
    let uncommitted: Vec<i32> =
        partitions.into_iter().filter(|partition| !committed.contains_key(partition)).collect();
    let begins = if uncommitted.is_empty() {
        BTreeMap::new()
    } else {
        offsets(&consumer.offsets_for_times(list(topic, &uncommitted, Offset::Beginning)?, patience)?)?
    };
    let start =
        |partition: &i32| committed.get(partition).or_else(|| begins.get(partition)).copied().unwrap_or(0);
    let lag = |(partition, end): (&i32, &i64)| (*partition as u32, (end - start(partition)).max(0) as u64);
    Ok(ends.iter().map(lag).collect())
}

fn partitions<C: ConsumerContext>(
    consumer: &impl Consumer<C>,
    topic: &str,
    patience: Duration,
) -> KafkaResult<Vec<i32>> {
    let metadata = consumer.client().fetch_metadata(Some(topic), patience)?;
    let found =
        metadata.topics().iter().find(|found| found.name() == topic && !found.partitions().is_empty());
    let found = found.ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition))?;
    Ok(found.partitions().iter().map(MetadataPartition::id).collect())
}

/// In a question about offsets, the ends stand in the place of a time.
fn list(topic: &str, partitions: &[i32], offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(topic, *partition, offset)?;
    }
    Ok(list)
}

/// The offsets that are known.
fn offsets(list: &TopicPartitionList) -> KafkaResult<BTreeMap<i32, i64>> {
    let mut offsets = BTreeMap::new();
    for element in list.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert(element.partition(), offset);
        }
    }
    Ok(offsets)
}
