//! The latest events as they came, for readers at the end of the log: they need neither the disk nor to make events of text.

use super::Record;
use crate::event::Event;
use std::collections::VecDeque;
use std::sync::Arc;

/// Events at consecutive positions. Anything that is no event ends them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    first: u64,
    events: VecDeque<Arc<Event>>,
}

impl Recent {
    const MOST: usize = 16_384;

    /// Adds what was committed at `position` and behind.
    pub(super) fn push(&mut self, position: u64, records: &mut [Record]) {
        for (record, position) in records.iter_mut().zip(position..) {
            if self.first + self.events.len() as u64 != position {
                (self.first, self.events) = (position, VecDeque::new());
            }
            let Some(event) = record.event.take() else {
                (self.first, self.events) = (position + 1, VecDeque::new());
                continue;
            };
            self.events.push_back(event);
            if self.events.len() > Self::MOST {
                self.events.pop_front();
                self.first += 1;
            }
        }
    }

    /// The events from a position on, up to `max`; none where that one is not among them.
    pub(super) fn from(&self, position: u64, max: usize) -> Vec<(u64, Record)> {
        let Some(place) = position.checked_sub(self.first) else { return Vec::new() };
        let events = self.events.iter().skip(place as usize).take(max);
        let record = |event: &Arc<Event>| Record { event: Some(Arc::clone(event)), ..Record::default() };
        (position..).zip(events.map(record)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, EventId};
    use crate::time::Timestamp;

    fn record(id: u128) -> Record {
        let event = Event {
            id: EventId(id),
            user: "ann".into(),
            item: "tea".into(),
            action: Action::View,
            value: None,
            at: Timestamp::from_secs(7),
            details: None,
        };
        Record { id, event: Some(Arc::new(event)), ..Record::default() }
    }

    fn ids(recent: &Recent, position: u64) -> Vec<(u64, u128)> {
        let id = |(position, record): (u64, Record)| Some((position, record.event?.id.0));
        recent.from(position, 3).into_iter().filter_map(id).collect()
    }

    #[test]
    fn they_are_consecutive_and_few() {
        let mut recent = Recent::default();
        recent.push(5, &mut [record(5), record(6)]);
        recent.push(7, &mut [record(7), record(8)]);
        assert_eq!(ids(&recent, 6), [(6, 6), (7, 7), (8, 8)]);
        assert_eq!((ids(&recent, 4), ids(&recent, 9)), (vec![], vec![]), "others are not there");
        recent.push(9, &mut [record(9), Record::default(), record(11)]);
        assert_eq!((ids(&recent, 9), ids(&recent, 11)), (vec![], vec![(11, 11)]), "what is no event divides");
        recent.push(20, &mut [record(20)]);
        assert_eq!((ids(&recent, 11), ids(&recent, 20)), (vec![], vec![(20, 20)]), "as does a gap");
        for position in 21..21 + 2 * Recent::MOST as u64 {
            recent.push(position, &mut [record(position.into())]);
        }
        assert_eq!(recent.events.len(), Recent::MOST);
        let last = 20 + 2 * Recent::MOST as u64;
        assert_eq!(ids(&recent, last), [(last, last.into())]);
    }
}
