//! Events in: `POST /interactions`.

use crate::{ApiError, App};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use reco_core::event::{Action, Event, EventId};
use reco_core::pipeline::{EventProblem, Ingested};
use reco_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tower_http::request_id::RequestId;

/// One event as clients send it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Incoming {
    #[serde(default)]
    id: Option<EventId>,
    user_id: String,
    item_id: String,
    action: Action,
    #[serde(default)]
    value: Option<f32>,
    #[serde(default)]
    timestamp: Option<i64>,
}

pub(crate) async fn interactions(
    State(app): State<App>,
    Extension(request): Extension<RequestId>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Ingested>), ApiError> {
    let body =
        body.map_err(|rejection| ApiError::new(rejection.status(), "body_too_large", rejection.body_text()))?;
    let batch = batch(&body, app.config.max_events)?;
    let now = app.recommender.clock().wall();
    let request = request.header_value().to_str().unwrap_or_default().to_owned();
    let (mut events, mut places, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    for (index, value) in batch.into_iter().enumerate() {
        match serde_json::from_value::<Incoming>(value) {
            Ok(incoming) => {
                events.push(event(incoming, now, &request, index));
                places.push(index);
            }
            Err(error) => unread.push(EventProblem { index, field: "event", problem: error.to_string() }),
        }
    }
    let mut outcome = app.recommender.ingest(events).await?;
    outcome.rejected.iter_mut().for_each(|problem| problem.index = places[problem.index]);
    outcome.rejected.extend(unread);
    outcome.rejected.sort_by_key(|problem| problem.index);
    let all_bad = outcome.accepted + outcome.duplicates == 0 && !outcome.rejected.is_empty();
    Ok((if all_bad { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::ACCEPTED }, Json(outcome)))
}

/// One event, an array of them, or `{"events": [...]}`.
fn batch(body: &[u8], max_events: usize) -> Result<Vec<Value>, ApiError> {
    let bad = |message: String| ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", message);
    let value: Value =
        serde_json::from_slice(body).map_err(|error| bad(format!("the body is no JSON: {error}")))?;
    let batch = match value {
        Value::Array(events) => events,
        Value::Object(mut object) if object.contains_key("events") => match object.remove("events") {
            Some(Value::Array(events)) => events,
            _ => return Err(ApiError::parameter("events", "`events` must be an array")),
        },
        Value::Object(object) => vec![Value::Object(object)],
        _ => {
            return Err(bad(
                "the body must be an event, an array of events or {\"events\": [...]}".to_owned()
            ));
        }
    };
    if batch.is_empty() || batch.len() > max_events {
        let message = format!("the batch holds {} events, must hold 1 to {max_events}", batch.len());
        return Err(ApiError::parameter("events", message));
    }
    Ok(batch)
}

/// Without an id of its own an event gets one from the request and its place in it.
fn event(incoming: Incoming, now: Timestamp, request: &str, index: usize) -> Event {
    let Incoming { id, user_id, item_id, action, value, timestamp } = incoming;
    Event {
        id: id.unwrap_or_else(|| derived_id(request, index)),
        user: user_id.into(),
        item: item_id.into(),
        action,
        value,
        at: timestamp.map_or(now, Timestamp::from_millis),
    }
}

/// FNV-1a, 128 bits.
fn derived_id(request: &str, index: usize) -> EventId {
    let bytes = request.bytes().chain(index.to_le_bytes());
    EventId(bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    }))
}
