//! Training as a run: judged, logged, killed and gone on with, by the command.

use crate::support::{answer, reco, refusal};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Two tastes, people who come back every few days, and candidates of so many passes.
fn shop(passes: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rows = "user,item,action,timestamp\n".to_owned();
    for user in 0..80usize {
        for week in 0..8 {
            let item = (user % 2) * 8 + (user / 2 + week * 3) % 8;
            let day = 1 + week * 3 + user % 3;
            rows.push_str(&format!(
                "user{user},item{item},purchase,2020-01-{day:02}T10:{:02}:00\n",
                user % 60
            ));
        }
    }
    fs::write(folder.path().join("interactions.csv"), rows).expect("a file");
    for (name, factors) in [("wide", 8), ("narrow", 2)] {
        let patch = format!("[train.als]\nfactors = {factors}\niterations = {passes}\n");
        fs::write(folder.path().join(name).with_extension("toml"), patch).expect("a file");
    }
    folder
}

const TRAIN: [&str; 7] =
    ["train", "--interactions", "interactions.csv", "--candidate", "wide.toml", "--candidate", "narrow.toml"];

/// The names of a run's steps, and whether each was done before.
fn steps(answer: &Value) -> Vec<(String, bool)> {
    let steps = answer["run"]["steps"].as_array().expect("steps");
    let of = |step: &Value| (step["name"].as_str().expect("a name").to_owned(), step["found"] == true);
    steps.iter().map(of).collect()
}

fn only_run(runs: &Path) -> PathBuf {
    let folders: Vec<PathBuf> = fs::read_dir(runs)
        .expect("a folder of runs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    assert_eq!(folders.len(), 1, "one task is one run: {folders:?}");
    folders[0].clone()
}

fn read(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .expect("JSON")
}

/// Kills the command with SIGKILL once it begins a stage whose line has these words.
fn killed_at(folder: &Path, args: &[&str], words: &str) {
    let mut child =
        reco(folder).args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("it was piped")).lines().map_while(Result::ok);
    let found = lines.any(|line| line.contains(words));
    child.kill().expect("a signal");
    let status = child.wait().expect("it ends");
    assert!(found && !status.success(), "it was killed at `{words}`: {status}");
}

/// Passes that take seconds, so that a kill comes before they are over.
const SLOW: u32 = 8_000;

#[test]
fn a_killed_run_goes_on_with_the_same_command() {
    let folder = shop(SLOW);
    let folder = folder.path();
    let train = [&TRAIN[..], &["--registry", "models"]].concat();
    let runs = folder.join("models/reco/runs");
    // In the middle of the second candidate, then of the third.
    killed_at(folder, &train, "[2/6] wide on valid: for ranking: als");
    let first = only_run(&runs).join("steps/valid-base.json");
    let left = fs::read_to_string(&first).expect("the first step was done");
    assert!(!only_run(&runs).join("steps/valid-wide.json").exists(), "the second was not");
    assert_eq!(read(only_run(&runs).join("run.json"))["status"], "running");
    let listed = answer(folder, &["runs", "list", "--registry", "models"]);
    assert_eq!(listed[0]["status"], "interrupted", "nobody is at it any more");
    let begun = listed[0]["began"].clone();
    killed_at(folder, &train, "[3/6] narrow on valid: for ranking: als");
    assert_eq!(fs::read_to_string(&first).expect("still"), left, "a finished step is not repeated");
    assert!(!folder.join("models/reco/v1").exists());

    let trained = answer(folder, &train);
    let names = ["valid/base", "valid/wide", "valid/narrow", "test", "fit", "report", "publish"];
    let found = [true, true, false, false, false, false, false];
    assert!(
        steps(&trained).into_iter().eq(names.map(str::to_owned).into_iter().zip(found)),
        "{:?}",
        steps(&trained)
    );
    assert_eq!((&trained["published"], &trained["run"]["resumed"]), (&"v1".into(), &true.into()));

    let home = PathBuf::from(trained["run"]["folder"].as_str().expect("a folder"));
    let report = fs::read_to_string(folder.join(&home).join("report.html")).expect("a report");
    let begun = begun.as_str().expect("a moment");
    assert!(report.contains(begun), "it began at {begun}, not when it went on");

    // Without a kill the same comes out.
    let undisturbed = shop(SLOW);
    let other = answer(undisturbed.path(), &train);
    let figures = |answer: &Value| answer["run"]["test"]["judged"]["models"][0]["figures"].clone();
    assert_eq!(figures(&other), figures(&trained));
    let artifact = |folder: &Path| fs::read(folder.join("models/reco/v1/wide_deep.safetensors")).ok();
    assert_eq!(artifact(folder), artifact(undisturbed.path()));

    let again = answer(folder, &train);
    assert!(steps(&again).iter().all(|(_, found)| *found), "a finished run has nothing left to do");
    assert_eq!((&again["published"], &again["run"]["id"]), (&"v1".into(), &trained["run"]["id"]));
    answer(folder, &["models", "promote", "v1", "--registry", "models"]);
    let told = reco(folder).args(&train).output().expect("it runs");
    let text = [told.stdout, told.stderr].map(|part| String::from_utf8_lossy(&part).into_owned()).concat();
    assert!(text.contains("was finished before") && text.contains("v1 is champion"), "{text}");
    assert!(!text.contains("goes on") && !text.contains("promote"), "{text}");
    // What somebody changed by hand is no result.
    let step = folder.join(&home).join("steps/test.json");
    let changed = fs::read_to_string(&step).expect("a step").replacen("\"users\": ", "\"users\": 1", 1);
    fs::write(&step, changed).expect("a file");
    let mended = answer(folder, &train);
    assert!(mended["remarks"].to_string().contains("it was changed after it was written"), "{mended}");
    assert_eq!(figures(&mended), figures(&trained));
    let anew = answer(folder, &[&train[..], &["--anew"]].concat());
    assert!(steps(&anew).iter().all(|(_, found)| !found) && anew["published"] == "v2");
}

