//! What the page needs to look up: users, histories, items, categories, health.

use crate::json::ItemJson;
use crate::params::{Params, RawQuery};
use crate::recommend::json;
use crate::{ApiError, App};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use reco_core::features::UserFeatures;
use reco_core::interactions::Touch;
use reco_core::query::Query;
use reco_core::request::Request;
use reco_core::time::Budget;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

type Key = Result<Path<String>, PathRejection>;

fn key(path: Key, field: &str) -> Result<String, ApiError> {
    path.map(|Path(key)| key).map_err(|rejection| ApiError::parameter(field, rejection.body_text()))
}

fn limit(params: &Params, most: usize) -> Result<usize, ApiError> {
    let limit = params.parsed("limit", "a whole number")?.unwrap_or(50);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::parameter("limit", format!("limit is {limit}, must be 1 to {most}")))
}

#[derive(Serialize)]
struct UserJson<'a> {
    user_id: &'a str,
    items: usize,
}

/// Known users whose id contains `q`.
pub(crate) async fn users(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    let params = Params::new(query, &["q", "limit"])?;
    let (limit, snapshot) = (limit(&params, 1_000)?, app.recommender.snapshot());
    let wanted = params.text("q").unwrap_or_default();
    let rows = snapshot.users.keys().iter().zip(0..).filter(|(key, _)| key.as_str().contains(wanted));
    let users: Vec<UserJson<'_>> = rows
        .take(limit)
        .map(|(key, row)| UserJson { user_id: key.as_str(), items: snapshot.histories.of(row).len() })
        .collect();
    json(&serde_json::json!({ "users": users, "total": snapshot.users.len() }))
}

#[derive(Serialize)]
struct TouchJson<'a> {
    #[serde(flatten)]
    item: ItemJson<'a>,
    count: u32,
    last: i64,
    rejected: bool,
}

/// What a user did, newest first, the latest events included.
pub(crate) async fn history(
    State(app): State<App>,
    user: Key,
    query: RawQuery,
) -> Result<Response, ApiError> {
    let user = key(user, "user")?;
    let params = Params::new(query, &["limit"])?;
    let limit = limit(&params, 1_000)?;
    let (snapshot, live) = (app.recommender.snapshot(), app.recommender.live());
    let features = UserFeatures { recent: live.recent(&user.as_str().into()) };
    let budget = Budget::start(Arc::clone(app.recommender.clock()), Duration::from_secs(1));
    let request = Arc::new(Request::for_user(user.as_str()));
    let query = Query::new(request, Arc::clone(&snapshot), Arc::clone(live), &features, budget);
    let touch = |touch: &Touch| TouchJson {
        item: ItemJson::new(&snapshot.catalog, touch.item),
        count: touch.count,
        last: touch.last.millis(),
        rejected: touch.rejected,
    };
    let items: Vec<TouchJson<'_>> = query.history().iter().take(limit).map(touch).collect();
    let now = query.now.millis();
    json(&serde_json::json!({ "user_id": user, "now": now, "total": query.history().len(), "items": items }))
}

/// One item.
pub(crate) async fn item(State(app): State<App>, item: Key) -> Result<Response, ApiError> {
    let item = key(item, "item")?;
    let snapshot = app.recommender.snapshot();
    let id = snapshot.catalog.id(&item).ok_or_else(|| ApiError::missing("item", &item, "item"))?;
    json(&ItemJson::new(&snapshot.catalog, id))
}

/// All categories by name.
pub(crate) async fn categories(State(app): State<App>) -> Result<Response, ApiError> {
    let snapshot = app.recommender.snapshot();
    let labels = snapshot.catalog.category();
    let mut names: Vec<&str> = (0..labels.cardinality() as u32).map(|code| labels.name(code)).collect();
    names.sort_unstable();
    json(&serde_json::json!({ "categories": names }))
}

/// The state of each part.
pub(crate) async fn health(State(app): State<App>) -> Result<Response, ApiError> {
    let snapshot = app.recommender.snapshot();
    let models: Vec<&str> = snapshot.models.names().map(|name| &**name).collect();
    json(&serde_json::json!({
        "status": "ok",
        "snapshot": { "status": "ok", "version": &*snapshot.version, "users": snapshot.users.len(), "items": snapshot.catalog.len(), "models": models },
        "features": { "status": "ok", "kind": "live" },
        "events": { "status": "ok", "kind": "memory" },
    }))
}

/// Whether a page can be served now.
pub(crate) async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    let snapshot = app.recommender.snapshot();
    if snapshot.catalog.is_empty() {
        let (status, message) = (axum::http::StatusCode::SERVICE_UNAVAILABLE, "the snapshot has no items");
        return Err(ApiError::new(status, "not_ready", message));
    }
    json(&serde_json::json!({ "ready": true, "snapshot": &*snapshot.version }))
}
