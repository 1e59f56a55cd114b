//! The folder keeps its promises, whatever a killed process left in it.

use super::*;
use std::fs;
use std::sync::Arc;

#[test]
fn a_folder_conforms_by_itself_and_through_pointers() {
    fn check(of: impl Fn(FolderTracker) -> Box<dyn RunTracker>) {
        let folder = tempfile::tempdir().unwrap();
        let runs = FolderTracker::new(folder.path());
        let file = |run: &RunId, name: &str| fs::read(runs.folder(run).join(name)).unwrap();
        conformance::run_tracker(&*of(runs.clone()), &|run| runs.read(run).unwrap(), &file);
        assert_eq!(runs.runs().unwrap().len(), 5);
    }
    check(|runs| Box::new(runs));
    check(|runs| Box::new(Arc::new(runs)));
    check(|runs| Box::new(Box::new(runs)));
}

#[test]
fn a_line_cut_short_costs_itself_only() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, id) = (FolderTracker::new(folder.path()), "a".parse::<RunId>().unwrap());
    let metric = |value| Metric::new("test", "pipeline", "hr@1", value);
    runs.begin(&RunStart::new(id.clone(), "shop")).unwrap();
    runs.log(&id, &[metric(0.5)]).unwrap();
    let path = folder.path().join("a").join(FolderTracker::METRICS);
    let whole = fs::read(&path).unwrap();
    for cut in 1..whole.len() {
        fs::write(&path, [&whole[..], &whole[..cut]].concat()).unwrap();
        assert_eq!(runs.read(&id).unwrap().metrics, [metric(0.5)], "cut after {cut}");
        runs.begin(&RunStart::new(id.clone(), "shop")).unwrap();
        runs.log(&id, &[metric(0.25)]).unwrap();
        assert_eq!(runs.read(&id).unwrap().metrics, [metric(0.5), metric(0.25)], "cut after {cut}");
    }
    fs::write(&path, "nonsense\n").unwrap();
    assert!(runs.read(&id).unwrap_err().to_string().contains("metrics.jsonl"));
    fs::write(folder.path().join("a").join(FolderTracker::RUN), "{").unwrap();
    assert!(runs.begin(&RunStart::new(id, "shop")).unwrap_err().to_string().contains("run.json"));
}

#[test]
fn what_is_no_run_is_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let runs = FolderTracker::new(folder.path().join("none"));
    assert_eq!(runs.runs().unwrap(), []);
    let runs = FolderTracker::new(folder.path());
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    assert_eq!(runs.runs().unwrap(), []);
    assert!(matches!(runs.read(&"empty".parse().unwrap()), Err(TrackError::Unknown(_))));
    assert!("../x".parse::<RunId>().is_err() && serde_json::from_str::<RunId>("\"a/b\"").is_err());
}

#[test]
fn settings_go_by_their_paths() {
    let configuration =
        serde_json::json!({ "train": { "als": { "factors": 8 }, "ease": false, "none": {} }, "k": [1, 2] });
    let settings = flattened(&configuration);
    let paths: Vec<&str> = settings.keys().map(String::as_str).collect();
    assert_eq!(paths, ["k", "train.als.factors", "train.ease", "train.none"]);
}
