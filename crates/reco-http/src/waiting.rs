//! Before there is anything to serve: an answer that says so.

use crate::error::ApiError;
use crate::json::json;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json as value;

const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"1\">\
<title>reco is starting</title><p>reco reads its data and trains; this page comes back by itself once there is \
something to recommend.";

/// What answers while the first snapshot is read or trained: 503 to everything, so that no traffic is sent here
/// yet, except `/health`, for the process is well. Serve it until the recommender is there, then [`router`]
/// from the same listener.
///
/// [`router`]: crate::router
pub fn starting() -> Router {
    Router::new().route("/", get(page)).route("/health", get(health)).fallback(not_yet)
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
