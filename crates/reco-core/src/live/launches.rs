//! How new items do: who was shown them and who clicked.

use crate::event::{Action, Event};
use crate::id::ItemKey;
use crate::launch::Counts;
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// New items with what came of showing them. Counts are sums, so they follow from which events there were, not from their order.
#[derive(Debug, Default)]
pub(super) struct Launches(RwLock<BTreeMap<ItemKey, Counts>>);

impl Launches {
    /// Begins to count the events of an item, unless that goes on already.
    pub(super) fn introduce(&self, item: &ItemKey) {
        self.0.write().entry(item.clone()).or_default();
    }

    /// Counts an event, if it is one that counts of an item that is new.
    pub(super) fn note(&self, event: &Event) {
        let (impressions, clicks) = match event.action {
            Action::Impression => (1, 0),
            Action::Click => (0, 1),
            _ => return,
        };
        if self.0.read().is_empty() {
            return;
        }
        if let Some(counts) = self.0.write().get_mut(&event.item) {
            counts.impressions += impressions;
            counts.clicks += clicks;
        }
    }

    /// Items that are new no more leave.
    pub(super) fn keep(&self, is_new: impl Fn(&ItemKey) -> bool) {
        self.0.write().retain(|item, _| is_new(item));
    }

    /// All of them, by item.
    pub(super) fn all(&self) -> Vec<(ItemKey, Counts)> {
        self.0.read().iter().map(|(item, counts)| (item.clone(), *counts)).collect()
    }

    /// Puts back what [`all`](Self::all) gave.
    pub(super) fn restore(&self, all: Vec<(ItemKey, Counts)>) {
        *self.0.write() = all.into_iter().collect();
    }
}
