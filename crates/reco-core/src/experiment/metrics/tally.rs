//! What users did after they were exposed, user by user: kept up to date by events.

use super::MetricConfig;
use crate::error::Rung;
use crate::event::Event;
use crate::experiment::{Exposure, Measured};
use crate::id::UserKey;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What all users did, by experiment.
///
/// It follows from the events in the order of the log: what a user did counts from the exposure on, if it happened after it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// By user or session.
    units: BTreeMap<UserKey, UnitState>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct UnitState {
    /// By experiment.
    exposed: BTreeMap<Arc<str>, Exposed>,
    /// What was done on single days of late, one sum per metric: what happens before the next exposure.
    days: BTreeMap<i64, Vec<f64>>,
}

/// What somebody did since they were exposed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Exposed {
    /// The variant that they saw first.
    pub(super) variant: Arc<str>,
    /// When.
    pub(super) first: Timestamp,
    /// What the experiment divides users by, with their values then.
    pub(super) segments: BTreeMap<String, String>,
    /// They saw another, too.
    pub(super) is_mixed: bool,
    /// What is counted and what it is divided by, for each metric.
    pub(super) sums: Vec<(f64, f64)>,
    /// What was counted before, for each metric.
    pub(super) before: Vec<f64>,
    /// Milliseconds that answers took, the latest ones.
    pub(super) latencies: Vec<f32>,
    /// Answers that were noted, and those of them that were not the best possible.
    pub(super) answers: u32,
    pub(super) fallbacks: u32,
}

impl Exposed {
    const MOST_LATENCIES: usize = 64;

    fn of(exposure: &Exposure, before: Vec<f64>) -> Self {
        let n_metrics = before.len();
        Self {
            variant: Arc::clone(&exposure.variant),
            first: exposure.at,
            segments: exposure.segments.clone(),
            is_mixed: false,
            sums: vec![(0.0, 0.0); n_metrics],
            before,
            latencies: Vec::new(),
            answers: 0,
            fallbacks: 0,
        }
    }

    fn served(&mut self, exposure: &Exposure) {
        self.is_mixed |= self.variant != exposure.variant;
        self.answers += 1;
        self.fallbacks += u32::from(exposure.served.rung != Rung::Full);
        if self.latencies.len() == Self::MOST_LATENCIES {
            self.latencies.remove(0);
        }
        self.latencies.push(exposure.served.latency_ms as f32);
    }

    fn did(&mut self, metrics: &[MetricConfig], event: &Event) {
        for (sums, metric) in self.sums.iter_mut().zip(metrics) {
            let after = event.at.days_since(self.first);
            if (0.0..=metric.within_days).contains(&after) {
                let (counted, divided) = metric.added(&event.action, event.value);
                sums.0 += counted;
                sums.1 += divided;
            }
        }
    }

    /// Takes over what a visitor did before they told their name.
    fn join(&mut self, visitor: Self) {
        if visitor.first < self.first {
            self.before = visitor.before;
            self.first = visitor.first;
            self.segments = visitor.segments;
        }
        self.is_mixed |= visitor.is_mixed || visitor.variant != self.variant;
        for (sums, of_visitor) in self.sums.iter_mut().zip(visitor.sums) {
            sums.0 += of_visitor.0;
            sums.1 += of_visitor.1;
        }
        self.answers += visitor.answers;
        self.fallbacks += visitor.fallbacks;
        self.latencies.splice(0..0, visitor.latencies);
        let surplus = self.latencies.len().saturating_sub(Self::MOST_LATENCIES);
        self.latencies.drain(..surplus);
    }
}

impl Tally {
    /// Takes an event in; the metrics must be the same for all of them.
    pub(super) fn add(&mut self, metrics: &[MetricConfig], event: &Event) {
        match Exposure::read(event) {
            Some(exposure) => self.expose(metrics, &exposure),
            None => self.did(metrics, event),
        }
    }

