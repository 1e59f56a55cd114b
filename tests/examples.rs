//! Every example, compiled into this test and run, with a look at what it shows.
#![allow(dead_code, reason = "the `main` of an example is for `cargo run --example`")]
#![allow(clippy::duplicate_mod, reason = "every example brings the shop along, as it does by itself")]

#[path = "../examples/axum_service.rs"]
mod axum_service;
#[path = "../examples/custom_feature.rs"]
mod custom_feature;
#[path = "../examples/custom_generator.rs"]
mod custom_generator;
#[path = "../examples/custom_ranker.rs"]
mod custom_ranker;
#[path = "../examples/embed.rs"]
mod embed;
#[path = "../examples/experiment_metrics.rs"]
mod experiment_metrics;
#[path = "../examples/filters.rs"]
mod filters;
#[path = "../examples/live_events.rs"]
mod live_events;
#[path = "../examples/redis_kafka_http.rs"]
mod redis_kafka_http;
#[path = "../examples/train_and_deploy.rs"]
mod train_and_deploy;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What an example writes.
fn written(run: impl Fn(&mut dyn Write) -> Result<(), Box<dyn Error>>) -> String {
    let mut out = Vec::new();
    run(&mut out).expect("an example succeeds");
    String::from_utf8(out).expect("an example writes text")
}

/// The items of a line such as `hide whisk   sencha, genmaicha, assam`.
fn items(line: &str) -> BTreeSet<&str> {
    let list = line.rsplit_once("  ").map_or(line, |(_, list)| list);
    list.split(", ").map(str::trim).collect()
}

#[test]
fn no_example_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in folder.read_dir().expect("the folder is there") {
        let path = entry.expect("a readable entry").path();
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let is_run = include_str!("examples.rs").contains(&format!("../examples/{name}"));
        assert!(is_run, "examples/{name} is not run by this test");
    }
}

#[test]
fn embed_finds_three_new_things_for_ann_and_says_why() {
    let text = written(embed::run);
    let places: Vec<&str> =
        text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(places.len(), 3, "{text}");
    assert!(
        !places.iter().any(|line| line.contains("tea") || line.contains("bread")),
        "Ann has them: {text}"
    );
    assert!(text.contains("Often chosen together with tea and bread"), "{text}");
}

#[test]
fn the_custom_generator_brings_candidates_and_reasons() {
    let text = written(custom_generator::run);
    assert!(text.starts_with("same_brand keeps every promise"), "{text}");
    let (uji, rest) = text.split_once("\n2. ").expect("more than one place");
    assert!(uji.contains("by Uji") && uji.contains("Suggested by same_brand because of"), "{text}");
    assert!(!rest.contains("same_brand"), "Ben has nothing of the other brands: {text}");
}

#[test]
fn the_custom_feature_is_learned_from_and_served_with() {
    let text = written(custom_feature::run);
    assert!(text.contains("the ranker reads cross.organic_match: true"), "{text}");
    let organic = |user: &str| {
        let line = text.lines().find(|line| line.starts_with(user)).expect("a line for each");
        assert!(line.ends_with("rung Full"), "the ranker did not fail: {text}");
        line.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|n| n.parse::<u32>().ok())
    };
    assert!(organic("organic-0") > organic("other-0"), "{text}");
}

#[test]
fn the_custom_ranker_reorders_by_price() {
    let text = written(custom_ranker::run);
    assert!(text.starts_with("thrifty keeps every promise"), "{text}");
    let line = |start| text.lines().find_map(|line| line.strip_prefix(start)).expect("both pages").trim();
    assert_ne!(line("as usual:"), line("thrifty:"), "{text}");
}

