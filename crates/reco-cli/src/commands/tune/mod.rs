//! `reco tune`: a search for the settings that make a metric best.

mod found;
mod report;
mod space;
mod told;
mod trials;

use crate::args::{Target, TuneArgs};
use crate::config::Config;
use crate::slips::Slips;
use crate::{Failure, Session, model};
use found::{Found, OnTest};
use reco_core::file;
use reco_train::data;
use reco_train::evaluate::{MODELS, ModelError};
use reco_train::publish::DataFacts;
use reco_train::tune::{
    Assignment, Bytes, Journal, Kept, Limits, Method, Outcome, Parts, Question, Schedule, Space, Standing,
    Tested, leaderboard, search,
};
use report::Report;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::{fs, thread};
use told::Told;
use trials::Trials;

/// All that is wrong with what it is told, before data are read.
pub(crate) fn slips(session: &Session, args: &TuneArgs) -> Vec<String> {
    let mut slips = if MODELS.contains(&args.model.as_str()) {
        space::space(&session.config, args).err().unwrap_or_default()
    } else {
        vec![ModelError::Unknown { name: args.model.clone() }.to_string()]
    };
    for (flag, share) in [("--test-share", args.test_share), ("--validation-share", args.validation_share)] {
        if !(share > 0.0 && share < 1.0) {
            slips.push(format!("{flag} is {share}, must be above 0 and below 1"));
        }
    }
    let folder = file::check_folder(&args.out);
    slips.extend(folder.err().map(|cause| format!("{}: {cause}", args.out.display())));
    slips.extend(model::slips(session, &args.data));
    slips
}

pub(crate) fn run(session: &Session, args: &TuneArgs) -> Result<(), Failure> {
    let space = space::space(&session.config, args).map_err(Slips)?;
    space::note(session, args, &space);
    let question = question(args);
    let journal_path = args.out.join("trials.jsonl");
    let limits = limits(args);
    let spec = session.config.import(&args.data)?;

    let dataset = model::dataset(session, &args.data)?;
    model::rehearsal(session, &dataset)?;
    let facts = DataFacts::of(&dataset);
    let parts = Parts::new(dataset, question, &session.config.weights)?;
    let mut schedule = schedule(&session.config, args, space);
    let trials = Trials { config: &session.config, parts: &parts };

    fs::create_dir_all(&args.out)?;
    let (mut journal, Kept { finished: kept, tested }) =
        Journal::open(&journal_path, &identity(&session.config, args, &schedule, &facts)?)?;
    note_plan(session, args, &parts, &limits, kept.len());
    let known = kept.iter().map(|finished| finished.task.trial + 1).max().unwrap_or(0);
    if known > schedule.trials {
        session.output.note(&format!(
            "the journal has {known} trials, more than --trials {}: all of them count, lest a worse one be called the best",
            schedule.trials
        ));
        schedule.trials = known;
    }
    let told = Told::new(&schedule, args.metric.to_string(), session.talk, &kept);
    let finished = search(&schedule, &trials, kept, &mut journal, limits, &told)?;
    told.end();

    let board = leaderboard(&schedule, &finished);
    let best = board.iter().find(|standing| standing.rank.is_some());
    let Some(best) = best else {
        let why = board.first().map(Standing::told).unwrap_or_default();
        return Err(format!("no trial could be judged; the first says: {why}").into());
    };
    let config_path = args.out.join("best.toml");
    let mut config = trials.configured(&best.settings)?;
    if let Some(spec) = spec {
        config.data = spec;
    }
    write(&config_path, &configuration(&config, args, best)?)?;
    let on_test = judged_on_test(session, &trials, best, tested, &mut journal)?;
    let on_validation = match &best.outcome {
        Outcome::Judged(judgement) => judgement.remark(),
        Outcome::Failed { .. } => None,
    };
    let few = [("validation", on_validation), ("test", on_test.best.remark())];
    let few = few.into_iter().filter_map(|(part, remark)| Some(format!("on {part} {}", remark?)));
    let found = Found {
        metric: args.metric.to_string(),
        model: args.model.clone(),
        folder: args.out.clone(),
        configuration: config_path,
        as_configured: schedule.as_configured.clone(),
        best: best.clone(),
        on_test,
        leaderboard: board.clone(),
        remarks: found::at_the_end(&schedule.space, &best.settings).into_iter().chain(few).collect(),
    };
    let report = Report::new(&schedule, &finished, &found)?;
    write(&args.out.join("trials.svg"), &report.trials)?;
    write(&args.out.join("settings.svg"), &report.settings)?;
    write(&args.out.join("report.html"), &report.page)?;
    session.output.result(&found, found::rendered)?;
    session.output.remarks(&found.remarks);
    Ok(())
}

fn question(args: &TuneArgs) -> Question {
    Question {
        model: args.model.clone(),
        target: match args.target {
            Target::All => data::Target::All,
            Target::New => data::Target::New,
        },
        metric: args.metric.clone(),
        test_share: args.test_share,
        validation_share: args.validation_share,
        seed: args.seed,
    }
}