    fn expose(&mut self, metrics: &[MetricConfig], exposure: &Exposure) {
        let visitor =
            exposure.session.as_deref().map(UserKey::of_session).filter(|key| *key != exposure.unit);
        let as_visitor =
            visitor.and_then(|key| self.units.get_mut(&key)?.exposed.remove(&exposure.experiment));
        let unit = self.units.entry(exposure.unit.clone()).or_default();
        let before = || unit_before(&unit.days, metrics, exposure.at);
        if !unit.exposed.contains_key(&exposure.experiment) {
            let state = Exposed::of(exposure, before());
            unit.exposed.insert(Arc::clone(&exposure.experiment), state);
        }
        let Some(exposed) = unit.exposed.get_mut(&exposure.experiment) else { return };
        exposed.served(exposure);
        if let Some(as_visitor) = as_visitor {
            exposed.join(as_visitor);
        }
    }

    fn did(&mut self, metrics: &[MetricConfig], event: &Event) {
        self.foretell(metrics, event);
        let mut known: Vec<Arc<str>> = Vec::new();
        if let Some(unit) = self.units.get_mut(&event.user) {
            unit.exposed.values_mut().for_each(|exposed| exposed.did(metrics, event));
            known.extend(unit.exposed.keys().cloned());
        }
        let session = event.details.as_deref().and_then(|details| details.session.as_deref());
        let Some(session) = session.map(UserKey::of_session).filter(|key| *key != event.user) else { return };
        let Some(visitor) = self.units.get_mut(&session) else { return };
        // Of an experiment that divides users, the user counts, and the session only as long as there is none.
        let of_session = visitor.exposed.iter_mut().filter(|(experiment, _)| !known.contains(experiment));
        of_session.for_each(|(_, exposed)| exposed.did(metrics, event));
    }

    /// Remembers, for exposures to come, what metrics that look back count.
    fn foretell(&mut self, metrics: &[MetricConfig], event: &Event) {
        let of_metric = |metric: &MetricConfig| {
            if metric.cuped_days > 0 { metric.added(&event.action, event.value).0 } else { 0.0 }
        };
        let sums: Vec<f64> = metrics.iter().map(of_metric).collect();
        if sums.iter().any(|sum| *sum != 0.0) {
            self.units.entry(event.user.clone()).or_default().note(&sums, event.at);
        }
    }

    /// Everybody who was exposed to an experiment, in the order of their keys.
    pub(super) fn exposed(&self, experiment: &str) -> impl Iterator<Item = &Exposed> {
        self.units.values().filter_map(move |unit| unit.exposed.get(experiment))
    }

    /// Forgets everything about a user, and says whether there was anything.
    pub(super) fn forget(&mut self, unit: &UserKey) -> bool {
        self.units.remove(unit).is_some()
    }
}

impl UnitState {
    fn note(&mut self, sums: &[f64], at: Timestamp) {
        let day = day(at);
        let of_day = self.days.entry(day).or_insert_with(|| vec![0.0; sums.len()]);
        of_day.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        let latest = self.days.last_key_value().map_or(day, |(latest, _)| *latest);
        self.days = self.days.split_off(&(latest - i64::from(MetricConfig::MOST_DAYS_BEFORE)));
    }
}

/// What was counted in the days before, for each metric that looks there.
fn unit_before(days: &BTreeMap<i64, Vec<f64>>, metrics: &[MetricConfig], at: Timestamp) -> Vec<f64> {
    let of_metric = |(number, metric): (usize, &MetricConfig)| {
        let days = days.range(day(at) - i64::from(metric.cuped_days)..=day(at));
        let looks_there = metric.cuped_days > 0 && matches!(metric.of, Measured::Events(_));
        days.filter(|_| looks_there).filter_map(|(_, sums)| sums.get(number)).sum()
    };
    metrics.iter().enumerate().map(of_metric).collect()
}

fn day(at: Timestamp) -> i64 {
    at.millis().div_euclid(86_400_000)
}
