//! What is on its way to a log while nobody waits for it.

use crate::error::{Fault, FaultKind};
use crate::time::Clock;
use async_trait::async_trait;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Takes things to where they are kept without keeping whoever sends them waiting. Cheap to clone.
///
/// What cannot be kept at once waits for the log to come back, as long as there is room; what comes on top is lost, and
/// [counted](Self::counts).
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    queue: mpsc::Sender<T>,
    counts: Arc<Counts>,
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), counts: Arc::clone(&self.counts) }
    }
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    kept: AtomicU64,
    lost: AtomicU64,
    /// What was sent and is kept, or was lost on the way.
    settled: AtomicU64,
    news: Notify,
}

/// What became of what was sent to a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutboxCounts {
    /// In the log.
    pub kept: u64,
    /// On their way to it.
    pub waiting: u64,
    /// Lost: there were too many to wait for a log that did not answer, or it cannot keep them.
    pub lost: u64,
}

/// How an outbox is emptied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many may wait.
    pub(crate) room: usize,
    /// How many are taken at a time.
    pub(crate) batch: usize,
    /// How long it waits for more, once there is something.
    pub(crate) linger: Duration,
}

/// The first pause after a log has failed; each is twice the one before.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Counts {
    fn settle(&self, n: usize, is_kept: bool) {
        let count = if is_kept { &self.kept } else { &self.lost };
        count.fetch_add(n as u64, Ordering::Relaxed);
        self.settled.fetch_add(n as u64, Ordering::Release);
        self.news.notify_waiters();
    }
}

impl<T: Send + Sync> Outbox<T> {
    /// A way to what `keep` does, and the work of going it, which ends once all clones are dropped and nothing waits. What the log says is
    /// [invalid](FaultKind::Invalid) is lost; anything else is tried again.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        pace: Pace,
        keep: impl Keep<T>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, waiting) = mpsc::channel(pace.room);
        let counts = Arc::<Counts>::default();
        (Self { queue, counts: Arc::clone(&counts) }, empty(waiting, counts, clock, pace, keep))
    }

    /// Sends something on its way; false, and counted, if there is no room for it.
    pub(crate) fn send(&self, thing: T) -> bool {
        let is_sent = self.queue.try_send(thing).is_ok();
        if is_sent {
            self.counts.sent.fetch_add(1, Ordering::Relaxed);
        } else {
            self.lose();
        }
        is_sent
    }

    /// Counts one that could not even be sent.
    pub(crate) fn lose(&self) {
        self.counts.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Resolves once all that was sent so far has come somewhere; never, while the log does not answer.
    pub(crate) async fn flush(&self) {
        let due = self.counts.sent.load(Ordering::Relaxed);
        loop {
            let news = self.counts.news.notified();
            if self.counts.settled.load(Ordering::Acquire) >= due {
                return;
            }
            news.await;
        }
    }

    /// What became of all so far.
    pub(crate) fn counts(&self) -> OutboxCounts {
        let settled = self.counts.settled.load(Ordering::Relaxed);
        OutboxCounts {
            kept: self.counts.kept.load(Ordering::Relaxed),
            waiting: self.counts.sent.load(Ordering::Relaxed).saturating_sub(settled),
            lost: self.counts.lost.load(Ordering::Relaxed),
        }
    }
}

/// Keeps some things, all of them or none.
#[async_trait]
pub(crate) trait Keep<T>: Send + Sync {
    /// Tries once.
    async fn keep(&self, things: &[T]) -> Result<(), Fault>;
}

async fn empty<T: Send + Sync>(
    mut waiting: mpsc::Receiver<T>,
    counts: Arc<Counts>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    keep: impl Keep<T>,
) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, pace.batch).await > 0 {
        if batch.len() < pace.batch && !pace.linger.is_zero() {
            clock.sleep_until(clock.now() + pace.linger).await;
            let more = std::iter::from_fn(|| waiting.try_recv().ok());
            let room = pace.batch - batch.len();
            batch.extend(more.take(room));
        }
        if insist(&keep, &*clock, &batch).await {
            counts.settle(batch.len(), true);
        } else {
            // One of them is to blame, not all.
            for one in batch.chunks(1) {
                counts.settle(1, batch.len() > 1 && insist(&keep, &*clock, one).await);
            }
        }
        batch.clear();
    }
}

/// Tries until they are kept; false if they never can be.
async fn insist<T: Sync>(keep: &impl Keep<T>, clock: &dyn Clock, things: &[T]) -> bool {
    let mut pause = FIRST_PAUSE;
    loop {
        match keep.keep(things).await {
            Ok(()) => return true,
            Err(fault) if fault.kind == FaultKind::Invalid => return false,
            Err(_) => {}
        }
        clock.sleep_until(clock.now() + pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
