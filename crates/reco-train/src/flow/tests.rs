//! Flows over a small world: what is chosen, and that nothing is done twice.

use super::*;
use crate::progress::Silent;
use crate::publish::{DataFacts, Metadata};
use crate::track::{FolderTracker, Outcome, RunId, RunStart, RunTracker, Status, TrackError};
use reco_core::catalog::Catalog;
use reco_core::event::Action;
use reco_core::interactions::InteractionLog;
use reco_core::time::Timestamp;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

fn dataset() -> Dataset {
    dataset_of(60)
}

/// Users of two tastes who come weekly for something of their half of the items.
fn dataset_of(n_users: usize) -> Dataset {
    let mut catalog = Catalog::builder();
    let items: Vec<_> = (0..16).map(|item| catalog.intern(&format!("item{item}")).unwrap()).collect();
    let mut log = InteractionLog::default();
    for user in 0..n_users {
        let row = log.users.intern(&format!("user{user}"));
        for week in 0..8 {
            let item = items[(user % 2) * 8 + (user / 2 + week * 3) % 8];
            let at = Timestamp::from_secs((week * 7 * 86_400 + user * 60) as i64);
            log.push(row, item, &Action::Purchase, None, at);
        }
    }
    Dataset { catalog: catalog.build(), log, ..Dataset::default() }
}

fn candidates() -> Vec<Candidate> {
    let plan = |factors| {
        let mut plan = Plan { blend: None, ..Plan::default() };
        plan.als.as_mut().unwrap().factors = factors;
        plan
    };
    let of = |name: &str, factors| Candidate {
        name: name.to_owned(),
        plan: plan(factors),
        pipeline: PipelineConfig::default(),
    };
    vec![of("base", 2), of("wide", 8)]
}

/// What a task is told beside its data and candidates.
#[derive(Default)]
struct Usual {
    cleaned: Cleaned,
    weights: ActionWeights,
    judge: JudgeParams,
}

impl Usual {
    fn task<'a>(&'a self, dataset: &'a Dataset, candidates: &'a [Candidate]) -> Task<'a> {
        let Self { cleaned, weights, judge } = self;
        Task { dataset, cleaned, candidates, weights, judge, earlier: None, version: "v1", kept_at: None }
    }
}

fn flow(
    runs: &FolderTracker,
    further: &[&dyn RunTracker],
    progress: &dyn Progress,
) -> Result<(Trained, Vec<Step>), FlowError> {
    let (dataset, candidates, usual) = (dataset(), candidates(), Usual::default());
    let now = Timestamp::from_secs(1_700_000_000);
    let run = Run::open(runs, further, "00ff", false, now, |id| RunStart::new(id, "shop").at(now))?;
    let trained = train(&usual.task(&dataset, &candidates), &run, progress)?;
    Ok((trained, run.steps()))
}

fn only_run(runs: &FolderTracker) -> RunId {
    let ids = runs.runs().unwrap();
    assert_eq!(ids.len(), 1);
    ids[0].clone()
}

/// The bytes of the snapshot that a run made.
fn snapshot(runs: &FolderTracker) -> Vec<u8> {
    fs::read(runs.folder(&only_run(runs)).join(Run::SNAPSHOT)).unwrap()
}

fn found(steps: &[Step]) -> Vec<bool> {
    steps.iter().map(|step| step.found).collect()
}

#[test]
fn candidates_are_judged_the_best_is_chosen_and_everything_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let runs = FolderTracker::new(folder.path());
    let (trained, steps) = flow(&runs, &[], &Silent).unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["valid/base", "valid/wide", "test", "fit", "report"]);
    assert_eq!(found(&steps), [false; 5]);
    let value = |verdict: &Verdict| verdict.judgement().unwrap().value("ndcg@10").unwrap();
    let best = usize::from(value(&trained.valid[1]) > value(&trained.valid[0]));
    assert_eq!(trained.chosen, best);
    let [valid, test] = [&trained.valid[0], &trained.test].map(|verdict| verdict.judgement().unwrap());
    // The same shares of all 480, valid before test.
    assert_eq!((valid.train_interactions, valid.test_interactions), (384, 48));
    assert_eq!((test.train_interactions, test.test_interactions), (432, 48));
    assert_eq!((trained.fitted.users, trained.snapshot.catalog.len()), (60, 16));
    let id = only_run(&runs);
    assert_eq!(id.as_str(), "20231114T221320Z-00ff");
    let metrics = runs.read(&id).unwrap().metrics;
    let logged = metrics.iter().find(|metric| metric.part == "test" && metric.name == "ndcg@10").unwrap();
    assert_eq!(logged.model, "pipeline");
    assert!((logged.value - value(&trained.test)).abs() < 1e-12);
    assert!(logged.low.is_some_and(|low| low <= logged.value) && logged.high.is_some());

    let (again, steps) = flow(&runs, &[], &Silent).unwrap();
    assert_eq!(found(&steps), [true; 5], "the same task is the same run");
    assert_eq!((again.valid, again.test, again.fitted), (trained.valid, trained.test, trained.fitted));
    assert_eq!(runs.read(&id).unwrap().metrics, metrics, "what is found is not logged again");
}

