//! The command in a folder of its own, with an environment of its own, and what it answers.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// The command, started in this folder.
pub(crate) fn reco(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reco"));
    command.current_dir(folder).env_clear();
    command
}

/// What it does for machines.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Output {
    reco(folder).args(["--quiet", "--json"]).args(args).output().expect("the command runs")
}

/// The answer of a command that succeeds.
pub(crate) fn answer(folder: &Path, args: &[&str]) -> Value {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", told(&output));
    serde_json::from_slice(&output.stdout).expect("an answer in JSON")
}

/// What a command that fails says.
pub(crate) fn refusal(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(1), "{args:?} is refused");
    told(&output)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
