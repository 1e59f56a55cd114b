//! Time as a dependency: every deadline, age and decay goes through [`Clock`].

pub(crate) mod date;

use futures_util::future::{BoxFuture, Either, select};
use futures_util::poll;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in wall time: whole milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch; saturates at the far ends.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Days (possibly negative, with fraction) from `earlier` to `self`.
    pub fn days_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / Self::DAY_MILLIS
    }

    /// This moment moved by `days`, which may be negative.
    #[must_use]
    pub fn plus_days(self, days: f64) -> Self {
        Self(self.0.saturating_add((days * Self::DAY_MILLIS) as i64))
    }

    /// Day of the week in UTC, 0 for Monday.
    pub fn weekday(self) -> u8 {
        // The first of January 1970 was a Thursday.
        (self.0.div_euclid(Self::DAY_MILLIS as i64) + 3).rem_euclid(7) as u8
    }

    const DAY_MILLIS: f64 = 86_400_000.0;
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()),
            Err(before) => i64::try_from(before.duration().as_millis()).map(|millis| -millis),
        };
        Self(millis.unwrap_or(i64::MAX))
    }
}

/// A text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no moment; write it like 2017-06-01, 2017-06-01T14:30:00+02:00 or in milliseconds since 1970"
)]
pub struct TimestampError(String);

impl std::str::FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads a date with or without a time of day, UTC unless it has an offset, or milliseconds since 1970.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let millis = || text.parse().ok().map(Self::from_millis);
        date::parse(text).or_else(millis).ok_or_else(|| TimestampError(text.to_owned()))
    }
}

/// The source of time. Tests use [`ManualClock`].
pub trait Clock: Debug + Send + Sync + 'static {
    /// Monotonic time, for deadlines.
    fn now(&self) -> Instant;
    /// Wall time, for events, recency and item ages.
    fn wall(&self) -> Timestamp;
    /// Resolves at `at`.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;
}

/// The machine's clock with tokio's timer. Outside a tokio runtime with time enabled there is no timer, and
/// waiting for a moment never ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        match tokio::runtime::Handle::try_current() {
            Ok(_) => Box::pin(tokio::time::sleep_until(at.into())),
            Err(_) => Box::pin(std::future::pending()),
        }
    }
}

/// The machine's clock with its wall time moved by a fixed span, for data that ends in the past:
/// yesterday's log replays as if it were today, with real deadlines.
#[derive(Clone, Copy, Debug)]
pub struct ShiftedClock {
    shift_millis: i64,
}

impl ShiftedClock {
    /// A clock whose wall time reads `wall` now and runs on from there.
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { shift_millis: wall.millis().saturating_sub(SystemClock.wall().millis()) }
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Instant {
        SystemClock.now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.wall().millis().saturating_add(self.shift_millis))
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        SystemClock.sleep_until(at)
    }
}

/// A clock that moves only when told to, so that tests never wait.
///
/// ```
/// use reco_core::time::{Clock, ManualClock, Timestamp};
/// use std::time::Duration;
///
/// let clock = ManualClock::starting_at(Timestamp::from_secs(1_000));
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.wall(), Timestamp::from_secs(1_002));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<ManualState>>);

#[derive(Debug)]
struct ManualState {
    origin: Instant,
    wall: Timestamp,
    elapsed: Duration,
    waiting: Vec<(Instant, tokio::sync::oneshot::Sender<()>)>,
}

impl ManualClock {
    /// Stands still at `wall`.
    pub fn starting_at(wall: Timestamp) -> Self {
        let (origin, elapsed) = (Instant::now(), Duration::ZERO);
        Self(Arc::new(Mutex::new(ManualState { origin, wall, elapsed, waiting: Vec::new() })))
    }

    /// Moves both times forward and wakes whoever waited for a moment now past.
    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock();
        state.elapsed += by;
        let now = state.origin + state.elapsed;
        let (due, later) = std::mem::take(&mut state.waiting).into_iter().partition(|(at, _)| *at <= now);
        state.waiting = later;
        let due: Vec<(Instant, tokio::sync::oneshot::Sender<()>)> = due;
        for (_, wake) in due {
            // The sleeper may have been dropped; then nobody needs waking.
            let _ = wake.send(());
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        let state = self.0.lock();
        state.origin + state.elapsed
    }

    fn wall(&self) -> Timestamp {
        let state = self.0.lock();
        Timestamp::from_millis(
            state.wall.millis() + i64::try_from(state.elapsed.as_millis()).unwrap_or(i64::MAX),
        )
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        let mut state = self.0.lock();
        if at <= state.origin + state.elapsed {
            return Box::pin(std::future::ready(()));
        }
        let (wake, woken) = tokio::sync::oneshot::channel();
        state.waiting.push((at, wake));
        Box::pin(async move {
            // An error means that the clock is gone, and with it everyone who could move it.
            let _ = woken.await;
        })
    }
}

/// The time one request may still spend.
#[derive(Clone, Debug)]
pub struct Budget {
    clock: Arc<dyn Clock>,
    deadline: Instant,
}

impl Budget {
    /// A budget of `total` from now.
    pub fn start(clock: Arc<dyn Clock>, total: Duration) -> Self {
        let deadline = clock.now() + total;
        Self { clock, deadline }
    }

    /// What is left; zero once spent.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(self.clock.now())
    }

    /// True once nothing is left. Loops over many items ask every ~1,000.
    pub fn is_spent(&self) -> bool {
        self.left().is_zero()
    }

    /// Part of this budget, never more than what is left.
    #[must_use]
    pub fn slice(&self, at_most: Duration) -> Self {
        let deadline = self.deadline.min(self.clock.now() + at_most);
        Self { clock: Arc::clone(&self.clock), deadline }
    }

    /// The clock this budget is measured on.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Runs `work` and drops it at the deadline, answering `None`.
    pub async fn run<F>(&self, work: F) -> Option<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        let mut work = pin!(work);
        // What answers at once, as embedded parts do, needs no timer.
        if let Poll::Ready(output) = poll!(work.as_mut()) {
            return Some(output);
        }
        match select(work, self.clock.sleep_until(self.deadline)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> ManualClock {
        ManualClock::starting_at(Timestamp::from_secs(0))
    }

    #[test]
    fn a_slice_never_outlives_its_budget() {
        let clock = clock();
        let budget = Budget::start(Arc::new(clock.clone()), Duration::from_millis(50));
        assert_eq!(budget.slice(Duration::from_millis(80)).left(), Duration::from_millis(50));
        clock.advance(Duration::from_millis(30));
        assert_eq!(budget.slice(Duration::from_millis(5)).left(), Duration::from_millis(5));
        clock.advance(Duration::from_millis(30));
        assert!(budget.is_spent());
    }

    #[tokio::test]
    async fn work_that_never_ends_is_dropped_at_the_deadline() {
        let clock = clock();
        let budget = Budget::start(Arc::new(clock.clone()), Duration::from_millis(50));
        let never = budget.run(std::future::pending::<()>());
        let (outcome, ()) =
            futures_util::future::join(never, async { clock.advance(Duration::from_millis(50)) }).await;
        assert_eq!(outcome, None);
    }

    #[test]
    fn timestamps_count_days_both_ways() {
        let monday = Timestamp::from_secs(0);
        assert!((monday.plus_days(1.5).days_since(monday) - 1.5).abs() < 1e-9);
        assert!((monday.days_since(monday.plus_days(2.0)) + 2.0).abs() < 1e-9);
    }
}
