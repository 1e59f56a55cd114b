//! What newcomers are asked, and what their answers change.

use crate::world::{CONFIG, NOW, get_request, post_to, send, snapshot};
use axum::Router;
use axum::http::StatusCode;
use reco_core::pipeline::PipelineConfig;
use reco_core::retrieve::popular::Popularity;
use reco_core::time::{ManualClock, Timestamp};
use reco_http::router;
use serde_json::{Value, json};
use std::sync::Arc;

/// The small shop, where each item is a little less popular than the one before.
fn app() -> Router {
    let mut snapshot = snapshot();
    let (users, n_categories) =
        ((1..=6).rev().collect::<Vec<u32>>(), snapshot.catalog.category().cardinality());
    let labels = snapshot.catalog.category().clone();
    let popularity = Popularity::new(users.clone(), &users, n_categories, |id| labels.code(id));
    snapshot.models.insert(Popularity::NAME, popularity);
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOW)));
    let builder = PipelineConfig::default().builder(snapshot).expect("a sound configuration").clock(clock);
    router(builder.build().expect("a sound configuration"), CONFIG())
}

async fn look(app: &Router, path: &str) -> (StatusCode, Value) {
    send(app.clone(), get_request(path)).await
}

async fn tell(app: &Router, answers: &Value) -> (StatusCode, Value) {
    post_to(app.clone(), "/onboarding", &answers.to_string()).await
}

fn shown(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("a list");
    items.iter().map(|item| item["item_id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn answers_change_the_next_page() {
    let app = app();
    let survey = look(&app, "/onboarding?samples=2").await.1;
    assert_eq!(survey["categories"][0]["category"], "drinks", "the most popular first: {survey}");
    assert_eq!(survey["categories"][1]["example"]["item_id"], "item1");
    assert_eq!(survey["samples"].as_array().map(Vec::len), Some(2));
    let page = "/recommendations?user_id=zoe&count=3";
    let before = look(&app, page).await.1;
    assert_eq!(shown(&before), ["item0", "item1", "item2"]);
    let answers =
        json!({"user_id": "zoe", "categories": ["food"], "ratings": [{"item_id": "item0", "rating": 1}]});
    let (status, body) = tell(&app, &answers).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert_eq!(body, json!({"user_id": "zoe", "categories": 1, "ratings": 1}));
    let after = look(&app, page).await.1;
    let sources =
        after["items"].as_array().into_iter().flatten().filter_map(|item| item["why"]["sources"].as_array());
    assert!(sources.flatten().any(|source| source["source"] == "interests"), "{after}");
    assert_eq!(look(&app, "/history?user_id=zoe").await.1["total"], 1, "an interest is no item of the user");
}

#[tokio::test]
async fn everything_wrong_with_answers_is_named() {
    let app = app();
    let answers = json!({"user_id": "", "categories": ["food", "food", "toys"], "ratings": [
        {"item_id": "item0", "rating": -1}, {"item_id": "nothing", "rating": 5}
    ]});
    let (status, body) = tell(&app, &answers).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let message = body["error"]["message"].as_str().expect("a message");
    for part in ["categories[1]", "categories[2]", "ratings[0].rating", "ratings[1].item_id", "user_id"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    let (status, body) = tell(&app, &json!({"user_id": "zoe", "categories": []})).await;
    assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!("categories")));
    for wrong in
        [json!([]), json!({"user_id": "zoe"}), json!({"user_id": "zoe", "categories": ["food"], "x": 1})]
    {
        assert_eq!(tell(&app, &wrong).await.1["error"]["code"], "invalid_json", "{wrong}");
    }
}
