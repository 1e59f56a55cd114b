//! Where the events in a topic begin and end, and how far a group is behind.

use crate::error::code;
use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::ops::Range;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(100);

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

/// The first offset kept and the one behind the last, by partition of the topic. As patient as [`of_group`], and as long
/// while brokers do not know: one that has just taken over from another does not know where a partition ends.
pub(super) fn ranges<C: ConsumerContext>(
    consumer: &impl Consumer<C>,
    topic: &str,
    patience: Duration,
) -> KafkaResult<BTreeMap<u32, Range<u64>>> {
    patiently(patience, PAUSE, || ranges_at_once(consumer, topic, patience))
}

/// Asks until there is an answer, or one that will not change, or patience is over.
fn patiently<T>(
    patience: Duration,
    pause: Duration,
    mut ask: impl FnMut() -> KafkaResult<T>,
) -> KafkaResult<T> {
    let begun = Instant::now();
    loop {
        match ask() {
            Err(error) if is_passing(code(&error)) && begun.elapsed() < patience => sleep(pause),
            answer => return answer,
        }
    }
}

/// Another broker is about to know, or to be asked.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::OffsetNotAvailable
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::ReplicaNotAvailable
            | RDKafkaErrorCode::FencedLeaderEpoch
            | RDKafkaErrorCode::UnknownLeaderEpoch
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::DestroyBroker
    )
}

fn ranges_at_once<C: ConsumerContext>(
    consumer: &impl Consumer<C>,
    topic: &str,
    patience: Duration,
) -> KafkaResult<BTreeMap<u32, Range<u64>>> {
    let partitions = partitions(consumer, topic, patience)?;
    let at = |end| offsets(&consumer.offsets_for_times(list(topic, &partitions, end)?, patience)?);
    let (begins, ends) = (at(Offset::Beginning)?, at(Offset::End)?);
    let range = |(partition, begin): (i32, i64)| {
        let end = ends.get(&partition).copied().unwrap_or(begin);
        (partition as u32, begin.max(0) as u64..end.max(0) as u64)
    };
    Ok(begins.into_iter().map(range).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks somebody who gives this answer twice and then another one, and says how often it took.
    fn check(first: RDKafkaErrorCode, patience: Duration, expected: (Option<RDKafkaErrorCode>, usize)) {
        let mut asked = 0;
        let answer = patiently(patience, Duration::ZERO, || {
            asked += 1;
            if asked <= 2 { Err(KafkaError::MetadataFetch(first)) } else { Ok(()) }
        });
        assert_eq!((answer.err().map(|error| code(&error)), asked), expected, "{first} for {patience:?}");
    }

    #[test]
    fn who_does_not_know_yet_is_asked_again() {
        for code in [
            RDKafkaErrorCode::OffsetNotAvailable,
            RDKafkaErrorCode::NotLeaderForPartition,
            RDKafkaErrorCode::DestroyBroker,
        ] {
            check(code, Duration::MAX, (None, 3));
            check(code, Duration::ZERO, (Some(code), 1));
        }
    }

    #[test]
    fn an_answer_that_stays_is_taken() {
        for code in [RDKafkaErrorCode::UnknownTopicOrPartition, RDKafkaErrorCode::TopicAuthorizationFailed] {
            check(code, Duration::MAX, (Some(code), 1));
        }
    }
}
