//! `reco experiment`, and experiments of a real server.

use crate::support::{Server, answer, ask, refusal, stop};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn config(folder: &Path, weight: u8) {
    let data = (0..40).map(|n| format!("u{},i{},purchase,{}\n", n % 8, n % 5, 1_700_000_000 + n));
    let data: String = ["user,item,action,timestamp\n".to_owned()].into_iter().chain(data).collect();
    fs::write(folder.join("interactions.csv"), data).expect("a file");
    let text = format!(
        "[experiments.short]\nvariants = [{{ name = \"A\", weight = {weight} }}, {{ name = \"B\", weight = {}, \
         pipeline.rerank.per_category = 1 }}]\n",
        1 - weight
    );
    fs::write(folder.join("reco.toml"), text).expect("a file");
}

fn serve(folder: &Path) -> Server {
    Server::start(folder, &["--interactions", "interactions.csv", "--set", "clock=system"])
}

fn variant(server: &Server, user: &str) -> Value {
    let (status, page) =
        ask(server, "GET", &format!("/recommendations?user_id={user}"), "").expect("an answer");
    assert_eq!(status, 200, "{page}");
    page["experiments"][0]["variant"].clone()
}

#[test]
fn who_takes_part_keeps_the_variant_over_a_restart_with_other_weights_and_is_exposed_once() {
    let folder = tempfile::tempdir().expect("a folder");
    config(folder.path(), 1);
    let server = serve(folder.path());
    let before: Vec<Value> = ["u1", "u2", "u3", "u1"].iter().map(|user| variant(&server, user)).collect();
    assert_eq!(before, ["A"; 4]);
    stop(server);
    let exposed = |folder: &Path| {
        let listed = answer(folder, &["events", "list", "--limit", "0"]);
        let exposures =
            listed.as_array().expect("a list").iter().filter(|event| event["action"] == "exposure");
        exposures
            .map(|event| (event["user_id"].clone(), event["context"]["variant"].clone()))
            .collect::<Vec<_>>()
    };
    let once = ["u1", "u2", "u3"].map(|user| (json!(user), json!("A")));
    assert_eq!(exposed(folder.path()), once);

    config(folder.path(), 0);
    let server = serve(folder.path());
    let after: Vec<Value> = ["u1", "u2", "u3", "u4"].iter().map(|user| variant(&server, user)).collect();
    assert_eq!(after, ["A", "A", "A", "B"]);
    stop(server);

    let judged = answer(folder.path(), &["experiment", "report", "short"]);
    let users: Vec<&Value> =
        judged["report"]["arms"].as_array().expect("arms").iter().map(|arm| &arm["users"]).collect();
    assert_eq!(users, [3, 1]);
    let status = answer(folder.path(), &["experiment", "status"]);
    assert_eq!(status["short"], judged);
    let told = refusal(folder.path(), &["experiment", "report", "long"]);
    assert!(told.contains("there are short"), "{told}");
}

#[test]
fn buckets_are_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = |seed: &str, value: &str, version: &str| {
        let args = ["experiment", "assign", "--seed", seed, "--value", value, "--hash-version", version];
        answer(folder.path(), &args)["bucket"].clone()
    };
    assert_eq!(bucket("seed", "a", "2"), 0.0505);
    assert_eq!(bucket("", "___)((*\":&", "1"), 0.563);
    assert_eq!(bucket("abc", "def", "99"), Value::Null);
    let experiment = r#"{"coverage": 0.5, "variants": [{"name": "x"}, {"name": "y"}]}"#;
    let within = |value: &str| {
        let args = ["experiment", "assign", "--seed", "seed", "--value", value, "--experiment", experiment];
        answer(folder.path(), &args)["experiment"]["variant"].clone()
    };
    assert_eq!([within("a"), within("b")], [json!("x"), Value::Null], "at 0.0505 and 0.2696");
    let told = refusal(folder.path(), &["experiment", "assign", "--value", "a", "--experiment", "none"]);
    assert!(told.contains("no such experiment is configured"), "{told}");
}

#[test]
fn everything_wrong_with_experiments_is_told_before_anything_begins() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "[experiments.a]\ncoverage = 2\nlayer.from = 0.5\n[[experiments.a.variants]]\nname = \"x y\"\n\
                pipeline.rerank.per_categry = 2\npipeline.deadline_ms = \"soon\"\n[holdouts.h]\nshare = 2\n";
    fs::write(folder.path().join("reco.toml"), text).expect("a file");
    let told = refusal(folder.path(), &["serve"]);
    for part in [
        "experiments.a.coverage is 2",
        "experiments.a.layer.name is empty",
        "experiments.a.variants[0].name is `x y`",
        "experiments.a.variants.x y.pipeline.rerank: unknown field `per_categry`",
        "experiments.a.variants.x y.pipeline.deadline_ms: invalid type",
        "holdouts.h.share is 2",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}
