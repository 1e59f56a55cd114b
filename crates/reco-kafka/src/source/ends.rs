//! Where partitions end, as far as a client's statistics tell.

use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Ends of partitions as of some seconds ago.
#[derive(Debug, Default)]
pub(super) struct Ends(Mutex<BTreeMap<u32, Partition>>);

/// The part of librdkafka's statistics that counts; what it does not know is negative.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    topics: BTreeMap<String, Topic>,
}

#[derive(Deserialize)]
struct Topic {
    partitions: BTreeMap<String, Partition>,
}

#[derive(Debug, Deserialize)]
struct Partition {
    /// The end of what has been committed, where others write in transactions.
    #[serde(rename = "ls_offset")]
    end: i64,
    /// Where the oldest message is that is kept.
    #[serde(rename = "lo_offset")]
    oldest: i64,
    /// What the group has committed.
    #[serde(rename = "committed_offset")]
    committed: i64,
}

impl Ends {
    /// To be told of every set of statistics.
    pub(super) fn note(&self, statistics: &[u8], topic: &str) {
        if let Ok(mut statistics) = serde_json::from_slice::<Statistics>(statistics)
            && let Some(topic) = statistics.topics.remove(topic)
        {
            // The client keeps messages of unknown partitions under -1.
            let numbered = |(name, end): (String, Partition)| Some((name.parse().ok()?, end));
            *self.0.lock() = topic.partitions.into_iter().filter_map(numbered).collect();
        }
    }

    /// Messages of some partitions behind our positions or, where we have none yet, behind where the group begins; nothing while
    /// that of one of them is not known.
    pub(super) fn behind(&self, partitions: &BTreeSet<u32>, positions: &BTreeMap<u32, u64>) -> Option<u64> {
        let ends = self.0.lock();
        let behind = |partition: &u32| {
            let Partition { end, oldest, committed } = ends.get(partition)?;
            let begun = [committed, oldest].into_iter().find_map(|offset| u64::try_from(*offset).ok());
            Some(u64::try_from(*end).ok()?.saturating_sub(positions.get(partition).copied().or(begun)?))
        };
        partitions.iter().map(behind).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_counted_once_all_ends_are_known() {
        let ends = Ends::default();
        let behind = |partitions: &[u32]| {
            ends.behind(&partitions.iter().copied().collect(), &BTreeMap::from([(0, 7), (1, 20)]))
        };
        assert_eq!((behind(&[]), behind(&[0])), (Some(0), None));
        let part = |end: i64, low: i64, committed: i64| {
            format!(r#"{{"ls_offset": {end}, "lo_offset": {low}, "committed_offset": {committed}}}"#)
        };
        let parts =
            [part(10, 0, 5), part(18, 0, 0), part(40, 9, 36), part(40, 9, -1001), part(50, -1001, -1001)];
        let parts: Vec<String> =
            (0..).zip(parts).map(|(number, part)| format!("\"{number}\": {part}")).collect();
        let told = format!(
            r#"{{"brokers": {{}}, "topics": {{"clicks": {{"topic": "clicks", "partitions": {{"-1": {}, {}}}}}}}}}"#,
            part(-1, -1, -1),
            parts.join(", ")
        );
        ends.note(told.as_bytes(), "views");
        ends.note(b"no statistics", "clicks");
        assert_eq!(behind(&[0]), None, "of another topic");
        ends.note(told.as_bytes(), "clicks");
        assert_eq!(behind(&[0, 1]), Some(3), "a position may be ahead of what was told");
        assert_eq!(behind(&[0, 2, 3]), Some(3 + 4 + 31));
        assert_eq!(behind(&[0, 4]), None);
    }
}
