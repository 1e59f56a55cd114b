//! From data or a stored snapshot to a recommender.

use crate::args::{DataArgs, ModelArgs, Role};
use crate::config::{ClockName, Config};
use crate::events::{Events, Keep};
use crate::registry::Versions;
use crate::slips::Slips;
use crate::{Failure, Session, demo, remarks};
use reco_core::embed::TextVectors;
use reco_core::live::{Live, LiveLimits};
use reco_core::pipeline::{Recommender, RecommenderBuilder};
use reco_core::registry::Alias;
use reco_core::snapshot::Snapshot;
use reco_core::time::{Clock, ShiftedClock, SystemClock, Timestamp};
use reco_train::data::clean::{self, CleanParams, Cleaned};
use reco_train::data::{self, Dataset, ImportSpec};
use reco_train::fit::content::sentence_model;
use reco_train::fit::snapshot::Plan;
use reco_train::fit::{self, FitError};
use reco_train::history;
use reco_train::progress::Progress;
use std::sync::Arc;

/// Reads the data asked for; without any, the shipped demo data.
pub(crate) fn dataset(session: &Session, args: &DataArgs) -> Result<Dataset, Failure> {
    let (dataset, remarks) = dataset_with_remarks(session, args)?;
    session.output.notes(&remarks);
    Ok(dataset)
}

/// The same with what to know about it.
pub(crate) fn dataset_with_remarks(
    session: &Session,
    args: &DataArgs,
) -> Result<(Dataset, Vec<String>), Failure> {
    let Prepared { dataset, remarks, .. } = prepared(session, args)?;
    Ok((dataset, remarks))
}

/// What is wrong with the data asked for, as far as the beginnings of their files tell.
pub(crate) fn slips(session: &Session, args: &DataArgs) -> Vec<String> {
    match session.config.import(args) {
        Err(Slips(lines)) => lines,
        Ok(spec) => spec.as_ref().map(data::problems).unwrap_or_default(),
    }
}

/// Data to train on.
pub(crate) struct Prepared {
    pub(crate) dataset: Dataset,
    /// What of it was left out on purpose.
    pub(crate) cleaned: Cleaned,
    /// What to know about it.
    pub(crate) remarks: Vec<String>,
}

/// Reads the data asked for and leaves out what would mislead training.
pub(crate) fn prepared(session: &Session, args: &DataArgs) -> Result<Prepared, Failure> {
    let (read, mut remarks) = raw(session, args)?;
    let (dataset, cleaned) = clean::clean(read, &session.config.clean)?;
    remarks.extend(cleaned.remarks());
    remarks.extend(remarks::on_actions(&dataset.log, &session.config.weights));
    remarks.extend(remarks::on_impressions(&dataset.log, &session.config.weights, &session.config.train));
    remarks.extend(remarks::on_repeats(&dataset.log, session.config.pipeline.seen));
    Ok(Prepared { dataset, cleaned, remarks })
}

/// The data as they are.
fn raw(session: &Session, args: &DataArgs) -> Result<(Dataset, Vec<String>), Failure> {
    let Some(spec) = session.config.import(args)? else {
        session.progress.begin("reading demo data", 0);
        let mut dataset = demo::load()?;
        let (users, items, rows) = (dataset.log.users.len(), dataset.catalog.len(), dataset.log.len());
        session.progress.end(&format!("{users} users, {items} items, {rows} interactions: {}", demo::NAME));
        let Some(folder) = &session.config.data.history else { return Ok((dataset, Vec::new())) };
        let report = history::append(&mut dataset, folder, &*session.progress)?;
        return Ok((dataset, remarks::on_history(&report).into_iter().collect()));
    };
    let (dataset, report) = data::read(&spec, &*session.progress)?;
    Ok((dataset, remarks::on_reading(&report)))
}

/// The pipeline over data for which nothing is fitted yet. It has no page to offer, but it knows catalogue and
/// users: what of the configuration or of a request cannot be honoured is told before anybody waits for training.
///
/// # Errors
///
/// What the configuration asks of columns that the catalogue does not have.
pub(crate) fn rehearsal(session: &Session, dataset: &Dataset) -> Result<Recommender, Failure> {
    check(&session.config, dataset)
}

/// The same by any configuration.
pub(crate) fn check(config: &Config, dataset: &Dataset) -> Result<Recommender, Failure> {
    let (catalog, users) = (dataset.catalog.clone(), dataset.log.users.clone());
    let snapshot = Snapshot { catalog, users, ..Snapshot::default() };
    Ok(config.pipeline.builder(snapshot)?.build()?)
}

