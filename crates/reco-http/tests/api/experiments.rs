//! Pages of experiments, and what is noted of who saw them.

use crate::world::{CONFIG, exchange, get_request, recommender, send, snapshot};
use axum::Router;
use axum::body::to_bytes;
use axum::http::StatusCode;
use reco_core::experiment::{Experiments, Exposure, Exposures, Ledger, MetricConfig, Metrics};
use reco_core::id::ItemKey;
use reco_core::pipeline::{PipelineConfig, Variants};
use reco_core::store::{EventSource, MemoryLog};
use reco_http::Api;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A shop with experiments, and the log of their exposures.
struct Shop {
    app: Router,
    log: Arc<MemoryLog>,
    exposures: Exposures,
    metrics: Metrics,
}

impl Shop {
    fn new(configs: &Value) -> Self {
        let log = Arc::new(MemoryLog::default());
        let main = recommender(snapshot(), None);
        let configs = serde_json::from_value(configs.clone()).expect("experiments");
        let experiments = Experiments::new(configs, BTreeMap::new()).expect("sound experiments");
        let config = PipelineConfig { sources: BTreeMap::new(), ..PipelineConfig::default() };
        let build = |config: &PipelineConfig, snapshot| config.builder(snapshot);
        let load = |_| Err("there is no other".to_owned());
        let variants =
            Variants::new(main.clone(), experiments, &config, build, load).expect("sound variants");
        let (exposures, work) = Exposures::new(Arc::clone(&log) as _, Arc::clone(main.clock()));
        tokio::spawn(work);
        let metrics = Metrics::in_memory(&MetricConfig::usual());
        let api = Api::new(main, CONFIG()).experiments(variants, Ledger::in_memory(), exposures.clone());
        Self { app: api.metrics(metrics.clone()).router(), log, exposures, metrics }
    }

    /// The header, and the answer.
    async fn page(&self, query: &str) -> (Option<String>, Value) {
        let request = get_request(&format!("/recommendations?count=6&{query}"));
        let response = exchange(self.app.clone(), request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let header =
            response.headers().get("x-experiment").map(|value| value.to_str().expect("text").to_owned());
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a small body");
        (header, serde_json::from_slice(&body).expect("JSON"))
    }

    /// Who was exposed to what so far.
    async fn exposed(&self) -> Vec<Exposure> {
        self.exposures.flush().await;
        let n = self.exposures.counts().kept as usize;
        if n == 0 {
            return Vec::new();
        }
        let deliveries = self.log.reader("test").poll(n).await.expect("events");
        deliveries.iter().map(|delivery| Exposure::read(&delivery.event).expect("an exposure")).collect()
    }
}

/// Everybody gets food in B, and what there is in A.
fn food_or_all() -> Value {
    json!({"food": {"variants": [{"name": "A"}, {"name": "B", "pipeline": {"only": "category = 'food'"}}]}})
}

#[tokio::test]
async fn each_variant_has_pages_of_its_own_and_the_answer_says_which() {
    let shop = Shop::new(&food_or_all());
    for user in 0..20 {
        let (header, page) = shop.page(&format!("user_id=u{user}")).await;
        let n_items = if header.as_deref() == Some("food_B") { 3 } else { 6 };
        assert_eq!(page["items"].as_array().map(Vec::len), Some(n_items), "{header:?}");
        let named = &page["experiments"][0];
        let said =
            format!("{}_{}", named["experiment"].as_str().unwrap(), named["variant"].as_str().unwrap());
        assert_eq!((header, &named["how"]), (Some(said), &json!("hashed")));
    }
}

#[tokio::test]
async fn an_exposure_is_noted_once_with_what_was_served() {
    let shop = Shop::new(&food_or_all());
    let (header, page) = shop.page("user_id=ann").await;
    shop.page("user_id=ann").await;
    let exposed = shop.exposed().await;
    let [exposure] = &exposed[..] else { panic!("one exposure, not {exposed:?}") };
    assert_eq!(Some(format!("{}_{}", exposure.experiment, exposure.variant)), header);
    assert_eq!(exposure.request.as_deref(), page["request_id"].as_str());
    let items: Vec<&str> =
        page["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect();
    assert_eq!(exposure.served.items.iter().map(ItemKey::as_str).collect::<Vec<_>>(), items);
    assert_eq!((&*exposure.served.model, &*exposure.served.surface), ("v1", "home"));
}

#[tokio::test]
async fn who_is_not_meant_sees_nothing_of_it() {
    let mut config = food_or_all();
    config["food"]["only"] = json!("country = 'AT' and device = 'phone'");
    config["food"]["overrides"] = json!({"qa": "B"});
    let shop = Shop::new(&config);
    assert_eq!(shop.page("user_id=ann").await.0, None);
    let (header, page) = shop.page("user_id=ann&attributes=%7B%22country%22:%22DE%22%7D&device=phone").await;
    assert!(header.is_none() && page.get("experiments").is_none());
    assert_eq!(shop.page("user_id=qa").await.0.as_deref(), Some("food_B"));
    assert_eq!(shop.exposed().await, [], "an override counts for nothing");
    let (header, _) = shop.page("user_id=ann&attributes=%7B%22country%22:%22AT%22%7D&device=phone").await;
    assert!(header.is_some_and(|names| names.starts_with("food_")));
    assert_eq!(shop.exposed().await.len(), 1);
}

#[tokio::test]
async fn a_visitor_who_logs_in_keeps_the_variant() {
    let shop = Shop::new(&food_or_all());
    let mut moved = 0;
    for n in 0..20 {
        let (as_visitor, _) = shop.page(&format!("session_id=s{n}")).await;
        let (afterwards, page) = shop.page(&format!("session_id=s{n}&user_id=new{n}")).await;
        assert_eq!(afterwards, as_visitor);
        moved += usize::from(page["experiments"][0]["how"] == "kept");
        let (elsewhere, _) = shop.page(&format!("user_id=new{n}")).await;
        assert_eq!(elsewhere, as_visitor, "and with another session, too");
    }
    assert_eq!(moved, 20);
}

#[tokio::test]
async fn attributes_are_an_object() {
    let shop = Shop::new(&food_or_all());
    for attributes in ["3", "%7B", "[]"] {
        let path = format!("/recommendations?user_id=ann&attributes={attributes}");
        let (status, body) = send(shop.app.clone(), get_request(&path)).await;
        assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!("attributes")));
    }
}

