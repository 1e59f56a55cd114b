//! Exposures in hand, so that no page waits for the ledger.

use super::{ExposureBudget, ExposureLedger, LeaseId};
use crate::error::Fault;
use crate::id::ItemKey;
use crate::time::Clock;
use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Takes exposures from a ledger that servers share, some at a time, and spends them in this process.
///
/// Somebody has to let [`keep`](Self::keep) run. It asks for more of an item when half of a lease is spent, and gives back what was not
/// asked for in a minute. A server that is about to end calls [`give_back`](Self::give_back); one that is killed has spent what it
/// held, as far as the ledger knows: at most two leases of an item, which are lost to it, never more shown.
///
/// ```
/// use reco_core::launch::{ExposureBudget, ExposureLedger, Leased, MemoryLedger};
/// use reco_core::time::SystemClock;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let ledger = Arc::new(MemoryLedger::default());
/// let [one, other] = [1, 2].map(|seed| Leased::new(ledger.clone(), Leased::SIZE, Arc::new(SystemClock), seed));
/// for server in [&one, &other] {
///     assert!(!server.take(&"tea".into(), 15), "there is none in hand, but now it is asked for");
///     server.refill().await?;
/// }
/// let granted = (0..20).filter(|_| one.take(&"tea".into(), 15) | other.take(&"tea".into(), 15)).count();
/// # let _ = granted;
/// assert_eq!(ledger.granted(&"tea".into()).await?, 15);
/// # Ok::<(), reco_core::error::Fault>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Leased {
    ledger: Arc<dyn ExposureLedger>,
    size: u64,
    clock: Arc<dyn Clock>,
    held: Mutex<BTreeMap<ItemKey, Held>>,
    wanting: Notify,
    seed: u64,
    n_leases: AtomicU64,
    /// One refill at a time: two would lease twice what is wanted.
    refilling: tokio::sync::Mutex<()>,
}

/// What is in hand of one item.
#[derive(Debug)]
struct Held {
    left: u64,
    /// The leases that `left` may be of, the latest last.
    leases: Vec<(LeaseId, u64)>,
    /// The limit that was last asked with.
    limit: u64,
    /// A lease that was asked for and of which nothing is known.
    pending: Option<LeaseId>,
    /// What is not in hand any more, until the ledger has confirmed that it is back.
    returning: Vec<(LeaseId, u64)>,
    /// When somebody last wanted one.
    asked: Instant,
    /// When the ledger last had none.
    dry: Option<Instant>,
}

impl Held {
    fn new(limit: u64, asked: Instant) -> Self {
        Self { left: 0, leases: Vec::new(), limit, pending: None, returning: Vec::new(), asked, dry: None }
    }

    /// Puts what is left on its way back. The latest leases are those that something is left of.
    fn let_go(&mut self, size: u64) {
        // A lease of which nothing is known may have been granted, but nothing of it was spent.
        self.returning.extend(self.pending.take().map(|id| (id, size)));
        while let Some((id, n)) = self.leases.pop_if(|_| self.left > 0) {
            let unused = self.left.min(n);
            self.left -= unused;
            self.returning.push((id, unused));
        }
    }

    fn wants(&self, size: u64, now: Instant) -> bool {
        let is_dry = self.dry.is_some_and(|at| now.saturating_duration_since(at) < Leased::DRY);
        self.left <= size / 2 && !is_dry && !self.is_idle(now)
    }

    fn is_idle(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.asked) >= Leased::IDLE
    }
}

impl Leased {
    /// Exposures of one lease: a hundredth of what an item has at first.
    pub const SIZE: u64 = 10;

    /// After so long without anybody asking, leases are given back.
    const IDLE: Duration = Duration::from_mins(1);

    /// After the ledger had none, it is not asked for so long: others may have given some back then.
    const DRY: Duration = Duration::from_secs(10);

    /// How often [`keep`](Self::keep) looks for what is idle, and repeats what failed.
    const PACE: Duration = Duration::from_secs(1);

