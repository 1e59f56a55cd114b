//! What the page looks up, and the probes.

use crate::world::{CONFIG, NOW, get, get_request, recommender, send};
use reco_core::snapshot::Snapshot;
use reco_http::router;
use serde_json::json;

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
    let (_, body) = get("/users/ann/history").await;
    let expected = json!({"user_id": "ann", "now": NOW, "total": 1, "items": [
        {"item_id": "item2", "title": "item2", "category": "drinks", "price": 2.0, "count": 1, "last": 1_600_000_000_000_i64, "rejected": false},
    ]});
    assert_eq!(body, expected);
    assert_eq!(get("/users/nobody/history").await.1["items"], json!([]));
    assert_eq!(get("/users/%ff/history").await.1["error"]["field"], "user");
}

#[tokio::test]
async fn items_are_found_by_title_or_id() {
    let (_, body) = get("/items?q=ITEM&limit=2").await;
    assert_eq!((&body["items"][1]["item_id"], &body["total"]), (&json!("item1"), &json!(6)));
    assert_eq!(get("/items?q=item4").await.1["items"].as_array().map(Vec::len), Some(1));
    let expected = json!({"item_id": "item4", "title": "item4", "category": "drinks", "price": 4.0});
    assert_eq!(get("/items/item4").await.1, expected);
    assert_eq!(get("/categories").await.1, json!({"categories": ["drinks", "food"]}));
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
