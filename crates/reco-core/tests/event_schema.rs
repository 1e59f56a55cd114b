//! The published schema says of an event what reading it says, by the Python package jsonschema.
//!
//! `scripts/test` sets `ORACLE_PYTHON` to an interpreter that has the package; without it the test says that it did
//! not run.
#![allow(clippy::print_stderr, reason = "a test that does not run must say so")]

use reco_core::event::{Arrival, Draft, SCHEMA};
use reco_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

#[derive(Deserialize)]
struct Judged {
    event: Value,
    fits: bool,
}

#[test]
fn what_fits_the_schema_is_read_and_nothing_else() {
    let Ok(python) = std::env::var("ORACLE_PYTHON") else {
        eprintln!("not run: ORACLE_PYTHON is not set; scripts/test sets it");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/oracles/events.py");
    let mut oracle = Command::new(python);
    let mut oracle =
        oracle.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle starts");
    oracle.stdin.take().expect("a pipe").write_all(SCHEMA.as_bytes()).expect("the oracle reads");
    let output = oracle.wait_with_output().expect("the oracle ends");
    assert!(output.status.success());
    let arrival = Arrival::at(Timestamp::from_millis(1_700_000_000_000));
    let (mut fitting, mut others) = (0, 0);
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        let Judged { event, fits } = serde_json::from_str(line).expect("the oracle prints JSON");
        let read = Draft::read(&event, arrival);
        assert_eq!(read.is_ok(), fits, "{event}: {read:?}");
        if fits { fitting += 1 } else { others += 1 }
    }
    assert!(fitting > 3_000 && others > 3_000, "{fitting} fitting, {others} others");
}
