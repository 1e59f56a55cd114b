//! What the page needs to look up: users, histories, items, categories.

use crate::App;
use crate::error::ApiError;
use crate::json::{ItemJson, json};
use crate::params::Params;
use crate::recommend;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use reco_core::catalog::Catalog;
use reco_core::features::UserDocument;
use reco_core::id::{ItemId, UserKey};
use reco_core::interactions::Touch;
use reco_core::pipeline::Launch;
use reco_core::query::Query;
use reco_core::request::Request;
use reco_core::time::{Budget, Timestamp};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Most rows in one answer.
const MOST: usize = 1_000;

fn limit(params: &Params) -> Result<usize, ApiError> {
    Ok(params.between("limit", 1, MOST)?.unwrap_or(50))
}

#[derive(Serialize)]
struct UserJson<'a> {
    user_id: &'a str,
    items: usize,
}

/// Known users whose id contains `q`, those that begin with it first.
pub(crate) async fn users(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    let params = Params::new(query, &["q", "limit"])?;
    let (limit, snapshot) = (limit(&params)?, app.recommender.snapshot());
    let keys = snapshot.users.keys();
    let rows = search(keys.iter().map(UserKey::as_str), params.text("q").unwrap_or_default(), limit);
    let user =
        |row: usize| UserJson { user_id: keys[row].as_str(), items: snapshot.histories.of(row as u32).len() };
    let users: Vec<UserJson<'_>> = rows.into_iter().map(user).collect();
    json(&serde_json::json!({ "users": users, "total": keys.len() }))
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
pub(crate) async fn history(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    let params = Params::new(query, &["user_id", "limit"])?;
    let user = params.required_key("user_id")?;
    let limit = limit(&params)?;
    let (snapshot, live) = (app.recommender.snapshot(), app.recommender.live());
    let features = live.features_of(&user.into()).unwrap_or_default();
    let budget = Budget::start(Arc::clone(app.recommender.clock()), Duration::from_secs(1));
    let request = Arc::new(Request::for_user(user));
    let query = Query::new(request, Arc::clone(&snapshot), Arc::clone(live), &features, budget);
    let touch = |touch: &Touch| TouchJson {
        item: ItemJson::new(&snapshot.catalog, touch.item),
        count: touch.count,
        last: touch.last.millis(),
        rejected: touch.rejected,
    };
    let items: Vec<TouchJson<'_>> = query.history().iter().take(limit).map(touch).collect();
    let now = query.now.millis();
    json(&History { user_id: user, now, total: query.history().len(), items })
}

/// Items of a user's latest events that are told.
const LATEST: usize = 20;

/// What is known of a user by the events of late.
pub(crate) async fn features(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    let params = Params::new(query, &["user_id", "session_id"])?;
    let user = recommend::user(&params)?.ok_or_else(recommend::nobody)?;
    let now = app.recommender.clock().wall();
    let (known, fault) = app.recommender.known(&user).await;
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    json(&Known { user_id: user.as_str(), now, features: known.document(now, LATEST) })
}

#[derive(Serialize)]
struct Known<'a> {
    user_id: &'a str,
    now: Timestamp,
    #[serde(flatten)]
    features: UserDocument,
}

/// A user's record. Types, not loose values: prices would gain digits on their way through f64.
#[derive(Serialize)]
struct History<'a> {
    user_id: &'a str,
    now: i64,
    total: usize,
    items: Vec<TouchJson<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    items: Vec<ItemJson<'a>>,
    total: usize,
}

/// Items whose title or id contains `q`, those that begin with it first; or the one with `item_id`.
pub(crate) async fn items(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    let params = Params::new(query, &["q", "item_id", "limit"])?;
    let (limit, snapshot) = (limit(&params)?, app.recommender.snapshot());
    let catalog = &snapshot.catalog;
    let found: Vec<ItemId> = match params.key("item_id")? {
        Some(key) => catalog.id(key).into_iter().collect(),
        None => named(catalog, params.text("q").unwrap_or_default(), limit),
    };
    let items = found.into_iter().map(|id| ItemJson::new(catalog, id)).collect();
    json(&Found { items, total: catalog.len() })
}

/// Items by title; the one whose id it is comes first.
fn named(catalog: &Catalog, wanted: &str, limit: usize) -> Vec<ItemId> {
    let rows = search(catalog.ids().map(|id| catalog.title(id)), wanted, limit);
    let by_title = rows.into_iter().map(|row| ItemId::new(row as u32));
    let by_id = catalog.id(wanted);
    by_id.into_iter().chain(by_title.filter(|id| Some(*id) != by_id)).take(limit).collect()
}

/// Rows whose name contains `wanted`, whatever the case, at most `limit`: first those that begin with it.
fn search<'a>(names: impl Iterator<Item = &'a str>, wanted: &str, limit: usize) -> Vec<usize> {
    let wanted = wanted.to_lowercase();
    let (mut begin, mut contain) = (Vec::new(), Vec::new());
    for (row, name) in names.enumerate() {
        match name.to_lowercase().find(&wanted) {
            Some(0) => begin.push(row),
            Some(_) if contain.len() < limit => contain.push(row),
            _ => {}
        }
        if begin.len() == limit {
            break;
        }
    }
    begin.extend(contain);
    begin.truncate(limit);
    begin
}

/// One item.
pub(crate) async fn item(
    State(app): State<App>,
    item: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(item) = item.map_err(|rejection| ApiError::parameter("item", rejection.body_text()))?;
    let snapshot = app.recommender.snapshot();
    let id = snapshot.catalog.id(&item).ok_or_else(|| ApiError::missing("item", &item, "item"))?;
    let launch = app.recommender.launches().into_iter().find(|launch| launch.item.as_str() == item);
    json(&OneItem { item: ItemJson::new(&snapshot.catalog, id), launch })
}

/// An item, and how it does while it is new.
#[derive(Serialize)]
struct OneItem<'a> {
    #[serde(flatten)]
    item: ItemJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch: Option<Launch>,
}

/// All categories by name.
pub(crate) async fn categories(State(app): State<App>) -> Result<Response, ApiError> {
    let snapshot = app.recommender.snapshot();
    let labels = snapshot.catalog.category();
    let mut names: Vec<&str> = (0..labels.cardinality() as u32).map(|code| labels.name(code)).collect();
    names.sort_unstable();
    json(&serde_json::json!({ "categories": names }))
}
