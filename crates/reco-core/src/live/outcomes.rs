//! What came of showing items, whichever: for pages that explore.

use crate::event::{Action, Event};
use crate::id::ItemKey;
use crate::launch::Counts;
use parking_lot::RwLock;
use rustc_hash::FxHashMap;

/// Impressions and clicks of every item. They are sums, so they follow from which events there were, not from their order.
#[derive(Debug, Default)]
pub(super) struct Outcomes(RwLock<FxHashMap<ItemKey, Counts>>);

impl Outcomes {
    /// Items counted; events may name any number of them, and later ones are not.
    const MOST: usize = 1_000_000;

    pub(super) fn note(&self, event: &Event) {
        let (impressions, clicks) = match event.action {
            Action::Impression => (1, 0),
            Action::Click => (0, 1),
            _ => return,
        };
        let mut all = self.0.write();
        if all.len() >= Self::MOST && !all.contains_key(&event.item) {
            return;
        }
        let counts = all.entry(event.item.clone()).or_default();
        counts.impressions += impressions;
        counts.clicks += clicks;
    }

    pub(super) fn of(&self, item: &ItemKey) -> Counts {
        self.0.read().get(item).copied().unwrap_or_default()
    }

    /// All of them, by item.
    pub(super) fn all(&self) -> Vec<(ItemKey, Counts)> {
        let mut all: Vec<_> = self.0.read().iter().map(|(item, counts)| (item.clone(), *counts)).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Puts back what [`all`](Self::all) gave.
    pub(super) fn restore(&self, all: Vec<(ItemKey, Counts)>) {
        *self.0.write() = all.into_iter().collect();
    }
}
