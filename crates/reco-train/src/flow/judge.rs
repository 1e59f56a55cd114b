//! Judging a candidate on data that it was not fitted to.

use super::{Candidate, FlowError, Task};
use crate::data::{Dataset, Split, Target};
use crate::evaluate::{
    self, EvaluateError, EvaluateOptions, MOST_CUT_OFF, Metrics, ModelError, ModelReport, Report, Source,
};
use crate::fit::FitError;
use crate::progress::{Progress, Recorded};
use crate::track::Metric;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How candidates are judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JudgeParams {
    /// Share of the interactions, those before test, that candidates are chosen by; above 0.
    pub valid_share: f64,
    /// Share of the interactions, the latest, that the chosen one is judged by; above 0, with `valid_share` below 1.
    pub test_share: f64,
    /// What is best: `ndcg`, `hr`, `recall`, `precision`, `map` or `mrr` at a cut-off, as `ndcg@10`, of the pages
    /// that the pipeline makes.
    pub metric: String,
    /// The question: what next (`all`), or what new.
    pub target: Target,
    /// Lengths of the lists that are judged, each 1 to 1,000.
    pub k: Vec<usize>,
    /// Seed of training for judgement, of the intervals, and of the split of data without times.
    pub seed: u64,
}

impl Default for JudgeParams {
    fn default() -> Self {
        Self {
            valid_share: 0.1,
            test_share: 0.1,
            metric: "ndcg@10".to_owned(),
            target: Target::All,
            k: vec![1, 3, 5, 10, 20],
            seed: 42,
        }
    }
}

impl JudgeParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, share) in [("valid_share", self.valid_share), ("test_share", self.test_share)] {
            if !(share > 0.0 && share < 1.0) {
                problems.push(format!("{name} is {share}, must be above 0 and below 1"));
            }
        }
        if self.valid_share + self.test_share >= 1.0 {
            problems.push("valid_share and test_share leave nothing to train on".to_owned());
        }
        if self.cut_off().is_none() {
            let names = Metrics::default().named().map(|(name, _)| name).join(", ");
            let metric = &self.metric;
            problems.push(format!("metric is {metric:?}, must be one of {names} at 1 to 1000, as ndcg@10"));
        }
        if let Some(k) = self.k.iter().find(|k| !(1..=MOST_CUT_OFF).contains(*k)) {
            problems.push(format!("k has {k}, must have numbers from 1 to {MOST_CUT_OFF}"));
        }
        problems
    }

    /// The cut-off of the metric, which is spelt as figures are named.
    fn cut_off(&self) -> Option<usize> {
        let metric: evaluate::Metric = self.metric.parse().ok()?;
        (metric.is_mean() && metric.to_string() == self.metric).then(|| metric.k())
    }

    /// All cut-offs, ascending.
    fn cut_offs(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.k.iter().copied().chain(self.cut_off()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// What an evaluation says of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its figures.
    Judged(Judgement),
    /// The data do not suffice; why.
    Impossible(String),
}

impl Verdict {
    /// The figures, where there are any.
    pub fn judgement(&self) -> Option<&Judgement> {
        match self {
            Self::Judged(judgement) => Some(judgement),
            Self::Impossible(_) => None,
        }
    }

    /// Why there are none; empty where there are.
    pub fn problem(&self) -> &str {
        match self {
            Self::Judged(_) => "",
            Self::Impossible(why) => why,
        }
    }
}

/// The figures of a candidate beside those of the baselines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Interactions fitted to.
    pub train_interactions: usize,
    /// Interactions judged by.
    pub test_interactions: usize,
    /// Users that all means are over.
    pub users: usize,
    /// How what these users took falls on the items by popularity: the share of each tenth of the catalogue, the
    /// most popular tenth first.
    pub taken_deciles: [f64; 10],
    /// What to know about the figures.
    pub remarks: Vec<String>,
    /// The pipeline first, then the baselines.
    pub models: Vec<Judged>,
}

