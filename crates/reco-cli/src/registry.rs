//! The registry that flags or configuration name.

use crate::args::Role;
use crate::{Failure, Session};
use reco_core::pipeline::SwapGuard;
use reco_core::registry::{Alias, FolderRegistry, RegistryError, Rollout};
use reco_core::snapshot::Snapshot;
use reco_train::publish;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where versions are published to and served from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RegistryConfig {
    /// The folder; without one, data are trained on when a command starts, or a snapshot is named.
    pub(crate) path: Option<PathBuf>,
    /// The name of the model in it.
    pub(crate) model: String,
    /// Seconds between two looks at the champion while serving; 0 to look on SIGHUP alone.
    pub(crate) watch_secs: u64,
    /// Users that a new champion must serve as well as the old one.
    pub(crate) golden_users: Vec<String>,
    /// The least share of the old pages' items that a new champion's pages must have, 0 to 1.
    pub(crate) least_overlap: f64,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            path: None,
            model: "reco".to_owned(),
            watch_secs: 30,
            golden_users: Vec::new(),
            least_overlap: 0.1,
        }
    }
}

impl RegistryConfig {
    /// What is wrong with it, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let is_share = (0.0..=1.0).contains(&self.least_overlap);
        let problem = || format!("least_overlap is {}, must be 0 to 1", self.least_overlap);
        (!is_share).then(problem).into_iter().collect()
    }

    /// What a new champion must be like.
    pub(crate) fn guard(&self) -> SwapGuard {
        let golden_users = self.golden_users.iter().map(|user| user.as_str().into()).collect();
        SwapGuard { golden_users, least_overlap: self.least_overlap, ..SwapGuard::default() }
    }
}

/// One model in a registry.
#[derive(Clone, Debug)]
pub(crate) struct Versions {
    pub(crate) registry: FolderRegistry,
    pub(crate) model: String,
}

impl Versions {
    /// Those that the flag names, or the configuration; `None` where neither does.
    pub(crate) fn find(session: &Session, flag: Option<&PathBuf>) -> Option<Self> {
        let RegistryConfig { path, model, .. } = &session.config.registry;
        let path = flag.or(path.as_ref())?;
        Some(Self { registry: FolderRegistry::new(path), model: model.clone() })
    }

    /// The folder of the model.
    pub(crate) fn home(&self) -> PathBuf {
        self.registry.root().join(&self.model)
    }

    /// The number of a version.
    pub(crate) fn number(&self, role: Role) -> Result<u64, Failure> {
        match role {
            Role::Number(number) => Ok(number),
            Role::Named(alias) => {
                let number = self.rollout()?.named(alias);
                number.ok_or_else(|| {
                    let place = self.registry.root().display();
                    format!(
                        "{place}: no version of model `{}` is {alias}; `reco models promote` names one",
                        self.model
                    )
                    .into()
                })
            }
        }
    }

    /// Who is champion, and who challenger.
    pub(crate) fn rollout(&self) -> Result<Rollout, Failure> {
        self.registry.read_rollout(&self.model).map_err(|error| self.told(error))
    }

    /// What a version is; none for one without a role, or where that cannot be read.
    pub(crate) fn role(&self, version: u64) -> Option<Alias> {
        self.rollout().ok().and_then(|rollout| role(&rollout, version))
    }

    /// As [`told`], with the way out of a damaged file of aliases.
    pub(crate) fn told(&self, error: RegistryError) -> Failure {
        let text = told(error).to_string();
        let aliases = self.home().join(ALIASES);
        if !text.contains(ALIASES) {
            return text.into();
        }
        format!(
            "{text}; versions are not affected: mend {}, or remove it and name the champion anew with `reco models promote`",
            aliases.display()
        )
        .into()
    }

    pub(crate) fn load(&self, version: u64) -> Result<Snapshot, Failure> {
        Ok(publish::load(&self.registry, &self.model, version)?)
    }
}

/// The file that says who is champion, in a model's folder.
const ALIASES: &str = "aliases.json";

/// The role of a version.
pub(crate) fn role(rollout: &Rollout, version: u64) -> Option<Alias> {
    [Alias::Champion, Alias::Challenger].into_iter().find(|alias| rollout.named(*alias) == Some(version))
}

/// With what lies behind it: a failed store says nothing by itself.
pub(crate) fn told(error: RegistryError) -> Failure {
    match error {
        RegistryError::Store(cause) => format!("the registry's store failed: {cause}").into(),
        error => error.into(),
    }
}
