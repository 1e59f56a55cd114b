//! Lists made elsewhere, by editors or overnight, served from memory.

use super::{RemoteGenerator, RemoteHit};
use crate::error::Fault;
use crate::id::{ItemKey, UserKey};
use crate::time::Budget;
use async_trait::async_trait;
use parking_lot::RwLock;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Ordered lists of items: one for everyone and, for some users, one of their own instead.
///
/// They speak in item keys and are replaced while serving, so they need no new snapshot; an item the
/// catalogue does not have is passed over by the pipeline. The item at place n, counted from 0, scores
/// 1 / (1 + n).
///
/// ```
/// use reco_core::retrieve::RemoteGenerator;
/// use reco_core::retrieve::curated::CuratedLists;
/// use reco_core::time::{Budget, SystemClock};
/// use std::{sync::Arc, time::Duration};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let lists = CuratedLists::new("editors", 1_000);
/// lists.set_for_everyone(["tea", "jam"].map(Into::into));
/// lists.set(&"ann".into(), ["coffee"].map(Into::into)).expect("one of a thousand");
///
/// let budget = Budget::start(Arc::new(SystemClock), Duration::from_millis(10));
/// let for_ann = lists.generate(&"ann".into(), 10, &budget).await?;
/// assert_eq!(for_ann[0].item.as_str(), "coffee");
/// # Ok::<(), reco_core::error::Fault>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct CuratedLists {
    name: Arc<str>,
    lists: RwLock<Lists>,
    max_users: usize,
}

#[derive(Debug, Default)]
struct Lists {
    for_everyone: List,
    of_users: FxHashMap<UserKey, List>,
}

type List = Arc<[ItemKey]>;

/// There is no room for another user's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {max_users} lists of users are taken; remove one or allow more")]
pub struct ListsFull {
    /// Users that may have a list of their own.
    pub max_users: usize,
}

impl CuratedLists {
    /// Items kept of a list; the rest is cut off.
    pub const MAX_ITEMS: usize = 1_000;

    /// No lists yet; at most `max_users` users may have one of their own.
    pub fn new(name: impl Into<Arc<str>>, max_users: usize) -> Self {
        Self { name: name.into(), lists: RwLock::default(), max_users }
    }

    /// Replaces the list for everyone without one of their own. Of an item named twice the first place counts.
    pub fn set_for_everyone(&self, items: impl IntoIterator<Item = ItemKey>) {
        let list = distinct(items);
        self.lists.write().for_everyone = list;
    }

    /// Replaces a user's own list, in the same way; an empty one means "nothing for this user".
    ///
    /// # Errors
    ///
    /// [`ListsFull`] when the user has none yet and there is no room for another.
    pub fn set(&self, user: &UserKey, items: impl IntoIterator<Item = ItemKey>) -> Result<(), ListsFull> {
        let list = distinct(items);
        let mut lists = self.lists.write();
        if lists.of_users.len() >= self.max_users && !lists.of_users.contains_key(user) {
            return Err(ListsFull { max_users: self.max_users });
        }
        lists.of_users.insert(user.clone(), list);
        Ok(())
    }

    /// Gives a user the list for everyone again; says whether they had their own.
    pub fn remove(&self, user: &UserKey) -> bool {
        self.lists.write().of_users.remove(user).is_some()
    }
}

fn distinct(items: impl IntoIterator<Item = ItemKey>) -> List {
    let mut seen = FxHashSet::default();
    items.into_iter().filter(|item| seen.insert(item.clone())).take(CuratedLists::MAX_ITEMS).collect()
}

#[async_trait]
impl RemoteGenerator for CuratedLists {
    fn name(&self) -> &str {
        &self.name
    }

    async fn generate(&self, user: &UserKey, limit: usize, _: &Budget) -> Result<Vec<RemoteHit>, Fault> {
        let lists = self.lists.read();
        let list = lists.of_users.get(user).unwrap_or(&lists.for_everyone);
        let hits = list.iter().take(limit).zip(0u16..);
        Ok(hits
            .map(|(item, n)| RemoteHit { item: item.clone(), score: 1.0 / (1.0 + f32::from(n)) })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{ManualClock, Timestamp};
    use std::time::Duration;

    async fn items(lists: &CuratedLists, user: &str) -> Vec<String> {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_secs(0)));
        let budget = Budget::start(clock, Duration::from_millis(1));
        let hits = lists.generate(&user.into(), usize::MAX, &budget).await.unwrap();
        hits.into_iter().map(|hit| hit.item.to_string()).collect()
    }

    #[tokio::test]
    async fn a_list_of_ones_own_replaces_that_for_everyone() {
        let lists = CuratedLists::new("editors", 1);
        lists.set_for_everyone(["tea", "jam", "tea"].map(Into::into));
        lists.set(&"ann".into(), ["oil".into()]).unwrap();
        lists.set(&"ann".into(), ["ale".into()]).unwrap();
        assert_eq!(lists.set(&"bob".into(), ["oil".into()]), Err(ListsFull { max_users: 1 }));
        assert_eq!(
            (items(&lists, "ann").await, items(&lists, "bob").await),
            (vec!["ale".to_owned()], vec!["tea".to_owned(), "jam".to_owned()])
        );
        assert!(lists.remove(&"ann".into()) && !lists.remove(&"ann".into()));
        assert_eq!(items(&lists, "ann").await, ["tea", "jam"]);
    }

    #[tokio::test]
    async fn lists_are_bounded() {
        let lists = CuratedLists::new("editors", 0);
        lists.set_for_everyone((0..5_000).map(|i| format!("item{i}").into()));
        assert_eq!(items(&lists, "ann").await.len(), CuratedLists::MAX_ITEMS);
    }
}
