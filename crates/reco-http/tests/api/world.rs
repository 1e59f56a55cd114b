//! A small shop and the means to send it requests.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use reco_core::catalog::{Catalog, ItemRecord};
use reco_core::event::{Action, ActionWeights};
use reco_core::interactions::{Histories, InteractionLog};
use reco_core::pipeline::{PipelineConfig, Recommender};
use reco_core::snapshot::Snapshot;
use reco_core::store::EventSink;
use reco_core::time::{ManualClock, Timestamp};
use reco_http::{HttpConfig, router};
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

/// What the clock of every test says.
pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(crate) const CONFIG: fn() -> HttpConfig = || HttpConfig { max_events: 3, ..HttpConfig::default() };

/// Six items in two categories, no models: pages come from the lower rungs, which is all this needs.
pub(crate) fn snapshot() -> Snapshot {
    let mut builder = Catalog::builder();
    for id in 0..6u8 {
        let category = Some(if id % 2 == 0 { "drinks" } else { "food" }.to_owned());
        let record =
            ItemRecord { category, price: Some(f32::from(id)), ..ItemRecord::new(format!("item{id}")) };
        builder.push(record).expect("a valid record");
    }
    let catalog = builder.build();
    let mut log = InteractionLog::default();
    for user in ["bob", "ann", "hannah"] {
        let row = log.users.intern(user);
        let item = catalog.id("item2").expect("it was just added");
        log.push(row, item, &Action::Purchase, None, Timestamp::from_secs(1_600_000_000));
    }
    let histories = Histories::from_log(&log, &ActionWeights::default());
    Snapshot { version: "v1".into(), catalog, users: log.users, histories, ..Snapshot::default() }
}

pub(crate) fn recommender(snapshot: Snapshot, sink: Option<Arc<dyn EventSink>>) -> Recommender {
    let config = PipelineConfig { sources: [].into(), ..PipelineConfig::default() };
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOW)));
    let mut builder = config.builder(snapshot).expect("a sound configuration").clock(clock);
    if let Some(sink) = sink {
        builder = builder.events(sink);
    }
    builder.build().expect("a sound configuration")
}

pub(crate) fn app() -> Router {
    router(recommender(snapshot(), None), CONFIG())
}

pub(crate) async fn exchange(app: Router, request: Request<Body>) -> Response {
    let response = app.oneshot(request).await.expect("the router always answers");
    assert!(response.headers().contains_key("x-request-id"), "every answer can be traced");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    response
}

/// The status, and the body as JSON; every failure must have the documented shape.
pub(crate) async fn send(app: Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = exchange(app, request).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a small body");
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if status.is_client_error() || status.is_server_error() {
        assert!(
            body["error"]["code"].is_string() && body["error"]["message"].is_string(),
            "{status}: {body}"
        );
    }
    (status, body)
}

pub(crate) fn get_request(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a valid request")
}

pub(crate) async fn get(path: &str) -> (StatusCode, Value) {
    send(app(), get_request(path)).await
}

pub(crate) async fn post(app: Router, body: &str) -> (StatusCode, Value) {
    post_to(app, "/interactions", body).await
}

pub(crate) async fn post_to(app: Router, path: &str, body: &str) -> (StatusCode, Value) {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    send(app, request.body(Body::from(body.to_owned())).expect("a valid request")).await
}
