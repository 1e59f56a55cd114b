//! What every [`RunTracker`] must do, as a function that anybody can run against their own.

use super::{Metric, Outcome, RunId, RunRecord, RunStart, RunTracker, Status, TrackError};
use reco_core::time::Timestamp;
use serde_json::json;
use std::thread;

/// Checks a tracker without runs. `read` tells what the log has about a run, however it is kept, and `file` the bytes
/// of an attachment.
///
/// ```
/// use reco_train::track::{FolderTracker, conformance};
///
/// let folder = tempfile::tempdir()?;
/// let runs = FolderTracker::new(folder.path());
/// let file = |run: &_, name: &str| std::fs::read(runs.folder(run).join(name)).expect("an attachment");
/// conformance::run_tracker(&runs, &|run| runs.read(run).expect("a run"), &file);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn run_tracker(
    tracker: &dyn RunTracker,
    read: &dyn Fn(&RunId) -> RunRecord,
    file: &dyn Fn(&RunId, &str) -> Vec<u8>,
) {
    assert!(!tracker.name().is_empty(), "a tracker has a name");
    strangers(tracker);
    one_run(tracker, read);
    attachments(tracker, read, file);
    going_on(tracker, read);
    at_once(tracker, read);
}

fn id(name: &str) -> RunId {
    name.parse().expect("a plain name")
}

fn started(name: &str) -> RunStart {
    let mut run = RunStart::new(id(name), "shop").at(Timestamp::from_secs(1_000_000_000));
    run.parameters.insert("train.als.factors".to_owned(), json!(96));
    run.tags.insert("fingerprint".to_owned(), "00ff".to_owned());
    run
}

fn healthy<T>(promise: &str, outcome: Result<T, TrackError>) -> T {
    outcome.unwrap_or_else(|error| panic!("{promise}, but: {error}"))
}

fn strangers(tracker: &dyn RunTracker) {
    let nobody = id("nobody");
    for outcome in [
        tracker.log(&nobody, &[Metric::new("test", "pipeline", "hr@1", 1.0)]),
        tracker.attach(&nobody, "a.txt", b"a"),
        tracker.end(&nobody, &Outcome::Finished),
    ] {
        let is_unknown = matches!(&outcome, Err(TrackError::Unknown(run)) if *run == nobody);
        assert!(is_unknown, "a run that was never begun is refused by name");
    }
}

fn one_run(tracker: &dyn RunTracker, read: &dyn Fn(&RunId) -> RunRecord) {
    let start = started("one");
    healthy("a run begins", tracker.begin(&start));
    let begun = read(&start.id);
    assert_eq!((&begun.start, begun.status), (&start, Status::Running), "a run says what it was begun with");
    assert!(begun.metrics.is_empty() && begun.attachments.is_empty(), "a new run has nothing yet");
    let first = Metric::new("valid/base", "pipeline", "ndcg@10", 0.125).within(Some((0.0625, 0.25)));
    let second = Metric::new("fit", "wide_deep", "ndcg@10", -0.125).step(7);
    healthy("a measurement is logged", tracker.log(&start.id, std::slice::from_ref(&first)));
    healthy("nothing at all is logged", tracker.log(&start.id, &[]));
    healthy("several are", tracker.log(&start.id, &[second.clone(), first.clone()]));
    assert_eq!(
        read(&start.id).metrics,
        [first.clone(), second, first],
        "they come back exactly, in their order"
    );
    healthy("a run ends", tracker.end(&start.id, &Outcome::Finished));
    assert_eq!(read(&start.id).status, Status::Finished, "a run that ended says so");
}

fn attachments(
    tracker: &dyn RunTracker,
    read: &dyn Fn(&RunId) -> RunRecord,
    file: &dyn Fn(&RunId, &str) -> Vec<u8>,
) {
    let run = started("attached");
    healthy("a run begins", tracker.begin(&run));
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 18).collect();
    for text in [b"old".as_slice(), &bytes] {
        healthy("a file is kept", tracker.attach(&run.id, "b.bin", text));
        assert!(file(&run.id, "b.bin") == text, "the latest of one name is what was given");
    }
    healthy("an empty file is kept", tracker.attach(&run.id, "a.txt", b""));
    for name in ["", ".", "..", "../one/run.json", "/etc/x", "a/b", "a\\b", "a\nb"] {
        let refused = matches!(tracker.attach(&run.id, name, b"x"), Err(TrackError::Name(_)));
        assert!(refused, "`{name}` is no name for a file");
    }
    assert_eq!(read(&run.id).attachments, ["a.txt", "b.bin"], "files are listed by name");
    assert!(read(&id("one")).attachments.is_empty(), "runs do not share files");
}

fn going_on(tracker: &dyn RunTracker, read: &dyn Fn(&RunId) -> RunRecord) {
    let run = started("again");
    let metric = |value| Metric::new("test", "pipeline", "hr@1", value);
    healthy("a run begins", tracker.begin(&run));
    healthy("it logs", tracker.log(&run.id, &[metric(0.5)]));
    healthy("it fails", tracker.end(&run.id, &Outcome::Failed("no space".to_owned())));
    let failed = read(&run.id);
    assert_eq!(
        (failed.status, failed.problem.as_deref()),
        (Status::Failed, Some("no space")),
        "and says why"
    );
    let later = started("again").at(Timestamp::from_secs(2_000_000_000));
    healthy("a run begins again", tracker.begin(&later));
    healthy("it logs again", tracker.log(&run.id, &[metric(0.75)]));
    let record = read(&run.id);
    assert_eq!(record.status, Status::Running, "a run that goes on has not ended");
    assert_eq!(record.start.began, run.began, "a run began when it first began");
    assert_eq!(record.metrics, [metric(0.5), metric(0.75)], "what it had logged stays");
}

fn at_once(tracker: &dyn RunTracker, read: &dyn Fn(&RunId) -> RunRecord) {
    const EACH: u64 = 25;
    let runs = [started("red"), started("blue")];
    thread::scope(|scope| {
        for run in &runs {
            scope.spawn(move || {
                healthy("runs begin side by side", tracker.begin(run));
                for step in 0..EACH {
                    let metric = Metric::new("fit", run.id.as_str(), "loss", step as f64).step(step);
                    healthy("runs log side by side", tracker.log(&run.id, &[metric]));
                }
            });
        }
    });
    for run in &runs {
        let metrics = read(&run.id).metrics;
        let is_own = metrics
            .iter()
            .zip(0..)
            .all(|(metric, step)| metric.model == run.id.as_str() && metric.step == step);
        assert!(
            is_own && metrics.len() as u64 == EACH,
            "every run has all of its own measurements and no others"
        );
    }
}
