//! Metrics of experiments: a consumer that follows what exposed users do, and what its counts say of the variants.

mod compare;
mod config;
mod tally;
#[cfg(test)]
mod tests;

pub use compare::{Comparison, Effect, MetricReport};
pub use config::{Better, Measured, MetricConfig, MetricKind};

use super::statistics::{Correction, Mismatch, sample_ratio_mismatch};
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
    /// The deciding metric among users of one kind, most users first.
    pub segments: Vec<SegmentReport>,
    /// What differs between the arms' users from the time before they were exposed, by the metrics that look there: nothing
    /// should.
    pub before: Vec<Before>,
    /// Whether the variants change nothing here: a test of the experiment itself (A/A), or of a front end that knows them.
    pub is_aa: bool,
}

/// The deciding metric among users of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentReport {
    /// What users are divided by.
    pub segment: String,
    /// Its value of these.
    pub value: String,
    /// How many they are in each arm, the control first.
    pub arms: Vec<ArmReport>,
    /// Whether these came into the arms in the ratio that was meant.
    pub mismatch: Option<Mismatch>,
    /// The deciding metric among them; nothing where there is none by its name.
    pub metric: Option<MetricReport>,
    /// The p for any time of each arm from the second on, with the correction of Benjamini and Hochberg for all segments and arms:
    /// the more one looks at, the more differs by chance. 1 where too little is known.
    pub adjusted: Vec<f64>,
}

/// A metric of the time before users were exposed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Before {
    /// Its name.
    pub metric: String,
    /// The variant beside the control.
    pub variant: String,
    /// What the variant's users did more than the control's, per user.
    pub difference: f64,
    /// Of no difference, at any time.
    pub p: f64,
}

impl Before {
    /// Whether that can be no chance (p below 0.001).
    pub fn alarms(&self) -> bool {
        self.p < 0.001
    }
}

/// An arm of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmReport {
    /// The variant.
    pub variant: String,
    /// Users exposed to it.
    pub users: u64,
}

impl ExperimentReport {
    /// Of a test of the experiment itself, how many comparisons of metrics say that something differs (p below 0.05 for one
    /// look), and how many there are: one in twenty of them does by chance.
    pub fn seem_different(&self) -> Option<(usize, usize)> {
        let compared = || self.metrics.iter().flat_map(|metric| &metric.compared).flatten();
        self.is_aa.then(|| (compared().filter(|of| of.p < 0.05).count(), compared().count()))
    }
}

impl Metrics {
    /// The name of its group in the log.
    pub const NAME: &str = "experiments";

    /// Values of a segment that are reported, those of most users.
    const MOST_VALUES: usize = 20;

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
        let metrics = || state.names.iter().zip(&state.metrics).enumerate();
        let report = |(number, (name, metric)): (usize, (&String, &MetricConfig)),
                      users: &[Vec<&Exposed>]| {
            MetricReport::new(name, metric, number, users, Self::TUNING)
        };
        let deciding = |users: &[Vec<&Exposed>]| {
            let deciding = metrics().find(|(_, (name, _))| **name == config.decide.metric)?;
            Some(report(deciding, users))
        };
        let before = metrics().filter(|(_, (_, metric))| metric.cuped_days > 0);
        ExperimentReport {
            experiment: name.to_owned(),
            mismatch: mismatch(config, &users),
            metrics: metrics().map(|metric| report(metric, &users)).collect(),
            segments: segments(config, &users, deciding),
            before: before
                .flat_map(|(number, (name, _))| compare::before(name, number, config, &users, Self::TUNING))
                .collect(),
            is_aa: config.is_aa(),
            arms: arms(config, &users),
            mixed,
            first,
            last,
        }
    }
}

/// What is known of users of each kind.
fn segments(
    config: &ExperimentConfig,
    users: &[Vec<&Exposed>],
    metric: impl Fn(&[Vec<&Exposed>]) -> Option<MetricReport>,
) -> Vec<SegmentReport> {
    let mut segments = Vec::new();
    for name in &config.segments {
        let mut by_value: BTreeMap<&str, Vec<Vec<&Exposed>>> = BTreeMap::new();
        for (arm, users) in users.iter().enumerate() {
            for user in users {
                let Some(value) = user.segments.get(name) else { continue };
                let arms = by_value.entry(value).or_insert_with(|| vec![Vec::new(); config.variants.len()]);
                arms[arm].push(user);
            }
        }
        let n_users = |arms: &[Vec<&Exposed>]| arms.iter().map(Vec::len).sum::<usize>();
        let mut by_value: Vec<_> = by_value.into_iter().collect();
        by_value.sort_by_key(|(_, arms)| std::cmp::Reverse(n_users(arms)));
        by_value.truncate(Metrics::MOST_VALUES);
        segments.extend(by_value.into_iter().map(|(value, users)| SegmentReport {
            segment: name.clone(),
            value: value.to_owned(),
            arms: arms(config, &users),
            mismatch: mismatch(config, &users),
            metric: metric(&users),
            adjusted: Vec::new(),
        }));
    }
    adjust(&mut segments, config.variants.len().saturating_sub(1));
    segments
}

/// Corrects what segments say for their being many.
fn adjust(segments: &mut [SegmentReport], n_compared: usize) {
    let p_of = |segment: &SegmentReport, arm: usize| {
        let compared = segment.metric.as_ref().and_then(|metric| metric.compared.get(arm)?.as_ref());
        compared.map_or(1.0, |of| of.anytime.p)
    };
    let all: Vec<f64> =
        segments.iter().flat_map(|segment| (0..n_compared).map(move |arm| p_of(segment, arm))).collect();
    // All of them are between 0 and 1.
    let all = Correction::BenjaminiHochberg.adjusted(&all).unwrap_or(all);
    for (segment, adjusted) in segments.iter_mut().zip(all.chunks(n_compared.max(1))) {
        segment.adjusted = adjusted.to_vec();
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
