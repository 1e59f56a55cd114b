//! `GET /recommendations` and `GET /similar`.

use crate::world::{CONFIG, NOW, app, get, get_request, send, snapshot};
use axum::http::StatusCode;
use reco_core::pipeline::PipelineConfig;
use reco_core::rerank::ExploreConfig;
use reco_core::time::{ManualClock, Timestamp};
use reco_http::router;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn a_page_has_the_documented_shape() {
    let path = "/recommendations?user_id=ann&count=2&filter=category%3D%22food%22&why_not=item0";
    let (status, mut page) = get(path).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page["request_id"].take().as_str().is_some_and(|id| !id.is_empty()));
    let item = |id: u8, rank: u8| {
        let (name, price) = (format!("item{id}"), f32::from(id));
        json!({"item_id": name, "title": name, "category": "food", "price": price, "rank": rank, "score": 0.0,
               "reasons": ["From the catalogue, to fill the page"],
               "why": {"sources": [{"source": "filler", "rank": rank, "score": 0.0}], "because": [], "moves": []}})
    };
    let expected = json!({
        "request_id": null, "user_id": "ann", "items": [item(1, 1), item(3, 2)],
        "why_not": [{"item": "item0", "title": "item0", "reason": "filtered", "filter": "filter",
                     "because": "does not match the request's filter",
                     "message": "it does not match the request's filter"}],
        "rung": "popular", "degraded": true, "warnings": [], "remarks": [], "snapshot": "v1"
    });
    assert_eq!(page, expected, "{page:#}");
}

#[tokio::test]
async fn parameters_are_honoured() {
    let ids = |page: &serde_json::Value| -> Vec<String> {
        let items = page["items"].as_array().expect("a list of items").iter();
        items.map(|item| item["item_id"].as_str().expect("a text").to_owned()).collect()
    };
    for (query, expected) in [
        ("count=2", &["item0", "item1"][..]),
        ("exclude=item0,item2&count=2", &["item1", "item3"]),
        ("surface=category&category=food&count=2", &["item1", "item3"]),
        ("category=food&count=1", &["item1"]),
        ("filter=price+%3E+4", &["item5"]),
        ("filter=price+%3E+99", &[]),
    ] {
        let (status, page) = get(&format!("/recommendations?user_id=somebody&{query}")).await;
        assert_eq!(
            (status, ids(&page)),
            (StatusCode::OK, expected.iter().map(|&id| id.to_owned()).collect()),
            "{query}"
        );
    }
    let (_, page) = get("/recommendations?user_id=a&explain=false&count=1").await;
    assert!(page["items"][0].get("why").is_none(), "{page}");
    for path in
        ["/similar?item_id=item1&count=2", "/recommendations?user_id=a&surface=similar&item_id=item1&count=2"]
    {
        let (status, page) = get(path).await;
        assert_eq!(status, StatusCode::OK);
        assert!(ids(&page).len() == 2 && !ids(&page).contains(&"item1".to_owned()), "{page}");
    }
}

#[tokio::test]
async fn the_same_request_has_the_same_answer() {
    let app = app();
    let ask = || send(app.clone(), get_request("/recommendations?user_id=ann&seed=7&time=1700000000000"));
    let (mut one, mut two) = (ask().await.1, ask().await.1);
    assert_ne!(one["request_id"].take(), two["request_id"].take());
    assert_eq!(one, two);
}

