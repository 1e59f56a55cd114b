//! `reco train`: data to a snapshot file.

use crate::args::TrainArgs;
use crate::{Failure, Session, model, output};
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
}

pub(crate) fn run(session: &Session, args: &TrainArgs) -> Result<(), Failure> {
    let snapshot = model::fitted(session, model::dataset(session, &args.data)?)?;
    let bytes = stored::save(&snapshot, &args.out)?;
    let trained = Trained {
        snapshot: args.out.clone(),
        version: snapshot.version.to_string(),
        users: snapshot.users.len(),
        items: snapshot.catalog.len(),
        models: snapshot.models.names().map(ToString::to_string).collect(),
        bytes,
    };
    if session.json {
        return output::json(&trained);
    }
    let Trained { version, users, items, models, .. } = &trained;
    output::text(&format!(
        "snapshot {version}: {users} users, {items} items, models {}\nwrote {bytes} bytes to {path}\nserve it with: reco serve --snapshot {path}",
        models.join(", "),
        path = args.out.display()
    ));
    Ok(())
}
