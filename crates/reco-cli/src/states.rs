//! Which experiments were started and stopped by hand: a file beside the events, which a server reads while it runs.

use crate::Failure;
use reco_core::experiment::{ExperimentConfig, State};
use reco_core::file;
use reco_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct States {
    path: PathBuf,
}

/// An experiment was started or stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) at: Timestamp,
    pub(crate) state: State,
    pub(crate) by: String,
    pub(crate) why: String,
}

/// What was done by hand, by experiment, the latest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Turns(BTreeMap<String, Vec<Turn>>);

impl States {
    /// The file in the folder of a server's events.
    pub(crate) fn beside(events: &Path) -> Self {
        Self { path: events.join("experiments.states.json") }
    }

    /// What was done so far; nothing where there is no file.
    pub(crate) fn read(&self) -> Result<Turns, Failure> {
        let told = |cause: &dyn std::fmt::Display| format!("{}: {cause}", self.path.display());
        match fs::read(&self.path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_err(|cause| told(&cause))?),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Turns::default()),
            Err(cause) => Err(told(&cause).into()),
        }
    }

    /// Adds one; nobody else does meanwhile. `check` is asked whether all experiments may go on as they would then.
    pub(crate) fn turn(
        &self,
        experiment: &str,
        turn: Turn,
        check: impl FnOnce(&Turns) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.with_extension("lock"))?;
        lock.lock()?;
        let mut turns = self.read()?;
        turns.0.entry(experiment.to_owned()).or_default().push(turn);
        check(&turns)?;
        let text = serde_json::to_string_pretty(&turns)?;
        Ok(file::replace(&self.path, |file| file.write_all(text.as_bytes()))?)
    }
}

impl Turns {
    /// All of an experiment, the latest last.
    pub(crate) fn of(&self, experiment: &str) -> &[Turn] {
        self.0.get(experiment).map_or(&[], Vec::as_slice)
    }

    /// The latest of an experiment.
    pub(crate) fn latest(&self, experiment: &str) -> Option<&Turn> {
        self.of(experiment).last()
    }

    /// The latest of each.
    pub(crate) fn all_latest(&self) -> impl Iterator<Item = (&str, &Turn)> {
        self.0.iter().filter_map(|(experiment, turns)| Some((experiment.as_str(), turns.last()?)))
    }

    /// Experiments as they go on after all that.
    pub(crate) fn applied(
        &self,
        configs: &BTreeMap<String, ExperimentConfig>,
    ) -> BTreeMap<String, ExperimentConfig> {
        let applied = |(name, config): (&String, &ExperimentConfig)| {
            let state = self.latest(name).map_or(config.state, |turn| turn.state);
            (name.clone(), ExperimentConfig { state, ..config.clone() })
        };
        configs.iter().map(applied).collect()
    }
}
