//! Newcomers: `GET /onboarding` asks, `POST /onboarding` takes the answers.

use crate::App;
use crate::body;
use crate::error::ApiError;
use crate::events::busy;
use crate::json::{ItemJson, json};
use crate::params::Params;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reco_core::event::FieldProblem;
use reco_core::onboarding::Answers;
use reco_core::pipeline::Recommender;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Categories that a newcomer is asked to choose.
const CHOOSE: usize = 3;

/// Items to rate unless asked for otherwise.
const SAMPLES: usize = 12;

#[derive(Serialize)]
struct SurveyJson<'a> {
    choose: usize,
    categories: Vec<ChoiceJson<'a>>,
    samples: Vec<ItemJson<'a>>,
}

#[derive(Serialize)]
struct ChoiceJson<'a> {
    category: &'a str,
    items: usize,
    example: ItemJson<'a>,
}

/// What to ask a newcomer.
pub(crate) async fn survey(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    let params = Params::new(query, &["samples"])?;
    let samples = params.between("samples", 0, Recommender::MOST_RATINGS)?.unwrap_or(SAMPLES);
    let snapshot = app.recommender.snapshot();
    let survey = app.recommender.survey(&snapshot, samples);
    let item = |id| ItemJson::new(&snapshot.catalog, id);
    let categories = survey.categories.iter().map(|choice| ChoiceJson {
        category: &choice.category,
        items: choice.items,
        example: item(choice.example),
    });
    let samples = survey.samples.iter().map(|&id| item(id)).collect();
    json(&SurveyJson { choose: CHOOSE, categories: categories.collect(), samples })
}

/// Answers as they are sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    user_id: String,
    categories: Vec<String>,
    #[serde(default)]
    ratings: Vec<Rating>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rating {
    item_id: String,
    rating: f32,
}

/// What became of the answers.
#[derive(Serialize)]
struct Profile {
    user_id: String,
    categories: usize,
    ratings: usize,
}

/// Takes a newcomer's answers in. They are kept, all or none, when this answers 202, and the next page knows of them.
pub(crate) async fn answer(
    State(app): State<App>,
    query: RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body::of_post(query, &headers, body, &app.config)?;
    let bad = |error: serde_json::Error| {
        body::invalid_json(format!("the body is no answer to GET /onboarding: {error}"))
    };
    let Sent { user_id, categories, ratings } = serde_json::from_slice(&body).map_err(bad)?;
    let ratings: Vec<_> =
        ratings.into_iter().map(|sent| (sent.item_id.as_str().into(), sent.rating)).collect();
    let profile = Profile { user_id: user_id.clone(), categories: categories.len(), ratings: ratings.len() };
    let answers = Answers { user: user_id.as_str().into(), categories, ratings };
    let now = app.recommender.clock().wall();
    let events = app.recommender.answered(&answers, || app.ids.event(now), now).map_err(refused)?;
    let room = Arc::clone(&app.ingesting).try_acquire_owned().map_err(|_| busy())?;
    // In a task of its own, so that what is kept is felt although the client may have gone meanwhile.
    let taken = tokio::spawn(async move {
        let taken = app.recommender.ingest(events).await;
        drop(room);
        taken
    });
    taken.await.map_err(|cause| ApiError::internal(cause.to_string()))??;
    Ok((StatusCode::ACCEPTED, json(&profile)?).into_response())
}

/// Everything that is wrong, by its field; the first of them is the one at fault.
fn refused(problems: Vec<FieldProblem>) -> ApiError {
    let lines = problems.iter().map(|wrong| format!("{} {}", wrong.field, wrong.problem));
    let message = lines.collect::<Vec<String>>().join("; ");
    let field = problems.first().map(|wrong| wrong.field.to_string()).unwrap_or_default();
    ApiError::parameter(field, message)
}
