//! Events in: `POST /interactions`, and what they must be like.

use crate::App;
use crate::body::{self, invalid_json};
use crate::dead::bury;
use crate::error::{ApiError, ErrorJson};
use crate::json::json;
use crate::metrics::Meters;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reco_core::event::{Action, Arrival, Draft, FieldProblem, SCHEMA};
use reco_core::pipeline::EventProblem;
use reco_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What became of a batch. `error` is there when none of it counts.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
    accepted: usize,
    duplicates: usize,
    rejected: Vec<EventProblem>,
    unknown_fields: BTreeSet<String>,
    unknown_items: Vec<String>,
    unweighted_actions: Vec<Action>,
    /// What may be a mistake.
    remarks: Vec<String>,
}

/// The events of a request, as they were written.
struct Batch {
    events: Vec<Value>,
    arrival: Arrival,
    /// What else stands beside `events`.
    unknown_fields: BTreeSet<String>,
}

/// Takes events in. Each is judged by itself: bad ones are named, good ones are kept.
pub(crate) async fn interactions(
    State(app): State<App>,
    query: RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body::of_post(query, &headers, body, &app.config)?;
    let batch = batch(&body, app.config.max_events, app.recommender.clock().wall())?;
    // In a task of its own, so that what is kept is felt although the client may have gone meanwhile. There are as many
    // of them at a time as there is room for.
    let room = Arc::clone(&app.ingesting).try_acquire_owned().map_err(|_| busy())?;
    let taken = tokio::spawn(async move {
        let outcome = ingest(&app, &batch).await?;
        count(&app.meters, &outcome);
        bury(&app, batch.arrival, &batch.events, &outcome.rejected).await;
        drop(room);
        Ok::<Outcome, ApiError>(outcome)
    });
    let outcome = taken.await.map_err(|cause| ApiError::internal(cause.to_string()))??;
    let status = match outcome.error {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::ACCEPTED,
    };
    Ok((status, json(&outcome)?).into_response())
}

fn count(meters: &Meters, outcome: &Outcome) {
    // There may be several problems of one event, one behind the other.
    let n_rejected = outcome.rejected.chunk_by(|a, b| a.index == b.index).count();
    let counts =
        [("accepted", outcome.accepted), ("duplicate", outcome.duplicates), ("rejected", n_rejected)];
    counts.into_iter().for_each(|(what, n_events)| meters.events(what, n_events));
}

pub(crate) fn busy() -> ApiError {
    let message = "too many events wait to be kept; send them again soon";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
}

/// What an event must be like, for clients in any language.
pub(crate) async fn schema() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/schema+json")], SCHEMA)
}

async fn ingest(app: &App, batch: &Batch) -> Result<Outcome, ApiError> {
    let mut outcome = Outcome { unknown_fields: batch.unknown_fields.clone(), ..Outcome::default() };
    let mut n_early = 0;
    let (mut events, mut places) = (Vec::with_capacity(batch.events.len()), Vec::new());
    for (index, value) in batch.events.iter().enumerate() {
        match Draft::read(value, batch.arrival) {
            Ok(draft) => {
                outcome.unknown_fields.extend(draft.unknown_fields().map(str::to_owned));
                let event = draft.complete(batch.arrival, || app.ids.event(batch.arrival.now));
                n_early += usize::from(looks_like_seconds(event.at, batch.arrival.now));
                events.push(event);
                places.push(index);
            }
            Err(problems) => {
                outcome.rejected.extend(problems.into_iter().map(|wrong| EventProblem { index, wrong }));
            }
        }
    }
    if n_early > 0 {
        let remark = format!(
            "{n_early} events say that they happened long before they came, as times in seconds do; timestamp is in milliseconds since 1970"
        );
        outcome.remarks.push(remark);
    }
    let taken = app.recommender.ingest(events).await?;
    let refused = taken.rejected.into_iter();
    outcome.rejected.extend(refused.map(|refused| EventProblem { index: places[refused.index], ..refused }));
    outcome.rejected.sort_by_key(|rejected| rejected.index);
    let none_counts = taken.accepted + taken.duplicates == 0;
    Ok(Outcome {
        error: outcome.rejected.first().filter(|_| none_counts).map(no_event_accepted),
        accepted: taken.accepted,
        duplicates: taken.duplicates,
        unknown_items: taken.unknown_items,
        unweighted_actions: taken.unweighted_actions,
        ..outcome
    })
}

/// Whether a time makes as good as no sense in milliseconds, but does in seconds: it is of the first weeks of 1970 then.
fn looks_like_seconds(at: Timestamp, now: Timestamp) -> bool {
    (SECONDS_OF_2001..=now.millis() / 1_000 + 86_400).contains(&at.millis())
}

/// 2001-09-09 in seconds; what is less may be anything.
const SECONDS_OF_2001: i64 = 1_000_000_000;

fn no_event_accepted(first: &EventProblem) -> ErrorJson {
    let FieldProblem { field, problem } = &first.wrong;
    let message = format!("no event is usable; in the one at index {} {field} {problem}", first.index);
    ErrorJson { code: "no_event_accepted", message, field: Some(field.to_string()) }
}

/// One event, an array of them, or `{"events": [...]}`, perhaps with `sent_at`.
fn batch(body: &[u8], max_events: usize, now: Timestamp) -> Result<Batch, ApiError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| invalid_json(format!("the body is no JSON: {error}")))?;
    let (mut arrival, mut unknown_fields) = (Arrival::at(now), BTreeSet::new());
    let events = match value {
        Value::Array(events) => events,
        Value::Object(mut envelope) if is_envelope(&envelope) => {
            arrival.sent_at = sent_at(&envelope)?;
            envelope.remove("sent_at");
            let events = envelope.remove("events");
            unknown_fields.extend(envelope.into_iter().map(|(field, _)| field));
            match events {
                Some(Value::Array(events)) => events,
                _ => return Err(ApiError::parameter("events", "events must be an array")),
            }
        }
        Value::Object(event) => vec![Value::Object(event)],
        _ => {
            let shapes = "the body must be an event, an array of events or {\"events\": [...]}";
            return Err(invalid_json(shapes));
        }
    };
    if events.is_empty() || events.len() > max_events {
        let message = format!("the batch holds {} events, must hold 1 to {max_events}", events.len());
        return Err(ApiError::parameter("events", message));
    }
    Ok(Batch { events, arrival, unknown_fields })
}

/// Whether these are the fields of a batch rather than of an event, which may have any of its own, even `events`. One that is
/// misspelt or too many must not make a bad event of a batch.
fn is_envelope(object: &Map<String, Value>) -> bool {
    object.contains_key("events") && !["item_id", "action"].iter().any(|field| object.contains_key(*field))
}

/// What the client's clock said when it sent a batch.
fn sent_at(envelope: &Map<String, Value>) -> Result<Option<Timestamp>, ApiError> {
    let Some(value) = envelope.get("sent_at").filter(|value| !value.is_null()) else { return Ok(None) };
    let millis = value.as_i64().filter(|millis| *millis >= 0);
    let wrong = || ApiError::parameter("sent_at", "sent_at must be whole milliseconds since 1970");
    millis.map(|millis| Some(Timestamp::from_millis(millis))).ok_or_else(wrong)
}
