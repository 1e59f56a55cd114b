//! The metrics agree with ranx and pytrec_eval on random rankings with ties.
//!
//! `scripts/test` sets `ORACLE_PYTHON` to an interpreter that has both packages; without it the test says
//! that it did not run.
#![allow(clippy::print_stderr, reason = "a test that does not run must say so")]

use reco_core::id::ItemId;
use reco_core::linalg::top_scores;
use reco_train::evaluate::Metrics;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::Command;

#[derive(Deserialize)]
struct Oracle {
    users: Vec<User>,
    #[serde(flatten)]
    libraries: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
}

#[derive(Deserialize)]
struct User {
    scores: Vec<f32>,
    relevant: Vec<u32>,
}

fn ours(user: &User, name: &str, k: usize) -> f64 {
    let ranking = top_scores(&user.scores, user.scores.len(), |_: ItemId| true);
    let hits: Vec<bool> = ranking.iter().map(|(_, id)| user.relevant.contains(&id.raw())).collect();
    let metrics = Metrics::at(k, &hits, user.relevant.len());
    metrics.named().iter().find(|(known, _)| *known == name).expect("a metric of ours").1
}

#[test]
fn metrics_agree_with_ranx_and_pytrec_eval() {
    let Ok(python) = std::env::var("ORACLE_PYTHON") else {
        eprintln!("not run: ORACLE_PYTHON is not set; scripts/test sets it");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/oracles/metrics.py");
    let output = Command::new(python).arg(script).output().expect("the oracle runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let oracle: Oracle = serde_json::from_slice(&output.stdout).expect("the oracle prints JSON");
    assert_eq!(oracle.libraries.keys().collect::<Vec<_>>(), ["pytrec_eval", "ranx"]);
    let mut compared = 0;
    for (library, metrics) in &oracle.libraries {
        for (key, values) in metrics {
            let (name, k) = key.split_once('@').expect("metric@k");
            let k = k.parse().expect("a cut-off");
            for (user, theirs) in oracle.users.iter().zip(values) {
                let ours = ours(user, name, k);
                assert!((ours - theirs).abs() < 1e-6, "{library} {key}: {theirs}, ours {ours}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 10_000, "{compared} values compared");
}
