//! `reco runs`: what was tried in training, and what came of it.

use crate::args::{Runs, RunsArgs};
use crate::registry::Versions;
use crate::{Failure, Session, output};
use reco_train::flow::{IS_AS_TESTED, Run};
use reco_train::track::{FolderTracker, Metric, RunId, RunRecord, Status, TrackError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder of runs by this name, where only the working folder or a registry is known.
pub(crate) const RUNS: &str = "runs";

/// The run log that the flags or the configuration name; beside the registry, or else in the working folder.
pub(crate) fn log(session: &Session, flag: Option<&PathBuf>, versions: Option<&Versions>) -> FolderTracker {
    let named = flag.or(session.config.runs.path.as_ref()).cloned();
    let beside = || versions.map_or_else(|| PathBuf::from(RUNS), |versions| versions.home().join(RUNS));
    FolderTracker::new(named.unwrap_or_else(beside))
}

pub(crate) fn run(session: &Session, args: &RunsArgs) -> Result<(), Failure> {
    let versions = Versions::find(session, args.registry.as_ref());
    let runs = log(session, args.runs.as_ref(), versions.as_ref());
    match &args.what {
        Runs::List => list(session, &runs),
        Runs::Show { run } => show(session, &runs, run.as_ref()),
    }
}

/// A run as it is listed and shown.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    record: RunRecord,
    /// The latest measurements of everything.
    metrics: Vec<Metric>,
    /// Files kept with it.
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Listed {
    Sound(Box<Told>),
    Damaged { id: RunId, problem: String },
}

fn told(runs: &FolderTracker, id: &RunId) -> Result<Told, Failure> {
    let mut record = Run::standing(runs, id).map_err(|error| damaged(&error, &runs.folder(id)))?;
    let mut latest: BTreeMap<_, Metric> = BTreeMap::new();
    for metric in std::mem::take(&mut record.metrics) {
        let what = (metric.part.clone(), metric.model.clone(), metric.name.clone(), metric.step);
        latest.insert(what, metric);
    }
    let files = record.attachments.iter().map(|name| runs.folder(id).join(name)).collect();
    Ok(Told { record, metrics: latest.into_values().collect(), files })
}

/// With a way out of damage.
fn damaged(error: &TrackError, folder: &Path) -> Failure {
    match error {
        TrackError::Store { .. } => format!(
            "{error}; other runs are not affected: mend the file, or remove {} and train again",
            folder.display()
        )
        .into(),
        error => error.to_string().into(),
    }
}

impl Told {
    /// What it was judged by: a setting of the run.
    fn judged_by(&self) -> &str {
        let metric = self.record.start.parameters.get("judge.metric");
        metric.and_then(|metric| metric.as_str()).unwrap_or("ndcg@10")
    }

    /// That measurement of the pipeline on test, with its interval.
    fn on_test(&self) -> String {
        let is_it = |metric: &&Metric| {
            metric.part == "test" && metric.model == "pipeline" && metric.name == self.judged_by()
        };
        let mark = if self.is_another_order() { " *" } else { "" };
        self.metrics.iter().find(is_it).map_or_else(|| "-".to_owned(), |metric| shown(metric) + mark)
    }

    /// Whether something else ordered the pages that were tested than what was published.
    fn is_another_order(&self) -> bool {
        self.metrics.iter().any(|metric| metric.name == IS_AS_TESTED && metric.value < 1.0)
    }
}

fn shown(metric: &Metric) -> String {
    match (metric.low, metric.high) {
        (Some(low), Some(high)) => format!("{:.4} ({low:.4} to {high:.4})", metric.value),
        _ => format!("{:.4}", metric.value),
    }
}

fn list(session: &Session, runs: &FolderTracker) -> Result<(), Failure> {
    let listed = |id: RunId| match told(runs, &id) {
        Ok(told) => Listed::Sound(Box::new(told)),
        Err(error) => Listed::Damaged { id, problem: error.to_string() },
    };
    let all: Vec<Listed> = runs.runs()?.into_iter().map(listed).collect();
    session.output.result(&all, |all| {
        if all.is_empty() {
            return format!("no runs in {}", runs.root().display());
        }
        let mut table = output::table(["run", "model", "status", "data until", "on test", "by"]);
        for run in all {
            match run {
                Listed::Sound(told) => {
                    let start = &told.record.start;
                    let until = start.tags.get("data.until").map(String::as_str).unwrap_or_default();
                    let status = told.record.status.to_string();
                    let id = start.id.as_str();
                    table.add_row([id, &start.experiment, &status, until, &told.on_test(), told.judged_by()]);
                }
                Listed::Damaged { id, problem } => {
                    table.add_row([id.as_str(), "", "damaged", "", problem, ""]);
                }
            }
        }
        let sound = || {
            all.iter().filter_map(|run| match run {
                Listed::Sound(told) => Some(told),
                Listed::Damaged { .. } => None,
            })
        };
        let mut text = table.to_string();
        if sound().any(|told| told.record.status == Status::Interrupted) {
            text.push_str(&format!("\n{GOES_ON}"));
        }
        if sound().any(|told| told.is_another_order()) {
            text.push_str(&format!("\n* {OTHER_ORDER}"));
        }
        text
    })
}

/// What the mark beside a figure means.
const OTHER_ORDER: &str =
    "of pages that another ranker ordered than what was published; the report says which";

/// What to do about a run that was killed.
const GOES_ON: &str =
    "interrupted: the same `reco train` command goes on with it, finished steps are not repeated";

fn show(session: &Session, runs: &FolderTracker, wanted: Option<&RunId>) -> Result<(), Failure> {
    let all = runs.runs()?;
    let is_wanted = |id: &&RunId| wanted.is_none_or(|wanted| id.as_str().ends_with(wanted.as_str()));
    let place = runs.root().display();
    let id = all.iter().rfind(is_wanted).ok_or_else(|| match wanted {
        Some(wanted) => format!("{place}: there is no run `{wanted}`; `reco runs list` has all"),
        None => format!("{place}: there are no runs"),
    })?;
    session.output.result(&told(runs, id)?, |told| {
        let RunRecord { start, status, problem, .. } = &told.record;
        let mut text = format!("run {} of {}, begun {}, {status}", start.id, start.experiment, start.began);
        text.extend(problem.iter().map(|problem| format!(": {problem}")));
        if *status == Status::Interrupted {
            text.push_str(&format!("\n{GOES_ON}"));
        }
        let mut table = output::table(["part", "model", told.judged_by()]);
        for metric in told.metrics.iter().filter(|metric| metric.name == told.judged_by() && metric.step == 0)
        {
            table.add_row([&metric.part, &metric.model, &shown(metric)]);
        }
        text.push_str(&format!("\n{table}"));
        if told.is_another_order() {
            text.push_str(&format!("\ntest: {OTHER_ORDER}"));
        }
        text.extend(told.files.iter().map(|file| format!("\n{}", file.display())));
        text
    })
}