/// Share of the free memory that a search takes unless told.
const OF_FREE: f64 = 0.8;

fn limits(args: &TuneArgs) -> Limits {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let free = || Bytes::available().map(|free| Bytes((free.0 as f64 * OF_FREE) as u64));
    Limits { parallel: args.parallel.unwrap_or(cores), memory: args.memory.or_else(free) }
}

fn schedule(config: &Config, args: &TuneArgs, space: Space) -> Schedule {
    let configured = |path: &String| Some((path.clone(), config.setting(path)?));
    let as_configured: Assignment =
        space.parameters().iter().filter_map(|parameter| configured(&parameter.path)).collect();
    Schedule {
        space,
        method: args.method.into(),
        trials: args.trials,
        seed: args.seed,
        lag: args.lag,
        minimize: args.metric.minimize(),
        as_configured,
    }
}

/// Everything that outcomes depend on, by name. Other trials than these may follow, but not with halving, whose
/// rounds depend on their number.
fn identity(
    config: &Config,
    args: &TuneArgs,
    schedule: &Schedule,
    facts: &DataFacts,
) -> Result<Map<String, Value>, Failure> {
    let Config { train, pipeline, weights, .. } = config;
    let mut identity = Map::new();
    let mut note = |name: &str, value: Value| identity.insert(name.to_owned(), value);
    note("reco", env!("CARGO_PKG_VERSION").into());
    note("data", serde_json::to_value(facts)?);
    note("configuration", json!({ "train": train, "pipeline": pipeline, "weights": weights }));
    note("space", schedule.space.written().into());
    note("model", args.model.clone().into());
    note("metric", args.metric.to_string().into());
    note("target", serde_json::to_value(question(args).target)?);
    note("method", serde_json::to_value(schedule.method)?);
    note("seed", args.seed.into());
    note("test_share", args.test_share.into());
    note("validation_share", args.validation_share.into());
    match schedule.method {
        Method::Tpe => note("lag", args.lag.into()),
        Method::Halving => note("trials", args.trials.into()),
        Method::Random => None,
    };
    Ok(identity)
}

fn note_plan(session: &Session, args: &TuneArgs, parts: &Parts, limits: &Limits, n_kept: usize) {
    let (searched, whole) = (parts.searched().log.len(), parts.whole().log.len());
    session.output.note(&format!(
        "trials see the first {searched} of {whole} interactions; the rest is kept for one judgement at the end"
    ));
    let memory = limits.memory.map_or_else(|| "any memory".to_owned(), |memory| memory.to_string());
    session.output.note(&format!("up to {} trials at once, within {memory}", limits.parallel));
    if n_kept > 0 {
        let folder = args.out.display();
        session.output.note(&format!("going on: {folder} has {n_kept} judgements already"));
    }
}

/// The best trial and the configuration as it stood, judged on the test part; what the journal has is not judged again.
fn judged_on_test(
    session: &Session,
    trials: &Trials<'_>,
    best: &Standing,
    mut known: Vec<Tested>,
    journal: &mut Journal,
) -> Result<OnTest, Failure> {
    let mut judged = |trial: usize, settings: &Assignment| -> Result<Tested, Failure> {
        if let Some(tested) = known.iter().find(|tested| tested.tested == trial) {
            return Ok(tested.clone());
        }
        session.progress.begin(&format!("judging trial {trial} on the test part"), 0);
        let judgement = trials.on_test(settings)?;
        session.progress.end("");
        let tested = journal.tested(&Tested { tested: trial, judgement })?;
        known.push(tested.clone());
        Ok(tested)
    };
    let best = judged(best.trial, &best.settings)?.judgement;
    // As it stands, whatever of it lies outside the space.
    let as_configured = judged(0, &Assignment::new())?.judgement;
    let looks = known.iter().filter(|tested| tested.tested != 0).count();
    if looks > 1 {
        session.output.note(&format!(
            "{looks} trials have been judged on the test part, for the search went on after it was over: its figures \
             flatter the more, the oftener that happens"
        ));
    }
    Ok(OnTest { best, as_configured })
}

/// A file for `--config`.
fn configuration(config: &Config, args: &TuneArgs, best: &Standing) -> Result<String, Failure> {
    let value = best.value().unwrap_or(f64::NAN);
    Ok(format!(
        "# Trial {} of `reco tune`: {} of {} is {value:.4} on validation data.\n# Train with it: reco train --config {}\n\
         # Relative paths of data are those of the folder in which `reco` is started.\n\n{}",
        best.trial,
        args.metric,
        args.model,
        args.out.join("best.toml").display(),
        config.beyond_defaults()?
    ))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = file::replace(path, |file| file.write_all(text.as_bytes()));
    Ok(written.map_err(|cause| format!("{}: {cause}", path.display()))?)
}
