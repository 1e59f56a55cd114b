//! Events that could not be used: what they were, and another try.

use crate::App;
use crate::error::ApiError;
use crate::json::json;
use crate::params::Params;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use reco_core::error::{Fault, FaultKind};
use reco_core::pipeline::EventProblem;
use reco_core::store::{DeadLetter, DeadLetters, Letters};
use reco_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Most letters in one answer.
const MOST: usize = 1_000;

#[derive(Debug, Serialize)]
struct Outstanding {
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

/// What became of another try.
#[derive(Debug, Serialize)]
struct Replayed {
    /// Letters whose events count now, or counted before.
    settled: usize,
    /// Letters whose events still cannot be used.
    left: usize,
}

/// Keeps the events of a batch that were refused, whole. That they cannot be kept is no reason to refuse the others.
pub(crate) async fn bury(app: &App, now: Timestamp, events: &[Value], rejected: &[EventProblem]) {
    let Some(dead) = &app.dead else { return };
    let letter = |problems: &[EventProblem]| {
        let event = events.get(problems.first()?.index)?.clone();
        let problems = problems.iter().map(|problem| problem.wrong.clone()).collect();
        Some(DeadLetter { at: now, event, problems })
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
    let after = params.parsed::<u64>("after", "the number of a letter")?;
    let limit = params.between("limit", 1, MOST)?.unwrap_or(100);
    let (letters, unreadable) = outstanding(&app).await?;
    let total = letters.len();
    let wanted = letters.into_iter().filter(|(number, _)| after.is_none_or(|after| *number > after));
    let rejected = wanted.take(limit).map(|(number, letter)| Numbered { number, letter }).collect();
    json(&Outstanding { total, rejected, unreadable })
}

/// `POST /interactions/rejected/replay`: all that can be used by now, each as if it came when it did.
pub(crate) async fn replay(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    Params::new(query, &[])?;
    let (letters, _) = outstanding(&app).await?;
    let total = letters.len();
    let revived =
        letters.into_iter().filter_map(|(number, letter)| Some((number, letter.revive(number).ok()?)));
    let (numbers, events): (Vec<u64>, Vec<_>) = revived.unzip();
    let refused = app.recommender.ingest(events).await?.rejected;
    let is_refused = |index: usize| refused.iter().any(|problem| problem.index == index);
    let used = numbers.into_iter().enumerate().filter(|(index, _)| !is_refused(*index));
    let settled: Vec<u64> = used.map(|(_, number)| number).collect();
    dead(&app)?.settle(&settled).await?;
    json(&Replayed { settled: settled.len(), left: total - settled.len() })
}

/// Letters with their numbers, and what cannot be read; files are read where waiting for them holds nobody up.
async fn outstanding(app: &App) -> Result<(Letters, Vec<String>), ApiError> {
    let dead = Arc::clone(dead(app)?);
    let read = tokio::task::spawn_blocking(move || dead.outstanding()).await;
    let fault = |cause| Fault::new("dead_letters", FaultKind::Internal).because(cause);
    let (letters, unreadable) = read.map_err(|cause| fault(cause.to_string()))?;
    Ok((letters, unreadable.iter().map(ToString::to_string).collect()))
}

fn dead(app: &App) -> Result<&Arc<DeadLetters>, ApiError> {
    app.dead.as_ref().ok_or_else(|| {
        let message = "this server keeps no rejected events: it keeps no events on disk";
        ApiError::new(axum::http::StatusCode::NOT_FOUND, "not_found", message)
    })
}