/// Fits everything the configuration asks for.
pub(crate) fn fitted(session: &Session, dataset: Dataset) -> Result<Snapshot, Failure> {
    fitted_from(session, None, dataset, &*session.progress)
}

/// The same, from the factors of an `earlier` snapshot on, where there is one.
pub(crate) fn fitted_from(
    session: &Session,
    earlier: Option<&Snapshot>,
    dataset: Dataset,
    progress: &dyn Progress,
) -> Result<Snapshot, Failure> {
    rehearsal(session, &dataset)?;
    note_vain_plan(session);
    let Config { train, pipeline, weights, .. } = &session.config;
    let version = name();
    Ok(match earlier {
        Some(earlier) => {
            fit::snapshot::refit(earlier, dataset, train, pipeline, weights, &version, progress)?
        }
        None => fit::snapshot::fit(dataset, train, pipeline, weights, &version, progress)?,
    })
}

fn note_vain_plan(session: &Session) {
    session.output.notes(&in_vain(&session.config));
}

/// What of a configuration is set in vain as far as training goes.
pub(crate) fn in_vain(config: &Config) -> Vec<String> {
    let mut lines: Vec<String> =
        config.train.remarks().into_iter().map(|remark| format!("train.{remark}")).collect();
    let is_off = |model: &&str| config.is_off(&format!("train.{model}"));
    if let Some(model) = config.pipeline.ranker.model().filter(is_off) {
        lines.push(format!(
            "pipeline.ranker is `{model}`, but train.{model} is off: the blend orders the pages, which say `rule_ranked`"
        ));
    }
    lines
}

/// Names what is fitted now.
fn name() -> String {
    format!("v{}", SystemClock.wall().millis() / 1_000)
}

/// The snapshot asked for: trained before, or fitted now.
pub(crate) fn snapshot(session: &Session, args: &ModelArgs) -> Result<Snapshot, Failure> {
    match trained(session, args)? {
        Some(snapshot) => Ok(snapshot),
        None => fitted(session, dataset(session, &args.data)?),
    }
}

/// The snapshot that `reco train` wrote to a file or published; `None` where data are to be trained on now.
pub(crate) fn trained(session: &Session, args: &ModelArgs) -> Result<Option<Snapshot>, Failure> {
    if let Some(path) = &args.snapshot {
        note_vain_settings(session);
        return Ok(Some(fit::stored::load(path)?));
    }
    let Some(versions) = versions(session, args)? else { return Ok(None) };
    let number = versions.number(args.version.unwrap_or(Role::Named(Alias::Champion)))?;
    version(session, &versions, number).map(Some)
}

/// A version of the registry. Settings that do nothing about it are named.
pub(crate) fn version(session: &Session, versions: &Versions, number: u64) -> Result<Snapshot, Failure> {
    note_vain_settings(session);
    versions.load(number)
}

/// The registry to load from, unless flags name a snapshot or data.
pub(crate) fn versions(session: &Session, args: &ModelArgs) -> Result<Option<Versions>, Failure> {
    let DataArgs { interactions, items, users, preset, columns, skip_bad_rows } = &args.data;
    let names_data = interactions.is_some()
        || items.is_some()
        || users.is_some()
        || preset.is_some()
        || !columns.is_empty()
        || skip_bad_rows.is_some();
    if args.snapshot.is_some() || names_data {
        return Ok(None);
    }
    let found = Versions::find(session, args.registry.as_ref());
    if found.is_none() && args.version.is_some() {
        return Err("--version needs --registry or registry.path".into());
    }
    Ok(found)
}

/// Settings that do nothing about a snapshot that was trained before are named.
fn note_vain_settings(session: &Session) {
    let Config { data, clean, train, .. } = &session.config;
    // Live events fade by the half-life, whatever else the snapshot was trained with.
    let usual = Plan { trend_half_life_days: train.trend_half_life_days, ..Plan::default() };
    let sections = [
        ("data", *data != ImportSpec::default()),
        ("clean", *clean != CleanParams::default()),
        ("train", *train != usual),
    ];
    for (section, is_set) in sections {
        if is_set {
            session
                .output
                .note(&format!("settings under `{section}` change nothing about a stored snapshot"));
        }
    }
}

