//! Which events of the log are in a user's features.

use super::stored::{StoredError, open, seal};
use crate::event::EventId;
use crate::store::Place;
use std::collections::BTreeMap;

/// The events that were taken in, by their places and, as far as they are among the latest, by their ids.
///
/// Of each partition the last [`KEPT`](Self::KEPT) places are known one by one; all before them count as taken in. So
/// events may come in any order and however often, as long as none comes more than that many of the user's own too late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenEvents {
    partitions: BTreeMap<u32, Partition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Partition {
    /// All offsets before this one count as taken in.
    first: u64,
    /// Offsets from there on, ascending, with the ids of what is kept there.
    latest: Vec<(u64, EventId)>,
}

/// What an event is to those taken in before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It came before from the same place.
    Again,
    /// It came before from another place.
    Elsewhere,
    /// It is new.
    New,
}

impl TakenEvents {
    /// Places of a partition that are known one by one.
    pub const KEPT: usize = 256;

    /// Whether the event at a place was taken in, or counts as such.
    pub fn contains(&self, Place { partition, offset }: Place) -> bool {
        self.partitions
            .get(&partition)
            .is_some_and(|partition| offset < partition.first || partition.place(offset).is_ok())
    }

    /// Adds an event.
    pub(super) fn insert(&mut self, place: Place, id: EventId) -> Arrival {
        if self.contains(place) {
            return Arrival::Again;
        }
        let mut ids = self.partitions.values().flat_map(|partition| &partition.latest);
        let arrival = if ids.any(|(_, known)| *known == id) { Arrival::Elsewhere } else { Arrival::New };
        self.partitions.entry(place.partition).or_default().insert(place.offset, id);
        arrival
    }

    /// All of it as bytes, which [`decode`](Self::decode) reads.
    pub fn encode(&self) -> Vec<u8> {
        let stored = |(number, partition): (&u32, &Partition)| (*number, partition.first, partition.gaps());
        seal(&self.partitions.iter().map(stored).collect::<Vec<_>>())
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// When it is anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let mut partitions = BTreeMap::new();
        for (number, first, gaps) in open::<Vec<(u32, u64, Gaps)>>(bytes)? {
            let partition =
                Partition::of(first, gaps).ok_or(StoredError::Damaged("an offset is too large"))?;
            if partitions.insert(number, partition).is_some() {
                return Err(StoredError::Damaged("a partition is there twice"));
            }
        }
        Ok(Self { partitions })
    }
}

/// How many offsets lie between each one and that before it, and ids.
type Gaps = Vec<(u64, [u8; 16])>;

impl Partition {
    fn place(&self, offset: u64) -> Result<usize, usize> {
        self.latest.binary_search_by_key(&offset, |(known, _)| *known)
    }

    fn insert(&mut self, offset: u64, id: EventId) {
        if let Err(place) = self.place(offset) {
            self.latest.insert(place, (offset, id));
        }
        let surplus = self.latest.len().saturating_sub(TakenEvents::KEPT);
        if let Some((last, _)) = self.latest.drain(..surplus).next_back() {
            self.first = last.saturating_add(1);
        }
    }

    fn gaps(&self) -> Gaps {
        let mut next = self.first;
        let gap = |&(offset, id): &(u64, EventId)| {
            let gap = offset - next;
            next = offset.saturating_add(1);
            (gap, id.0.to_le_bytes())
        };
        self.latest.iter().map(gap).collect()
    }

    fn of(first: u64, gaps: Gaps) -> Option<Self> {
        let (mut next, mut latest) = (Some(first), Vec::with_capacity(gaps.len()));
        for (gap, id) in gaps {
            let offset = next?.checked_add(gap)?;
            latest.push((offset, EventId(u128::from_le_bytes(id))));
            next = offset.checked_add(1);
        }
        Some(Self { first, latest })
    }
}
