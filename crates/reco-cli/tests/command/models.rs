//! The registry by the command: what is published, promoted, refused and removed.

use crate::support::{Server, answer, ask, reco, refusal, stop};
use std::fs;
use std::process::Stdio;

const DATA: &str = "user,item,action,timestamp\nann,tea,purchase,2020-01-01\nann,bread,purchase,2020-01-02\n\
bob,tea,purchase,2020-01-03\nbob,cola,purchase,2020-01-04\n";

/// Without a run: two of the same would be one.
const TRAIN: [&str; 6] =
    ["train", "--no-judge", "--interactions", "interactions.csv", "--set", "train.blend=false"];

/// A registry that two processes published to at once.
fn published() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("interactions.csv"), DATA).expect("a file");
    fs::write(folder.path().join("reco.toml"), "[registry]\npath = \"models\"\n").expect("a file");
    let start = || {
        let mut command = reco(folder.path());
        command
            .args(["--quiet", "--json"])
            .args(TRAIN)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command runs")
    };
    for mut child in [start(), start()] {
        assert!(child.wait().expect("the command ends").success());
    }
    folder
}

#[test]
fn versions_are_published_promoted_and_taken_back() {
    let folder = published();
    let folder = folder.path();
    let listed = answer(folder, &["models", "list"]);
    assert_eq!((&listed[0]["version"], &listed[1]["version"]), (&"v1".into(), &"v2".into()));
    assert!(!folder.join("model.reco").exists(), "a registry is enough");
    let data = &listed[0]["metadata"]["data"];
    assert_eq!(
        (&data["rows"], &data["items"], &data["until"]),
        (&4.into(), &3.into(), &"2020-01-04T00:00:00Z".into())
    );
    assert_eq!(data["fingerprint"], listed[1]["metadata"]["data"]["fingerprint"]);
    assert_eq!(listed[0]["metadata"]["seeds"]["train.als.seed"], 42);

    let ask = ["recommend", "--user", "ann"];
    assert!(refusal(folder, &ask).contains("no version of model `reco` is champion"));
    answer(folder, &["models", "promote", "v1"]);
    assert_eq!(answer(folder, &ask)["snapshot"], "v1");
    assert_eq!(answer(folder, &[&ask[..], &["--version", "v2"]].concat())["snapshot"], "v2");
    let warm = [&TRAIN[..], &["--warm-start", "champion", "--set", "train.als.factors=96"]].concat();
    let trained = answer(folder, &warm);
    assert_eq!(trained["published"], "v3");
    assert!(!trained["remarks"].to_string().contains("warm start"), "{}", trained["remarks"]);
    answer(folder, &["models", "promote", "v3"]);
    let shown = answer(folder, &["models", "show"]);
    assert_eq!((&shown["version"], &shown["metadata"]["trained_from"]), (&"v3".into(), &"v1".into()));
    let diff = answer(folder, &["models", "diff", "v1", "champion"]);
    assert_eq!(diff["trained_from"], serde_json::json!([null, "v1"]));
    assert!(diff.get("data.rows").is_none(), "what is the same is no difference: {diff}");

    assert_eq!(answer(folder, &["models", "rollback"])["version"], "v1");
    assert_eq!(answer(folder, &ask)["snapshot"], "v1");
    answer(folder, &["models", "promote", "v3", "--challenger"]);
    assert_eq!(answer(folder, &[&ask[..], &["--version", "challenger"]].concat())["snapshot"], "v3");
    assert_eq!(answer(folder, &["models", "prune", "--keep", "1"])["removed"], serde_json::json!(["v2"]));
}

#[test]
fn what_is_damaged_is_named() {
    let folder = published();
    let folder = folder.path();
    answer(folder, &["models", "promote", "v1"]);
    fs::write(folder.join("models/reco/v1/model.reco"), "RECOSNAP").expect("a file");
    fs::remove_file(folder.join("models/reco/v2/metadata.json")).expect("a file");
    assert!(refusal(folder, &["recommend", "--user", "ann"]).contains("model.reco has 8 bytes"));
    assert!(refusal(folder, &["models", "promote", "v2"]).contains("metadata.json is missing"));
    assert!(refusal(folder, &["models", "show", "v7"]).contains("has no version 7"));
    assert!(refusal(folder, &["models", "rollback"]).contains("no champion before"));
    let listed = answer(folder, &["models", "list"]);
    assert!(
        listed[0]["problem"].as_str().expect("a problem").contains("version 1 of model `reco` is corrupt")
    );
    assert!(listed[1]["metadata"].is_null() && !listed[1]["problem"].is_null());
    fs::write(folder.join("models/reco/aliases.json"), "{").expect("a file");
    for args in [&["models", "list"][..], &["models", "rollback"], &["recommend", "--user", "ann"]] {
        let told = refusal(folder, args);
        assert!(told.contains("aliases.json") && told.contains("reco models promote"), "{args:?}: {told}");
    }
    assert!(
        refusal(folder, &["models", "list", "--registry", "none"]).contains("none: there is no such folder")
    );
}

