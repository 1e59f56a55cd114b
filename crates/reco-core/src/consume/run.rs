//! The loop that feeds a consumer.

use super::Consumer;
use crate::error::{Fault, FaultKind};
use crate::store::{Delivery, EventSource, Place};
use crate::time::Clock;
use futures_util::future::{BoxFuture, Either, FutureExt, pending, select};
use parking_lot::Mutex;
use serde::Serialize;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a consumer is fed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Events handed on at a time, at most.
    pub batch: usize,
    /// After the first event that is not flushed, flushing waits so long for more.
    pub flush_after: Duration,
    /// Events after which it is flushed at once.
    pub flush_events: usize,
    /// The pause after a failure; it doubles with every further one, up to [`LONGEST`](Self::LONGEST).
    pub pause: Duration,
}

impl Pace {
    /// The longest pause between two tries.
    pub const LONGEST: Duration = Duration::from_secs(30);

    fn pause(&self, n_failures: u32) -> Duration {
        self.pause.saturating_mul(1 << n_failures.min(20)).min(Self::LONGEST)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch: 1_000,
            flush_after: Duration::from_secs(10),
            flush_events: 100_000,
            pause: Duration::from_millis(100),
        }
    }
}

/// How far a consumer came, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Stage>);

/// How far a consumer came at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stage {
    /// Events taken in.
    pub taken: u64,
    /// Those of them that are flushed.
    pub flushed: u64,
    /// Events that wait to be taken in, where the source can tell.
    pub behind: Option<u64>,
    /// Events passed over because the consumer says that it can never take them in.
    pub passed_over: u64,
    /// Failures since the last success; 0 for a consumer that is well.
    pub failures: u32,
    /// What the last failure was about, whether or not it is over.
    pub last_failure: Option<String>,
}

impl Progress {
    /// How far it is now.
    pub fn stage(&self) -> Stage {
        self.0.lock().clone()
    }
}

/// Feeds a consumer until the source ends or `stop` resolves; then what was taken in is flushed a last time, without
/// trying again. A consumer that panics is treated as one that fails.
pub async fn consume(
    source: impl EventSource,
    consumer: impl Consumer,
    pace: Pace,
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()> + Send,
) {
    let mut feeding =
        Feeding { source, consumer, pace, progress, clock, unflushed: None, in_hand: 0, is_behind: false };
    let mut stop = pin!(stop.fuse());
    while let Some(step) = feeding.next(stop.as_mut()).await {
        match step {
            Step::Flush => {}
            Step::Polled(Ok(deliveries)) => {
                feeding.in_hand = deliveries.len();
                if !feeding.take_all(&deliveries, stop.as_mut()).await {
                    feeding.is_behind = true;
                    break;
                }
            }
            Step::Polled(Err(fault)) => {
                feeding.failed(&fault);
                if is_over(feeding.pause(), stop.as_mut()).await {
                    break;
                }
            }
        }
        if feeding.is_due() && !feeding.flush().await && is_over(feeding.pause(), stop.as_mut()).await {
            break;
        }
    }
    if feeding.unflushed.is_some() {
        feeding.flush().await;
    }
}

struct Feeding<S, C> {
    source: S,
    consumer: C,
    pace: Pace,
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    /// When the first of what is not flushed was taken in, and how much that is.
    unflushed: Option<(Instant, usize)>,
    /// Events that were polled and not taken in yet.
    in_hand: usize,
    /// Whether events were polled that were not taken in: how far it came is not to be stored then.
    is_behind: bool,
}

enum Step {
    Polled(Result<Vec<Delivery>, Fault>),
    /// Waiting has an end.
    Flush,
}

/// What ends it all.
type Stop<'a, F> = Pin<&'a mut futures_util::future::Fuse<F>>;

impl<S: EventSource, C: Consumer> Feeding<S, C> {
    /// Waits for events until it is time to flush; nothing at the end.
    async fn next<F: Future<Output = ()> + Send>(&mut self, stop: Stop<'_, F>) -> Option<Step> {
        let due = match self.due() {
            Some(at) => self.clock.sleep_until(at),
            None => pending().boxed(),
        };
        let ended = select(stop, due);
        match select(ended, self.source.poll(self.pace.batch)).await {
            Either::Left((Either::Left(_), _)) => None,
            Either::Left((Either::Right(_), _)) => Some(Step::Flush),
            Either::Right((Ok(deliveries), _)) if deliveries.is_empty() => None,
            Either::Right((polled, _)) => Some(Step::Polled(polled)),
        }
    }