#[test]
fn a_version_says_how_good_it_is_and_where_it_comes_from() {
    let folder = shop(12);
    let folder = folder.path();
    let trained = answer(folder, &[&TRAIN[..], &["--registry", "models"]].concat());
    assert!(!trained["remarks"].to_string().contains("--no-judge"), "a run was asked for");
    let run = &trained["run"];
    let chosen = run["chosen"].as_str().expect("a candidate");
    let metadata = answer(folder, &["models", "show", "v1", "--registry", "models"])["metadata"].clone();
    assert_eq!(metadata["run"], run["id"]);
    let tested = &run["test"]["judged"]["models"][0]["figures"]["ndcg@10"];
    let close =
        |a: &Value, b: &Value| (a.as_f64().expect("a number") - b.as_f64().expect("a number")).abs() < 1e-12;
    assert!(close(&metadata["metrics"]["ndcg@10"], &tested["value"]));
    assert!(close(&metadata["intervals"]["ndcg@10"][0], &tested["interval"][0]));
    let factors = match chosen {
        "base" => 96,
        "wide" => 8,
        _ => 2,
    };
    assert_eq!(metadata["configuration"]["train"]["als"]["factors"], factors);
    assert_eq!(metadata["cleaned"]["kept"], 640);

    let home = PathBuf::from(run["folder"].as_str().expect("a folder"));
    let record = read(folder.join(&home).join("run.json"));
    assert_eq!((&record["status"], &record["experiment"]), (&"finished".into(), &"reco".into()));
    assert_eq!(record["parameters"]["candidates.wide.train.als.factors"], 8);
    let lines = fs::read_to_string(folder.join(&home).join("metrics.jsonl")).expect("metrics");
    let metrics: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    for part in ["valid/base", "valid/wide", "valid/narrow", "test"] {
        let of_part = |metric: &&Value| {
            metric["part"] == part && metric["name"] == "ndcg@10" && metric["model"] == "pipeline"
        };
        assert_eq!(metrics.iter().filter(of_part).count(), 1, "{part}");
    }
    assert!(!folder.join(&home).join("model.reco").exists(), "the registry keeps it");
    let report = fs::read_to_string(folder.join(&home).join("report.html")).expect("a report");
    assert!(
        report.contains("reaches ndcg@10") && report.contains("id=\"examples\"") && report.contains("item3")
    );

    let listed = answer(folder, &["runs", "list", "--registry", "models"]);
    let shown = answer(folder, &["runs", "show", "--registry", "models"]);
    assert_eq!(
        (&listed[0]["id"], &shown["id"], &shown["status"]),
        (&run["id"], &run["id"], &"finished".into())
    );
    assert!(shown["files"][0].as_str().expect("a file").ends_with("report.html"));
    assert!(
        refusal(folder, &["runs", "show", "nothing", "--registry", "models"])
            .contains("there is no run `nothing`")
    );
    fs::write(folder.join(home).join("run.json"), "{").expect("a file");
    let damaged = answer(folder, &["runs", "list", "--registry", "models"]);
    let problem = damaged[0]["problem"].as_str().expect("a problem");
    assert!(problem.contains("run.json") && problem.contains("train again"), "{problem}");
    let told = refusal(folder, &[&TRAIN[..], &["--registry", "models"]].concat());
    assert!(told.contains("run.json") && told.contains("--anew"), "{told}");
}

