//! Whole searches: whatever runs at once, wherever they were interrupted, they find the same.

use super::*;
use crate::data::{Dataset, Target};
use crate::fit::snapshot::Plan;
use crate::progress::Silent;
use proptest::prelude::*;
use reco_core::catalog::{Catalog, ItemRecord};
use reco_core::event::{Action, ActionWeights};
use reco_core::id::ItemId;
use reco_core::pipeline::PipelineConfig;
use reco_core::time::Timestamp;
use serde_json::{Map, json};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A hill with its top at x = 0.3 and y = "b"; some of the land is impassable.
struct Hill {
    climbed: AtomicUsize,
}

impl Objective for Hill {
    fn judge(&self, settings: &Assignment, share: f64) -> Result<Judgement, String> {
        self.climbed.fetch_add(1, Ordering::Relaxed);
        let x = settings["x"].as_f64().expect("a number");
        if x > 0.7 {
            return Err("too steep".to_owned());
        }
        assert!(x > 0.15, "a swamp");
        let of_y = if settings["y"] == "b" { 0.2 } else { 0.0 };
        Ok(Judgement { value: share * (of_y - (x - 0.3).abs()), ..Judgement::default() })
    }

    fn bytes(&self, _: &Assignment, _: f64) -> u64 {
        10_000_000
    }
}

struct Deaf;

impl Watch for Deaf {
    fn begun(&self, _: &Task) {}
    fn finished(&self, _: &Finished, _: usize) {}
    fn measured(&self, _: Bytes, _: usize) {}
}

fn schedule(method: Method) -> Schedule {
    let written = json!({ "x": { "min": 0.0, "max": 1.0 }, "y": ["a", "b"] });
    let space = Space::read(written.as_object().unwrap()).unwrap();
    let as_configured = [("x".to_owned(), json!(0.5)), ("y".to_owned(), json!("a"))].into();
    Schedule { space, method, trials: 27, seed: 3, lag: 4, minimize: false, as_configured }
}

/// Runs or continues the search of a journal; the leaderboard as text, and how many trials were judged.
fn run(path: &Path, method: Method, parallel: usize, memory: Option<Bytes>) -> (String, usize) {
    let hill = Hill { climbed: AtomicUsize::new(0) };
    let (mut journal, kept) = Journal::open(path, &Map::new()).unwrap();
    let schedule = schedule(method);
    let limits = Limits { parallel, memory };
    let finished = search(&schedule, &hill, kept.finished, &mut journal, limits, &Deaf).unwrap();
    assert_eq!(finished.len(), schedule.len());
    let board = serde_json::to_string(&leaderboard(&schedule, &finished)).unwrap();
    (board, hill.climbed.into_inner())
}

#[test]
fn threads_memory_and_interruptions_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for method in [Method::Random, Method::Tpe, Method::Halving] {
        let path = folder.path().join(format!("{method:?}"));
        let (expected, judged) = run(&path, method, 1, None);
        assert!(expected.contains("too steep") && expected.contains("panicked: a swamp"), "{expected}");
        let whole = std::fs::read(&path).unwrap();
        for (parallel, memory) in [(3, None), (8, None), (8, Some(Bytes(u64::MAX)))] {
            let path = folder.path().join(format!("{method:?}-{parallel}-{memory:?}"));
            assert_eq!(run(&path, method, parallel, memory), (expected.clone(), judged), "{method:?}");
        }
        for cut in [whole.len() / 3, whole.len() - 1, whole.len()] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let kept = whole[..cut].split(|&byte| byte == b'\n').count() - 2;
            assert_eq!(run(&path, method, 2, None), (expected.clone(), judged - kept), "{method:?}");
        }
    }
}

#[test]
fn what_does_not_fit_into_memory_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let (board, judged) = run(&folder.path().join("j"), Method::Random, 2, Some(Bytes(1_000)));
    assert_eq!(judged, 0);
    assert!(board.contains("of memory, the limit is 0 MB"), "{board}");
}

fn dataset(rows: &[(u8, u8, i64)]) -> Dataset {
    let mut catalog = Catalog::builder();
    for item in 0..12 {
        catalog.push(ItemRecord::new(format!("i{item}"))).unwrap();
    }
    let mut dataset = Dataset { catalog: catalog.build(), ..Dataset::default() };
    for (user, item, secs) in rows {
        let user = dataset.log.users.intern(&format!("u{user}"));
        let item = ItemId::new(u32::from(*item));
        dataset.log.push(user, item, &Action::Purchase, None, Timestamp::from_secs(*secs));
    }
    dataset
}

fn question(test_share: f64) -> Question {
    Question {
        model: "item-knn".to_owned(),
        target: Target::All,
        metric: Metric::default(),
        test_share,
        validation_share: 0.2,
        seed: 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// What happens in the test part, whatever it is, changes no judgement of a trial.
    #[test]
    fn trials_never_see_the_test_part(
        rows in prop::collection::vec((0u8..8, 0u8..12), 40..80),
        planted in prop::collection::vec((0u8..8, 0u8..12), 10..20),
    ) {
        let timed = |rows: &[(u8, u8)], from: i64| -> Vec<(u8, u8, i64)> {
            rows.iter().zip(from..).map(|(&(user, item), at)| (user, item, at)).collect()
        };
        let early = timed(&rows, 1);
        let other: Vec<(u8, u8)> = planted.iter().map(|&(user, item)| (7 - user, 11 - item)).collect();
        let n_test = planted.len() as f64;
        let question = question((n_test - 0.5) / (8.0 + rows.len() as f64 + n_test));
        let (plan, pipeline, weights) = (Plan::default(), PipelineConfig::default(), ActionWeights::default());
        let candidate = Candidate { plan: &plan, pipeline: &pipeline, weights: &weights };
        let judged = |late: &[(u8, u8)]| {
            // Everybody is known by name beforehand, so that users have the same rows.
            let named: Vec<(u8, u8, i64)> = (0..8).map(|user| (user, 0, 0)).collect();
            let all = [named, early.clone(), timed(late, 1_000)].concat();
            let parts = Parts::new(dataset(&all), question.clone(), &weights).unwrap();
            assert_eq!(parts.searched().log.len(), rows.len() + 8);
            [1.0, 0.5].map(|share| parts.on_validation(candidate, share, &Silent).ok())
        };
        prop_assert_eq!(judged(&planted), judged(&other));
    }
}
