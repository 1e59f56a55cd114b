//! What the page looks up, and the probes.

use crate::world::{CONFIG, NOW, app, get, get_request, post, recommender, send, snapshot};
use axum::http::{StatusCode, header};
use reco_core::pipeline::SwapGuard;
use reco_core::snapshot::Snapshot;
use reco_core::time::{Clock, SystemClock};
use reco_http::{Entrance, router};
use serde_json::json;
use tower::ServiceExt;

#[tokio::test]
async fn users_are_found_by_parts_of_their_id() {
    for (query, expected) in [
        ("", json!(["bob", "ann", "hannah"])),
        ("?q=ann", json!(["ann", "hannah"])),
        ("?q=HAN", json!(["hannah"])),
        ("?q=ann&limit=1", json!(["ann"])),
        ("?q=zoe", json!([])),
    ] {
        let (_, body) = get(&format!("/users{query}")).await;
        let users: Vec<_> =
            body["users"].as_array().expect("a list").iter().map(|user| &user["user_id"]).collect();
        assert_eq!((json!(users), &body["total"]), (expected, &json!(3)), "{query}");
    }
}

#[tokio::test]
async fn a_history_says_what_when_and_how_often() {
    let (_, body) = get("/history?user_id=ann").await;
    let expected = json!({"user_id": "ann", "now": NOW, "total": 1, "items": [
        {"item_id": "item2", "title": "item2", "category": "drinks", "price": 2.0, "count": 1, "last": 1_600_000_000_000_i64, "rejected": false},
    ]});
    assert_eq!(body, expected);
    // Whatever an id looks like, it can be asked about.
    for stranger in ["nobody", "..", "a%2Fb", "%3F%26"] {
        assert_eq!(get(&format!("/history?user_id={stranger}")).await.1["items"], json!([]), "{stranger}");
    }
    for (query, field) in [("", "user_id"), ("?user_id=%ff", "user_id"), ("?user=ann", "user")] {
        assert_eq!(get(&format!("/history{query}")).await.1["error"]["field"], field, "{query}");
    }
}

#[tokio::test]
async fn items_are_found_by_title_or_id() {
    let (_, body) = get("/items?q=ITEM&limit=2").await;
    assert_eq!((&body["items"][1]["item_id"], &body["total"]), (&json!("item1"), &json!(6)));
    assert_eq!(get("/items?q=item4").await.1["items"].as_array().map(Vec::len), Some(1));
    let expected = json!({"item_id": "item4", "title": "item4", "category": "drinks", "price": 4.0});
    assert_eq!(get("/items/item4").await.1, expected);
    assert_eq!(get("/items?item_id=item4").await.1["items"], json!([expected]));
    assert_eq!(get("/items?item_id=item").await.1["items"], json!([]));
    assert_eq!(get("/categories").await.1, json!({"categories": ["drinks", "food"]}));
}

#[tokio::test]
async fn before_the_first_snapshot_only_health_is_well() {
    for (path, status) in
        [("/health", 200), ("/ready", 503), ("/recommendations?user_id=ann", 503), ("/x", 503)]
    {
        let response =
            Entrance::default().router().oneshot(get_request(path)).await.expect("the router always answers");
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers().contains_key(header::RETRY_AFTER), status == 503, "{path}");
    }
    let page =
        Entrance::default().router().oneshot(get_request("/")).await.expect("the router always answers");
    assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
}

#[tokio::test]
async fn probes_tell_a_full_server_from_an_empty_one() {
    assert_eq!(get("/ready").await.0, 200);
    let (status, health) = get("/health").await;
    assert_eq!((status.as_u16(), &health["snapshot"]["items"]), (200, &json!(6)));
    assert_eq!(health["pipeline"]["rung"], "popular", "this shop has no generators: {health}");
    let empty = router(recommender(Snapshot::default(), None), CONFIG());
    let (status, body) = send(empty.clone(), get_request("/ready")).await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (503, &json!("not_ready")));
    let (status, body) = send(empty, get_request("/health")).await;
    assert_eq!(
        (status.as_u16(), &body["status"], &body["snapshot"]["status"]),
        (200, &json!("degraded"), &json!("empty"))
    );
}

#[tokio::test]
async fn health_says_how_the_last_swap_ended() {
    let recommender = recommender(snapshot(), None);
    let app = router(recommender.clone(), CONFIG());
    let begun = SystemClock.wall().millis();
    let health = async || send(app.clone(), get_request("/health")).await.1;
    let before = health().await;
    assert!(before.get("swap").is_none());
    recommender
        .swap_checked(Snapshot { version: "v2".into(), ..snapshot() }, &SwapGuard::default())
        .expect("it is the same shop");
    let swap = health().await["swap"].clone();
    assert_eq!(
        (&swap["status"], &swap["version"], &swap["overlap"]),
        (&json!("swapped"), &json!("v2"), &json!(1.0))
    );
    // Pages are made in another year.
    assert!(swap["at"].as_i64().is_some_and(|at| at >= begun && begun > NOW), "{swap}");
    let empty = Snapshot { version: "v3".into(), ..Snapshot::default() };
    recommender.swap_checked(empty, &SwapGuard::default()).expect_err("it has nothing");
    let health = health().await;
    assert_eq!(health["swap"]["problem"], "it has no items");
    assert_eq!(health["status"], before["status"], "the old one serves as well as before");
    assert_eq!(health["snapshot"]["version"], "v2");
}

#[tokio::test]
async fn features_are_those_of_a_session_too() {
    let app = app();
    let event = json!({"session_id": "s1", "item_id": "item3", "action": "view"}).to_string();
    assert_eq!(post(app.clone(), &event).await.0, StatusCode::ACCEPTED);
    let (status, known) = send(app.clone(), get_request("/features?session_id=s1")).await;
    assert_eq!((status, &known["user_id"]), (StatusCode::OK, &json!("session:s1")));
    assert_eq!((&known["interactions"], &known["last_items"]), (&json!(1), &json!(["item3"])), "{known}");
    let (status, answer) = send(app, get_request("/features")).await;
    assert_eq!((status.as_u16(), &answer["error"]["field"]), (400, &json!("user_id")));
}
