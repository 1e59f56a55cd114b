//! `reco stats`: tables of statistics, and how the command ends over them.

use crate::support::{answer, refusal, run};
use serde_json::Value;
use std::fs;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../reco-core/tests/data/statistics.json");

#[test]
fn a_table_that_agrees_ends_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = answer(folder.path(), &["stats", TABLE]);
    assert!(report["cases"].as_u64() > Some(200) && report["passed"] == report["cases"], "{report}");
    assert_eq!(report["families"].as_array().map(Vec::len), Some(13));
}

#[test]
fn what_differs_is_named_and_the_command_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = r#"{"families": {
        "proportion_interval": {"tol": 1e-8, "cases": [
            {"id": "right", "in": {"x": 0, "n": 1, "level": 0.95}, "out": {"clopper_pearson": [0.0, 0.975]}},
            {"id": "wrong", "in": {"x": 0, "n": 1, "level": 0.95}, "out": {"clopper_pearson": [NaN, 0.9]}}]},
        "anova": {"tol": 1e-8, "cases": []}}}"#;
    fs::write(folder.path().join("table.json"), table).expect("a file");
    let output = run(folder.path(), &["stats", "table.json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((report["cases"].as_u64(), report["failed"].as_u64()), (Some(3), Some(2)));
    let failures = report["families"][1]["failures"].as_array().expect("failures");
    let fields: Vec<&str> = failures.iter().filter_map(|failure| failure["field"].as_str()).collect();
    assert_eq!(fields, ["clopper_pearson[0]", "clopper_pearson[1]"]);
    assert!(
        report["families"][0]["failures"][0]["got"].as_str().expect("a text").contains("no family `anova`")
    );
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("2 of 3 cases failed"), "{told}");
}

#[test]
fn what_is_no_table_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("list.json"), "[]").expect("a file");
    fs::write(folder.path().join("none.json"), r#"{"families": {}}"#).expect("a file");
    for (file, said) in [
        ("missing.json", "missing.json: "),
        ("list.json", "it has no object `families`"),
        ("none.json", "there is no case in it"),
    ] {
        let told = refusal(folder.path(), &["stats", file]);
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn daily_looks_are_simulated() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["bench", "experiments", "--runs", "200", "--days", "7", "--users-per-day", "100"];
    let report = answer(folder.path(), &args);
    let tests: Vec<&str> =
        report["tests"].as_array().expect("tests").iter().filter_map(|test| test["watch"].as_str()).collect();
    assert_eq!(tests, ["z_test_daily", "z_test_at_end", "confidence_sequence", "msprt"]);
    assert!(
        refusal(folder.path(), &["bench", "experiments", "--rate", "2"])
            .contains("rate is 2, must be between 0 and 1")
    );
}
