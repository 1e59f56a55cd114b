//! The HTTP door of reco: an axum router over a [`Recommender`], and the page at `/`.
//!
//! ```no_run
//! use reco_core::pipeline::PipelineConfig;
//! use reco_core::snapshot::Snapshot;
//! use reco_http::{HttpConfig, router, serve, shutdown_signal};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let recommender = PipelineConfig::default().builder(Snapshot::default())?.build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! serve(listener, router(recommender, HttpConfig::default()), shutdown_signal()).await?;
//! # Ok(())
//! # }
//! ```

mod analytics;
mod body;
mod config;
mod dead;
mod envelope;
mod error;
mod events;
mod experiments;
mod ids;
mod items;
mod json;
mod lookup;
mod metrics;
mod onboarding;
mod page;
mod params;
mod probes;
mod recommend;
mod signal;
mod waiting;

pub use config::HttpConfig;
pub use error::ApiError;
pub use json::PageJson;
pub use signal::shutdown_signal;
pub use waiting::Entrance;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use reco_core::consume::{Analytics, Progress};
use reco_core::experiment::{Exposures, Ledger, Metrics, Traffic};
use reco_core::pipeline::{CurrentVariants, PageLog, Recommender};
use reco_core::store::DeadLetters;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

/// What every handler gets.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) recommender: Recommender,
    /// Who is answered by which pipeline.
    pub(crate) trials: experiments::Trials,
    pub(crate) config: Arc<HttpConfig>,
    pub(crate) ids: ids::Ids,
    /// Where events go that cannot be used, if anywhere.
    pub(crate) dead: Option<Arc<DeadLetters>>,
    /// How far consumers of the events came, by name.
    pub(crate) consumers: Arc<[(Arc<str>, Arc<Progress>)]>,
    /// What happened of late, if that is counted.
    pub(crate) analytics: Option<Analytics>,
    /// Where pages are written down, if anywhere.
    pub(crate) pages: Option<PageLog>,
    /// What is counted for `GET /metrics`.
    pub(crate) meters: Arc<metrics::Meters>,
    /// Room for requests whose events are being kept.
    pub(crate) ingesting: Arc<Semaphore>,
}

/// All routes over one recommender; for more than the usual see [`Api`].
pub fn router(recommender: Recommender, config: HttpConfig) -> Router {
    Api::new(recommender, config).router()
}

/// What the routes stand on.
///
/// ```
/// use reco_core::pipeline::PipelineConfig;
/// use reco_core::snapshot::Snapshot;
/// use reco_core::store::{DeadLetters, LogConfig};
/// use reco_core::time::SystemClock;
/// use reco_http::{Api, HttpConfig};
/// use std::sync::Arc;
///
/// # let folder = tempfile::tempdir()?;
/// let recommender = PipelineConfig::default().builder(Snapshot::default())?.build()?;
/// let (dead, _) = DeadLetters::open(folder.path(), &LogConfig::default(), Arc::new(SystemClock))?;
/// let router = Api::new(recommender, HttpConfig::default()).dead_letters(Arc::new(dead)).router();
/// # drop(router);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Api(App);

impl Api {
    /// Requests whose events may wait for the disk at a time; more are refused rather than kept in memory.
    const MOST_INGESTING: usize = 1_024;

    /// Routes over one recommender. Events that cannot be used are named in the answer and not kept.
    pub fn new(recommender: Recommender, config: HttpConfig) -> Self {
        let ingesting = Arc::new(Semaphore::new(Self::MOST_INGESTING));
        Self(App {
            trials: experiments::Trials::none(recommender.clone()),
            recommender,
            config: Arc::new(config),
            ids: ids::Ids::default(),
            dead: None,
            consumers: Arc::new([]),
            analytics: None,
            pages: None,
            meters: Arc::new(metrics::Meters::new()),
            ingesting,
        })
    }