/// Panics when it has been called so often: stands for a kill at any moment.
struct Dies(AtomicU64);

impl Progress for Dies {
    fn begin(&self, stage: &str, _: u64) {
        assert!(self.0.fetch_sub(1, Ordering::Relaxed) > 0, "killed at {stage}");
    }
    fn advance(&self, _: u64) {}
    fn end(&self, _: &str) {}
}

#[test]
fn a_flow_that_dies_anywhere_goes_on_and_ends_as_if_it_had_not() {
    let undisturbed = tempfile::tempdir().unwrap();
    let undisturbed = FolderTracker::new(undisturbed.path());
    flow(&undisturbed, &[], &Silent).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let runs = FolderTracker::new(folder.path());
    let (mut n_calls, mut n_done) = (0, 0);
    let steps = loop {
        // Each time it comes a little further than the last time.
        n_calls += 2;
        let dies = Dies(AtomicU64::new(n_calls));
        if let Ok(ended) = catch_unwind(AssertUnwindSafe(|| flow(&runs, &[], &dies))) {
            break ended.unwrap().1;
        }
        let folder = runs.folder(&only_run(&runs)).join("steps");
        let files = ["valid-base.json", "valid-wide.json", "test.json", "fit.json"];
        let done = files.iter().filter(|name| folder.join(name).is_file()).count();
        assert!(done >= n_done, "a finished step stays finished");
        n_done = done;
    };
    assert!(n_done > 0 && steps.len() == 5, "it died between steps, too: {steps:?}");
    assert_eq!(snapshot(&runs), snapshot(&undisturbed));
    let [one, other] = [&runs, &undisturbed].map(|runs| runs.read(&only_run(runs)).unwrap());
    let value = |record: &crate::track::RunRecord| {
        record
            .metrics
            .iter()
            .rfind(|metric| metric.part == "test" && metric.name == "hr@5")
            .map(|metric| metric.value)
    };
    assert_eq!(value(&one), value(&other));
}

#[test]
fn what_was_lost_or_damaged_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let runs = FolderTracker::new(folder.path());
    flow(&runs, &[], &Silent).unwrap();
    let first = snapshot(&runs);
    let home = runs.folder(&only_run(&runs));
    fs::write(home.join("steps/test.json"), "{").unwrap();
    assert_eq!(found(&flow(&runs, &[], &Silent).unwrap().1), [true, true, false, true, true]);
    fs::remove_file(home.join(Run::SNAPSHOT)).unwrap();
    assert_eq!(found(&flow(&runs, &[], &Silent).unwrap().1), [true, true, true, false, true]);
    assert_eq!(snapshot(&runs), first);
}

/// Cannot be reached.
#[derive(Debug)]
struct Away;

impl RunTracker for Away {
    fn name(&self) -> &'static str {
        "away"
    }
    fn begin(&self, _: &RunStart) -> Result<(), TrackError> {
        Err(TrackError::Store { place: "host".to_owned(), cause: "no route".into() })
    }
    fn log(&self, run: &RunId, _: &[Metric]) -> Result<(), TrackError> {
        Err(TrackError::Unknown(run.clone()))
    }
    fn attach(&self, run: &RunId, _: &str, _: &[u8]) -> Result<(), TrackError> {
        Err(TrackError::Unknown(run.clone()))
    }
    fn end(&self, run: &RunId, _: &Outcome) -> Result<(), TrackError> {
        Err(TrackError::Unknown(run.clone()))
    }
}

fn open<'a>(
    runs: &'a FolderTracker,
    further: &'a [&'a dyn RunTracker],
    anew: bool,
) -> Result<Run<'a>, FlowError> {
    let now = Timestamp::from_secs(1_700_000_000);
    Run::open(runs, further, "00ff", anew, now, |id| RunStart::new(id, "shop").at(now))
}

#[test]
fn a_further_tracker_hears_of_it_and_may_be_away() {
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (runs, copy) = (FolderTracker::new(folder.path()), FolderTracker::new(other.path()));
    let further: [&dyn RunTracker; 2] = [&copy, &Away];
    let run = open(&runs, &further, false).unwrap();
    run.log(&[Metric::new("test", "pipeline", "hr@1", 0.5)]).unwrap();
    run.attach("a.txt", b"a").unwrap();
    run.end(&Outcome::Finished).unwrap();
    let remarks = run.remarks();
    assert_eq!(remarks.len(), 4);
    assert!(
        remarks[0].contains("away did not take note") && remarks[0].contains("host: no route"),
        "{remarks:?}"
    );
    let [mine, theirs] = [&runs, &copy].map(|runs| runs.read(run.id()).unwrap());
    assert_eq!(mine, theirs);
    assert_eq!(mine.status, Status::Finished);
}

