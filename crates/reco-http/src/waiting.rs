//! Before there is anything to serve: an answer that says so.

use crate::error::ApiError;
use crate::json::json;
use crate::probes::live;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json as value;
use std::sync::{Arc, OnceLock};
use tower::ServiceExt;

const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"1\">\
<title>reco is starting</title><p>reco reads its data and trains; this page comes back by itself once there is \
something to recommend.";

/// Answers from the first moment on: until there is something to serve, 503 to everything, so that no traffic is sent
/// here yet, except to `/health` and `/live`, for the process is well.
///
/// ```
/// use reco_core::pipeline::PipelineConfig;
/// use reco_core::snapshot::Snapshot;
/// use reco_http::{Entrance, HttpConfig, router};
///
/// let entrance = Entrance::default();
/// let serve_this = entrance.router();
/// // Serve it, read or train, and then:
/// let recommender = PipelineConfig::default().builder(Snapshot::default())?.build()?;
/// entrance.open(router(recommender, HttpConfig::default()));
/// # drop(serve_this);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Entrance(Arc<OnceLock<Router>>);

impl Entrance {
    /// What to serve, before and after.
    pub fn router(&self) -> Router {
        Router::new().fallback(enter).with_state(self.clone())
    }

    /// From now on every request goes to `router`; whoever opens first decides.
    pub fn open(&self, router: Router) {
        self.0.get_or_init(|| router);
    }
}

async fn enter(State(entrance): State<Entrance>, request: Request) -> Response {
    let router = entrance.0.get().cloned().unwrap_or_else(starting);
    router.oneshot(request).await.unwrap_or_else(|never| match never {})
}

fn starting() -> Router {
    Router::new()
        .route("/", get(page))
        .route("/health", get(health))
        .route("/live", get(live))
        .fallback(not_yet)
}

async fn page() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, PAGE).into_response()
}

async fn health() -> Result<Response, ApiError> {
    json(&value!({ "status": "starting" }))
}

async fn not_yet() -> ApiError {
    let message = "the first snapshot is being read or trained; try again soon";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "starting", message)
}
