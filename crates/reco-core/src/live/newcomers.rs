//! Items that training did not see, who took them since, and what that makes of them.

use super::takers::Takers;
use crate::event::{Event, Verdict};
use crate::id::{ItemId, ItemKey, UserKey};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Items without factors of their own, with those folded in from their first interactions.
///
/// Bounded: past 1,000 items the one quiet for longest leaves, and of an item's users past 1,000 a fair sample stays.
/// What is summed over users is not kept instead of them, for it would be of no use to the next models, and could
/// neither be taken back nor grow with a user's next event.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    items: RwLock<BTreeMap<ItemKey, Newcomer>>,
    /// Held while factors are made, so that they never fall behind; readers wait for no solve.
    folding: Mutex<()>,
}

#[derive(Debug, Default)]
struct Newcomer {
    /// Shared with whoever makes factors of them, so that they are not copied.
    takers: Arc<Takers>,
    last: Timestamp,
    /// Factors under the models of one snapshot.
    factors: Option<(Weak<Snapshot>, Arc<[f32]>)>,
}

const MOST_ITEMS: usize = 1_000;

impl Newcomers {
    /// Notes an event on an item that models have no factors for, and says whether they are to be made anew: not for a
    /// user whom the sample leaves out.
    pub(super) fn note(&self, event: &Event, verdict: Verdict) -> bool {
        let takes_back = verdict.takes_back();
        if verdict.weight() <= 0.0 && !takes_back {
            return false;
        }
        let mut items = self.items.write();
        if !items.contains_key(&event.item) {
            make_room(&mut items);
        }
        let item = items.entry(event.item.clone()).or_default();
        item.last = item.last.max(event.at);
        let takers = Arc::make_mut(&mut item.takers);
        let changed = if takes_back {
            takers.take_back(&event.user, event.at)
        } else {
            takers.add(&event.user, event.at, verdict.weight())
        };
        changed || item.factors.is_none()
    }

    /// Makes factors of an item's takers anew, for the snapshot that `fold` names.
    pub(super) fn refold(
        &self,
        item: &ItemKey,
        fold: impl FnOnce(&Takers) -> (Arc<Snapshot>, Option<Arc<[f32]>>),
    ) {
        let _folding = self.folding.lock();
        let takers = self.items.read().get(item).map(|newcomer| Arc::clone(&newcomer.takers));
        let Some(takers) = takers else { return };
        let (snapshot, factors) = fold(&takers);
        self.put(item, &snapshot, factors);
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
        let takers: Vec<(ItemKey, Arc<Takers>)> =
            self.items.read().iter().map(|(key, item)| (key.clone(), Arc::clone(&item.takers))).collect();
        takers.iter().for_each(|(key, takers)| self.put(key, snapshot, fold(takers)));
    }

    /// Lets factors count under another snapshot with the same models.
    pub(super) fn carry(&self, from: &Arc<Snapshot>, to: &Arc<Snapshot>) {
        let _folding = self.folding.lock();
        let mut items = self.items.write();
        let factors = items.values_mut().filter_map(|item| item.factors.as_mut());
        factors
            .filter(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(from)))
            .for_each(|(of, _)| *of = Arc::downgrade(to));
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
            if Arc::make_mut(&mut item.takers).remove(user) {
                item.factors = None;
            }
        }
    }

    /// Who took each item and when somebody last did, by item.
    pub(super) fn takers(&self) -> Vec<(ItemKey, Arc<Takers>, Timestamp)> {
        let items = self.items.read();
        items.iter().map(|(key, item)| (key.clone(), Arc::clone(&item.takers), item.last)).collect()
    }

    /// Puts back what [`takers`](Self::takers) gave, without factors.
    pub(super) fn restore(&self, takers: Vec<(ItemKey, Arc<Takers>, Timestamp)>) {
        let item = |(key, takers, last)| (key, Newcomer { takers, last, factors: None });
        *self.items.write() = takers.into_iter().map(item).collect();
    }

    fn put(&self, item: &ItemKey, snapshot: &Arc<Snapshot>, factors: Option<Arc<[f32]>>) {
        if let Some(item) = self.items.write().get_mut(item) {
            item.factors = factors.map(|factors| (Arc::downgrade(snapshot), factors));
        }
    }
}

/// Lets the item go that was quiet for longest, where there are as many as may be.
fn make_room(items: &mut BTreeMap<ItemKey, Newcomer>) {
    if items.len() < MOST_ITEMS {
        return;
    }
    let quietest = items.iter().map(|(key, item)| (item.last, key)).min();
    if let Some(key) = quietest.map(|(_, key)| key.clone()) {
        items.remove(&key);
    }
}
