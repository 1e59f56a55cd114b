//! What is logged about a run.

use super::TrackError;
use crate::data::moments::written;
use reco_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a run, which is the name of its folder, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(Arc<str>);

impl RunId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = TrackError;

    fn from_str(text: &str) -> Result<Self, TrackError> {
        plain(text).map(|text| Self(text.into()))
    }
}

impl TryFrom<String> for RunId {
    type Error = TrackError;

    fn try_from(text: String) -> Result<Self, TrackError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// A name that means a file in this folder and nothing else, on any system.
pub(super) fn plain(name: &str) -> Result<&str, TrackError> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_plain = (1..=128).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_fine);
    is_plain.then_some(name).ok_or_else(|| TrackError::Name(name.to_owned()))
}

/// What is known of a run when it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStart {
    /// Which run.
    pub id: RunId,
    /// What it is one of many tries at, such as the name of the model.
    pub experiment: String,
    /// When it began, as 2026-01-31T12:00:00Z.
    pub began: String,
    /// Every setting by its path; see [`flattened`].
    pub parameters: BTreeMap<String, Value>,
    /// Anything else to find it by: fingerprints, versions.
    pub tags: BTreeMap<String, String>,
}

impl RunStart {
    /// A run of which no more is known.
    pub fn new(id: RunId, experiment: &str) -> Self {
        Self {
            id,
            experiment: experiment.to_owned(),
            began: written(Timestamp::default()),
            parameters: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }

    /// The same, begun at this moment.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { began: written(now), ..self }
    }
}

/// The settings of a configuration by their paths, as `train.als.factors`; lists stay whole.
pub fn flattened(configuration: &Value) -> BTreeMap<String, Value> {
    fn collect(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(inner) if !inner.is_empty() => inner.iter().for_each(|(name, value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(&path, value, into);
            }),
            value => drop(into.insert(path.to_owned(), value.clone())),
        }
    }
    let mut settings = BTreeMap::new();
    collect("", configuration, &mut settings);
    settings
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Where in the run: `valid/base`, `test`, `fit`.
    pub part: String,
    /// What was measured: `pipeline`, a baseline, a model that learns.
    pub model: String,
    /// As `ndcg@10`.
    pub name: String,
    /// Which of a curve, such as the epoch; else 0.
    #[serde(default)]
    pub step: u64,
    /// The value, finite.
    pub value: f64,
    /// The lower end of its 95 % interval, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl Metric {
    /// A value by itself.
    pub fn new(part: &str, model: &str, name: &str, value: f64) -> Self {
        let [part, model, name] = [part, model, name].map(str::to_owned);
        Self { part, model, name, step: 0, value, low: None, high: None }
    }

    /// The same with its interval.
    #[must_use]
    pub fn within(self, interval: Option<(f64, f64)>) -> Self {
        let (low, high) = interval.unzip();
        Self { low, high, ..self }
    }

    /// The same as a point of a curve.
    #[must_use]
    pub fn step(self, step: u64) -> Self {
        Self { step, ..self }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// A step went wrong; why.
    Failed(String),
}

impl Outcome {
    /// As a run's record has it.
    pub fn status(&self) -> Status {
        match self {
            Self::Finished => Status::Finished,
            Self::Failed(_) => Status::Failed,
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Begun and not ended: under way, or killed.
    Running,
    /// Begun and not ended, and no process is at it; what [`Run::standing`](crate::flow::Run::standing) finds out, for
    /// who is killed writes nothing any more.
    Interrupted,
    /// All steps are done.
    Finished,
    /// A step went wrong.
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Finished => "finished",
            Self::Failed => "failed",
        })
    }
}

/// Everything that was logged about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// How it began.
    #[serde(flatten)]
    pub start: RunStart,
    /// Where it stands.
    pub status: Status,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What was measured, in the order in which it was logged; of the same thing the last one holds.
    #[serde(skip)]
    pub metrics: Vec<Metric>,
    /// The names of the files kept with it, ascending.
    #[serde(skip)]
    pub attachments: Vec<String>,
}
