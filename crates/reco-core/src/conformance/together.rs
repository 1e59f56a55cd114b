//! Doing things at the same time, and not for ever.

use futures_util::future::{Either, join_all, select};
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Barrier;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

/// How long a step may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `work(0)` to `work(n - 1)` at the same time and returns their outcomes in that order.
///
/// On a multi-threaded tokio runtime each has a thread of its own: an implementation that
/// never waits would otherwise never be interrupted either, and no race would show.
pub(super) async fn at_once<T, W, F>(n: usize, work: W) -> Vec<T>
where
    W: Fn(usize) -> F + Send + Sync,
    F: Future<Output = T> + Send,
    T: Send,
{
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread => {
            on_threads(n, &work, &runtime)
        }
        _ => join_all((0..n).map(work)).await,
    }
}

fn on_threads<T, W, F>(n: usize, work: &W, runtime: &Handle) -> Vec<T>
where
    W: Fn(usize) -> F + Sync,
    F: Future<Output = T>,
    T: Send,
{
    let start = &Barrier::new(n);
    let run = |i| {
        start.wait();
        runtime.block_on(work(i))
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n).map(|i| scope.spawn(move || run(i))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// The outcome of `work`, or a panic that names the `promise` when it takes too long. A thread keeps
/// the time, so that no runtime's timer is needed.
pub(super) async fn soon<T: Send>(promise: &str, work: impl Future<Output = T> + Send) -> T {
    let (_done, finished) = mpsc::channel::<()>();
    let (ring, alarm) = oneshot::channel();
    thread::spawn(move || {
        if finished.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            // The listener may just have left; then all is well.
            let _ = ring.send(());
        }
    });
    match select(pin!(work), alarm).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => panic!("{promise}: still not after {PATIENCE:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::collections::BTreeSet;

    async fn check(threads_wanted: usize) {
        let threads = Mutex::new(BTreeSet::new());
        let doubled = at_once(4, |i| {
            threads.lock().insert(format!("{:?}", thread::current().id()));
            async move { 2 * i }
        });
        assert_eq!(doubled.await, [0, 2, 4, 6]);
        assert_eq!(threads.into_inner().len(), threads_wanted);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn each_has_a_thread_where_there_are_threads() {
        check(4).await;
    }

    #[tokio::test]
    async fn all_take_turns_where_there_is_one() {
        check(1).await;
    }
}
