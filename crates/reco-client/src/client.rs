//! The handle that a service holds.

use crate::builder::ClientBuilder;
use crate::config::{ClientConfig, ConfigError};
use crate::event::Event;
use crate::id::EventId;
use crate::lost::Lost;
use crate::queue::{Queue, Stats, Waiting};
use crate::worker::ENVELOPE_BYTES;
use parking_lot::Mutex;
use rand::RngExt;
use rand_pcg::Pcg64;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot, watch};
use tokio::time::Instant;

/// The client did not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// The buffer is full: the server is away, or slower than events come.
    #[error("the buffer of events is full")]
    Full,
    /// The event has more bytes than any request or the buffer may have.
    #[error("the event takes {n_bytes} bytes, at most {most} are possible")]
    TooLarge {
        /// What it takes.
        n_bytes: usize,
        /// What there would be room for.
        most: usize,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

pub(crate) type OnLost = dyn Fn(Lost) + Send + Sync;

pub(crate) type WallClock = dyn Fn() -> i64 + Send + Sync;

/// What the handle and the task that sends have in common.
pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    pub(crate) queue: Mutex<Queue>,
    /// Something may have to be sent.
    pub(crate) news: Notify,
    pub(crate) room: Arc<Semaphore>,
    /// How many events are settled.
    pub(crate) settled: watch::Sender<u64>,
    /// When the client is to have ended, once that is known.
    pub(crate) closing: watch::Sender<Option<Instant>>,
    /// Whoever closes the client gets what is left.
    pub(crate) heir: Mutex<Option<oneshot::Sender<Vec<Event>>>>,
    pub(crate) random: Mutex<Pcg64>,
    pub(crate) clock: Box<WallClock>,
    pub(crate) on_lost: Box<OnLost>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .field("stats", &self.queue.lock().stats)
            .finish_non_exhaustive()
    }
}

/// Sends events to a reco server, from a task of its own.
///
/// * Events are sent when there are `batch_events` of them or the oldest has waited for `batch_ms`. Whoever is faster than
///   the server has larger requests, up to `most_events` and `most_bytes`.
/// * Each event gets an id before it is sent for the first time, so that one whose answer was lost is sent again and still
///   counts once. What fails for a reason that may pass is repeated as long as the client lives, with growing pauses.
/// * Memory is bounded by `buffer_bytes`. Where that is full, [`try_track`](Self::try_track) fails at once and
///   [`track`](Self::track) waits.
/// * No event disappears unheard: [`Stats`] accounts for each, and what the server refuses or is given up at the end goes to
///   [`on_lost`](ClientBuilder::on_lost).
///
/// **The end.** [`close`](Self::close) sends what waits and hands back what could not be sent. A client that is merely dropped does not
/// hold up who drops it: its task goes on for up to `drop_ms` while the runtime lives, and what is left then, or when the
/// runtime ends, goes to `on_lost`. A program that ends right after must close.
#[derive(Debug)]
pub struct Client(Arc<Shared>);