#[test]
fn a_run_has_one_process_at_a_time_and_another_one_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let runs = FolderTracker::new(folder.path());
    let first = open(&runs, &[], false).unwrap();
    assert!(!first.resumed());
    let busy = open(&runs, &[], false).unwrap_err();
    assert!(busy.to_string().contains("20231114T221320Z-00ff is under way"), "{busy}");
    let second = open(&runs, &[], true).unwrap();
    assert_eq!(second.id().as_str(), "20231114T221321Z-00ff", "no two runs share a name");
    let status = |id: &str| Run::standing(&runs, &id.parse().unwrap()).unwrap().status;
    assert_eq!(status("20231114T221320Z-00ff"), Status::Running);
    drop((first, second));
    assert_eq!(status("20231114T221320Z-00ff"), Status::Interrupted, "whoever was at it is gone");
    assert!(open(&runs, &[], false).unwrap().resumed());
    assert_eq!(open(&runs, &[], false).unwrap().id().as_str(), "20231114T221321Z-00ff", "the latest goes on");
    fs::write(folder.path().join("file"), "").unwrap();
    let file = FolderTracker::new(Path::new(folder.path()).join("file"));
    assert!(open(&file, &[], false).unwrap_err().to_string().contains("file"));
}

#[test]
fn candidates_that_cannot_be_judged_cannot_be_chosen_from_but_one_is_fitted() {
    let mut few = dataset();
    few.log = few.log.select(&[0, 1]);
    let (all, usual) = (candidates(), Usual::default());
    let task = |candidates| usual.task(&few, candidates);
    let folder = tempfile::tempdir().unwrap();
    let runs = FolderTracker::new(folder.path());
    let run = open(&runs, &[], false).unwrap();
    let error = train(&task(&all), &run, &Silent).unwrap_err().to_string();
    assert!(error.contains("candidates cannot be told apart"), "{error}");
    let trained = train(&task(&all[..1]), &run, &Silent).unwrap();
    assert!(
        !trained.valid[0].problem().is_empty() && trained.test.judgement().is_none()
            || trained.test.judgement().is_some()
    );
    assert!(matches!(train(&task(&[]), &run, &Silent), Err(FlowError::NoCandidate)));
}

#[test]
fn figures_of_another_ranker_are_not_published_as_those_of_the_version() {
    // Fifty users come back after the cut of all data, but not after those of what is judged.
    let dataset = dataset_of(64);
    let candidate =
        Candidate { name: "base".to_owned(), plan: Plan::default(), pipeline: PipelineConfig::default() };
    let (usual, candidates) = (Usual::default(), [candidate]);
    let task = usual.task(&dataset, &candidates);
    let folder = tempfile::tempdir().unwrap();
    let runs = FolderTracker::new(folder.path());
    let run = open(&runs, &[], false).unwrap();
    let trained = train(&task, &run, &Silent).unwrap();
    let Ranking { valid, test, published } = &trained.ranking;
    assert_eq!((valid.as_deref(), test.as_deref()), (Some("votes"), Some("votes")));
    assert!(published.starts_with("blend"), "{published}");
    let remarks = trained.remarks();
    assert!(remarks[0].contains("not those of what is published"), "{remarks:?}");
    for place in ["base on valid: ranking: not learned", "base on test: ranking: not learned"] {
        assert!(remarks.iter().any(|line| line.starts_with(place)), "{place}: {remarks:?}");
    }
    let (facts, now) = (DataFacts::of(&dataset), Timestamp::default());
    let metadata = Metadata::new(&trained.snapshot, facts, None, serde_json::Value::Null, now);
    let metadata = metadata.of_run(run.id(), Cleaned::default(), &trained);
    assert!(!metadata.metrics.contains_key("ndcg@10") && metadata.intervals.is_empty());
    let other = metadata.judged_in_another_order.unwrap();
    assert_eq!(other.ranked_by, "votes");
    assert_eq!(Some(other.metrics["ndcg@10"]), trained.test.judgement().unwrap().value("ndcg@10"));
    let report = fs::read_to_string(run.folder().join(REPORT)).unwrap();
    assert!(report.contains("not those of what is published"));
}

#[test]
fn slips_in_how_to_judge_are_named_together() {
    let params = JudgeParams {
        valid_share: 0.6,
        test_share: 0.6,
        metric: "ndgc@10".to_owned(),
        k: vec![0],
        ..JudgeParams::default()
    };
    assert_eq!(params.problems().len(), 3);
    for metric in ["ndcg", "ndcg@0", "ndcg@x", "coverage@10", "ndcg@9999"] {
        let params = JudgeParams { metric: metric.to_owned(), ..JudgeParams::default() };
        assert!(params.problems()[0].contains("ndcg@10"), "{metric}");
    }
    assert_eq!(JudgeParams::default().problems(), [""; 0]);
}
