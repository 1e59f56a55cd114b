//! `reco train`: data to a snapshot file, to a version in a registry, or both.

use crate::args::{Role, TrainArgs};
use crate::registry::{Versions, told};
use crate::{Failure, Session, model};
use reco_core::interactions::ActionTally;
use reco_core::rank::WideDeep;
use reco_core::snapshot::Snapshot;
use reco_core::time::{Clock, SystemClock};
use reco_train::fit::stored;
use reco_train::publish::{self, DataFacts, Metadata};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Serialize)]
struct Trained {
    /// The file, where one was written.
    snapshot: Option<PathBuf>,
    /// The registry and the version in it, where one was published.
    registry: Option<PathBuf>,
    published: Option<String>,
    version: String,
    users: usize,
    items: usize,
    models: Vec<String>,
    bytes: Option<u64>,
    /// How the learned ranker did on what training kept from it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metrics: BTreeMap<String, f64>,
    /// What the actions weigh.
    weights: Vec<ActionTally>,
    remarks: Vec<String>,
}

pub(crate) fn run(session: &Session, args: &TrainArgs) -> Result<(), Failure> {
    // A snapshot that cannot be read or written is an error before any data are.
    let versions = Versions::find(session, args.registry.as_ref());
    let out = match (&args.out, &versions) {
        (None, None) => Some(PathBuf::from("model.reco")),
        (out, _) => out.clone(),
    };
    out.as_deref().map(stored::check).transpose()?;
    if let Some(versions) = &versions {
        let place = versions.registry.root().join(&versions.model);
        reco_core::file::check_folder(&place).map_err(|cause| format!("{}: {cause}", place.display()))?;
    }
    let start = args.warm_start.as_deref().map(|path| earlier(path, versions.as_ref())).transpose()?;
    let (dataset, remarks) = model::dataset_with_remarks(session, &args.data)?;
    session.output.remarks(&remarks);
    let weights = dataset.log.tally(&session.config.weights);
    let facts = DataFacts::of(&dataset);
    let snapshot = match &start {
        Some((_, earlier)) => model::refitted(session, earlier, dataset)?,
        None => model::fitted(session, dataset)?,
    };
    let bytes = out.as_deref().map(|out| stored::save(&snapshot, out)).transpose()?;
    let published = match &versions {
        Some(Versions { registry, model }) => {
            let configuration = serde_json::to_value(&session.config)?;
            let from = start.map(|(name, _)| name);
            let metadata = Metadata::new(&snapshot, facts, from, configuration, SystemClock.wall());
            let version = publish::publish(registry, model, &snapshot, &metadata).map_err(told)?;
            Some(format!("v{version}"))
        }
        None => None,
    };
    let trained = Trained {
        snapshot: out,
        registry: versions.map(|versions| versions.registry.root().to_owned()),
        published,
        version: snapshot.version.to_string(),
        users: snapshot.users.len(),
        items: snapshot.catalog.len(),
        models: snapshot.models.names().map(ToString::to_string).collect(),
        bytes,
        metrics: snapshot.models.get(WideDeep::NAME).map(WideDeep::metrics).unwrap_or_default(),
        weights,
        remarks,
    };
    session.output.result(&trained, rendered)
}

/// Where training goes on from, and its name: a file, or else a version in the registry.
fn earlier(path: &Path, versions: Option<&Versions>) -> Result<(String, Snapshot), Failure> {
    let role = path.to_str().and_then(|text| text.parse::<Role>().ok());
    match (role, versions) {
        (Some(role), Some(versions)) if !path.exists() => {
            let number = versions.number(role)?;
            Ok((format!("v{number}"), versions.load(number)?))
        }
        _ => {
            let snapshot = stored::load(path)?;
            Ok((format!("snapshot {}", snapshot.version), snapshot))
        }
    }
}

fn rendered(trained: &Trained) -> String {
    let Trained { version, users, items, models, .. } = trained;
    let mut text = format!("snapshot {version}: {users} users, {items} items, models {}", models.join(", "));
    if let (Some(path), Some(bytes)) = (&trained.snapshot, trained.bytes) {
        let path = path.display();
        text.push_str(&format!(
            "\nwrote {bytes} bytes to {path}\nserve it with: reco serve --snapshot {path}"
        ));
    }
    if let (Some(path), Some(version)) = (&trained.registry, &trained.published) {
        let path = path.display();
        text.push_str(&format!(
            "\npublished {version} to {path}\nlet it serve with: reco models promote {version} --registry {path}"
        ));
    }
    text
}
