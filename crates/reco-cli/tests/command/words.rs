//! The command as it is run: what it refuses, when it says so, and where its words go.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A shop of a few items, one of them with a colour, and people who bought some.
fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let items = "item,category,colour\ntea,drinks,green\ncola,drinks,\nbread,bakery,\nrolls,bakery,\n";
    fs::write(folder.path().join("items.csv"), items).expect("a file");
    let bought = |(user, item)| format!("{user},{item},purchase,2020-01-01\n");
    let rows = [("ann", "tea"), ("ann", "bread"), ("bob", "tea"), ("bob", "cola"), ("eve", "rolls")];
    let interactions: String = rows.into_iter().map(bought).collect();
    let header = "user,item,action,timestamp\n";
    fs::write(folder.path().join("interactions.csv"), header.to_owned() + &interactions).expect("a file");
    folder
}

fn reco(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reco"));
    command.current_dir(folder).env_clear();
    command
}

/// Runs a command over the shop's data.
fn over_shop(args: &[&str]) -> Output {
    let folder = shop();
    let data = ["--interactions", "interactions.csv", "--items", "items.csv"];
    reco(folder.path()).args(args).args(data).output().expect("the command runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn slips_in_a_request_are_told_before_training() {
    for (args, said) in [
        (&["recommend", "--user", "ann", "--filter", "weight = 3"][..], "there is no column `weight`"),
        (&["recommend", "--user", "ann", "--category", "nope"], "`nope` is not a category"),
        (&["recommend", "--user", "ann", "--count", "0"], "count: is 0"),
        (&["similar", "--item", "nope"], "`nope` is not in the catalogue"),
        (
            &["train", "--out", "model.reco", "--set", "pipeline.only=weight = 3"],
            "there is no column `weight`",
        ),
    ] {
        let output = over_shop(args);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {told}");
        assert!(told.contains(said), "{args:?}: {told}");
        assert!(told.contains("reading") && !told.contains("factors"), "{args:?} trained: {told}");
    }
}

#[test]
fn what_is_asked_for_in_vain_is_told_once_and_early() {
    let vain =
        ["--session-items", "tea,cup", "--exclude", "nope", "--filter", "colour = \"red\" or stock > 0"];
    let output = over_shop(&[&["recommend", "--user", "zoe"][..], &vain].concat());
    let told = told(&output);
    let (before, after) = told.split_once("factors").unwrap();
    for line in [
        "note: exclude: `nope` is not in the catalogue",
        "`cup` is not in the catalogue",
        "note: filter: no item has a value for `stock`",
        "note: filter: no item has the colour `red`",
        "note: user `zoe` is not in the data",
    ] {
        assert!(before.contains(line) && !after.contains(line), "{line}: {told}");
    }
    assert!(after.contains("note: 0 of the 10 items asked for"), "{told}");
}

#[test]
fn machines_read_json_on_both_outputs() {
    let output = over_shop(&["recommend", "--user", "zoe", "--json", "--set", "weights.at_least.raiting=4"]);
    let page: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(page["remarks"].is_array() && page["warnings"].is_array(), "{page}");
    let lines: Vec<Value> = told(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let notes: Vec<&str> = lines.iter().map(|line| line["note"].as_str().unwrap()).collect();
    assert!(
        notes.iter().any(|note| note.starts_with("weights.at_least.raiting changes nothing")),
        "{notes:?}"
    );
    assert!(notes.iter().any(|note| note.starts_with("user `zoe`")), "{notes:?}");
}

#[test]
fn wrong_use_is_refused_at_once() {
    for (args, said) in [
        (&["recommend", "--user", ""][..], "'--user <USER>'"),
        (&["similar", "--item", ""], "'--item <ITEM>'"),
        (&["recommend", "--user", "ann", "--exclude", ""], "'--exclude <ITEM,…>'"),
        (&["recommend", "--user", "ann", "--snapshot", "x", "--skip-bad-rows", "3"], "cannot be used with"),
        (&["evaluate", "--split", "last-one", "--test-share", "0.3"], "no use with --split last-one"),
        (
            &["recommend", "--user", "ann", "-n", "-1"],
            "'-1' for '--count <COUNT>': must be a whole number above 0",
        ),
        (&["recommend", "--user", "ann", "--filter", "price ~ 3"], "error: filter: column 7"),
        (&["train", "--config", "."], ".: is a folder, must be a file"),
        (&["--listen"], "a value is required for '--listen"),
        (&["--listen", "x"], "--listen is `x`, must be HOST:PORT"),
        (&["--lisen", "x"], "unexpected argument '--lisen'"),
        (&["--listen", "x", "config"], "unexpected argument '--listen'"),
    ] {
        let output = over_shop(args);
        assert!(!output.status.success() && told(&output).contains(said), "{args:?}: {}", told(&output));
    }
}

#[test]
fn numbers_that_cannot_be_measured_are_told_together_before_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let bench =
        ["bench", "index", "--vectors", "none.npy", "--queries", "none.npy", "--links", "1", "--k", "0"];
    let told = told(&reco(folder.path()).args(bench).output().unwrap());
    for said in ["--links is 1, must be 2 to 256", "--k is 0, must be 1 to 1000000"] {
        assert!(told.contains(said) && !told.contains("none.npy"), "{said}: {told}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_data_are_read() {
    for (args, said) in [
        (&["train", "--out", "missing/model.reco"][..], "missing/model.reco: No such file"),
        (&["train", "--out", "."], ".: is a folder, must be a plain file"),
        #[cfg(unix)]
        (&["train", "--out", "/dev/full"], "/dev/full: is a device or a pipe, must be a plain file"),
        (&["import", "--out", "items.csv"], "items.csv: is no folder"),
        (&["score", "--out", "items.csv"], "items.csv exists"),
        (&["score", "--out", "items.csv/lists"], "items.csv/lists: items.csv is no folder"),
    ] {
        let output = over_shop(args);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {told}");
        assert!(told.contains(said) && !told.contains("reading"), "{args:?}: {told}");
    }
}

#[test]
fn settings_that_change_nothing_are_named() {
    let folder = shop();
    let train =
        ["train", "--quiet", "--json", "--interactions", "interactions.csv", "--set", "train.blend=false"];
    assert!(reco(folder.path()).args(train).output().unwrap().status.success());
    let ask = ["recommend", "--user", "ann", "--snapshot", "model.reco", "--set", "data.preset=gorse"];
    let told = told(&reco(folder.path()).args(ask).output().unwrap());
    for said in
        ["settings under `data` change nothing", "pipeline.ranker is `blend`, but the snapshot has none"]
    {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    for args in [&["config"][..], &["config", "--json"], &["--help"], &["--version"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = reco(Path::new("/")).args(args).stdout(full).output().unwrap();
        let told = told(&output);
        assert_eq!(
            (output.status.code(), told.contains("No space left")),
            (Some(1), true),
            "{args:?}: {told}"
        );
    }
}

#[test]
fn a_reader_that_goes_is_no_error() {
    for args in [&["config"][..], &["--help"]] {
        let mut child =
            reco(Path::new("/")).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {}", told(&output));
    }
}