#[tokio::test]
async fn experiments_are_listed_with_what_became_of_exposures() {
    let shop = Shop::new(&food_or_all());
    shop.page("user_id=ann").await;
    shop.exposures.flush().await;
    let (status, body) = send(shop.app.clone(), get_request("/experiments")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["experiments"]["food"]["variants"][1]["name"], "B");
    assert_eq!(body["exposures"], json!({"kept": 1, "waiting": 0, "lost": 0}));
}

#[tokio::test]
async fn an_experiment_tells_what_is_known_of_it_and_what_to_do() {
    let shop = Shop::new(&food_or_all());
    for user in 0..20 {
        shop.page(&format!("user_id=u{user}")).await;
    }
    shop.exposures.flush().await;
    shop.metrics.count(&shop.log.reader("metrics").poll(20).await.expect("events"));
    let (status, body) = send(shop.app.clone(), get_request("/experiments/food")).await;
    assert_eq!((status, &body["decision"]["verdict"]), (StatusCode::OK, &json!("KEEP_RUNNING")), "{body:#}");
    let users: u64 =
        body["report"]["arms"].as_array().unwrap().iter().map(|arm| arm["users"].as_u64().unwrap()).sum();
    assert_eq!(users, 20);
    let (status, body) = send(shop.app, get_request("/experiments/drink")).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &json!("unknown_experiment")));
}

#[tokio::test]
async fn answers_are_counted_by_variant_and_requests_that_nobody_can_honour_are_not() {
    let mut config = food_or_all();
    config["food"]["overrides"] = json!({"qa": "B"});
    let shop = Shop::new(&config);
    let mut n_food = 0;
    for user in 0..20 {
        n_food += u64::from(shop.page(&format!("user_id=u{user}")).await.0.as_deref() == Some("food_B"));
    }
    shop.page("user_id=qa").await;
    let (status, _) = send(shop.app.clone(), get_request("/recommendations?user_id=ann&count=0")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (_, known) = send(shop.app, get_request("/experiments/food")).await;
    let traffic = &known["traffic"];
    assert_eq!((&traffic["A"]["answers"], &traffic["B"]["answers"]), (&json!(20 - n_food), &json!(n_food)));
    // Without sources, what is popular is all there is.
    assert_eq!((&traffic["B"]["errors"], &traffic["B"]["fallbacks"]), (&json!(0), &json!(n_food)));
    assert!(traffic["B"]["p99_ms"].as_f64().is_some_and(|ms| ms >= 0.0), "{traffic}");
}