/// One model's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// `pipeline`, or the name of a baseline.
    pub name: String,
    /// Whether it only stands beside.
    pub baseline: bool,
    /// What ordered the pages of the pipeline; none of a baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranked_by: Option<String>,
    /// By `metric@k`.
    pub figures: BTreeMap<String, Figure>,
    /// How the places of its lists fall on the items by popularity, by `deciles@k`.
    pub deciles: BTreeMap<String, [f64; 10]>,
    /// Wall time of fitting.
    pub seconds: f64,
}

/// A mean over users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The mean; none where it is undefined, as diversity without attributes.
    pub value: Option<f64>,
    /// Its 95 % interval, for means over users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// The difference to the baseline that is best by this metric, and its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versus: Option<(String, f64, (f64, f64))>,
}

impl Judgement {
    /// A figure of the pipeline.
    pub fn value(&self, metric: &str) -> Option<f64> {
        self.models.first()?.figures.get(metric)?.value
    }

    /// Everything as it is logged.
    pub(super) fn metrics(&self, part: &str) -> Vec<Metric> {
        let of_model = |model: &Judged| -> Vec<Metric> {
            let metric = |(name, figure): (&String, &Figure)| {
                Some(Metric::new(part, &model.name, name, figure.value?).within(figure.interval))
            };
            let seconds = Metric::new(part, &model.name, "seconds", model.seconds);
            model.figures.iter().filter_map(metric).chain([seconds]).collect()
        };
        self.models.iter().flat_map(of_model).collect()
    }
}

impl From<Report> for Judgement {
    fn from(report: Report) -> Self {
        Self {
            train_interactions: report.train_interactions,
            test_interactions: report.test_interactions,
            users: report.users_evaluated,
            taken_deciles: report.taken_deciles,
            remarks: report.remarks,
            models: report.models.into_iter().map(Judged::from).collect(),
        }
    }
}

impl From<ModelReport> for Judged {
    fn from(report: ModelReport) -> Self {
        let figure = |(name, value): (&String, &f64)| {
            let interval = report.intervals.get(&format!("{name}_ci")).copied();
            let versus = report.versus.get(&format!("{name}_vs_baseline"));
            let versus = versus.map(|versus| (versus.baseline.clone(), versus.difference, versus.ci));
            let value = Some(*value).filter(|value| value.is_finite());
            (name.clone(), Figure { value, interval, versus })
        };
        let figures = report.metrics.iter().map(figure).collect();
        let ModelReport { name, baseline, ranked_by, deciles, train_seconds: seconds, .. } = report;
        Self { name, baseline, ranked_by, figures, deciles, seconds }
    }
}

/// The pipeline that serves, in the words of an evaluation.
const PIPELINE: &str = "pipeline";

/// Fits a candidate to one part of the data and evaluates it on the other.
pub(super) fn judge(
    dataset: &Dataset,
    how: Split,
    candidate: &Candidate,
    task: &Task<'_>,
    progress: &dyn Progress,
) -> Result<Verdict, FlowError> {
    let options = EvaluateOptions {
        target: task.judge.target,
        models: vec![PIPELINE.to_owned()],
        k: task.judge.cut_offs(),
        negatives: None,
        plan: candidate.plan.clone(),
        pipeline: candidate.pipeline.clone(),
        weights: task.weights.clone(),
        seed: task.judge.seed,
    };
    let recorded = Recorded::new(progress);
    match evaluate::run(Source::Split(Box::new(dataset.clone()), how), &options, &recorded) {
        Ok(report) => {
            let mut judgement = Judgement::from(report);
            judgement.remarks.extend(recorded.into_told().1);
            Ok(Verdict::Judged(judgement))
        }
        Err(error) if is_want_of_data(&error) => Ok(Verdict::Impossible(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Whether there is too little of it, on either side of the split.
fn is_want_of_data(error: &EvaluateError) -> bool {
    let is_empty = |error: &FitError| {
        matches!(error, FitError::Empty { .. } | FitError::Unweighted { .. } | FitError::NoLists { .. })
    };
    match error {
        // What is left before the test may all have happened at the epoch.
        EvaluateError::NothingToTest { .. } | EvaluateError::NoTimes => true,
        EvaluateError::Fit(error) | EvaluateError::Model(ModelError::Fit(error)) => is_empty(error),
        _ => false,
    }
}
