//! How a client comes to be.

use crate::client::{Client, OnLost, Shared, WallClock};
use crate::config::{ClientConfig, ConfigError};
use crate::http::HttpTransport;
use crate::lost::Lost;
use crate::transport::Transport;
use crate::worker::Worker;
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::SysRng;
use rand_pcg::Pcg64;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, Semaphore, watch};

/// A client before it starts.
pub struct ClientBuilder {
    config: ClientConfig,
    transport: Option<Arc<dyn Transport>>,
    clock: Box<WallClock>,
    seed: Option<u64>,
    on_lost: Box<OnLost>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("config", &self.config)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self { config, transport: None, clock: Box::new(system_millis), seed: None, on_lost: Box::new(warn) }
    }

    /// Carries requests in a way of your own; `url` and `connect_ms` mean nothing then.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Tells of every event that the server does not have, instead of a warning in the log. It is called by the task that
    /// sends, which waits for it; whoever has much to do there puts the event into a channel.
    #[must_use]
    pub fn on_lost(mut self, on_lost: impl Fn(Lost) + Send + Sync + 'static) -> Self {
        self.on_lost = Box::new(on_lost);
        self
    }

    /// Tells the milliseconds since 1970, instead of the system's clock.
    #[must_use]
    pub fn clock(mut self, millis: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Box::new(millis);
        self
    }

    /// Draws ids and pauses from this seed instead of the system's randomness. For tests: two clients with one seed give their events the
    /// same ids.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts the task that sends.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the configuration makes no sense.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or when the system has no randomness to give.
    pub fn start(self) -> Result<Client, ConfigError> {
        let Self { config, transport, clock, seed, on_lost } = self;
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let transport = match transport {
            Some(transport) => transport,
            None => Arc::new(HttpTransport::new(&config.url, Duration::from_millis(config.connect_ms))?),
        };
        let random = match seed {
            Some(seed) => Pcg64::seed_from_u64(seed),
            None => Pcg64::try_from_rng(&mut SysRng).expect("the system has randomness to give"),
        };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            news: Notify::new(),
            room: Arc::new(Semaphore::new(config.buffer_bytes as usize)),
            settled: watch::Sender::default(),
            closing: watch::Sender::default(),
            heir: Mutex::default(),
            random: Mutex::new(random),
            clock,
            on_lost,
            config,
        });
        tokio::spawn(Worker::new(Arc::clone(&shared), transport).run());
        Ok(Client::over(shared))
    }
}

fn system_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn warn(lost: Lost) {
    let Lost { event, cause } = lost;
    tracing::warn!(?event, %cause, "an event is not with the server");
}
