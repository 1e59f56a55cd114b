//! Pages that a real server writes down: made again, and judged by what came of them.

use crate::support::{Server, answer, ask, refusal, stop};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const DATA: [&str; 2] = ["--interactions", "interactions.csv"];

/// Six items, of which each user had one or two.
fn shop(settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let bought =
        (0..60).map(|n| format!("u{},i{},purchase,{}\n", n % 40, (n + n / 7) % 6, 1_700_000_000 + n));
    let data: String = ["user,item,action,timestamp\n".to_owned()].into_iter().chain(bought).collect();
    fs::write(folder.path().join("interactions.csv"), data).expect("a file");
    fs::write(folder.path().join("reco.toml"), settings).expect("a file");
    folder
}

fn page(server: &Server, target: &str) -> Value {
    let (status, page) = ask(server, "GET", target, "").expect("an answer");
    assert_eq!(status, 200, "{page}");
    page
}

fn click(server: &Server, user: &str, item: &Value, request: &Value) {
    let event = json!([{"user_id": user, "item_id": item, "action": "click", "request_id": request}]);
    let (status, answer) = ask(server, "POST", "/interactions", &event.to_string()).expect("an answer");
    assert_eq!(status, 202, "{answer}");
}

/// Every user looks, clicks the first item, and looks again.
fn visit(server: &Server, users: std::ops::Range<u32>) -> Vec<Value> {
    let mut pages = Vec::new();
    for user in users.map(|user| format!("u{user}")) {
        let target = format!("/recommendations?user_id={user}&count=3");
        let first = page(server, &target);
        click(server, &user, &first["items"][0]["item_id"], &first["request_id"]);
        pages.extend([first, page(server, &target), page(server, "/similar?item_id=i2&count=2")]);
    }
    pages
}

fn replay(folder: &Path, flags: &[&str]) -> Value {
    answer(folder, &[&["replay"], &DATA[..], flags].concat())
}

#[test]
fn what_was_served_is_made_again_byte_for_byte_over_restarts() {
    let folder = shop("[pages]\nkeep = \"all\"\n[pipeline]\ndeadline_ms = 60000\n[cache]\npages_mb = 0\n");
    let folder = folder.path();
    let mut pages = Vec::new();
    for users in [0..4, 4..8] {
        let server = Server::start(folder, &DATA);
        pages.extend(visit(&server, users));
        let health = page(&server, "/health");
        assert_eq!(health["pages"]["lost"], 0);
        stop(server);
    }
    let again = replay(folder, &[]);
    assert_eq!((&again["pages"], &again["same"]), (&json!(24), &json!(24)), "{again:#}");
    for page in pages.iter().step_by(5) {
        let id = page["request_id"].as_str().expect("an id");
        assert_eq!(replay(folder, &[id, "--body"]), *page);
    }
    assert_eq!(replay(folder, &["--last", "5"])["pages"], 5);
    let other = replay(
        folder,
        &["--current", "--set", "pipeline.sources.popular.quota=0", "--set", "pipeline.ranker=votes"],
    );
    assert!(other["different"].as_u64() > Some(0), "{other:#}");
    let then = &other["others"][0]["then"];
    assert!(then.as_array().is_some_and(|then| !then.is_empty()), "it says what was shown: {other:#}");
    let told = refusal(folder, &["replay", "unheard-of", DATA[0], DATA[1]]);
    assert!(told.contains("no page of the request unheard-of"), "{told}");
}

#[test]
fn what_was_shown_by_chance_tells_what_others_would_have_earned() {
    let explore = "[pipeline]\ndeadline_ms = 60000\nexplore = { epsilon = 1.0 }\n";
    let folder = shop(explore);
    let folder = folder.path();
    let nothing = refusal(folder, &["evaluate", "--off-policy", DATA[0], DATA[1]]);
    assert!(nothing.contains("no pages here") && nothing.contains("pipeline.explore"), "{nothing}");
    let server = Server::start(folder, &DATA);
    let (mut n_places, mut n_clicked) = (0, 0);
    for user in 0..40 {
        let shown = page(&server, &format!("/recommendations?user_id=u{user}&count=2"));
        for item in shown["items"].as_array().expect("items") {
            n_places += u32::from(item["propensity"].as_f64() < Some(1.0));
            if item["item_id"] == "i1" {
                n_clicked += 1;
                click(&server, &format!("u{user}"), &item["item_id"], &shown["request_id"]);
            }
        }
    }
    stop(server);
    let judge = |flags: &[&str]| answer(folder, &[&["evaluate", "--off-policy"], &DATA[..], flags].concat());
    let own = judge(&[]);
    assert_eq!((&own["pages"], &own["left_out"], &own["places"]), (&json!(40), &json!(0), &json!(n_places)));
    let earned = f64::from(n_clicked) / f64::from(n_places);
    let value = |report: &Value, row: usize| report["target"][row][1]["value"].as_f64().expect("a value");
    assert!((own["logging"]["value"].as_f64().expect("a value") - earned).abs() < 1e-9, "{own:#}");
    assert!((value(&own, 1) - earned).abs() < 1e-9, "by its own log it earned what it earned: {own:#}");
    let ranking = judge(&["--set", "pipeline.explore=false"]);
    assert!(ranking["effective_places"].as_f64() < own["effective_places"].as_f64(), "{ranking:#}");
    let bought = judge(&["--reward", "purchase"]);
    assert!(bought["logging"]["value"].as_f64() < Some(1e-9), "nobody bought: {bought:#}");
}
