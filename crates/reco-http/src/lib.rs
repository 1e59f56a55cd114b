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

mod config;
mod error;
mod events;
mod json;
mod lookup;
mod page;
mod params;
mod recommend;

pub use config::HttpConfig;
pub use error::ApiError;
pub use json::PageJson;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::routing::{get, post};
use reco_core::pipeline::Recommender;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

/// What every handler gets.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) recommender: Recommender,
    pub(crate) config: Arc<HttpConfig>,
}

/// All routes over one recommender.
pub fn router(recommender: Recommender, config: HttpConfig) -> Router {
    let timeout = Duration::from_millis(config.timeout_ms);
    let body_limit = config.body_limit_bytes;
    let app = App { recommender, config: Arc::new(config) };
    Router::new()
        .route("/recommendations", get(recommend::recommendations))
        .route("/similar", get(recommend::similar))
        .route("/interactions", post(events::interactions))
        .route("/users", get(lookup::users))
        .route("/users/{user}/history", get(lookup::history))
        .route("/items/{item}", get(lookup::item))
        .route("/categories", get(lookup::categories))
        .route("/health", get(lookup::health))
        .route("/ready", get(lookup::ready))
        .merge(page::routes())
        .method_not_allowed_fallback(error::method_not_allowed)
        .fallback(error::not_found)
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(Counted::default()))
        .with_state(app)
}

/// Request ids: the process's start and a count, unique without a source of randomness.
#[derive(Clone, Debug)]
struct Counted {
    start: u64,
    next: Arc<AtomicU64>,
}

impl Default for Counted {
    fn default() -> Self {
        let now = reco_core::time::Clock::wall(&reco_core::time::SystemClock);
        Self { start: now.millis().unsigned_abs(), next: Arc::default() }
    }
}

impl MakeRequestId for Counted {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from_str(&format!("{:012x}-{number:08x}", self.start)).ok().map(RequestId::new)
    }
}

/// Serves until `shutdown` resolves, then finishes the requests under way.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// Resolves at Ctrl-C or, on Unix, SIGTERM.
pub async fn shutdown_signal() {
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without a handler the system's default ends the process.
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
