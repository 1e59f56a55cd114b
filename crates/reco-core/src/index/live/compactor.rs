//! Compaction in the background.

use super::LiveIndex;
use crate::index::IndexError;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// A thread that compacts a [`LiveIndex`] whenever it [is due](LiveIndex::is_due), until this is dropped.
///
/// ```
/// use reco_core::id::ItemId;
/// use reco_core::index::{Compactor, LiveIndex, Metric};
/// use std::sync::{Arc, mpsc};
///
/// let index = Arc::new(LiveIndex::new(2, Metric::Cosine));
/// let (sender, reports) = mpsc::channel();
/// let compactor = Compactor::spawn(Arc::clone(&index), 1, move |result| drop(sender.send(result)))?;
/// for item in 0..2_000 {
///     index.insert(ItemId::new(item), &<[f32; 2]>::from((item as f32).sin_cos()))?;
/// }
/// reports.recv()??;
/// assert!(!index.is_due());
/// compactor.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Compactor {
    index: Arc<LiveIndex>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Wakes compactors.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    rung: Mutex<bool>,
    woken: Condvar,
}

impl Compactor {
    /// Starts the thread. It builds on `n_threads` threads of its own, 0 for as many as there are cores, and
    /// hands every result to `report`; after an error, the next change lets it try again.
    ///
    /// # Errors
    ///
    /// Those of the system, when it gives no more threads.
    pub fn spawn(
        index: Arc<LiveIndex>,
        n_threads: usize,
        report: impl FnMut(Result<(), IndexError>) + Send + 'static,
    ) -> io::Result<Self> {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().map_err(io::Error::other)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let work = work(Arc::clone(&index), Arc::clone(&stopped), pool, report);
        let thread = thread::Builder::new().name("reco-compactor".to_owned()).spawn(work)?;
        Ok(Self { index, stopped, thread: Some(thread) })
    }

    /// Waits for a compaction under way and ends the thread. Dropping ends it, too, but does not wait.
    pub fn stop(mut self) {
        self.end();
        if let Some(thread) = self.thread.take() {
            // A panic was printed where it happened; there is nothing left to do about it.
            let _ = thread.join();
        }
    }

    fn end(&self) {
        self.stopped.store(true, Ordering::Release);
        self.index.alarm.ring();
    }
}

impl Drop for Compactor {
    fn drop(&mut self) {
        self.end();
    }
}

impl Alarm {
    pub(super) fn ring(&self) {
        *self.rung.lock() = true;
        self.woken.notify_all();
    }

    /// Until it rings; it may have since the last time.
    fn wait(&self) {
        let mut rung = self.rung.lock();
        while !std::mem::take(&mut *rung) {
            self.woken.wait(&mut rung);
        }
    }
}

fn work(
    index: Arc<LiveIndex>,
    stopped: Arc<AtomicBool>,
    pool: rayon::ThreadPool,
    mut report: impl FnMut(Result<(), IndexError>),
) -> impl FnOnce() {
    move || {
        while !stopped.load(Ordering::Acquire) {
            if index.is_due() {
                report(pool.install(|| index.compact()));
            }
            index.alarm.wait();
        }
    }
}
