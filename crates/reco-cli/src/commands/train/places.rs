//! Where training starts from and where its results go, known to be sound before any data are read.

use crate::args::{Role, TrainArgs};
use crate::commands::runs;
use crate::registry::Versions;
use crate::{Failure, Session};
use reco_core::file;
use reco_core::snapshot::Snapshot;
use reco_train::fit::stored;
use reco_train::track::FolderTracker;
use std::path::{Path, PathBuf};

pub(super) struct Places {
    /// The file to write.
    pub(super) out: Option<PathBuf>,
    /// The registry to publish to.
    pub(super) versions: Option<Versions>,
    /// The run log; without one nothing is judged.
    pub(super) runs: Option<FolderTracker>,
    /// Where training goes on from, and its name.
    pub(super) start: Option<(String, Snapshot)>,
}

impl Places {
    pub(super) fn find(session: &Session, args: &TrainArgs) -> Result<Self, Failure> {
        let versions = Versions::find(session, args.registry.as_ref());
        let out = match (&args.out, &versions) {
            (None, None) => Some(PathBuf::from("model.reco")),
            (out, _) => out.clone(),
        };
        out.as_deref().map(stored::check).transpose()?;
        versions.as_ref().map(|versions| check_folder(&versions.home())).transpose()?;
        let runs = runs(session, args, versions.as_ref());
        runs.as_ref().map(|runs| check_folder(runs.root())).transpose()?;
        let start = args.warm_start.as_deref().map(|path| earlier(path, versions.as_ref())).transpose()?;
        Ok(Self { out, versions, runs, start })
    }
}

fn check_folder(folder: &Path) -> Result<(), Failure> {
    Ok(file::check_folder(folder).map_err(|cause| format!("{}: {cause}", folder.display()))?)
}

/// The run log, where something asks for one: a flag, the configuration or a registry, whose versions should say
/// how good they are.
fn runs(session: &Session, args: &TrainArgs, versions: Option<&Versions>) -> Option<FolderTracker> {
    let is_named = args.runs.is_some() || session.config.runs.path.is_some();
    if args.no_judge || !(args.asks_for_a_run() || is_named || versions.is_some()) {
        return None;
    }
    Some(runs::log(session, args.runs.as_ref(), versions))
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
