//! What every exchange gets, whatever the route: an id, a time limit, safe headers.

use crate::error::ApiError;
use crate::{App, ids, metrics};
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::InvalidHeaderValue;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
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
    let (route, method) = (request.extensions().get::<MatchedPath>().cloned(), request.method().clone());
    let _in_flight = app.meters.begun();
    let (request, is_whole) = watched(request);
    let limit = Duration::from_millis(app.config.timeout_ms);
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        // Whose fault that is tells clients whether to try again.
        Err(_) if is_whole.load(Ordering::Relaxed) => {
            ApiError::too_slow(app.config.timeout_ms).into_response()
        }
        Err(_) => ApiError::timed_out(app.config.timeout_ms).into_response(),
    };
    let took = clock.now().saturating_duration_since(begun);
    let route = route.as_ref().map(MatchedPath::as_str);
    app.meters.answered(route, metrics::method(&method), response.status().as_u16(), took);
    let headers = response.headers_mut();
    headers.insert(ids::HEADER, id.header());
    if let Ok(timing) = timing(took) {
        headers.insert(SERVER_TIMING, timing);
    }
    for (name, value) in FIXED {
        headers.insert(name, value);
    }
    response
}

/// The request, and whether it has come as a whole.
fn watched(request: Request) -> (Request, Arc<AtomicBool>) {
    let is_whole = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    if is_whole.load(Ordering::Relaxed) {
        return (request, is_whole);
    }
    let (parts, body) = request.into_parts();
    let (mut data, arrived) = (body.into_data_stream(), Arc::clone(&is_whole));
    let body = stream::poll_fn(move |context| {
        let next = data.poll_next_unpin(context);
        if let Poll::Ready(None) = next {
            arrived.store(true, Ordering::Relaxed);
        }
        next
    });
    (Request::from_parts(parts, Body::from_stream(body)), is_whole)
}

fn timing(took: Duration) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(format!("total;dur={:.3}", took.as_secs_f64() * 1e3))
}
