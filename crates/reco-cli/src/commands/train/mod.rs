//! `reco train`: data to a snapshot file, to a version in a registry, or both; judged and logged as a run, or not.

mod places;
mod run;
mod told;

use crate::args::TrainArgs;
use crate::model::Prepared;
use crate::registry::{Versions, told as told_of_registry};
use crate::slips::Slips;
use crate::{Failure, Session, model};
use places::Places;
use reco_core::snapshot::Snapshot;
use reco_core::time::{Clock, SystemClock};
use reco_train::fit::stored;
use reco_train::progress::Recorded;
use reco_train::publish::{self, DataFacts, Metadata};
use told::{Trained, rendered};

/// All that is wrong with what it is told, before anything is read or loaded.
pub(crate) fn slips(session: &Session, args: &TrainArgs) -> Vec<String> {
    let (_, of_candidates) = run::candidates(session, args);
    let of_data = model::slips(session, &args.data);
    of_candidates.into_iter().chain(of_data).chain(places::slips(session, args)).collect()
}

pub(crate) fn run(session: &Session, args: &TrainArgs) -> Result<(), Failure> {
    let places = Places::find(session, args)?;
    let (candidates, slips) = run::candidates(session, args);
    Slips::none_of(slips)?;
    let mut prepared = model::prepared(session, &args.data)?;
    if places.runs.is_some() && !args.asks_for_a_run() {
        prepared.remarks.push(JUDGED.to_owned());
    }
    session.output.remarks(&prepared.remarks);
    let trained = match &places.runs {
        Some(runs) => run::judged(session, args.anew, &places, runs, &candidates, prepared)?,
        None => unjudged(session, &places, prepared)?,
    };
    session.output.result(&trained, rendered)
}

/// What a registry, or a log in the configuration, entails.
const JUDGED: &str = "judged on later data before it is fitted to everything, so that the version says how good it is; \
                      --no-judge trains three times as fast";

/// Fits what is configured to everything, and that is all.
fn unjudged(session: &Session, places: &Places, prepared: Prepared) -> Result<Trained, Failure> {
    let Prepared { dataset, cleaned, mut remarks } = prepared;
    let weights = dataset.log.tally(&session.config.weights);
    let facts = DataFacts::of(&dataset);
    let recorded = Recorded::new(&*session.progress);
    let earlier = places.start.as_ref().map(|(_, earlier)| earlier);
    let snapshot = model::fitted_from(session, earlier, dataset, &recorded)?;
    let (_, left_out) = recorded.into_told();
    session.output.remarks(&left_out);
    remarks.extend(left_out.iter().cloned());
    let bytes = places.out.as_deref().map(|out| stored::save(&snapshot, out)).transpose()?;
    let from = places.start.as_ref().map(|(name, _)| name.clone());
    let published = match &places.versions {
        Some(versions) => {
            let configuration = serde_json::to_value(&session.config)?;
            let metadata = Metadata::new(&snapshot, facts, from, configuration, SystemClock.wall());
            let metadata = Metadata { cleaned: cleaned.clone(), remarks: left_out, ..metadata };
            Some(published(versions, &snapshot, &metadata)?)
        }
        None => None,
    };
    let trained = Trained::new(places, &snapshot, bytes, published, weights);
    Ok(Trained { cleaned, remarks, ..trained })
}

/// Publishes a version and says which.
fn published(versions: &Versions, snapshot: &Snapshot, metadata: &Metadata) -> Result<u64, Failure> {
    publish::publish(&versions.registry, &versions.model, snapshot, metadata).map_err(told_of_registry)
}
