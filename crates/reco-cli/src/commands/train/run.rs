//! Training as a run: candidates judged, the best one fitted, everything logged and resumable.

use super::places::Places;
use super::published;
use super::told::{RunTold, Trained};
use crate::args::TrainArgs;
use crate::config::{self, Config};
use crate::model::Prepared;
use crate::registry::Versions;
use crate::{Failure, Session, model, remarks};
use reco_core::pipeline::RankerName;
use reco_core::registry::FolderRegistry;
use reco_core::time::{Clock, SystemClock, Timestamp};
use reco_train::fit::stored;
use reco_train::flow::{self, Candidate, FlowError, Run, Task, fingerprint};
use reco_train::publish::{self, DataFacts, Metadata};
use reco_train::track::{FolderTracker, Outcome, RunId, RunStart, TrackError, flattened};
use serde_json::json;
use std::path::{Path, PathBuf};

/// A candidate with the whole configuration that it is.
pub(super) struct Tried {
    pub(super) candidate: Candidate,
    config: Config,
}

/// The configuration itself, then what differs from it by each file; and what is wrong with these files, beyond what
/// is wrong with the configuration anyway.
pub(super) fn candidates(session: &Session, args: &TrainArgs) -> (Vec<Tried>, Vec<String>) {
    let (mut all, mut slips) = (vec![tried(BASE, session.config.clone())], Vec::new());
    let known = session.config.problems();
    for path in &args.candidates {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let mut tell = |problem: String| slips.push(format!("--candidate {}: {problem}", path.display()));
        if let Err(error) = name.parse::<RunId>() {
            tell(error.to_string());
        }
        if all.iter().any(|known| known.candidate.name == name) {
            tell(format!("there is another candidate `{name}`"));
        }
        let (config, problems) = config::patched(&session.config, path);
        problems.into_iter().filter(|problem| !known.contains(problem)).for_each(tell);
        all.push(tried(name, config));
    }
    (all, slips)
}

/// What the configuration itself is called beside candidates.
const BASE: &str = "base";

fn tried(name: &str, config: Config) -> Tried {
    let (plan, pipeline) = (config.train.clone(), config.pipeline.clone());
    Tried { candidate: Candidate { name: name.to_owned(), plan, pipeline }, config }
}

/// Runs the flow; a run that was begun before goes on.
pub(super) fn judged(
    session: &Session,
    anew: bool,
    places: &Places,
    runs: &FolderTracker,
    all: &[Tried],
    prepared: Prepared,
) -> Result<Trained, Failure> {
    let mut judged_rankers: Vec<String> = Vec::new();
    for Tried { candidate, config } in all {
        judged_rankers.extend(remarks::on_ranker(&config.pipeline.ranker));
        model::check(config, &prepared.dataset).map_err(|error| format!("{}: {error}", candidate.name))?;
        for remark in model::in_vain(config) {
            session.output.note(&format!("{}: {remark}", candidate.name));
        }
    }
    judged_rankers.dedup();
    session.output.notes(&judged_rankers);
    let facts = DataFacts::of(&prepared.dataset);
    let now = SystemClock.wall();
    let start = |id| started(id, session, places, &facts, all, now);
    let key = key(session, places, &facts, all)?;
    let run = Run::open(runs, &[], &key, anew, now, start).map_err(told)?;
    if run.was_finished() {
        let id = run.id();
        session
            .output
            .note(&format!("run {id} was finished before: nothing is done twice; --anew begins another"));
    } else if run.resumed() {
        session.output.note(&format!("run {} was begun before and goes on; --anew begins another", run.id()));
    }
    let outcome = finished(session, places, all, prepared, facts, &run);
    let told =
        outcome.as_ref().map_or_else(|error| Outcome::Failed(error.to_string()), |_| Outcome::Finished);
    let ended = run.end(&told);
    // What went wrong first is what to tell.
    let trained = outcome?;
    ended?;
    Ok(trained)
}

/// With a way out of a damaged log.
fn told(error: FlowError) -> Failure {
    match error {
        FlowError::Track(TrackError::Store { .. }) => {
            format!("{error}; mend the file, or begin another run with --anew").into()
        }
        error => error.into(),
    }
}

/// What is the same for the same task.
fn key(session: &Session, places: &Places, facts: &DataFacts, all: &[Tried]) -> Result<String, Failure> {
    let mut candidates = Vec::new();
    for Tried { candidate, config } in all {
        let settings = [serde_json::to_value(&config.train)?, serde_json::to_value(&config.pipeline)?];
        let ranker = match &config.pipeline.ranker {
            RankerName::File(path) => std::fs::read(path).map(|bytes| fingerprint(&bytes)).ok(),
            _ => None,
        };
        candidates.push(json!([candidate.name, settings, ranker]));
    }
    let Config { clean, weights, judge, .. } = &session.config;
    let judged = [serde_json::to_value(clean)?, serde_json::to_value(weights)?, serde_json::to_value(judge)?];
    let task = json!({
        "code_version": env!("CARGO_PKG_VERSION"),
        "data": [facts.fingerprint, facts.attributes],
        "model": session.config.registry.model,
        "start": places.start.as_ref().map(|(name, snapshot)| [name.as_str(), &*snapshot.version]),
        "judged": judged,
        "candidates": candidates,
    });
    Ok(fingerprint(task.to_string().as_bytes()))
}

