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

#[test]
fn an_experiment_is_stopped_and_started_while_the_server_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    config(folder, 1);
    let mut server = Server::start(
        folder,
        &["--interactions", "interactions.csv", "--set", "clock=system", "--set", "rollout.look_secs=0.1"],
    );
    assert_eq!(variant(&server, "u1"), "A");
    assert_eq!(answer(folder, &["experiment", "stop", "short", "--why", "sale"])["state"], "stopped");
    server.wait_for("the experiment short is stopped now: sale");
    assert_eq!(variant(&server, "u1"), Value::Null);
    assert_eq!(answer(folder, &["experiment", "start", "short"])["state"], "running");
    server.wait_for("the experiment short is running now");
    assert_eq!(variant(&server, "u1"), "A");
    answer(folder, &["experiment", "stop", "short"]);
    server.wait_for("the experiment short is stopped now");
    stop(server);

    let server = serve(folder);
    assert_eq!(variant(&server, "u1"), Value::Null, "what is stopped stays so");
    stop(server);
    assert!(refusal(folder, &["experiment", "stop", "long"]).contains("there are short"));
    let in_memory = ["experiment", "stop", "short", "--set", "events.keep=memory"];
    assert!(refusal(folder, &in_memory).contains("set `state` in the configuration"));
}

#[test]
fn a_plan_says_how_many_users_it_takes_and_how_many_days() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let plan = |more: &[&str]| answer(folder, &[&["experiment", "plan", "--change", "10"], more].concat());
    // 3 % to 3.3 %, by Fleiss, Levin and Paik: (1.9600 + 0.8416)² · (0.0291 + 0.031911) / 0.003².
    let shares = plan(&["--base", "0.03", "--users-per-day", "10000"]);
    assert_eq!((&shares["users_per_arm"], &shares["days"]), (&json!(53_208), &json!(14)));
    let means = plan(&["--base", "10", "--deviation", "10"]);
    // As statsmodels' tt_ind_solve_power(0.1, alpha=0.05, power=0.8) says: 1570.7.
    assert_eq!((&means["users_per_arm"], &means["days"]), (&json!(1_571), &Value::Null));
    let few = plan(&["--base", "10", "--deviation", "1"]);
    assert_eq!(few["users_per_arm"], 1_000, "what a decision takes at least");
    assert!(refusal(folder, &["experiment", "plan", "--base", "2", "--change", "1"]).contains("--base 2"));
    assert!(
        refusal(folder, &["experiment", "plan", "--base", "0.1", "--change", "0"]).contains("--change 0")
    );
}
