//! How often an item was put on a page, counted so that nobody goes beyond its budget.

use crate::error::Fault;
use crate::id::ItemKey;
use async_trait::async_trait;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Grants exposures while a page is made, without waiting for anybody.
///
/// ```
/// use reco_core::launch::{Counted, ExposureBudget};
///
/// let budget = Counted::default();
/// let granted = (0..5).filter(|_| budget.take(&"tea".into(), 3)).count();
/// assert_eq!(granted, 3);
/// ```
pub trait ExposureBudget: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics and messages.
    fn name(&self) -> &str;

    /// Takes one exposure of an item of which there may be `limit` all in all, and says whether there was one to take. The limit
    /// of an item may grow, not shrink.
    fn take(&self, item: &ItemKey, limit: u64) -> bool;

    /// Puts back one that was taken, because the page it was for was not shown.
    fn put_back(&self, item: &ItemKey);
}

/// Names one lease of exposures. It is made by whoever takes the lease, so that a call may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub u128);

/// The one account of an item's exposures that all servers draw on. They take several at a time
/// ([`Leased`](super::Leased)), so that no page waits for it.
///
/// What is leased counts as granted, whether or not it was put to use: so however many servers there are and whenever one of them
/// dies, no item is shown more often than it may be. What a server has not used it gives back.
#[async_trait]
pub trait ExposureLedger: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics and messages.
    fn name(&self) -> &str;

    /// Grants up to `want` exposures of an item of which there may be `limit` all in all, and says how many: as many as there
    /// are. Repeated under the same id it grants nothing more and gives the same answer.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if it is not known whether they were granted; the call may be repeated.
    async fn lease(&self, item: &ItemKey, id: LeaseId, want: u64, limit: u64) -> Result<u64, Fault>;

    /// Gives back what is left of a lease, and ends it: of one that has ended, as of one that was never taken, nothing is given
    /// back, and nothing will be granted under its id.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if it is not known whether that was done; the call may be repeated.
    async fn give_back(&self, item: &ItemKey, id: LeaseId, unused: u64) -> Result<(), Fault>;

    /// How many exposures of an item are granted.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if nobody can tell.
    async fn granted(&self, item: &ItemKey) -> Result<u64, Fault>;
}

/// The budget of one process that shares with nobody and forgets when it ends.
#[derive(Debug, Default)]
pub struct Counted(Mutex<FxHashMap<ItemKey, u64>>);

impl ExposureBudget for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    fn take(&self, item: &ItemKey, limit: u64) -> bool {
        let mut taken = self.0.lock();
        let count = taken.entry(item.clone()).or_default();
        let is_left = *count < limit;
        *count += u64::from(is_left);
        is_left
    }

    fn put_back(&self, item: &ItemKey) {
        if let Some(count) = self.0.lock().get_mut(item) {
            *count = count.saturating_sub(1);
        }
    }
}

/// A ledger in memory, for the servers of one process, as in tests.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<BTreeMap<ItemKey, Account>>);

/// The exposures of one item.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    granted: u64,
    /// How many each lease is for; nothing of one that has ended.
    leases: BTreeMap<LeaseId, Option<u64>>,
}

impl Account {
    /// What an earlier process left.
    pub(super) fn of(granted: u64) -> Self {
        Self { granted, leases: BTreeMap::new() }
    }

    pub(super) fn granted(&self) -> u64 {
        self.granted
    }

    pub(super) fn lease(&mut self, id: LeaseId, want: u64, limit: u64) -> u64 {
        if let Some(known) = self.leases.get(&id) {
            return known.unwrap_or(0);
        }
        let n = want.min(limit.saturating_sub(self.granted));
        if n > 0 {
            self.granted += n;
            self.leases.insert(id, Some(n));
        }
        n
    }

    pub(super) fn give_back(&mut self, id: LeaseId, unused: u64) {
        if let Some(n) = self.leases.insert(id, None).flatten() {
            self.granted -= unused.min(n);
        }
    }
}

#[async_trait]
impl ExposureLedger for MemoryLedger {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn lease(&self, item: &ItemKey, id: LeaseId, want: u64, limit: u64) -> Result<u64, Fault> {
        Ok(self.0.lock().entry(item.clone()).or_default().lease(id, want, limit))
    }

    async fn give_back(&self, item: &ItemKey, id: LeaseId, unused: u64) -> Result<(), Fault> {
        self.0.lock().entry(item.clone()).or_default().give_back(id, unused);
        Ok(())
    }

    async fn granted(&self, item: &ItemKey) -> Result<u64, Fault> {
        Ok(self.0.lock().get(item).map_or(0, |account| account.granted))
    }
}
