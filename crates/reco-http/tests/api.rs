//! Every route and every way it can refuse, through the router as a server would call it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use proptest::prelude::*;
use reco_core::catalog::{Catalog, ItemRecord};
use reco_core::pipeline::PipelineConfig;
use reco_core::snapshot::Snapshot;
use reco_core::time::{ManualClock, Timestamp};
use reco_http::{HttpConfig, router};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

/// Six items in two categories, no models: pages come from the lower rungs, which is all this needs.
fn app() -> Router {
    let mut builder = Catalog::builder();
    for id in 0..6u8 {
        let category = Some(if id % 2 == 0 { "drinks" } else { "food" }.to_owned());
        let record =
            ItemRecord { category, price: Some(f32::from(id)), ..ItemRecord::new(format!("item{id}")) };
        builder.push(record).expect("a valid record");
    }
    let snapshot = Snapshot { version: "v1".into(), catalog: builder.build(), ..Snapshot::default() };
    let config = PipelineConfig { sources: [].into(), ..PipelineConfig::default() };
    let clock = ManualClock::starting_at(Timestamp::from_secs(1_700_000_000));
    let recommender = config.builder(snapshot).and_then(|builder| builder.clock(Arc::new(clock)).build());
    router(recommender.expect("a sound configuration"), HttpConfig { max_events: 3, ..HttpConfig::default() })
}

async fn send(app: Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = app.oneshot(request).await.expect("the router always answers");
    assert!(response.headers().contains_key("x-request-id"), "every answer can be traced");
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a small body");
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn get(path: &str) -> (StatusCode, Value) {
    send(app(), Request::get(path).body(Body::empty()).expect("a valid request")).await
}

async fn post(app: Router, body: &str) -> (StatusCode, Value) {
    let request = Request::post("/interactions").header(header::CONTENT_TYPE, "application/json");
    send(app, request.body(Body::from(body.to_owned())).expect("a valid request")).await
}

#[tokio::test]
async fn a_page_has_the_documented_shape() {
    let (status, mut page) =
        get("/recommendations?user_id=ann&count=2&filter=category%3D%22food%22&why_not=item0").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page["request_id"].take().as_str().is_some_and(|id| !id.is_empty()));
    let expected = json!({
        "request_id": null, "user_id": "ann",
        "items": [
            {"item_id": "item1", "title": "item1", "category": "food", "price": 1.0, "rank": 1, "score": 0.0,
             "reasons": ["Popular with others"], "why": {"sources": [], "because": [], "moves": []}},
            {"item_id": "item3", "title": "item3", "category": "food", "price": 3.0, "rank": 2, "score": 0.0,
             "reasons": ["Popular with others"], "why": {"sources": [], "because": [], "moves": []}},
        ],
        "why_not": [{"item": "item0", "reason": "filtered", "filter": "filter",
                     "because": "does not match the request's filter", "message": "it does not match the request's filter"}],
        "rung": "popular", "degraded": true, "warnings": [], "snapshot": "v1"
    });
    assert_eq!(page, expected, "{page:#}");
}

#[tokio::test]
async fn refusals_name_the_field() {
    for (path, status, code, field) in [
        ("/recommendations", 400, "invalid_parameter", "user_id"),
        ("/recommendations?user_id=a&count=many", 400, "invalid_parameter", "count"),
        ("/recommendations?user_id=a&count=0", 400, "invalid_parameter", "count"),
        ("/recommendations?user_id=a&cuont=3", 400, "invalid_parameter", "cuont"),
        ("/recommendations?user_id=a&user_id=b", 400, "invalid_parameter", "user_id"),
        ("/recommendations?user_id=a&surface=moon", 400, "invalid_parameter", "surface"),
        ("/recommendations?user_id=a&category=moon", 400, "invalid_parameter", "category"),
        ("/recommendations?user_id=a&filter=price+%3C", 400, "invalid_parameter", "filter"),
        ("/recommendations?user_id=a&filter=colour+%3D+3", 400, "invalid_parameter", "filter"),
        ("/similar", 400, "invalid_parameter", "item_id"),
        ("/similar?item_id=nope", 404, "not_found", "item_id"),
        ("/items/nope", 404, "not_found", "item"),
        ("/items/%ff", 400, "invalid_parameter", "item"),
        ("/users?limit=0", 400, "invalid_parameter", "limit"),
    ] {
        let (got, body) = get(path).await;
        let error = &body["error"];
        assert_eq!(
            (got.as_u16(), error["code"].as_str(), error["field"].as_str()),
            (status, Some(code), Some(field)),
            "{path}: {body}"
        );
    }
    assert_eq!(get("/nowhere").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get("/interactions").await.1["error"]["code"], "method_not_allowed");
}

#[tokio::test]
async fn events_are_judged_one_by_one_and_felt_at_once() {
    let app = app();
    let batch = r#"[{"user_id":"ann","item_id":"item3","action":"hide"}, {"user_id":"ann"}, {"user_id":"","item_id":"item1","action":"click"}]"#;
    let (status, outcome) = post(app.clone(), batch).await;
    assert_eq!((status, &outcome["accepted"]), (StatusCode::ACCEPTED, &json!(1)));
    let places: Vec<_> = outcome["rejected"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|problem| problem["index"].clone())
        .collect();
    assert_eq!(places, [json!(1), json!(2)]);
    let request =
        Request::get("/recommendations?user_id=ann&count=6").body(Body::empty()).expect("a valid request");
    let (_, page) = send(app.clone(), request).await;
    assert!(!page["items"].to_string().contains("item3"), "what is hidden stays hidden: {page}");
    let request = Request::get("/users/ann/history").body(Body::empty()).expect("a valid request");
    assert_eq!(send(app, request).await.1["items"][0]["rejected"], true);
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    let event = r#"{"user_id":"a","item_id":"b","action":"click"}"#;
    for (body, status) in [
        ("", 400),
        ("nonsense", 400),
        ("3", 400),
        ("[]", 400),
        (&format!("[{event},{event},{event},{event}]"), 400),
        (r#"{"events": 3}"#, 400),
        (r#"{"user_id":"a"}"#, 422),
        (&format!("\"{}\"", "x".repeat(2 << 20)), 413),
    ] {
        let (got, answer) = post(app(), body).await;
        assert_eq!(got.as_u16(), status, "{}: {answer}", &body[..body.len().min(40)]);
    }
    assert_eq!(post(app(), event).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn the_page_and_the_probes_answer() {
    for path in ["/", "/app.js", "/style.css", "/health", "/ready", "/categories", "/users"] {
        assert_eq!(get(path).await.0, StatusCode::OK, "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_a_client_sends_is_a_server_error(query in "[ -~]{0,60}", body in ".{0,80}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for path in [format!("/recommendations?user_id=a&filter={escaped}"), format!("/recommendations?{escaped}"), format!("/items/{escaped}")] {
            let (status, _) = runtime.block_on(get(&path));
            prop_assert!(!status.is_server_error(), "{} {}", path, status);
        }
        let (status, _) = runtime.block_on(post(app(), &body));
        prop_assert!(!status.is_server_error(), "{}", status);
    }
}
