//! Which events have been taken in.

use crate::store::Place;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A set of places. It stays small as long as there are few gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// By partition the ranges taken in, neither overlapping nor touching: where each one begins and what is behind it.
    partitions: BTreeMap<u32, BTreeMap<u64, u64>>,
}

impl Places {
    /// Adds a place and says whether it is new.
    pub fn insert(&mut self, Place { partition, offset }: Place) -> bool {
        let ranges = self.partitions.entry(partition).or_default();
        let before = ranges.range(..=offset).next_back().map(|(first, behind)| (*first, *behind));
        if before.is_some_and(|(_, behind)| offset < behind) {
            return false;
        }
        let first = before.filter(|(_, behind)| *behind == offset).map_or(offset, |(first, _)| first);
        let behind = ranges.remove(&(offset + 1)).unwrap_or(offset + 1);
        ranges.insert(first, behind);
        true
    }

    /// Adds all of others.
    pub fn extend(&mut self, others: &Self) {
        for (&partition, ranges) in &others.partitions {
            ranges.iter().for_each(|(&first, &behind)| self.insert_range(partition, first, behind));
        }
    }

    /// Adds all from `first` up to what is `behind` them.
    pub(super) fn insert_range(&mut self, partition: u32, mut first: u64, mut behind: u64) {
        let ranges = self.partitions.entry(partition).or_default();
        // Ranges that overlap it or touch it become part of it.
        while let Some((&other, &end)) = ranges.range(..=behind).next_back().filter(|(_, end)| **end >= first)
        {
            ranges.remove(&other);
            (first, behind) = (first.min(other), behind.max(end));
        }
        ranges.insert(first, behind);
    }

    /// Whether a place is among them.
    pub fn contains(&self, Place { partition, offset }: Place) -> bool {
        let range = self.partitions.get(&partition).and_then(|ranges| ranges.range(..=offset).next_back());
        range.is_some_and(|(_, behind)| offset < *behind)
    }

    /// Whether all of them are among others, too.
    pub fn is_within(&self, others: &Self) -> bool {
        self.partitions.iter().all(|(&partition, ranges)| {
            ranges.iter().all(|(&first, &behind)| others.next(partition, first) >= behind)
        })
    }

    /// The first offset of a partition, from `first` on, that is not among them.
    pub fn next(&self, partition: u32, first: u64) -> u64 {
        let range = self.partitions.get(&partition).and_then(|ranges| ranges.range(..=first).next_back());
        range.map_or(first, |(_, behind)| first.max(*behind))
    }

    /// The offset behind the last of a partition's.
    pub fn end(&self, partition: u32) -> u64 {
        let last = self.partitions.get(&partition).and_then(|ranges| ranges.last_key_value());
        last.map_or(0, |(_, behind)| *behind)
    }

    /// How many of a partition's are before an offset.
    pub fn count_before(&self, partition: u32, end: u64) -> u64 {
        let ranges = self.partitions.get(&partition).into_iter().flatten();
        ranges.map(|(first, behind)| (*behind).min(end).saturating_sub(*first)).sum()
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.partitions.values().flatten().map(|(first, behind)| behind - first).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn sets_are_joined(
            some in prop::collection::vec((0..2u32, 0..40u64), 0..40),
            others in prop::collection::vec((0..2u32, 0..40u64), 0..40),
        ) {
            let set = |places: &[(u32, u64)]| {
                let mut set = Places::default();
                for &(partition, offset) in places {
                    set.insert(Place { partition, offset });
                }
                set
            };
            let is_within = some.iter().all(|place| others.contains(place));
            prop_assert_eq!(set(&some).is_within(&set(&others)), is_within);
            let mut joined = set(&some);
            joined.extend(&set(&others));
            prop_assert_eq!(joined, set(&[some, others].concat()));
        }

        #[test]
        fn they_are_a_set(places in prop::collection::vec((0..3u32, 0..40u64), 0..150)) {
            let (mut set, mut known) = (Places::default(), BTreeSet::new());
            for (partition, offset) in places {
                let place = Place { partition, offset };
                prop_assert_eq!(set.insert(place), known.insert(place));
            }
            prop_assert_eq!(set.count(), known.len() as u64);
            for (partition, offset) in (0..3).flat_map(|partition| (0..42).map(move |offset| (partition, offset))) {
                prop_assert_eq!(set.end(partition), (0..42).rfind(|offset| known.contains(&Place { partition, offset: *offset })).map_or(0, |last| last + 1));
                let is_known = |offset| known.contains(&Place { partition, offset });
                prop_assert_eq!(set.contains(Place { partition, offset }), is_known(offset));
                prop_assert_eq!(
                    set.count_before(partition, offset),
                    (0..offset).filter(|offset| is_known(*offset)).count() as u64
                );
                prop_assert_eq!(Some(set.next(partition, offset)), (offset..=42).find(|offset| !is_known(*offset)));
            }
            for ranges in set.partitions.values() {
                let ends: Vec<u64> = ranges.iter().flat_map(|(first, behind)| [*first, *behind]).collect();
                prop_assert!(ends.is_sorted_by(|a, b| a < b), "{ends:?} touch or overlap");
            }
        }
    }
}