    /// Keeps events that cannot be used, for `GET /interactions/rejected` and to try them again.
    #[must_use]
    pub fn dead_letters(mut self, dead: Arc<DeadLetters>) -> Self {
        self.0.dead = Some(dead);
        self
    }

    /// Tells in `GET /health` how far consumers of the events came, by name; one that fails degrades the server.
    #[must_use]
    pub fn consumers(mut self, consumers: impl IntoIterator<Item = (Arc<str>, Arc<Progress>)>) -> Self {
        self.0.consumers = consumers.into_iter().collect();
        self
    }

    /// Tells in `GET /analytics` what happened of late.
    #[must_use]
    pub fn analytics(mut self, analytics: Analytics) -> Self {
        self.0.analytics = Some(analytics);
        self
    }

    /// Writes down the pages that it serves, as far as `pages` wants them.
    #[must_use]
    pub fn pages(mut self, pages: PageLog) -> Self {
        self.0.pages = Some(pages);
        self
    }

    /// Answers by the pipelines of experiments' variants, which must stand beside this recommender. `ledger` knows who had
    /// which, and exposures go to the log.
    #[must_use]
    pub fn experiments(
        mut self,
        variants: impl Into<CurrentVariants>,
        ledger: Ledger,
        exposures: Exposures,
    ) -> Self {
        self.0.trials = experiments::Trials::new(variants.into(), ledger, exposures);
        self
    }

    /// Tells in `GET /experiments/{experiment}` what is known of an experiment, and what to do about it.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.0.trials = self.0.trials.measured(metrics);
        self
    }

    /// Counts what is served to the variants of experiments in `traffic`, for whoever watches over them.
    #[must_use]
    pub fn traffic(mut self, traffic: Traffic) -> Self {
        self.0.trials = self.0.trials.counted(traffic);
        self
    }

    /// The routes.
    pub fn router(self) -> Router {
        let app = self.0;
        Router::new()
            .route("/recommendations", get(recommend::recommendations))
            .route("/similar", get(recommend::similar))
            .route("/interactions", post(events::interactions))
            .route("/interactions/schema", get(events::schema))
            .route("/interactions/rejected", get(dead::rejected))
            .route("/interactions/rejected/replay", post(dead::replay))
            .route("/onboarding", get(onboarding::survey).post(onboarding::answer))
            .route("/users", get(lookup::users))
            .route("/history", get(lookup::history))
            .route("/features", get(lookup::features))
            .route("/analytics", get(analytics::analytics))
            .route("/experiments", get(experiments::experiments))
            .route("/experiments/{experiment}", get(experiments::experiment))
            .route("/items", get(lookup::items).post(items::add))
            .route("/items/{item}", get(lookup::item))
            .route("/categories", get(lookup::categories))
            .route("/metrics", get(metrics::metrics))
            .route("/health", get(probes::health))
            .route("/live", get(probes::live))
            .route("/ready", get(probes::ready))
            .merge(page::routes())
            .method_not_allowed_fallback(error::method_not_allowed)
            .fallback(error::not_found)
            .layer(DefaultBodyLimit::max(app.config.body_limit_bytes))
            .layer(CatchPanicLayer::custom(error::panicked))
            .layer(from_fn_with_state(app.clone(), envelope::envelope))
            .with_state(app)
    }
}

/// How long requests under way may take to finish after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every request under way was finished.
    Drained,
    /// Connections that were still open after ten seconds were cut.
    Cut,
}

/// Serves until `shutdown` resolves, then finishes the requests under way; a connection that is
/// still open ten seconds later is cut.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<Stopped> {
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let signal = async move {
        shutdown.await;
        drop(stop);
    };
    let cut = async move {
        // Resolves when the sender is dropped, which is at the signal.
        let _ = stopping.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = axum::serve(listener, router).with_graceful_shutdown(signal) => ended.map(|()| Stopped::Drained),
        () = cut => Ok(Stopped::Cut),
    }
}