#[test]
fn the_first_of_many_nights_has_no_champion_to_go_on_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("interactions.csv"), DATA).expect("a file");
    let night = [&TRAIN[..], &["--warm-start", "champion"]].concat();
    assert!(
        refusal(folder, &night).contains("--warm-start champion names a version, which needs --registry")
    );
    let night = [&night[..], &["--registry", "models"]].concat();
    assert_eq!(answer(folder, &night)["published"], "v1");
    let listed = reco(folder).args(["models", "list", "--registry", "models"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("\n1 version of `reco`"));
    answer(folder, &["models", "promote", "v1", "--registry", "models"]);
    let second = answer(folder, &[&night[..], &["--set", "train.als.factors=64"]].concat());
    let shown = answer(folder, &["models", "show", "v2", "--registry", "models"]);
    assert_eq!((&second["published"], &shown["metadata"]["trained_from"]), (&"v2".into(), &"v1".into()));
    let remarks = second["remarks"].to_string();
    assert!(remarks.contains("its rows have 96 factors, 64 are asked for"), "{remarks}");
}

#[test]
fn a_server_takes_a_champion_that_passes_and_refuses_one_that_does_not() {
    let folder = published();
    let folder = folder.path();
    answer(folder, &["models", "promote", "v1"]);
    let settings = ["--set", "registry.watch_secs=1", "--set", "registry.golden_users=[bob]"];
    let mut server = Server::start(folder, &settings);
    let mut wait_for = |words: &str| server.wait_for(words);
    answer(folder, &["models", "promote", "v2"]);
    wait_for("v2 serves now");
    fs::write(folder.join("interactions.csv"), DATA.replace("bob", "eve")).expect("a file");
    assert_eq!(answer(folder, &TRAIN)["published"], "v3");
    answer(folder, &["models", "promote", "v3"]);
    let why = wait_for("v3 was refused");
    assert!(why.contains("golden user `bob` is not known to it"), "{why}");
    answer(folder, &["models", "rollback"]);
    fs::write(folder.join("models/reco/v1/model.reco"), "").expect("a file");
    let aliases = r#"{"champion": 1, "challenger": null, "earlier": []}"#;
    fs::write(folder.join("models/reco/aliases.json"), aliases).expect("a file");
    let why = wait_for("v1 was refused");
    assert!(why.contains("model.reco has 0 bytes"), "{why}");
}

#[test]
fn a_version_on_trial_comes_to_serve_everybody_or_is_taken_back() {
    let folder = published();
    let folder = folder.path();
    let quick = "[registry]\npath = \"models\"\nwatch_secs = 1\n\
        [rollout]\nsteps = [{ percent = 50, hours = 0 }]\nlook_secs = 0.1\nleast_answers = 20\n";
    fs::write(folder.join("reco.toml"), quick).expect("a file");
    assert!(refusal(folder, &["rollout", "start", "v2"]).contains("no version serves yet"));
    answer(folder, &["models", "promote", "v1"]);
    assert!(refusal(folder, &["rollout", "start", "v1"]).contains("v1 is the champion"));
    assert!(refusal(folder, &["rollout", "stop"]).contains("no version is on trial"));
    let mut server = Server::start(folder, &[]);
    let started = answer(folder, &["rollout", "start", "v2", "--why", "a new night"]);
    assert_eq!(started["trial"]["version"], "v2");
    server.wait_for("v2 is on trial: 50 % of users get it");
    let mut answered = [0, 0];
    for user in 0..200 {
        let (status, page) =
            ask(&server, "GET", &format!("/recommendations?user_id=u{user}"), "").expect("an answer");
        assert_eq!(status, 200, "{page}");
        // It may have come to serve everybody meanwhile.
        let Some(of) = page["experiments"].get(0) else { continue };
        assert_eq!(of["experiment"], "rollout-v2-500");
        answered[usize::from(of["variant"] == "canary")] += 1;
    }
    assert!(answered.iter().all(|n| *n > 5), "both answer: {answered:?}");
    server.wait_for("v2 serves now");
    let status = answer(folder, &["rollout", "status"]);
    assert_eq!((&status["champion"], &status["trial"]), (&"v2".into(), &serde_json::Value::Null));
    let latest =
        status["changes"].as_array().and_then(|changes| changes.last()).expect("changes are on record");
    assert!(latest["by"].as_str().is_some_and(|by| by.starts_with("server at")), "{latest}");
    assert_eq!(latest["why"], "v2 proved sound: everybody gets it");
    stop(server);

    answer(folder, &["rollout", "start", "v1", "--percent", "5"]);
    assert!(refusal(folder, &["rollout", "start", "v2"]).contains("v2 is the champion"));
    fs::write(folder.join("models/reco/v1/model.reco"), "").expect("a file");
    let mut server = Server::start(folder, &[]);
    server.wait_for("v1 cannot be served on trial");
    let taken_back = |_| answer(folder, &["rollout", "status"])["trial"].is_null();
    assert!((0..100).any(taken_back), "what cannot be served does not stay on trial");
    assert!(refusal(folder, &["rollout", "start", "v1"]).contains("model.reco has 0 bytes"));
}
