//! Pages: `GET /recommendations` and `GET /similar`.

use crate::App;
use crate::error::ApiError;
use crate::experiments;
use crate::ids::RequestId;
use crate::json::{PageJson, json};
use crate::params::Params;
use axum::extract::{Extension, RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use reco_core::experiment::Subject;
use reco_core::id::UserKey;
use reco_core::request::{Context, Request, Surface};
use reco_core::time::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Parameters that both routes take.
const COMMON: [&str; 14] = [
    "user_id",
    "session_id",
    "item_id",
    "count",
    "filter",
    "exclude",
    "session_items",
    "attributes",
    "device",
    "time",
    "seed",
    "explain",
    "why_not",
    "within_ms",
];

/// Further ones of `/recommendations`.
const SURFACE: [&str; 2] = ["surface", "category"];

/// The last moment of the year 9999, in milliseconds.
const LAST_MOMENT: i64 = 253_402_300_799_999;

/// Longest time a request may ask for, in milliseconds.
const LONGEST: u64 = 60_000;

pub(crate) async fn recommendations(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    query: RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::new(query, &[&COMMON[..], &SURFACE].concat())?;
    let user = user(&params)?.ok_or_else(nobody)?;
    let request = Request::for_user(user).surface(surface(&params)?);
    answer(&app, &id, &params, kept_or_anew(request, &headers)).await
}

pub(crate) async fn similar(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    query: RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::new(query, &COMMON)?;
    let surface = Surface::Similar(params.required_key("item_id")?.into());
    let user = user(&params)?.unwrap_or_else(|| "".into());
    let request = Request::for_user(user).surface(surface);
    answer(&app, &id, &params, kept_or_anew(request, &headers)).await
}

/// Who wants no kept page says so as with any cache.
fn kept_or_anew(request: Request, headers: &HeaderMap) -> Request {
    let says = |directive: &str| {
        let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|part| part.trim().eq_ignore_ascii_case(directive))
    };
    if says("no-cache") || says("no-store") { request.anew() } else { request }
}

/// Without `surface`, naming a category or an item says which is meant.
fn surface(params: &Params) -> Result<Surface, ApiError> {
    let named = |field| params.text(field).is_some();
    let implied = match (named("category"), named("item_id")) {
        (true, _) => "category",
        (false, true) => "similar",
        (false, false) => "home",
    };
    let name = params.text("surface").unwrap_or(implied);
    let (surface, idle): (_, &[&str]) = match name {
        "home" => (Surface::Home, &["category", "item_id"]),
        "category" => (Surface::Category(params.required("category")?.into()), &["item_id"]),
        "similar" => (Surface::Similar(params.required_key("item_id")?.into()), &["category"]),
        other => {
            let message = format!("surface is `{other}`, must be home, category or similar");
            return Err(ApiError::parameter("surface", message));
        }
    };
    match idle.iter().find(|field| named(field)) {
        Some(&field) => Err(ApiError::parameter(field, format!("{field} has no use on the surface {name}"))),
        None => Ok(surface),
    }
}

/// Who asks: by name, or by the session that stands for a visitor without one.
pub(crate) fn user(params: &Params) -> Result<Option<UserKey>, ApiError> {
    let session = params.name("session_id")?.map(UserKey::of_session);
    Ok(params.key("user_id")?.map(UserKey::from).or(session))
}

/// Nobody asks.
pub(crate) fn nobody() -> ApiError {
    let problem = "user_id is missing, and so is session_id, for visitors without a name";
    ApiError::parameter("user_id", problem)
}

async fn answer(app: &App, id: &RequestId, params: &Params, request: Request) -> Result<Response, ApiError> {
    let request = drawn(params, id, fill(params, request)?)?;
    let (user, surface, count) = (request.user.clone(), request.surface.clone(), request.count);
    let attributes = attributes(params)?;
    let subject = Subject { user: &user, session: params.name("session_id")?, attributes: &attributes };
    let chosen = app.trials.choose(subject, &surface);
    let recommender = chosen.pipeline();
    let begun = recommender.clock().now();
    // One snapshot for the page and for looking up its items, whatever takes its place meanwhile.
    let snapshot = recommender.snapshot();
    let watched = app.pages.as_ref().and_then(|pages| pages.watch(recommender, id.as_str()));
    let asked = watched.is_some().then(|| request.clone());
    let outcome = recommender.recommend_from(Arc::clone(&snapshot), request).await;
    let took = recommender.clock().now().saturating_duration_since(begun);
    app.trials.count(&chosen, &outcome, took);
    let page = outcome?;
    app.meters.page(&surface, (&user, count), &page, &snapshot, took);
    app.trials.expose(&chosen, id, subject, &surface, &page, took);
    if let (Some(watched), Some(asked)) = (watched, asked) {
        watched.note(&asked, &page, &chosen.assigned);
    }
    let answer = PageJson::new(id.as_str(), &user, &page, &snapshot.catalog).experiments(&chosen.assigned);
    Ok(experiments::named(json(&answer)?, &chosen.assigned))
}

/// What is known of whoever asks beside their name: a JSON object, and the device.
fn attributes(params: &Params) -> Result<Map<String, Value>, ApiError> {
    let wrong = |found: String| {
        let message = format!("attributes {found}, must be a JSON object such as {{\"country\":\"AT\"}}");
        ApiError::parameter("attributes", message)
    };
    let mut attributes = match params.text("attributes").map(serde_json::from_str) {
        None => Map::new(),
        Some(Ok(Value::Object(attributes))) => attributes,
        Some(Ok(other)) => return Err(wrong(format!("is {other}"))),
        Some(Err(cause)) => return Err(wrong(format!("is no JSON: {cause}"))),
    };
    if let Some(device) = params.text("device") {
        attributes.entry("device").or_insert_with(|| device.into());
    }
    Ok(attributes)
}

/// What explores differs from request to request unless a seed is named.
fn drawn(params: &Params, id: &RequestId, request: Request) -> Result<Request, ApiError> {
    Ok(match params.parsed("seed", "a whole number not below 0")? {
        Some(seed) => request.draw(seed),
        None => request.draw_by(id.as_str()),
    })
}

/// Everything that both routes take.
fn fill(params: &Params, request: Request) -> Result<Request, ApiError> {
    let context = Context {
        time: params.between("time", 0, LAST_MOMENT)?.map(Timestamp::from_millis),
        device: params.text("device").map(str::to_owned),
        session_items: params.items("session_items")?,
    };
    let mut request = request
        .context(context)
        .count(params.parsed("count", "a whole number above 0")?.unwrap_or(10))
        .exclude(params.items("exclude")?)
        .why_not(params.items("why_not")?)
        .explain(params.parsed("explain", "true or false")?.unwrap_or(true))
        .seed(params.parsed("seed", "a whole number not below 0")?.unwrap_or(0));
    if let Some(text) = params.text("filter") {
        let filter =
            text.parse().map_err(|error| ApiError::parameter("filter", format!("filter: {error}")))?;
        request = request.filter(filter);
    }
    if let Some(within) = params.between("within_ms", 1, LONGEST)? {
        request = request.within(Duration::from_millis(within));
    }
    Ok(request)
}
