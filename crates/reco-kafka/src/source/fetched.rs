//! What was read from Kafka and not yet handed out.

use super::dead::DeadLetter;
use rdkafka::message::{BorrowedMessage, Message};
use reco_core::event::Event;
use reco_core::store::{Delivery, Place};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Messages in the order in which they came, and how far each partition has been handed out.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    queue: VecDeque<(Place, Content)>,
    /// By partition, the offset behind what was handed out.
    next: BTreeMap<u32, u64>,
    /// By partition, the offset that the group is known to have committed.
    committed: BTreeMap<u32, u64>,
}

#[derive(Debug)]
enum Content {
    Event(Event),
    Dead(Box<DeadLetter>),
    /// A dead letter that is kept where it belongs.
    Buried,
}

impl Content {
    fn letter(&self) -> Option<&DeadLetter> {
        match self {
            Self::Dead(letter) => Some(letter),
            Self::Event(_) | Self::Buried => None,
        }
    }
}

impl Fetched {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn push(&mut self, message: &BorrowedMessage<'_>, group: &str) {
        let place = Place { partition: message.partition() as u32, offset: message.offset() as u64 };
        let content = match read(message.payload()) {
            Ok(event) => Content::Event(event),
            Err(problem) => Content::Dead(Box::new(DeadLetter::new(message, group, &problem))),
        };
        self.queue.push_back((place, content));
    }

    /// Forgets what came from partitions that are no longer ours: others read and commit it.
    pub(super) fn forget(&mut self, partitions: &BTreeSet<u32>) {
        if !partitions.is_empty() {
            self.queue.retain(|(place, _)| !partitions.contains(&place.partition));
            self.next.retain(|partition, _| !partitions.contains(partition));
            self.committed.retain(|partition, _| !partitions.contains(partition));
        }
    }

    /// Forgets what was not handed out, which will be read again.
    pub(super) fn forget_the_rest(&mut self) {
        self.queue.clear();
    }

    pub(super) fn dead(&self) -> Vec<&DeadLetter> {
        let contents = self.queue.iter().map(|(_, content)| content);
        contents.filter_map(Content::letter).collect()
    }

    pub(super) fn bury(&mut self) {
        for (_, content) in &mut self.queue {
            if matches!(content, Content::Dead(_)) {
                *content = Content::Buried;
            }
        }
    }

    /// Up to `max` events from the front. What is not buried yet stays, with all that is behind it.
    pub(super) fn hand_out(&mut self, max: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(max.min(self.queue.len()));
        while deliveries.len() < max
            && let Some((place, content)) =
                self.queue.pop_front_if(|(_, content)| !matches!(content, Content::Dead(_)))
        {
            self.next.insert(place.partition, place.offset + 1);
            if let Content::Event(event) = content {
                deliveries.push(Delivery { place, event });
            }
        }
        deliveries
    }

    pub(super) fn positions(&self) -> BTreeMap<u32, u64> {
        self.next.clone()
    }

    /// By partition, the offset to be committed, where it is not yet.
    pub(super) fn uncommitted(&self) -> BTreeMap<u32, u64> {
        let is_new = |(partition, next): &(&u32, &u64)| self.committed.get(partition) != Some(next);
        self.next.iter().filter(is_new).map(|(partition, next)| (*partition, *next)).collect()
    }

    pub(super) fn committed(&mut self, offsets: BTreeMap<u32, u64>) {
        self.committed.extend(offsets);
    }
}

/// The event, or why it is none.
fn read(value: Option<&[u8]>) -> Result<Event, String> {
    let value = value.ok_or("the message has no value, must be an event as JSON")?;
    serde_json::from_slice(value).map_err(|cause| cause.to_string())
}
