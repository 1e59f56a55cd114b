//! What an evaluation found, in the form that `--json` prints.

use super::per_user::PerUser;
use crate::data::Target;
use serde::Serialize;
use std::collections::BTreeMap;

/// The whole finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Users in training.
    pub users: usize,
    /// Items of the catalogue.
    pub items: usize,
    /// Interactions trained on.
    pub train_interactions: usize,
    /// Interactions tested on.
    pub test_interactions: usize,
    /// The question.
    pub target: Target,
    /// Users with at least one relevant item: those that all means are over.
    pub users_evaluated: usize,
    /// Users of the test without one.
    pub users_without_relevant: usize,
    /// Users of the test whom the file of negatives does not name; left out.
    pub users_without_negatives: usize,
    /// Users evaluated whom training does not know; they are ranked by what the model says of nobody.
    pub users_unknown_to_training: usize,
    /// Distinct relevant items that nobody had in training.
    pub items_unknown_to_training: usize,
    /// Whether lists were ranked among given negatives.
    pub negatives: bool,
    /// Seed.
    pub seed: u64,
    /// How what the users took falls on the items by popularity in training: the share of each tenth of the
    /// catalogue, the most popular tenth first.
    pub taken_deciles: [f64; 10],
    /// What to know about the data before believing the figures.
    pub remarks: Vec<String>,
    /// One entry a model, in the order asked, then the baselines.
    pub models: Vec<ModelReport>,
    /// Where the means come from; a file of its own, not part of the JSON.
    #[serde(skip)]
    pub per_user: PerUser,
}

/// One model's figures; the keys are `metric@k`, `metric@k_ci` with its 95 % interval,
/// `metric@k_vs_baseline` and `deciles@k`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelReport {
    /// Name.
    pub name: String,
    /// Whether it is one of the baselines that always stand beside.
    pub baseline: bool,
    /// What ordered the pages of the pipeline, as [`PipelineConfig::ranked_by`] says it; none of other models.
    ///
    /// [`PipelineConfig::ranked_by`]: reco_core::pipeline::PipelineConfig::ranked_by
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranked_by: Option<String>,
    /// `hr@10` and so on; NaN (in JSON null) where undefined, as diversity is without attributes.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
    /// `hr@10_ci` and so on: low and high; empty for fewer than ten users.
    #[serde(flatten)]
    pub intervals: BTreeMap<String, (f64, f64)>,
    /// `hr@10_vs_baseline` and so on; empty for a baseline, and for fewer than ten users.
    #[serde(flatten)]
    pub versus: BTreeMap<String, Versus>,
    /// `deciles@10` and so on: how the places of the lists fall on the items by popularity, as `taken_deciles`.
    #[serde(flatten)]
    pub deciles: BTreeMap<String, [f64; 10]>,
    /// Wall time of fitting.
    pub train_seconds: f64,
    /// Of an iterative model.
    pub seconds_per_iteration: Option<f64>,
    /// Largest resident memory of the whole process until this model was measured, models before it
    /// included; absent where the system does not tell. For one model's need, evaluate it alone.
    pub peak_rss_mb: Option<f64>,
}

/// A model beside the baseline that is best by the same metric, user by user.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Versus {
    /// The baseline.
    pub baseline: String,
    /// Mean difference; above 0 the model is better.
    pub difference: f64,
    /// Its 95 % interval over the same resamples of users for both (paired bootstrap).
    pub ci: (f64, f64),
}

/// `VmHWM` of Linux.
pub(super) fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1_024.0)
}
