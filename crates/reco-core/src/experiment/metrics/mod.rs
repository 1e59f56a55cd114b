//! Metrics of experiments: a consumer that follows what exposed users do, and what its counts say of the variants.

mod compare;
mod config;
mod tally;
#[cfg(test)]
mod tests;

pub use compare::{Comparison, Effect, MetricReport};
pub use config::{Better, Measured, MetricConfig, MetricKind};

use super::statistics::{Mismatch, sample_ratio_mismatch};
use super::{ExperimentConfig, VariantConfig};
use crate::consume::{Consumer, write_aside};
use crate::error::Fault;
use crate::file;
use crate::id::UserKey;
use crate::live::Places;
use crate::store::Delivery;
use crate::time::Timestamp;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tally::{Exposed, Tally};

/// Counts what exposed users do, for all experiments. Cheap to clone: a clone reads what the one that is fed counts.
///
/// All of it is in one file together with the places of the log that it is of, so that every event counts once, and reading the
/// log anew comes to the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    state: Arc<Mutex<State>>,
    path: Option<PathBuf>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// What is counted, as JSON: with other metrics, the log has to be read anew.
    described: String,
    applied: Places,
    tally: Tally,
    #[serde(skip)]
    names: Vec<String>,
    #[serde(skip)]
    metrics: Vec<MetricConfig>,
}

/// What is known of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExperimentReport {
    /// The experiment.
    pub experiment: String,
    /// Its arms, the control first.
    pub arms: Vec<ArmReport>,
    /// Users who saw more than one variant, and count for none.
    pub mixed: u64,
    /// When the first and the last of them was first exposed.
    pub first: Option<Timestamp>,
    /// See [`first`](Self::first).
    pub last: Option<Timestamp>,
    /// Whether users came into the arms in the ratio that was meant; nothing for one arm.
    pub mismatch: Option<Mismatch>,
    /// The metrics, in the order of their names.
    pub metrics: Vec<MetricReport>,
}

/// An arm of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmReport {
    /// The variant.
    pub variant: String,
    /// Users exposed to it.
    pub users: u64,
}

impl Metrics {
    /// The name of its group in the log.
    pub const NAME: &str = "experiments";

    /// Users of two arms at which intervals for any time are tightest, where nothing is planned.
    const TUNING: f64 = 10_000.0;

    /// Goes on with what is in a file, where there is one that counts the same metrics.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is none of these: remove it to count the log from its beginning.
    pub fn open(metrics: &BTreeMap<String, MetricConfig>, path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let remedy = "remove it to count the log from its beginning";
        let kept = file::kept::<State>(&path, remedy)?.unwrap_or_default();
        Ok(Self::with(metrics, kept, Some(path)))
    }

    /// Counts that are gone with the process.
    pub fn in_memory(metrics: &BTreeMap<String, MetricConfig>) -> Self {
        Self::with(metrics, State::default(), None)
    }

    fn with(metrics: &BTreeMap<String, MetricConfig>, kept: State, path: Option<PathBuf>) -> Self {
        let described = serde_json::to_string(metrics).unwrap_or_default();
        let mut state = if kept.described == described { kept } else { State::default() };
        state.described = described;
        state.names = metrics.keys().cloned().collect();
        state.metrics = metrics.values().cloned().collect();
        Self { state: Arc::new(Mutex::new(state)), path }
    }

    /// Takes events in that were not counted before, in the order of their log.
    pub fn count(&self, deliveries: &[Delivery]) {
        let mut state = self.state.lock();
        let State { applied, tally, metrics, .. } = &mut *state;
        for Delivery { place, event } in deliveries {
            if applied.insert(*place) {
                tally.add(metrics, event);
            }
        }
    }

    /// The places of the log that are counted.
    pub fn counted(&self) -> Places {
        self.state.lock().applied.clone()
    }

    /// Forgets everything about a user, and says whether there was anything.
    pub fn forget(&self, user: &UserKey) -> bool {
        self.state.lock().tally.forget(user)
    }

    /// What is known of an experiment by now.
    pub fn report(&self, name: &str, config: &ExperimentConfig) -> ExperimentReport {
        let state = self.state.lock();
        let (mut users, mut mixed) = (vec![Vec::new(); config.variants.len()], 0);
        let (mut first, mut last) = (None::<Timestamp>, None::<Timestamp>);
        for exposed in state.tally.exposed(name) {
            first = Some(first.map_or(exposed.first, |first| first.min(exposed.first)));
            last = last.max(Some(exposed.first));
            match config.variant(&exposed.variant) {
                Some(arm) if !exposed.is_mixed => users[arm].push(exposed),
                _ => mixed += 1,
            }
        }
        let metrics = state.names.iter().zip(&state.metrics).enumerate();
        let metrics = metrics
            .map(|(number, (name, metric))| MetricReport::new(name, metric, number, &users, Self::TUNING));
        ExperimentReport {
            experiment: name.to_owned(),
            mismatch: mismatch(config, &users),
            metrics: metrics.collect(),
            arms: arms(config, &users),
            mixed,
            first,
            last,
        }
    }
}

fn arms(config: &ExperimentConfig, users: &[Vec<&Exposed>]) -> Vec<ArmReport> {
    let arm = |(variant, users): (&VariantConfig, &Vec<&Exposed>)| ArmReport {
        variant: variant.name.clone(),
        users: users.len() as u64,
    };
    config.variants.iter().zip(users).map(arm).collect()
}

/// Of the arms that take anybody in.
fn mismatch(config: &ExperimentConfig, users: &[Vec<&Exposed>]) -> Option<Mismatch> {
    let shares = config.ranges().into_iter().map(|range| range.end - range.start);
    let (mut observed, mut weights) = (Vec::new(), Vec::new());
    for (users, share) in users.iter().zip(shares).filter(|(_, share)| *share > 0.0) {
        observed.push(users.len() as u64);
        weights.push(share);
    }
    sample_ratio_mismatch(&observed, &weights).ok()
}

#[async_trait]
impl Consumer for Metrics {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        self.count(deliveries);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let this = self.clone();
        let write = move || this.path.as_ref().map_or(Ok(()), |path| file::keep(path, &*this.state.lock()));
        write_aside(Self::NAME, write).await
    }
}
