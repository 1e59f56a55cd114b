//! User features as a document, for people and for programs in other languages.

use super::{Tally, UserFeatures};
use crate::id::ItemKey;
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is known of a user at one moment. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UserDocument {
    /// Events, all in all.
    interactions: u64,
    /// When the last one happened.
    last_at: Option<Timestamp>,
    /// Items of the latest events, each once, newest first.
    last_items: Vec<ItemKey>,
    /// By action.
    actions: BTreeMap<String, Tally>,
    /// Events by category of the item.
    categories: BTreeMap<String, u64>,
    /// Events of the last day, week and 28 days.
    windows: BTreeMap<&'static str, WindowJson>,
    /// As [`UserFeatures::trend`].
    trend: Option<f32>,
    /// The visit that is running.
    session: Option<SessionJson>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct WindowJson {
    events: u64,
    mean_value: Option<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct SessionJson {
    started: Timestamp,
    last: Timestamp,
    events: usize,
    items: Vec<ItemKey>,
}

/// Names and lengths in days.
const WINDOWS: [(&str, u16); 3] = [("1d", 1), ("7d", 7), ("28d", 28)];

impl UserFeatures {
    /// The features as they are at `now`, with up to `n_items` of the latest items.
    pub fn document(&self, now: Timestamp, n_items: usize) -> UserDocument {
        let mut last_items: Vec<ItemKey> = Vec::new();
        for event in self.recent().iter().rev() {
            if last_items.len() == n_items {
                break;
            }
            if !last_items.contains(&event.item) {
                last_items.push(event.item.clone());
            }
        }
        let window = |days| {
            let window = self.window(days, now);
            WindowJson { events: window.events, mean_value: window.mean_value }
        };
        let session = self.session(now).map(|session| SessionJson {
            started: session.started,
            last: session.last,
            events: session.events,
            items: session.items,
        });
        UserDocument {
            interactions: self.interactions(),
            last_at: self.recent().last().map(|event| event.at),
            last_items,
            actions: self.actions().iter().map(|(action, tally)| (action.to_string(), *tally)).collect(),
            categories: self.categories().iter().map(|(name, count)| (name.to_string(), *count)).collect(),
            windows: WINDOWS.into_iter().map(|(name, days)| (name, window(days))).collect(),
            trend: self.trend(now),
            session,
        }
    }
}
