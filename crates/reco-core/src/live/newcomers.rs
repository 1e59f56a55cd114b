//! Items that training did not see, who took them since, and what that makes of them.

use crate::event::{Event, Verdict};
use crate::id::{ItemId, ItemKey, UserKey};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Who took an item: users with the summed weights of their events, the latest last.
pub(crate) type Takers = [(UserKey, f32)];

/// Items without factors of their own, with those folded in from their first interactions.
///
/// Bounded: past 1,000 items the one quiet for longest leaves, past 100 users of an item the one who came first.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    items: RwLock<BTreeMap<ItemKey, Newcomer>>,
    /// Held while factors are made, so that they never fall behind; readers wait for no solve.
    folding: Mutex<()>,
}

#[derive(Debug, Default)]
struct Newcomer {
    takers: Vec<(UserKey, f32)>,
    last: Timestamp,
    /// Factors under the models of one snapshot.
    factors: Option<(Weak<Snapshot>, Arc<[f32]>)>,
}

const MOST_ITEMS: usize = 1_000;
const MOST_TAKERS: usize = 100;

impl Newcomers {
    /// Takes in an event on an item that models have no factors for; `fold` makes them from its takers, for
    /// the snapshot that it names.
    pub(super) fn welcome(
        &self,
        event: &Event,
        verdict: Verdict,
        fold: impl FnOnce(&Takers) -> (Arc<Snapshot>, Option<Arc<[f32]>>),
    ) {
        if verdict.weight() <= 0.0 && !verdict.takes_back() {
            return;
        }
        let _folding = self.folding.lock();
        let takers = self.note(event, verdict);
        let (snapshot, factors) = fold(&takers);
        self.put(&event.item, &snapshot, factors);
    }

    /// Makes factors anew, for the models of another snapshot; items that now have some of their own leave.
    pub(super) fn move_to(
        &self,
        snapshot: &Arc<Snapshot>,
        is_new: impl Fn(&ItemKey) -> bool,
        fold: impl Fn(&Takers) -> Option<Arc<[f32]>>,
    ) {
        let _folding = self.folding.lock();
        self.items.write().retain(|key, _| is_new(key));
        let takers: Vec<(ItemKey, Vec<(UserKey, f32)>)> =
            self.items.read().iter().map(|(key, item)| (key.clone(), item.takers.clone())).collect();
        takers.iter().for_each(|(key, takers)| self.put(key, snapshot, fold(takers)));
    }

    /// The items with their factors under the models of `snapshot`, by id.
    pub(super) fn of(&self, snapshot: &Arc<Snapshot>) -> Vec<(ItemId, Arc<[f32]>)> {
        let items = self.items.read();
        let mut known: Vec<_> = items
            .iter()
            .filter_map(|(key, item)| {
                let (of, factors) = item.factors.as_ref()?;
                // A weak pointer keeps its address from being used again.
                let is_current = std::ptr::eq(of.as_ptr(), Arc::as_ptr(snapshot));
                Some((snapshot.catalog.id(key.as_str()).filter(|_| is_current)?, Arc::clone(factors)))
            })
            .collect();
        known.sort_unstable_by_key(|(id, _)| *id);
        known
    }

    /// Forgets that a user took anything.
    pub(super) fn forget(&self, user: &UserKey) {
        let _folding = self.folding.lock();
        for item in self.items.write().values_mut() {
            let n_before = item.takers.len();
            item.takers.retain(|(taker, _)| taker != user);
            if item.takers.len() < n_before {
                item.factors = None;
            }
        }
    }

    /// Adds the event's user to the takers of its item, or takes them back, and says who remains.
    fn note(&self, event: &Event, verdict: Verdict) -> Vec<(UserKey, f32)> {
        let mut items = self.items.write();
        if items.len() >= MOST_ITEMS && !items.contains_key(&event.item) {
            let quietest = items.iter().map(|(key, item)| (item.last, key)).min();
            if let Some(key) = quietest.map(|(_, key)| key.clone()) {
                items.remove(&key);
            }
        }
        let item = items.entry(event.item.clone()).or_default();
        item.last = item.last.max(event.at);
        let known = item.takers.iter().position(|(user, _)| *user == event.user);
        let before = known.map_or(0.0, |row| item.takers.remove(row).1);
        if !verdict.takes_back() {
            item.takers.push((event.user.clone(), before + verdict.weight()));
        }
        if item.takers.len() > MOST_TAKERS {
            item.takers.remove(0);
        }
        item.takers.clone()
    }

    fn put(&self, item: &ItemKey, snapshot: &Arc<Snapshot>, factors: Option<Arc<[f32]>>) {
        if let Some(item) = self.items.write().get_mut(item) {
            item.factors = factors.map(|factors| (Arc::downgrade(snapshot), factors));
        }
    }
}
