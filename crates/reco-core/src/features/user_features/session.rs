//! Visits: events without a long pause between them.

use super::RecentEvent;
use crate::id::ItemKey;
use crate::time::Timestamp;
use std::time::Duration;

/// The visit that is running.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// When its first event happened, as far as that is among the user's latest.
    pub started: Timestamp,
    /// When its last event happened.
    pub last: Timestamp,
    /// How many events it has, likewise.
    pub events: usize,
    /// The items of its events, each once, newest first.
    pub items: Vec<ItemKey>,
}

impl Session {
    /// The pause that ends a visit, as web analytics has it.
    pub const GAP: Duration = Duration::from_mins(30);

    pub(super) fn running(recent: &[RecentEvent], now: Timestamp) -> Option<Self> {
        let mut session: Option<Self> = None;
        for event in recent.iter().rev() {
            let next = session.as_ref().map_or(now, |session| session.started);
            if next.millis().saturating_sub(event.at.millis()) > Self::GAP.as_millis() as i64 {
                break;
            }
            let session = session.get_or_insert_with(|| Self {
                started: event.at,
                last: event.at,
                events: 0,
                items: Vec::new(),
            });
            session.started = event.at;
            session.events += 1;
            if !session.items.contains(&event.item) {
                session.items.push(event.item.clone());
            }
        }
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, EventId};

    #[test]
    fn a_long_pause_ends_it() {
        let event = |minute: i64, item: &str| RecentEvent {
            id: EventId(0),
            offset: 0,
            item: item.into(),
            action: Action::View,
            value: None,
            at: Timestamp::from_secs(minute * 60),
        };
        let recent = [event(0, "old"), event(31, "tea"), event(61, "jam"), event(70, "tea")];
        let at = |minute: i64| Session::running(&recent, Timestamp::from_secs(minute * 60));
        let running = at(100).unwrap();
        assert_eq!((running.started, running.events), (Timestamp::from_secs(31 * 60), 3));
        assert_eq!(running.items, ["tea".into(), "jam".into()]);
        assert_eq!(at(101), None, "it is over");
    }
}
