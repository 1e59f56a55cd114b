//! The compute pool: a few threads for all that computes, behind a bounded queue.

use crate::error::RecommendError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs work off the async runtime. At most `limit` pieces are queued or running;
/// more are refused at once, so that a burst sheds load instead of building a backlog
/// that nobody waits for any more.
#[derive(Debug)]
pub(super) struct Pool {
    threads: rayon::ThreadPool,
    admitted: Arc<AtomicUsize>,
    limit: usize,
}

/// One admitted piece of work; gives its place back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pool {
    /// A pool of `n_threads` (0: one per core) that admits at most `limit` pieces of work.
    pub(super) fn new(n_threads: usize, limit: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .thread_name(|i| format!("reco-compute-{i}"))
            .build()?;
        Ok(Self { threads, admitted: Arc::default(), limit })
    }

    /// Takes a place in the queue.
    pub(super) fn admit(&self) -> Result<Place, RecommendError> {
        let waiting = self.admitted.fetch_add(1, Ordering::AcqRel);
        let place = Place(Arc::clone(&self.admitted));
        if waiting >= self.limit {
            return Err(RecommendError::Overloaded { waiting, limit: self.limit });
        }
        Ok(place)
    }

    /// Runs `work` on a pool thread. `work` must not panic.
    pub(super) fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.threads.spawn(work);
    }

    /// Whether more than one thread shares the work of a request.
    pub(super) fn is_parallel(&self) -> bool {
        self.threads.current_num_threads() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_and_a_place_comes_back() {
        let pool = Pool::new(1, 2).unwrap();
        let (first, _second) = (pool.admit().unwrap(), pool.admit().unwrap());
        let refused = pool.admit().unwrap_err();
        assert!(matches!(refused, RecommendError::Overloaded { waiting: 2, limit: 2 }));
        drop(first);
        assert!(pool.admit().is_ok());
    }
}
