//! From data or a stored snapshot to a recommender.

use crate::args::{DataArgs, ModelArgs};
use crate::{Failure, Session, demo, output};
use reco_core::live::{Live, LiveLimits};
use reco_core::pipeline::Recommender;
use reco_core::snapshot::Snapshot;
use reco_core::time::{Clock, ShiftedClock, SystemClock};
use reco_train::data::{self, Dataset};
use reco_train::fit;
use std::sync::Arc;

/// Reads the data asked for; without any, the shipped demo data.
pub(crate) fn dataset(session: &Session, args: &DataArgs) -> Result<Dataset, Failure> {
    let Some(spec) = session.config.import(args)? else {
        session.progress.begin("reading demo data", 0);
        let dataset = demo::load()?;
        let (users, items, rows) = (dataset.log.users.len(), dataset.catalog.len(), dataset.log.len());
        session.progress.end(&format!("{users} users, {items} items, {rows} interactions: {}", demo::NAME));
        return Ok(dataset);
    };
    let (dataset, report) = data::read(&spec, &*session.progress)?;
    for bad in &report.bad_examples {
        output::note(&format!("left out: {bad}"));
    }
    Ok(dataset)
}

/// Fits everything the configuration asks for.
pub(crate) fn fitted(session: &Session, dataset: Dataset) -> Result<Snapshot, Failure> {
    let version = format!("v{}", SystemClock.wall().millis() / 1_000);
    let config = &session.config;
    Ok(fit::snapshot::fit(dataset, &config.train, &config.weights, &version, &*session.progress)?)
}

/// The snapshot asked for: stored, or fitted now.
pub(crate) fn snapshot(session: &Session, args: &ModelArgs) -> Result<Snapshot, Failure> {
    match &args.snapshot {
        Some(path) => Ok(fit::stored::load(path)?),
        None => fitted(session, dataset(session, &args.data)?),
    }
}

/// A recommender over a snapshot. Where the data ended long ago, the clock goes on from its end: what was
/// bought "yesterday" then is yesterday here.
pub(crate) fn recommender(session: &Session, snapshot: Snapshot) -> Result<Recommender, Failure> {
    let config = &session.config;
    let stale =
        SystemClock.wall().days_since(snapshot.data_until) > STALE_DAYS && snapshot.data_until.millis() > 0;
    let clock: Arc<dyn Clock> =
        if stale { Arc::new(ShiftedClock::starting_at(snapshot.data_until)) } else { Arc::new(SystemClock) };
    let half_life = config.train.trend_half_life_days;
    let live = Arc::new(Live::new(config.weights.clone(), half_life, LiveLimits::default()));
    Ok(config.pipeline.builder(snapshot)?.live(live).clock(clock).build()?)
}

/// Data older than this is replayed as if it ended now.
const STALE_DAYS: f64 = 30.0;