    fn due(&self) -> Option<Instant> {
        self.unflushed.map(|(since, _)| since + self.pace.flush_after)
    }

    fn is_due(&self) -> bool {
        let is_much = self.unflushed.is_some_and(|(_, n_events)| n_events >= self.pace.flush_events);
        is_much || self.due().is_some_and(|at| at <= self.clock.now())
    }

    /// Hands events on until they are taken in or passed over; false if it was stopped before.
    async fn take_all<F: Future<Output = ()> + Send>(
        &mut self,
        deliveries: &[Delivery],
        mut stop: Stop<'_, F>,
    ) -> bool {
        // What is refused is divided, until the events are found that it is about.
        let mut rest = vec![deliveries];
        while let Some(some) = rest.pop() {
            let Err(fault) = guarded(self.consumer.name().to_owned(), || self.consumer.take(some)).await
            else {
                self.took(some.len());
                continue;
            };
            self.failed(&fault);
            match some {
                [one] if fault.kind == FaultKind::Invalid => self.pass_over(one.place, &fault),
                _ if fault.kind == FaultKind::Invalid => {
                    let (early, late) = some.split_at(some.len() / 2);
                    rest.extend([late, early]);
                }
                _ => {
                    rest.push(some);
                    if is_over(self.pause(), stop.as_mut()).await {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn took(&mut self, n_events: usize) {
        let (since, n_before) = self.unflushed.unwrap_or_else(|| (self.clock.now(), 0));
        self.unflushed = Some((since, n_before + n_events));
        self.in_hand = self.in_hand.saturating_sub(n_events);
        let behind = self.behind();
        let mut stage = self.progress.0.lock();
        stage.taken += n_events as u64;
        stage.behind = behind;
        stage.failures = 0;
    }

    fn behind(&self) -> Option<u64> {
        Some(self.source.behind()? + self.in_hand as u64)
    }

    fn pass_over(&mut self, place: Place, fault: &Fault) {
        // Its place is stored as if it had been taken in.
        self.unflushed.get_or_insert_with(|| (self.clock.now(), 0));
        self.in_hand = self.in_hand.saturating_sub(1);
        let behind = self.behind();
        let mut stage = self.progress.0.lock();
        stage.passed_over += 1;
        stage.behind = behind;
        stage.failures = 0;
        let Place { partition, offset } = place;
        let told = format!("passed over the event at {offset} of partition {partition}: {}", fault.message());
        stage.last_failure = Some(told);
    }

    fn failed(&self, fault: &Fault) {
        let behind = self.behind();
        let mut stage = self.progress.0.lock();
        stage.behind = behind;
        stage.failures = stage.failures.saturating_add(1);
        stage.last_failure = Some(fault.message());
    }

    /// The time before the next try.
    fn pause(&self) -> BoxFuture<'static, ()> {
        let n_failures = self.progress.0.lock().failures.saturating_sub(1);
        self.clock.sleep_until(self.clock.now() + self.pace.pause(n_failures))
    }

    /// Makes durable what was taken in, and then how far that is.
    async fn flush(&mut self) -> bool {
        let mut flushed = guarded(self.consumer.name().to_owned(), || self.consumer.flush()).await;
        if flushed.is_ok() && !self.is_behind {
            flushed = self.source.commit().await;
        }
        match flushed {
            Ok(()) => {
                let mut stage = self.progress.0.lock();
                (stage.flushed, stage.failures) = (stage.taken, 0);
                self.unflushed = None;
            }
            Err(ref fault) => self.failed(fault),
        }
        flushed.is_ok()
    }
}

/// Waits, and says whether it was stopped meanwhile.
async fn is_over<F: Future<Output = ()> + Send>(pause: BoxFuture<'static, ()>, stop: Stop<'_, F>) -> bool {
    matches!(select(stop, pause).await, Either::Left(_))
}

/// Runs a step of a consumer; a panic is a fault of its own.
async fn guarded<T, F: Future<Output = Result<T, Fault>>>(
    name: String,
    step: impl FnOnce() -> F,
) -> Result<T, Fault> {
    let caught = AssertUnwindSafe(async { step().await }).catch_unwind().await;
    caught.unwrap_or_else(|_| Err(Fault::new(name, FaultKind::Internal).because("panicked")))
}