#[test]
fn a_good_version_takes_over_and_a_bad_one_is_refused() {
    let text = written(train_and_deploy::run);
    for expected in [
        "v1 serves\n",
        "v2 serves, ",
        "every request was answered, by v1 and v2\n",
        "v3 was refused: ",
        "v2 goes on; champion is v2 again\n",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
}

#[tokio::test]
async fn every_event_changes_the_next_page() {
    let mut out = Vec::new();
    live_events::run(&mut out).await.expect("an example succeeds");
    let text = String::from_utf8(out).expect("an example writes text");
    let lines: Vec<&str> = text.lines().take(4).collect();
    for pair in lines.windows(2) {
        assert_ne!(items(pair[0]), items(pair[1]), "{text}");
    }
    assert!(!items(lines[2]).contains("matcha"), "it was bought: {text}");
    assert!(items(lines[2]).contains("whisk") && !items(lines[3]).contains("whisk"), "it was hidden: {text}");
    assert!(text.contains("Fits your taste, above all"), "nobody trained on this user: {text}");
}

#[tokio::test]
async fn conversions_are_counted_for_each_arm() {
    let mut out = Vec::new();
    experiment_metrics::run(&mut out).await.expect("an example succeeds");
    let text = String::from_utf8(out).expect("an example writes text");
    let shares = text.lines().map(|line| line.rsplit_once(": ").expect("a share").1.trim_end_matches(" %"));
    let shares: Vec<f64> = shares.map(|share| share.parse().expect("a number")).collect();
    assert!((7.0..13.0).contains(&shares[0]) && (16.0..24.0).contains(&shares[1]), "{text}");
}

#[test]
fn filters_filter_and_mistakes_are_located() {
    let text = written(filters::run);
    for expected in [
        "and tags has \"organic\"\n  matcha, darjeeling\n",
        "no filter: column 12: found `und`, expected `and`, `or` or the end",
        "filter: column 1: there is no column `prize`; did you mean `price`?",
        "why not matcha: it does not match the request's filter",
        "why not honey: it does not match the rule `category != \"pantry\"`",
        "why not sencha: it was bought or rated by this user before",
        "why not anvil: the catalogue does not have it",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_answers_on_its_own_routes_and_the_ready_made_ones() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let app = axum_service::app().expect("the example can be built");
    let server = tokio::spawn(reco_http::serve(listener, app, std::future::pending()));

    let before = ask(&address, "GET /shelf/ann", "").await;
    assert_eq!(before.matches('"').count(), 6, "three titles: {before}");
    let hide = r#"{"user_id": "ann", "item_id": "matcha", "action": "hide"}"#;
    assert!(before.contains("Matcha"), "{before}");
    assert!(ask(&address, "POST /interactions", hide).await.contains("\"accepted\":1"));
    let after = ask(&address, "GET /shelf/ann", "").await;
    assert!(!after.contains("Matcha"), "both sides share one recommender: {after}");
    assert!(ask(&address, "GET /health", "").await.contains("\"status\":\"ok\""));
    server.abort();
}

/// One exchange; the answer's body, which must come with a status of success.
async fn ask(address: &str, what: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let request = format!(
        "{what} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the server answers");
    assert!(answer.starts_with("HTTP/1.1 2"), "{what}: {answer}");
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).expect("a body")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_a_fleet_takes_events_and_serves_pages() {
    // `scripts/stack run` says where the servers are.
    let Some(path) = std::env::var_os("RECO_STACK_CONFIG") else { return };
    let stack = redis_kafka_http::Stack::read(Path::new(&path)).expect("the settings of the stack");
    let router = redis_kafka_http::service(stack).await.expect("the servers are there");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(reco_http::serve(listener, router, std::future::pending()));
    let ask = async |request: String| {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    };
    let event = r#"{"user_id": "zoe", "item_id": "pot", "action": "purchase"}"#;
    let accepted = ask(format!(
        "POST /interactions HTTP/1.1\r\nhost: reco\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{event}",
        event.len()
    ));
    assert!(accepted.await.starts_with("HTTP/1.1 202"));
    let features =
        ask("GET /features?user_id=zoe HTTP/1.1\r\nhost: reco\r\nconnection: close\r\n\r\n".to_owned());
    assert!(features.await.contains(r#""last_items":["pot"]"#));
}