impl Client {
    /// A client with everything as usual.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the configuration makes no sense.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(config: ClientConfig) -> Result<Self, ConfigError> {
        Self::builder(config).start()
    }

    /// A client with parts of your own.
    pub fn builder(config: ClientConfig) -> ClientBuilder {
        ClientBuilder::new(config)
    }

    pub(crate) fn over(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Takes an event, and waits for room while the buffer is full. Dropping the future before it is ready takes nothing.
    ///
    /// # Errors
    ///
    /// [`TrackError`] when the event is too large or the client was closed.
    pub async fn track(&self, event: Event) -> Result<EventId, TrackError> {
        let (id, json, room) = self.ready(event)?;
        let permit = match self.permit(room) {
            Err(TrackError::Full) => {
                self.hurry();
                let waited = Arc::clone(&self.0.room).acquire_many_owned(room).await;
                waited.map_err(|_| self.turn_away(TrackError::Closed))?
            }
            other => other.map_err(|error| self.turn_away(error))?,
        };
        self.put(id, json, permit)
    }

    /// Takes an event if there is room for it.
    ///
    /// # Errors
    ///
    /// [`TrackError`] when there is none, the event is too large or the client was closed.
    pub fn try_track(&self, event: Event) -> Result<EventId, TrackError> {
        let (id, json, room) = self.ready(event)?;
        let permit = self.permit(room).map_err(|error| {
            self.hurry();
            self.turn_away(error)
        })?;
        self.put(id, json, permit)
    }

    /// Sends what waits now and returns once everything that was tracked before is settled: sent, refused or dropped.
    /// While the server is away that lasts; `tokio::time::timeout` bounds the wait without losing anything.
    pub async fn flush(&self) {
        let target = {
            let mut queue = self.0.queue.lock();
            queue.hurry();
            queue.stats.tracked
        };
        self.0.news.notify_one();
        // The sender lives as long as `self`.
        let _ = self.0.settled.subscribe().wait_for(|settled| *settled >= target).await;
    }

    /// Takes no more events, sends what waits and hands back what could not be sent within `within`, which counts as dropped.
    /// A pause between repetitions that has begun is cut short. Who closes a client that is being closed waits
    /// for that and gets nothing.
    pub async fn close(&self, within: Duration) -> Vec<Event> {
        let (heir, left) = oneshot::channel();
        if self.0.close(within, Some(heir)) {
            return left.await.unwrap_or_default();
        }
        self.flush().await;
        Vec::new()
    }

    /// What became of all events so far.
    pub fn stats(&self) -> Stats {
        self.0.queue.lock().stats
    }

    /// The event as it will be sent, and how much room it needs.
    fn ready(&self, mut event: Event) -> Result<(EventId, Box<str>, u32), TrackError> {
        let now = (self.0.clock)();
        let id = *event.id.get_or_insert_with(|| EventId::v7(now, self.0.random.lock().random()));
        event.timestamp.get_or_insert(now);
        let json =
            serde_json::to_string(&event).expect("an event has nothing that JSON lacks").into_boxed_str();
        let n_bytes = json.len() + Waiting::OVERHEAD;
        let ClientConfig { most_bytes, buffer_bytes, .. } = self.0.config;
        let most = (most_bytes as usize - ENVELOPE_BYTES + Waiting::OVERHEAD).min(buffer_bytes as usize);
        match u32::try_from(n_bytes) {
            Ok(room) if n_bytes <= most => Ok((id, json, room)),
            _ => Err(self.turn_away(TrackError::TooLarge { n_bytes, most })),
        }
    }

    fn permit(&self, room: u32) -> Result<OwnedSemaphorePermit, TrackError> {
        Arc::clone(&self.0.room).try_acquire_many_owned(room).map_err(|cause| match cause {
            TryAcquireError::NoPermits => TrackError::Full,
            TryAcquireError::Closed => TrackError::Closed,
        })
    }

    fn put(&self, id: EventId, json: Box<str>, room: OwnedSemaphorePermit) -> Result<EventId, TrackError> {
        let n_waiting = {
            let mut queue = self.0.queue.lock();
            if queue.closed {
                queue.stats.turned_away += 1;
                return Err(TrackError::Closed);
            }
            queue.push(Waiting { json, since: Instant::now(), _room: room });
            queue.waiting.len()
        };
        // In between, nothing changes for the task that sends.
        if n_waiting == 1 || n_waiting >= self.0.config.batch_events {
            self.0.news.notify_one();
        }
        Ok(id)
    }

    /// Whoever finds no room does not wait for company.
    fn hurry(&self) {
        self.0.queue.lock().hurry();
        self.0.news.notify_one();
    }

    fn turn_away(&self, error: TrackError) -> TrackError {
        self.0.queue.lock().stats.turned_away += 1;
        error
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.close(Duration::from_millis(self.0.config.drop_ms), None);
    }
}

impl Shared {
    /// Takes no more events and ends within `within`; `false` if that was said before.
    fn close(&self, within: Duration, heir: Option<oneshot::Sender<Vec<Event>>>) -> bool {
        {
            let mut queue = self.queue.lock();
            if std::mem::replace(&mut queue.closed, true) {
                return false;
            }
            *self.heir.lock() = heir;
        }
        self.room.close();
        self.closing.send_replace(Some(Instant::now() + within));
        self.news.notify_one();
        true
    }
}
