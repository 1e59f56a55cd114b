//! `reco train`: data to a snapshot file.

use crate::args::TrainArgs;
use crate::{Failure, Session, model};
use reco_core::interactions::ActionTally;
use reco_train::fit::stored;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Serialize)]
struct Trained {
    snapshot: PathBuf,
    version: String,
    users: usize,
    items: usize,
    models: Vec<String>,
    bytes: u64,
    /// What the actions weigh.
    weights: Vec<ActionTally>,
    remarks: Vec<String>,
}

pub(crate) fn run(session: &Session, args: &TrainArgs) -> Result<(), Failure> {
    // A snapshot that cannot be read or written is an error before any data are.
    stored::check(&args.out)?;
    let earlier = args.warm_start.as_deref().map(stored::load).transpose()?;
    let (dataset, remarks) = model::dataset_with_remarks(session, &args.data)?;
    session.output.remarks(&remarks);
    let weights = dataset.log.tally(&session.config.weights);
    let snapshot = match &earlier {
        Some(earlier) => model::refitted(session, earlier, dataset)?,
        None => model::fitted(session, dataset)?,
    };
    let bytes = stored::save(&snapshot, &args.out)?;
    let trained = Trained {
        snapshot: args.out.clone(),
        version: snapshot.version.to_string(),
        users: snapshot.users.len(),
        items: snapshot.catalog.len(),
        models: snapshot.models.names().map(ToString::to_string).collect(),
        bytes,
        weights,
        remarks,
    };
    session.output.result(&trained, rendered)
}

fn rendered(trained: &Trained) -> String {
    let Trained { version, users, items, models, bytes, .. } = trained;
    format!(
        "snapshot {version}: {users} users, {items} items, models {}\nwrote {bytes} bytes to {path}\nserve it with: reco serve --snapshot {path}",
        models.join(", "),
        path = trained.snapshot.display()
    )
}