/// What the log says of a run at its beginning.
fn started(
    id: RunId,
    session: &Session,
    places: &Places,
    facts: &DataFacts,
    all: &[Tried],
    now: Timestamp,
) -> RunStart {
    let tags = [
        ("code_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("data.fingerprint", facts.fingerprint.clone()),
        ("data.from", facts.from.clone().unwrap_or_default()),
        ("data.until", facts.until.clone().unwrap_or_default()),
        ("data.rows", facts.rows.to_string()),
        ("trained_from", places.start.as_ref().map(|(name, _)| name.clone()).unwrap_or_default()),
    ];
    let Config { clean, weights, judge, .. } = &session.config;
    let mut settings = json!({ "clean": clean, "weights": weights, "judge": judge });
    for Tried { candidate, config } in all {
        settings["candidates"][&candidate.name] =
            json!({ "train": config.train, "pipeline": config.pipeline });
    }
    RunStart {
        parameters: flattened(&settings),
        tags: tags.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..RunStart::new(id, &session.config.registry.model).at(now)
    }
}

/// The flow itself, and what is made of its snapshot.
fn finished(
    session: &Session,
    places: &Places,
    all: &[Tried],
    prepared: Prepared,
    facts: DataFacts,
    run: &Run<'_>,
) -> Result<Trained, Failure> {
    let Prepared { dataset, cleaned, mut remarks } = prepared;
    let config = &session.config;
    let known = places.versions.as_ref().and_then(|versions| version_of(versions, run.id()));
    let kept_at = known.as_ref().map(|(_, path)| path.as_path());
    let candidates: Vec<Candidate> = all.iter().map(|tried| tried.candidate.clone()).collect();
    let task = Task {
        dataset: &dataset,
        cleaned: &cleaned,
        candidates: &candidates,
        weights: &config.weights,
        judge: &config.judge,
        earlier: places.start.as_ref().map(|(_, snapshot)| snapshot),
        version: run.id().as_str(),
        kept_at,
    };
    let trained = flow::train(&task, run, &*session.progress)?;
    let chosen = &all[trained.chosen];
    let bytes = places.out.as_deref().map(|out| stored::save(&trained.snapshot, out)).transpose()?;
    let number = match &places.versions {
        Some(versions) => {
            if known.is_none() {
                run.forget(PUBLISH)?;
            }
            let number = run.step(PUBLISH, || -> Result<u64, Failure> {
                // It may have been published by a process that was killed before it could note that.
                if let Some((number, _)) = &known {
                    return Ok(*number);
                }
                let from = places.start.as_ref().map(|(name, _)| name.clone());
                let configuration = serde_json::to_value(&chosen.config)?;
                let metadata =
                    Metadata::new(&trained.snapshot, facts, from, configuration, SystemClock.wall());
                let metadata = metadata.of_run(run.id(), cleaned.clone(), &trained);
                published(versions, &trained.snapshot, &metadata)
            })?;
            run.let_snapshot_go()?;
            Some(number)
        }
        None => None,
    };
    let weights = dataset.log.tally(&config.weights);
    let told = Trained::new(places, &trained.snapshot, bytes, number, weights);
    let run_told = RunTold::new(run, &task, &trained);
    let found = run.remarks().into_iter().chain(to_serve(config, chosen)).chain(run_told.remarks());
    let found: Vec<String> = found.collect();
    session.output.remarks(&found);
    remarks.extend(found);
    Ok(Trained { cleaned, remarks, run: Some(run_told), ..told })
}

const PUBLISH: &str = "publish";

/// The version that a run published, and its snapshot.
fn version_of(versions: &Versions, run: &RunId) -> Option<(u64, PathBuf)> {
    let Versions { registry, model } = versions;
    let numbers = registry.list(model).ok()?;
    let is_of_run = |number: &u64| {
        let metadata = publish::metadata(registry, model, *number);
        metadata.is_ok_and(|metadata| metadata.run.as_deref() == Some(run.as_str()))
    };
    let number = numbers.into_iter().rfind(is_of_run)?;
    let folder: PathBuf = registry.open(model, number).ok()?;
    Some((number, Path::new(&folder).join(FolderRegistry::ARTIFACT)))
}

/// Settings of the pipeline that won and are not those in effect: a snapshot does not carry them.
fn to_serve(config: &Config, chosen: &Tried) -> Option<String> {
    let settings = |config: &Config| flattened(&serde_json::to_value(&config.pipeline).unwrap_or_default());
    let (ours, theirs) = (settings(config), settings(&chosen.config));
    let changed: Vec<String> = theirs
        .iter()
        .filter(|(path, value)| ours.get(*path) != Some(value))
        .map(|(path, value)| format!("pipeline.{path}={value}"))
        .collect();
    let name = &chosen.candidate.name;
    (!changed.is_empty())
        .then(|| format!("`{name}` won with settings to serve it with: {}", changed.join(", ")))
}
