//! Events that could not be used: what they were, and another try.

use crate::App;
use crate::error::ApiError;
use crate::json::json;
use crate::params::Params;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use reco_core::error::{BoxError, Fault, FaultKind};
use reco_core::event::Arrival;
use reco_core::pipeline::{EventProblem, Recommender};
use reco_core::store::{DeadLetter, DeadLetters, Outstanding, ReplayError, Replayed};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Most letters in one answer.
const MOST: usize = 1_000;

#[derive(Debug, Serialize)]
struct Listed {
    /// Letters that are not settled, all in all.
    total: usize,
    rejected: Vec<Numbered>,
    /// Places of the log that cannot be read.
    unreadable: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Numbered {
    number: u64,
    #[serde(flatten)]
    letter: DeadLetter,
}

/// Keeps the events of a batch that were refused, whole. That they cannot be kept is no reason to refuse the others.
pub(crate) async fn bury(app: &App, arrival: Arrival, events: &[Value], rejected: &[EventProblem]) {
    let Some(dead) = &app.dead else { return };
    let letter = |problems: &[EventProblem]| {
        let event = events.get(problems.first()?.index)?.clone();
        let problems = problems.iter().map(|problem| problem.wrong.clone()).collect();
        Some(DeadLetter { at: arrival.now, sent_at: arrival.sent_at, event, problems })
    };
    let letters: Vec<DeadLetter> =
        rejected.chunk_by(|one, next| one.index == next.index).filter_map(letter).collect();
    if letters.is_empty() {
        return;
    }
    if let Err(fault) = dead.put(&letters).await {
        tracing::warn!(letters = letters.len(), "rejected events were not kept: {}", fault.message());
    }
}

/// `GET /interactions/rejected`: the oldest first.
pub(crate) async fn rejected(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    let params = Params::new(query, &["after", "limit"])?;
    let after = params.parsed::<u64>("after", "the `number` of a rejected event")?;
    let limit = params.between("limit", 1, MOST)?.unwrap_or(100);
    let Outstanding { total, letters, unreadable } = outstanding(dead(&app)?, after, limit).await?;
    let rejected = letters.into_iter().map(|(number, letter)| Numbered { number, letter }).collect();
    json(&Listed { total, rejected, unreadable: unreadable.iter().map(ToString::to_string).collect() })
}

/// `POST /interactions/rejected/replay`: all that can be used by now.
pub(crate) async fn replay(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    Params::new(query, &[])?;
    let dead = Arc::clone(dead(&app)?);
    // In a task of its own, so that what is kept is felt and settled although the client may have gone meanwhile.
    let replayed = tokio::spawn(async move {
        let replayed = all(&dead, &app.recommender).await;
        match &replayed {
            Ok(Replayed { settled, left }) => {
                tracing::info!(settled, left, "rejected events were tried again");
            }
            Err(ReplayError::UnderWay) => {}
            Err(error) => tracing::warn!("rejected events were not all tried again: {error}"),
        }
        replayed
    });
    match replayed.await.map_err(|cause| ApiError::internal(cause.to_string()))? {
        Ok(replayed) => json(&replayed),
        Err(ReplayError::Fault(fault)) => Err(fault.into()),
        Err(under_way) => Err(ApiError::new(StatusCode::CONFLICT, "under_way", under_way.to_string())),
    }
}

async fn all(dead: &Arc<DeadLetters>, recommender: &Recommender) -> Result<Replayed, ReplayError> {
    let keep = |events| async {
        let taken = recommender.ingest(events).await?;
        Ok(taken.rejected.iter().map(|wrong| wrong.index).collect())
    };
    dead.replay(recommender.clock().wall(), keep).await
}

/// A page of letters; files are read where waiting for them holds nobody up.
async fn outstanding(
    dead: &Arc<DeadLetters>,
    after: Option<u64>,
    limit: usize,
) -> Result<Outstanding, ApiError> {
    let dead = Arc::clone(dead);
    let fault = |cause: BoxError| Fault::new("dead_letters", FaultKind::Unavailable).because(cause);
    let read = tokio::task::spawn_blocking(move || dead.outstanding(after, limit)).await;
    let read = read.map_err(|cause| fault(cause.into()))?;
    Ok(read.map_err(|cause| fault(cause.into()))?)
}

fn dead(app: &App) -> Result<&Arc<DeadLetters>, ApiError> {
    app.dead.as_ref().ok_or_else(|| {
        let message = "this server keeps no rejected events: it keeps no events on disk";
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    })
}
