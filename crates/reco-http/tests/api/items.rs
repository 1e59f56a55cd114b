//! Items in: what comes is there at once, and what is wrong is named.

use crate::world::{CONFIG, app, get_request, post_to, recommender, send, snapshot};
use axum::http::StatusCode;
use reco_http::router;
use serde_json::{Value, json};

const TEA: &str = r#"{"item_id": "tea7", "title": "Green tea", "category": "drinks", "price": 3.5, "tags": ["loose"], "organic": true}"#;

#[tokio::test]
async fn an_item_is_there_once_it_was_taken_in() {
    let app = router(recommender(snapshot(), None), CONFIG());
    let (status, body) = post_to(app.clone(), "/items", TEA).await;
    let expected = json!({"added": ["tea7"], "known": [], "rejected": [], "unknown_fields": ["organic"]});
    assert_eq!((status, body), (StatusCode::CREATED, expected));
    let (status, body) = send(app.clone(), get_request("/items/tea7")).await;
    assert_eq!((status, &body["title"], &body["price"]), (StatusCode::OK, &json!("Green tea"), &json!(3.5)));
    let launch = json!({"item": "tea7", "stage": "trial", "impressions": 0, "clicks": 0});
    assert_eq!(body["launch"], launch);
    let (_, body) = send(app.clone(), get_request("/items/item1")).await;
    assert!(body.get("launch").is_none(), "it is not new");
    let by_attribute = get_request("/recommendations?user_id=bob&filter=organic%20%3D%20true");
    assert_eq!(
        send(app.clone(), by_attribute).await.0,
        StatusCode::OK,
        "its attributes are there to filter by"
    );
    let (status, body) = post_to(app.clone(), "/items", TEA).await;
    assert_eq!((status, &body["known"]), (StatusCode::OK, &json!(["tea7"])));
    let (status, body) = send(app, get_request("/similar?item_id=tea7&count=2")).await;
    assert_eq!((status, body["items"].as_array().map(Vec::len)), (StatusCode::OK, Some(2)), "{body}");
}

#[tokio::test]
async fn each_item_of_a_batch_is_judged_by_itself() {
    let app = router(recommender(snapshot(), None), CONFIG());
    let batch = format!(
        r#"{{"items": [{{"item_id": 7, "price": "dear", "tags": "loose", "created_at": -1, "size": {{}}}}, {TEA}, {{"item_id": "item1"}}]}}"#
    );
    let (status, body) = post_to(app.clone(), "/items", &batch).await;
    assert_eq!((status, &body["added"]), (StatusCode::CREATED, &json!(["tea7"])));
    let rejected: Vec<(&Value, &str)> = body["rejected"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|wrong| (&wrong["index"], wrong["field"].as_str().unwrap_or_default()))
        .collect();
    let zero = &json!(0);
    let expected = ["created_at", "item_id", "price", "size", "tags"].map(|field| (zero, field));
    assert_eq!((&rejected[..5], &rejected[5..]), (&expected[..], &[(&json!(2), "item_id")][..]), "{body}");
    let (status, body) = post_to(app, "/items", r#"[{"item_id": "", "price": -1, "stock": -2}]"#).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("no_item_accepted"))
    );
    assert_eq!(body["rejected"].as_array().map(Vec::len), Some(3), "{body}");
}

#[tokio::test]
async fn what_is_no_batch_is_refused() {
    for (body, code) in [
        ("", "invalid_json"),
        ("7", "invalid_json"),
        ("[]", "invalid_parameter"),
        (r#"{"items": 7}"#, "invalid_parameter"),
        ("[{}, {}, {}, {}]", "invalid_parameter"),
    ] {
        let (status, answer) = post_to(app(), "/items", body).await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(code)), "{body}");
    }
    let (status, body) = post_to(app(), "/items", "[7]").await;
    assert_eq!((status, &body["rejected"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("item")));
}
