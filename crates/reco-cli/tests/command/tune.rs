//! `reco tune` as it is run: refusals, a kill in the middle, and what it leaves behind.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A hundred people, each of whom comes back to a few of thirty things every day for thirty days.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rows = "user,item,action,timestamp\n".to_owned();
    for day in 0..30u32 {
        for user in 0..100u32 {
            let item = (user * 7 + day * (1 + user % 3)) % 30;
            rows.push_str(&format!("u{user},i{item},purchase,{}\n", 1_600_000_000 + day * 86_400 + user));
        }
    }
    fs::write(folder.path().join("interactions.csv"), rows).expect("a file");
    let space = "\"train.item_item.shrinkage\" = { min = 0.5, max = 100.0, log = true }\n\
        \"train.item_item.neighbors\" = { min = 2, max = 40 }\n\
        \"train.item_item.weighting\" = [\"cosine\", \"bm25\"]\n";
    fs::write(folder.path().join("space.toml"), space).expect("a file");
    folder
}

fn reco(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reco"));
    command.current_dir(folder).env_clear().args(args);
    command
}

const DATA: [&str; 2] = ["--interactions", "interactions.csv"];

fn tune(folder: &Path, args: &[&str]) -> Command {
    let mut command = reco(folder, &["tune"]);
    command.args(DATA).args(["--model", "item-knn", "--space", "space.toml"]).args(args);
    command
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn found(output: &Output) -> Value {
    assert!(output.status.success(), "{}", told(output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What a search found, without the names of its files.
fn figures(found: &Value) -> Vec<&Value> {
    ["best", "on_test", "leaderboard"].into_iter().map(|part| &found[part]).collect()
}

#[test]
fn a_killed_search_goes_on_to_the_same_end() {
    let folder = folder();
    let folder = folder.path();
    let args = |out| ["--trials", "60", "--json", "--out", out];
    let whole = found(&tune(folder, &args("whole")).args(["--parallel", "1"]).output().unwrap());

    let journal = folder.join("killed/trials.jsonl");
    let lines = || fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
    let mut child =
        tune(folder, &args("killed")).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while lines() < 8 && begun.elapsed() < Duration::from_mins(2) {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was over before it could be killed");
    let at_kill = lines();
    assert!((8..60).contains(&at_kill), "{at_kill} lines");
    // As if the kill had come while a line was written.
    let mut torn = fs::read_to_string(&journal).unwrap();
    torn.push_str("{\"task\":59,\"tri");
    fs::write(&journal, torn).unwrap();

    let output = tune(folder, &args("killed")).args(["--parallel", "3"]).output().unwrap();
    assert_eq!(figures(&found(&output)), figures(&whole));
    assert!(told(&output).contains("judgements already"), "{}", told(&output));
    let text = fs::read_to_string(&journal).unwrap();
    let tasks: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // A header, sixty tasks, each once, and two judgements on the test part.
    assert_eq!(tasks.len(), 63, "{text}");

    // Everything is there: nothing is judged again.
    let again = found(&tune(folder, &args("killed")).output().unwrap());
    assert_eq!(figures(&again), figures(&whole));
    assert_eq!(fs::read_to_string(&journal).unwrap(), text);
}

#[test]
fn the_best_configuration_trains_and_the_report_is_there() {
    let folder = folder();
    let folder = folder.path();
    let output = tune(folder, &["--trials", "9", "--method", "halving"]).output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && table.contains("as configured"), "{table}{}", told(&output));
    for name in ["trials.svg", "settings.svg", "report.html"] {
        let text = fs::read_to_string(folder.join("tune").join(name)).unwrap();
        assert!(text.contains("<svg") && text.contains("ndcg@10"), "{name}");
    }
    let train = reco(folder, &["train", "--config", "tune/best.toml", "--out", "m.reco"]).output().unwrap();
    assert!(train.status.success(), "{}", told(&train));
    let told = told(&output);
    assert!(told.contains("of memory") && told.contains("eta"), "{told}");
}

#[test]
fn trials_that_cannot_be_made_are_noted_and_the_search_goes_on() {
    let folder = folder();
    let folder = folder.path();
    // Above 0, as it must be, but no step that leads anywhere.
    let space = "\"train.bpr.learning_rate\" = [0.05, 1e20]\n";
    fs::write(folder.join("space.toml"), space).unwrap();
    let args = ["--model", "bpr", "--trials", "8", "--json", "--method", "random"];
    let mut command = reco(folder, &["tune", "--space", "space.toml"]);
    let found = found(&command.args(DATA).args(args).output().unwrap());
    let board = found["leaderboard"].as_array().unwrap();
    let failed: Vec<&str> = board.iter().filter_map(|row| row["error"].as_str()).collect();
    assert!(!failed.is_empty() && failed.len() < 8, "{board:?}");
    assert!(failed.iter().all(|why| why.contains("no longer finite")), "{failed:?}");
    assert!(board[0]["value"].as_f64().unwrap() > 0.0);
}

#[test]
fn mistakes_are_told_before_data_are_read() {
    let folder = folder();
    let folder = folder.path();
    let space = "\"train.als.factor\" = [8, 16]\n\"train.als.factors\" = { min = 0, max = 64 }\n\
        \"pipeline.ranker\" = [\"blend\", \"best\"]\n\"http.max_events\" = [1, 2]\n\"weights.view\" = [0.0, 1.0]\n\
        \"weights.at_least.rating\" = [3, 4]\n[train.ease]\nregularization = 7\n";
    fs::write(folder.join("wrong.toml"), space).unwrap();
    for (args, said) in [
        (&["--space", "wrong.toml"][..], "train.ease.regularization: is 7, must be a list"),
        (&["--space", "none.toml"], "none.toml: No such file"),
        (&["--model", "als"], "there is no model `als`"),
        (&["--model", "random"], "`random` has nothing to tune"),
        (&["--metric", "auc"], "there is no metric `auc`"),
        (&["--memory", "4"], "as 4GB"),
        (&["--trials", "0"], "whole number above 0"),
        (&["--out", "interactions.csv"], "interactions.csv: is no folder"),
    ] {
        let output = reco(folder, &["tune"]).args(DATA).args(args).output().unwrap();
        let told = told(&output);
        assert!(!output.status.success() && told.contains(said), "{args:?}: {told}");
        assert!(!told.contains("reading"), "{args:?}: {told}");
    }
    fs::write(folder.join("wrong.toml"), space.split("[train.ease]").next().unwrap()).unwrap();
    let output = reco(folder, &["tune", "--space", "wrong.toml"]).args(DATA).output().unwrap();
    let told = told(&output);
    for said in [
        "there are 6 mistakes",
        "wrong.toml: train.als",
        "train.als.factor (space): there is no such setting; there are factors,",
        "als.factors is 0",
        "pipeline.ranker (space): is \"best\", must be one of blend",
        "http.max_events: changes no page",
        "weights.view: decides which interactions count",
        "weights.at_least.rating: decides",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn another_search_does_not_go_on_with_a_journal() {
    let folder = folder();
    let folder = folder.path();
    let tune = |args: &[&str]| tune(folder, &[&["--trials", "2"], args].concat()).output().unwrap();
    assert!(tune(&[]).status.success());
    for (args, said) in [
        (&["--seed", "7"][..], "seed is 42 there and 7 here"),
        (
            &["--set", "train.item_item.neighbors=9"],
            "configuration.train.item_item.neighbors is 100 there and 9",
        ),
        (&["--metric", "mrr@10"], "metric is \"ndcg@10\" there and \"mrr@10\" here"),
    ] {
        let output = tune(args);
        assert!(!output.status.success() && told(&output).contains(said), "{args:?}: {}", told(&output));
    }
    fs::write(folder.join("interactions.csv"), "user,item,action,timestamp\nann,tea,purchase,2020-01-01\n")
        .unwrap();
    let output = tune(&[]);
    assert!(
        !output.status.success() && told(&output).contains("data.rows is 3000 there and 1 here"),
        "{}",
        told(&output)
    );
}

#[test]
fn fewer_trials_forget_no_better_one() {
    let folder = folder();
    let folder = folder.path();
    let best = |trials| {
        let poor = ["--set", "train.item_item.neighbors=1", "--trials", trials, "--json"];
        let output = tune(folder, &poor).output().unwrap();
        (found(&output)["best"].clone(), fs::read_to_string(folder.join("tune/best.toml")).unwrap())
    };
    let long = best("24");
    assert!(long.0["trial"].as_u64() > Some(2), "the best is a late one: {}", long.0);
    assert_eq!(best("3"), long);
}
