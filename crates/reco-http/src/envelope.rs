//! What every exchange gets, whatever the route: an id, a time limit, safe headers.

use crate::error::ApiError;
use crate::{App, ids};
use axum::extract::{Request, State};
use axum::http::header::InvalidHeaderValue;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

const FIXED: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Runs the routes within the time limit. The answer says how long it took (`server-timing`).
pub(crate) async fn envelope(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let clock = app.recommender.clock();
    let begun = clock.now();
    let id = app.ids.request(request.headers());
    request.extensions_mut().insert(id.clone());
    let limit = Duration::from_millis(app.config.timeout_ms);
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::timed_out(app.config.timeout_ms).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(ids::HEADER, id.header());
    if let Ok(timing) = timing(clock.now().saturating_duration_since(begun)) {
        headers.insert(SERVER_TIMING, timing);
    }
    for (name, value) in FIXED {
        headers.insert(name, value);
    }
    response
}

fn timing(took: Duration) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(format!("total;dur={:.3}", took.as_secs_f64() * 1e3))
}
