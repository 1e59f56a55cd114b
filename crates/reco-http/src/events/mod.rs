//! Events in: `POST /interactions`.

mod incoming;

use crate::error::{ApiError, ErrorJson};
use crate::json::json;
use crate::{App, HttpConfig};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use incoming::{Incoming, Problem};
use reco_core::event::{Action, Event};
use serde::Serialize;
use serde_json::Value;

/// What became of a batch. `error` is there when none of it counts.
#[derive(Debug, Serialize)]
struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
    accepted: usize,
    duplicates: usize,
    rejected: Vec<Rejected>,
    unknown_items: Vec<String>,
    unweighted_actions: Vec<Action>,
}

/// An event that does not count, by its place in the batch.
#[derive(Debug, Serialize)]
struct Rejected {
    index: usize,
    #[serde(flatten)]
    problem: Problem,
}

/// Takes events in. Each is judged by itself: bad ones are named, good ones are kept.
pub(crate) async fn interactions(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    demand_json(&headers)?;
    let body = body.map_err(|rejection| unreadable(&rejection, &app.config))?;
    let batch = batch(&body, app.config.max_events)?;
    let outcome = ingest(&app, batch).await?;
    let status = match outcome.error {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::ACCEPTED,
    };
    Ok((status, json(&outcome)?).into_response())
}

async fn ingest(app: &App, batch: Vec<Value>) -> Result<Outcome, ApiError> {
    let (events, places, mut rejected) = read(app, batch);
    let taken = app.recommender.ingest(events).await?;
    rejected.extend(taken.rejected.into_iter().map(|refused| {
        let index = places[refused.index];
        Rejected { index, problem: refused.into() }
    }));
    rejected.sort_by_key(|rejected| rejected.index);
    let none_counts = taken.accepted + taken.duplicates == 0;
    Ok(Outcome {
        error: rejected.first().filter(|_| none_counts).map(no_event_accepted),
        accepted: taken.accepted,
        duplicates: taken.duplicates,
        rejected,
        unknown_items: taken.unknown_items,
        unweighted_actions: taken.unweighted_actions,
    })
}

/// The events that can be read with their places in the batch, and what is wrong with the others.
fn read(app: &App, batch: Vec<Value>) -> (Vec<Event>, Vec<usize>, Vec<Rejected>) {
    let now = app.recommender.clock().wall();
    let (mut events, mut places, mut rejected) = (Vec::with_capacity(batch.len()), Vec::new(), Vec::new());
    for (index, value) in batch.into_iter().enumerate() {
        match Incoming::read(value) {
            Ok(incoming) => {
                events.push(incoming.event(now, || app.ids.event()));
                places.push(index);
            }
            Err(problem) => rejected.push(Rejected { index, problem }),
        }
    }
    (events, places, rejected)
}

fn no_event_accepted(first: &Rejected) -> ErrorJson {
    let Problem { field, problem } = &first.problem;
    let message = format!("no event is usable; in the one at index {} {field} {problem}", first.index);
    ErrorJson { code: "no_event_accepted", message, field: Some(field.to_string()) }
}

/// A form on another site can send any text without asking, but not this content type.
fn demand_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("the content type is `{essence}`, must be application/json");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
}

fn unreadable(rejection: &BytesRejection, config: &HttpConfig) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("the body is larger than {} bytes", config.body_limit_bytes);
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message);
    }
    ApiError::new(rejection.status(), "unreadable_body", rejection.body_text())
}

/// One event, an array of them, or `{"events": [...]}`.
fn batch(body: &[u8], max_events: usize) -> Result<Vec<Value>, ApiError> {
    let bad = |message: String| ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", message);
    let value: Value =
        serde_json::from_slice(body).map_err(|error| bad(format!("the body is no JSON: {error}")))?;
    let batch = match value {
        Value::Array(events) => events,
        Value::Object(mut object) if object.len() == 1 && object.contains_key("events") => {
            match object.remove("events") {
                Some(Value::Array(events)) => events,
                _ => return Err(ApiError::parameter("events", "events must be an array")),
            }
        }
        Value::Object(object) => vec![Value::Object(object)],
        _ => {
            let shapes = "the body must be an event, an array of events or {\"events\": [...]}";
            return Err(bad(shapes.to_owned()));
        }
    };
    if batch.is_empty() || batch.len() > max_events {
        let message = format!("the batch holds {} events, must hold 1 to {max_events}", batch.len());
        return Err(ApiError::parameter("events", message));
    }
    Ok(batch)
}