    /// Takes `size` at a time, at least 1. Leases are named by the seed, so every process that shares a ledger needs one of its
    /// own, and another one each time it starts.
    pub fn new(ledger: Arc<dyn ExposureLedger>, size: u64, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            ledger,
            size: size.max(1),
            clock,
            held: Mutex::default(),
            wanting: Notify::new(),
            seed,
            n_leases: AtomicU64::new(0),
            refilling: tokio::sync::Mutex::default(),
        }
    }

    /// Keeps exposures in hand for as long as it is polled.
    pub async fn keep(&self) {
        loop {
            let pause = self.clock.sleep_until(self.clock.now() + Self::PACE);
            futures_util::future::select(std::pin::pin!(self.wanting.notified()), pause).await;
            // What failed is tried again a pace later; pages go on without.
            if self.refill().await.is_err() | self.give_back_idle().await.is_err() {
                self.clock.sleep_until(self.clock.now() + Self::PACE).await;
            }
        }
    }

    /// Takes leases of all items of which little is in hand.
    ///
    /// # Errors
    ///
    /// The first [`Fault`] of the ledger. The lease in question is asked for under the same id again.
    pub async fn refill(&self) -> Result<(), Fault> {
        let _alone = self.refilling.lock().await;
        let now = self.clock.now();
        let wanted: Vec<(ItemKey, LeaseId, u64)> = {
            let mut held = self.held.lock();
            let wanting = held.iter_mut().filter(|(_, held)| held.wants(self.size, now));
            wanting
                .map(|(item, held)| {
                    (item.clone(), *held.pending.get_or_insert_with(|| self.name_lease()), held.limit)
                })
                .collect()
        };
        for (item, id, limit) in wanted {
            let n = self.ledger.lease(&item, id, self.size, limit).await?;
            let mut held = self.held.lock();
            let Some(held) = held.get_mut(&item) else { continue };
            held.pending = None;
            held.dry = (n == 0).then_some(now);
            if n > 0 {
                held.left += n;
                held.leases.push((id, n));
            }
        }
        Ok(())
    }

    /// Gives all back that is in hand.
    ///
    /// # Errors
    ///
    /// The first [`Fault`] of the ledger; what was not given back is not spent, and is given back by the next call.
    pub async fn give_back(&self) -> Result<(), Fault> {
        self.give_back_where(|_| true).await
    }

    async fn give_back_idle(&self) -> Result<(), Fault> {
        let now = self.clock.now();
        self.give_back_where(|held| held.is_idle(now)).await
    }

    async fn give_back_where(&self, which: impl Fn(&Held) -> bool + Send) -> Result<(), Fault> {
        let _alone = self.refilling.lock().await;
        // Out of hand first, so that nobody spends what is given back.
        let leaving: Vec<(ItemKey, Held)> = self.held.lock().extract_if(.., |_, held| which(held)).collect();
        let mut outcome = Ok(());
        for (item, mut held) in leaving {
            held.let_go(self.size);
            while let Some(&(id, unused)) = held.returning.last() {
                if let Err(fault) = self.ledger.give_back(&item, id, unused).await {
                    outcome = outcome.and(Err(fault));
                    break;
                }
                held.returning.pop();
            }
            if !held.returning.is_empty() || held.left > 0 {
                let mut all = self.held.lock();
                let again = all.entry(item).or_insert_with(|| Held::new(held.limit, held.asked));
                again.returning.append(&mut held.returning);
                again.left += held.left;
            }
        }
        outcome
    }

    fn name_lease(&self) -> LeaseId {
        let number = self.n_leases.fetch_add(1, Ordering::Relaxed);
        let high = FxBuildHasher.hash_one((self.seed, number));
        LeaseId(u128::from(self.seed) << 64 | u128::from(high ^ number))
    }
}

impl ExposureBudget for Leased {
    fn name(&self) -> &'static str {
        "leased"
    }

    fn take(&self, item: &ItemKey, limit: u64) -> bool {
        let now = self.clock.now();
        let mut held = self.held.lock();
        let held = held.entry(item.clone()).or_insert_with(|| Held::new(limit, now));
        held.asked = now;
        // A larger limit is a reason to ask again at once.
        if limit > held.limit {
            (held.limit, held.dry) = (limit, None);
        }
        let is_granted = held.left > 0;
        held.left -= u64::from(is_granted);
        if held.wants(self.size, now) {
            self.wanting.notify_one();
        }
        is_granted
    }

    fn put_back(&self, item: &ItemKey) {
        let now = self.clock.now();
        // What it was leased with may be given back by now; it stays granted, and here.
        self.held.lock().entry(item.clone()).or_insert_with(|| Held::new(0, now)).left += 1;
    }
}

#[cfg(test)]
mod tests;
