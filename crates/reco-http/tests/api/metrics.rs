//! `GET /metrics`.

use crate::world::{app, exchange, get_request, post, send};
use axum::Router;
use axum::body::to_bytes;
use axum::http::header;
use std::collections::BTreeMap;

const DOCUMENT: &str = include_str!("../../../../docs/metrics.md");

/// What is scraped: values by name and labels.
async fn scrape(app: &Router) -> (String, BTreeMap<String, f64>) {
    let response = exchange(app.clone(), get_request("/metrics")).await;
    assert!(response.status().is_success());
    let kind = response.headers()[header::CONTENT_TYPE].to_str().expect("text");
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a small body");
    let text = String::from_utf8(body.to_vec()).expect("text");
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    let values = text.lines().filter(|line| !line.starts_with('#'));
    let values = values.map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    });
    let values = values.collect();
    (text, values)
}

#[tokio::test]
async fn what_happens_is_counted() {
    let app = app();
    for path in [
        "/recommendations?user_id=ann&count=3",
        "/recommendations?user_id=ann&count=3",
        "/recommendations?user_id=bob&count=50",
        "/items/item1",
        "/nowhere/7",
        "/recommendations",
    ] {
        send(app.clone(), get_request(path)).await;
    }
    let bad = r#"[{"user_id":"ann","item_id":"item3","action":"click"},{"user_id":"","item_id":""}]"#;
    post(app.clone(), bad).await;
    let (text, values) = scrape(&app).await;
    let exact = |name: &str| values.get(name).copied().unwrap_or_else(|| panic!("{name} in {text}"));
    let value = |name: &str| exact(name).round() as u64;
    let answered = |route: &str, method: &str, status: u16| {
        value(&format!(
            "reco_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!(answered("/recommendations", "GET", 200), 3);
    assert_eq!(answered("/recommendations", "GET", 400), 1);
    assert_eq!(answered("/items/{item}", "GET", 200), 1, "routes, not paths: these have no bound");
    assert_eq!(answered("none", "GET", 404), 1);
    assert_eq!(answered("/interactions", "POST", 202), 1);
    assert_eq!(value("reco_http_request_duration_seconds_count{route=\"/recommendations\"}"), 4);
    assert_eq!(value("reco_http_requests_in_flight"), 1, "this one");
    assert_eq!(value("reco_page_duration_seconds_count{surface=\"home\"}"), 3);
    assert_eq!(value("reco_short_pages_total{surface=\"home\",what=\"short\"}"), 1, "six items are no fifty");
    assert_eq!(value("reco_events_total{outcome=\"accepted\"}"), 1);
    assert_eq!(value("reco_events_total{outcome=\"rejected\"}"), 1, "an event, whatever is wrong with it");
    assert_eq!(value("reco_snapshot_info{version=\"v1\"}"), 1);
    assert_eq!(value("reco_snapshot_size{what=\"items\"}"), 6);
    // Ann's second page is her first, bob sees everything that he may.
    assert_eq!(value("reco_items_shown_again_total"), 3);
    assert_eq!(value("reco_items_compared_total"), 3);
    let coverage = exact("reco_catalogue_coverage_ratio");
    assert!(coverage > 0.8 && coverage <= 1.0, "{coverage}");
}

/// The names that are registered, whether or not anything has them yet.
fn registered() -> Vec<String> {
    let sources = [
        include_str!("../../src/metrics.rs"),
        include_str!("../../src/metrics/quality.rs"),
        include_str!("../../src/metrics/scraped.rs"),
    ];
    let calls = sources.iter().flat_map(|source| source.split("registry.register(").skip(1));
    calls.filter_map(|call| Some(format!("reco_{}", call.split('"').nth(1)?))).collect()
}

#[test]
fn every_metric_is_documented() {
    let names = registered();
    assert!(names.len() > 20, "too few metrics to be all of them: {names:?}");
    let bare = |name: &str| name.trim_end_matches("_total").to_owned();
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `reco_")?.split_once('`'));
    let documented: Vec<String> = rows.map(|(name, _)| format!("reco_{}", bare(name))).collect();
    for name in &names {
        assert!(documented.contains(name), "docs/metrics.md lacks {name}");
    }
    for name in &documented {
        assert!(names.contains(name), "docs/metrics.md has {name}, which is not there");
    }
}