#[test]
fn what_is_quick_stays_quick_and_slips_are_told_before_data_are_read() {
    let folder = shop(12);
    let folder = folder.path();
    let data = ["train", "--interactions", "interactions.csv", "--set", "train.blend=false"];
    assert!(answer(folder, &data)["run"].is_null() && !folder.join("runs").exists());
    let judged = answer(folder, &[&data[..], &["--judge"]].concat());
    assert_eq!(judged["run"]["valid"][0]["name"], "base");
    assert!(only_run(&folder.join("runs")).join("model.reco").exists(), "nobody else keeps it");
    fs::write(folder.join("bad.toml"), "[train.als]\nfactors = 0\nfactor = 1\n").expect("a file");
    fs::copy(folder.join("wide.toml"), folder.join("base.toml")).expect("a file");
    for (args, said) in [
        (&["--candidate", "bad.toml"][..], "factors is 0"),
        (&["--candidate", "bad.toml"], "train.als.factor "),
        (&["--candidate", "base.toml"], "there is another candidate `base`"),
        (&["--candidate", "none.toml"], "there is no such file"),
        (&["--judge", "--set", "judge.metric=fame@3"], "judge.metric is"),
        (&["--runs", "interactions.csv"], "interactions.csv"),
    ] {
        let told = refusal(folder, &[&["train", "--interactions", "interactions.csv"][..], args].concat());
        assert!(told.contains(said), "{args:?}: {told}");
    }
}

#[test]
fn mistakes_of_all_places_are_told_in_one_list() {
    let folder = shop(12);
    let folder = folder.path();
    let config = "[train.als]\nfactors = 0\nfactr = 1\n[pipeline]\nranker = \"best\"\n[tune.space]\n\"train.ease\" = 3\n";
    fs::write(folder.join("reco.toml"), config).expect("a file");
    fs::write(folder.join("bad.toml"), "[train.bpr]\nfactors = 0\n[judge]\nk = [3]\n").expect("a file");
    let data = ["--interactions", "none.csv", "--items", "nowhere", "--preset", "gorsse"];
    let both = ["train.als.factr (reco.toml)", "pipeline.ranker (reco.toml)", "als.factors is 0", "gorsse"];
    let train = [
        "--candidate",
        "bad.toml",
        "--candidate",
        "gone.toml",
        "--out",
        "no/where.reco",
        "--warm-start",
        "champion",
    ];
    let told = refusal(folder, &[&["train"], &data[..], &train].concat());
    let of_train = [
        "bad.toml: judge.k",
        "bpr.factors is 0",
        "gone.toml: there is no such file",
        "no/where.reco",
        "--warm-start champion names a version",
    ];
    for said in both.iter().chain(&of_train) {
        assert_eq!(told.matches(said).count(), 1, "{said} is told once in {told}");
    }
    let told = refusal(folder, &[&["tune", "--test-share", "2"], &data[..]].concat());
    for said in both.iter().chain(&["tune.space: train.ease", "--test-share is 2"]) {
        assert!(told.contains(said), "{said} is not in {told}");
    }
    // With the preset mended, files are looked at.
    let told = refusal(folder, &[&["evaluate"], &data[..4]].concat());
    for said in ["none.csv: ", "nowhere: No such file", both[0], both[2]] {
        assert!(told.contains(said), "{said} is not in {told}");
    }
}

#[test]
fn a_judgement_by_few_says_so_and_has_no_interval() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let mut rows = "user,item,action,timestamp\n".to_owned();
    for day in 0..40 {
        rows.push_str(&format!("ann,i{},purchase,{}\n", day % 7, 1_600_000_000 + day * 86_400));
    }
    fs::write(folder.join("interactions.csv"), rows).expect("a file");
    let trained = answer(folder, &["train", "--interactions", "interactions.csv", "--judge"]);
    assert!(trained["remarks"].to_string().contains("judged by 1 user: too few"), "{trained}");
    let figure = &trained["run"]["test"]["judged"]["models"][0]["figures"]["ndcg@10"];
    assert!(figure["value"].is_number() && figure["interval"].is_null() && figure["versus"].is_null());
}
