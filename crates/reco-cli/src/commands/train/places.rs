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
    /// Those that flags and configuration name, in which [`slips`] finds nothing wrong.
    pub(super) fn find(session: &Session, args: &TrainArgs) -> Result<Self, Failure> {
        let versions = Versions::find(session, args.registry.as_ref());
        let out = match (&args.out, &versions) {
            (None, None) => Some(PathBuf::from("model.reco")),
            (out, _) => out.clone(),
        };
        let runs = runs(session, args, versions.as_ref());
        let start = match args.warm_start.as_deref() {
            Some(path) => earlier(session, path, versions.as_ref())?,
            None => None,
        };
        Ok(Self { out, versions, runs, start })
    }
}

/// Places that cannot be written, and a start that is not there.
pub(super) fn slips(session: &Session, args: &TrainArgs) -> Vec<String> {
    let versions = Versions::find(session, args.registry.as_ref());
    let out = args.out.as_deref().map(|out| stored::check(out).map_err(Failure::from));
    let home = versions.as_ref().map(|versions| check_folder(&versions.home()));
    let runs = runs(session, args, versions.as_ref()).map(|runs| check_folder(runs.root()));
    let start = args.warm_start.as_deref().map(|path| check_start(path, versions.as_ref()));
    [out, home, runs, start]
        .into_iter()
        .flatten()
        .filter_map(|checked| Some(checked.err()?.to_string()))
        .collect()
}

/// Whether training can go on from there, as far as that shows without loading it.
fn check_start(path: &Path, versions: Option<&Versions>) -> Result<(), Failure> {
    match (role(path), versions) {
        (Some(Role::Number(number)), Some(versions)) => {
            versions.registry.folder(&versions.model, number)?;
        }
        (Some(Role::Named(_)), Some(versions)) => {
            versions.rollout()?;
        }
        (Some(_), None) => {
            let name = path.display();
            return Err(format!(
                "--warm-start {name} names a version, which needs --registry or registry.path; there is no file of that \
                 name either"
            )
            .into());
        }
        (None, _) if path.is_dir() => {
            return Err(format!("--warm-start {}: is a folder, must be a snapshot", path.display()).into());
        }
        (None, _) if !path.is_file() => {
            return Err(format!("--warm-start {}: there is no such file", path.display()).into());
        }
        (None, _) => {}
    }
    Ok(())
}

fn check_folder(folder: &Path) -> Result<(), Failure> {
    Ok(file::check_folder(folder).map_err(|cause| format!("{}: {cause}", folder.display()))?)
}

/// The version that is meant, unless a file is there by that name.
fn role(path: &Path) -> Option<Role> {
    path.to_str().and_then(|text| text.parse::<Role>().ok()).filter(|_| !path.exists())
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

/// Where training goes on from, and its name: a file, or else a version in the registry. A registry that has no
/// champion yet has nothing to go on from: the first of many nights is no error.
fn earlier(
    session: &Session,
    path: &Path,
    versions: Option<&Versions>,
) -> Result<Option<(String, Snapshot)>, Failure> {
    let (Some(role), Some(versions)) = (role(path), versions) else {
        let snapshot = stored::load(path)?;
        return Ok(Some((format!("snapshot {}", snapshot.version), snapshot)));
    };
    if let Role::Named(alias) = role
        && versions.rollout()?.named(alias).is_none()
    {
        session.output.note(&format!(
            "no version of `{}` is {alias} yet: training begins from nothing; `reco models promote` names one",
            versions.model
        ));
        return Ok(None);
    }
    let number = versions.number(role)?;
    Ok(Some((format!("v{number}"), versions.load(number)?)))
}