/// A recommender over a snapshot. Settings that do nothing over it are named.
pub(crate) fn recommender(session: &Session, snapshot: Snapshot) -> Result<Recommender, Failure> {
    recommender_with(session, snapshot, None, |builder, _| builder)
}

/// The parts of a pipeline over a snapshot, and what embeds the texts of items that come while it serves. Where that cannot be what
/// its own items are compared by, that is told.
pub(crate) fn builder(
    session: &Session,
    snapshot: impl Into<Arc<Snapshot>>,
) -> Result<RecommenderBuilder, Failure> {
    let snapshot = snapshot.into();
    let folder = session.config.train.content.as_ref().and_then(|content| content.sentences.as_deref());
    let embedder = folder.map(sentence_model).transpose().map_err(FitError::from)?;
    let vectors: Option<&TextVectors> = snapshot.models.get(TextVectors::NAME);
    let made_by = vectors.map(TextVectors::embedder);
    let given = embedder.as_ref().map(|embedder| embedder.name());
    if made_by != given {
        let by =
            |name: Option<&str>| name.map_or("words".to_owned(), |name| format!("the sentence model {name}"));
        session.output.note(&format!(
            "the snapshot compares items by {}, train.content.sentences would by {}: new items are alike by words until it is trained \
             anew",
            by(made_by),
            by(given)
        ));
    }
    let builder = session.config.pipeline.builder(snapshot)?;
    Ok(match embedder {
        Some(embedder) => builder.embedder(embedder),
        None => builder,
    })
}

/// A live layer that knows nobody.
pub(crate) fn live(session: &Session) -> Live {
    let Config { weights, train, .. } = &session.config;
    Live::new(weights.clone(), train.trend_half_life_days, LiveLimits::default())
}

/// A recommender over a snapshot that knows of all events in a log and keeps further ones there.
pub(crate) fn recommender_with(
    session: &Session,
    snapshot: impl Into<Arc<Snapshot>>,
    events: Option<&Events>,
    finish: impl FnOnce(RecommenderBuilder, &Arc<dyn Clock>) -> RecommenderBuilder,
) -> Result<Recommender, Failure> {
    let (config, snapshot) = (&session.config, snapshot.into());
    for remark in config.pipeline.remarks(&snapshot) {
        session.output.note(&format!("pipeline.{remark}"));
    }
    let known = events.map(|events| events.live(session)).transpose()?.flatten();
    let live = known.unwrap_or_else(|| live(session));
    let latest = || events.and_then(|events| events.latest(&live));
    let clock: Arc<dyn Clock> = match end_of_what_is_old(session, &snapshot, latest) {
        Some(end) => Arc::new(ShiftedClock::starting_at(end)),
        None => Arc::new(SystemClock),
    };
    let builder = builder(session, snapshot)?.live(Arc::new(live)).clock(Arc::clone(&clock));
    let builder = finish(builder, &clock);
    let Some(events) = events else { return Ok(builder.build()?) };
    let recommender = builder.events(events.log.sink()).items(events.items()?).build()?;
    events.restore(session, &recommender)?;
    Ok(recommender)
}

/// The end of the data where the clock goes on from it, by the setting or because it is old: what was bought
/// "yesterday" then is yesterday here.
pub(crate) fn end_of_old_data(session: &Session, snapshot: &Snapshot) -> Option<Timestamp> {
    end_of_what_is_old(session, snapshot, || None)
}

/// The same with the moment of the latest event that is kept: none of an earlier run is still to come, and one of late
/// tells that the system's clock was gone by. In Kafka events are of late, whoever wrote them. It is asked for only where it
/// matters, for the log has to be read.
fn end_of_what_is_old(
    session: &Session,
    snapshot: &Snapshot,
    latest: impl FnOnce() -> Option<Timestamp>,
) -> Option<Timestamp> {
    let goes_on_from = |end: Timestamp| match session.config.clock {
        ClockName::System => false,
        ClockName::Data => true,
        ClockName::Auto => {
            SystemClock.wall().days_since(end) > OLD_DAYS && session.config.events.keep != Keep::Kafka
        }
    };
    if !goes_on_from(snapshot.data_until) {
        return None;
    }
    let end = latest().map_or(snapshot.data_until, |latest| latest.max(snapshot.data_until));
    (goes_on_from(end) && end.millis() > 0).then_some(end)
}

/// Data that ended longer ago is replayed as if it ended now, unless the setting says otherwise.
const OLD_DAYS: f64 = 30.0;