#[tokio::test]
async fn refusals_name_the_parameter() {
    for (path, field) in [
        ("/recommendations", "user_id"),
        ("/recommendations?user_id=", "user_id"),
        ("/recommendations?user_id=a&count=many", "count"),
        ("/recommendations?user_id=a&count=0", "count"),
        ("/recommendations?user_id=a&count=99999999999999999999999", "count"),
        ("/recommendations?user_id=a&cuont=3", "cuont"),
        ("/recommendations?user_id=a&user_id=b", "user_id"),
        ("/recommendations?user_id=%ff%fe", "user_id"),
        ("/recommendations?%ff=1", "query"),
        ("/recommendations?user_id=a&surface=moon", "surface"),
        ("/recommendations?user_id=a&surface=home&category=food", "category"),
        ("/recommendations?user_id=a&surface=category", "category"),
        ("/recommendations?user_id=a&category=food&item_id=item1", "item_id"),
        ("/recommendations?user_id=a&category=moon", "category"),
        ("/recommendations?user_id=a&filter=price+%3C", "filter"),
        ("/recommendations?user_id=a&filter=colour+%3D+3", "filter"),
        ("/recommendations?user_id=a&seed=-1", "seed"),
        ("/recommendations?user_id=a&explain=perhaps", "explain"),
        ("/recommendations?user_id=a&time=-9223372036854775808", "time"),
        ("/recommendations?user_id=a&within_ms=0", "within_ms"),
        ("/similar", "item_id"),
        ("/similar?item_id=item1&surface=home", "surface"),
        ("/users?limit=0", "limit"),
        ("/users?limit=1001", "limit"),
    ] {
        let (status, body) = get(path).await;
        let error = &body["error"];
        assert_eq!(
            (status.as_u16(), &error["code"], &error["field"]),
            (400, &json!("invalid_parameter"), &json!(field)),
            "{path}: {body}"
        );
    }
    for (filter, said) in
        [("price+~+3", "filter: column 7"), ("colour+=+3", "filter: column 1: there is no column")]
    {
        let (_, body) = get(&format!("/recommendations?user_id=a&filter={filter}")).await;
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.starts_with(said)), "{body}");
    }
    let long = "x".repeat(257);
    for (path, field) in [
        ("/recommendations?user_id=", "user_id"),
        ("/recommendations?user_id=a&exclude=item1,", "exclude"),
        ("/recommendations?user_id=a&session_items=", "session_items"),
        ("/similar?item_id=", "item_id"),
        ("/history?user_id=", "user_id"),
    ] {
        let (status, body) = get(&format!("{path}{long}")).await;
        let said = format!("{field} has an id of 257 bytes, at most 256 are allowed");
        assert_eq!((status.as_u16(), &body["error"]["message"]), (400, &json!(said)), "{path}");
        assert_eq!(
            get(&format!("{path}{}", &long[1..])).await.1["error"]["code"].as_str().unwrap_or("not_found"),
            "not_found"
        );
    }
    let (_, body) = get("/recommendations?user_id=a&cuont=3").await;
    assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains("count, ")), "{body}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for (path, field) in [
        ("/similar?item_id=nope", json!("item_id")),
        ("/items/nope", json!("item")),
        ("/nowhere", json!(null)),
        ("/recommendations/", json!(null)),
    ] {
        let (status, body) = get(path).await;
        assert_eq!(
            (status.as_u16(), &body["error"]["code"], &body["error"]["field"]),
            (404, &json!("not_found"), &field),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_page_that_explores_tells_its_propensities() {
    let explore = ExploreConfig { epsilon: 0.5, from: 2, ..ExploreConfig::default() };
    let config = PipelineConfig { sources: [].into(), explore: Some(explore), ..PipelineConfig::default() };
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOW)));
    let built = config.builder(snapshot()).and_then(|builder| builder.clock(clock).build());
    let app = router(built.expect("a sound configuration"), CONFIG());
    let page = async |query: &str, id: &str| {
        let mut request = get_request(&format!("/recommendations?user_id=ann&count=4{query}"));
        request.headers_mut().insert("x-request-id", id.parse().expect("a header"));
        let (status, page) = send(app.clone(), request).await;
        assert_eq!(status, StatusCode::OK);
        page["items"].clone()
    };
    let seeded = page("&seed=7", "a").await;
    let shares: Vec<f64> =
        seeded.as_array().into_iter().flatten().filter_map(|item| item["propensity"].as_f64()).collect();
    assert_eq!(shares.len(), 4, "{seeded:#}");
    assert!((shares[0] - 1.0).abs() < 1e-12, "the first place does not explore");
    assert!(shares[1..].iter().all(|share| *share > 0.0 && *share < 1.0), "{shares:?}");
    assert_eq!(seeded, page("&seed=7", "b").await, "a seed repeats the page");
    assert_eq!(page("", "c").await, page("", "c").await, "so does an id");
    let mut others = Vec::new();
    for n in 0..20 {
        others.push(page("", &format!("id{n}")).await);
    }
    assert!(others.iter().any(|other| *other != others[0]), "requests differ");
}
