//! Training as a flow: several configurations judged on later data, the best one judged once more and fitted to
//! everything, every step logged and none done twice.
//!
//! The data are divided by time into train, valid and test. Every [`Candidate`] is fitted to train and evaluated on
//! valid by the very pipeline that serves; the one with the best [`JudgeParams::metric`] is fitted to train and valid
//! and judged on test, which nothing was chosen by; then it is fitted to all data.
//!
//! A [`Run`] remembers finished steps in its folder. A run is found again by the fingerprint of its data, its
//! configuration, seeds and the version of the code: the same task after a kill goes on where it was.

mod error;
mod examples;
mod judge;
mod ranking;
mod run;
#[cfg(test)]
mod tests;

pub use error::FlowError;
pub use examples::{ExampleItem, ExamplePage};
pub use judge::{Figure, JudgeParams, Judged, Judgement, Verdict};
pub use ranking::Ranking;
pub use run::{Run, Step, fingerprint};

use crate::data::clean::Cleaned;
use crate::data::{Dataset, Division, Split, split};
use crate::fit::insight::{self, RankerInsight};
use crate::fit::snapshot::Plan;
use crate::fit::stored;
use crate::progress::{Point, Prefixed, Progress, Recorded};
use crate::report::{self, Facts};
use crate::track::Metric;
use reco_core::event::ActionWeights;
use reco_core::pipeline::PipelineConfig;
use reco_core::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A configuration to try.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// A plain name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What is fitted.
    pub plan: Plan,
    /// The pipeline that is to serve it.
    pub pipeline: PipelineConfig,
}

/// What a flow works on.
#[derive(Debug)]
pub struct Task<'a> {
    /// The data, cleaned.
    pub dataset: &'a Dataset,
    /// What was left out of them.
    pub cleaned: &'a Cleaned,
    /// What to try, at least one; the first wins a tie.
    pub candidates: &'a [Candidate],
    /// Weights of the actions.
    pub weights: &'a ActionWeights,
    /// How candidates are judged.
    pub judge: &'a JudgeParams,
    /// The snapshot from whose factors the last fit goes on.
    pub earlier: Option<&'a Snapshot>,
    /// What the snapshot is to be called.
    pub version: &'a str,
    /// Where the snapshot of the run lies by now, if no longer in its folder.
    pub kept_at: Option<&'a Path>,
}

/// What came out of a flow.
#[derive(Debug)]
pub struct Trained {
    /// The chosen candidate, fitted to everything.
    pub snapshot: Arc<Snapshot>,
    /// What the candidates are called, in their order.
    pub names: Vec<String>,
    /// The number of the chosen candidate.
    pub chosen: usize,
    /// What valid says of each candidate, in their order.
    pub valid: Vec<Verdict>,
    /// What test says of the chosen one.
    pub test: Verdict,
    /// What the last fit was.
    pub fitted: Fitted,
    /// What orders pages in which fit.
    pub ranking: Ranking,
}

impl Trained {
    /// What to know about its figures, with the fit that each line is about.
    pub fn remarks(&self) -> Vec<String> {
        let name = &self.names[self.chosen];
        let judged =
            self.names.iter().zip(&self.valid).map(|(name, verdict)| (format!("{name} on valid"), verdict));
        let judged = judged.chain([(format!("{name} on test"), &self.test)]);
        let mut lines: Vec<String> = self.ranking.remark().into_iter().collect();
        for (place, verdict) in judged {
            let remarks = verdict.judgement().map_or(&[][..], |judgement| &judgement.remarks);
            lines.extend(remarks.iter().map(|line| format!("{place}: {line}")));
        }
        lines.extend(self.fitted.remarks.iter().map(|line| format!("{name} on all data: {line}")));
        lines
    }
}

/// The last fit in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Users known to it.
    pub users: usize,
    /// Items of its catalogue.
    pub items: usize,
    /// Its models.
    pub models: Vec<String>,
    /// What orders its pages, as [`PipelineConfig::ranked_by`] says it.
    pub ranked_by: String,
    /// What to know about it, such as a ranker that was left out.
    pub remarks: Vec<String>,
    /// Wall time.
    pub seconds: f64,
    /// How models that learn in steps came on.
    pub curves: Vec<Metric>,
    /// What each ranker that reads features is like, where any was fitted.
    pub insights: Vec<RankerInsight>,
    /// Pages of some users.
    pub examples: Vec<ExamplePage>,
}

/// The report in a run's folder.
pub const REPORT: &str = "report.html";

/// A measurement of the last fit: 1 where what is published orders pages as what was tested did, else 0; see [`Ranking`].
pub const IS_AS_TESTED: &str = "is_as_tested";

/// Steps of a flow besides the evaluation of each candidate.
const FURTHER_STEPS: usize = 3;

/// Runs the flow; steps that the run has finished before are not done again.
///
/// # Errors
///
/// [`FlowError`] of the first step that goes wrong; the steps before it stay done. [`FlowError::NoChoice`] for
/// several candidates that valid cannot tell apart; a single one that cannot be judged, for want of data, is fitted
/// all the same, and its verdict says why.
pub fn train(task: &Task<'_>, run: &Run<'_>, progress: &dyn Progress) -> Result<Trained, FlowError> {
    let problems = task.judge.problems();
    if !problems.is_empty() {
        return Err(FlowError::Params(problems));
    }
    let n_steps = task.candidates.len() + FURTHER_STEPS;
    let stage = |number: usize, what: &str| format!("[{number}/{n_steps}] {what}: ");
    let parts = Parts::of(task);
    let mut valid = Vec::new();
    for (number, candidate) in task.candidates.iter().enumerate() {
        let part = format!("valid/{}", candidate.name);
        let prefix = stage(number + 1, &format!("{} on valid", candidate.name));
        let progress = Prefixed::new(&prefix, progress);
        valid.push(judged(run, &part, &parts.before_test, parts.valid, candidate, task, &progress)?);
    }
    let chosen = choose(&valid, task)?;
    let candidate = &task.candidates[chosen];
    let prefix = stage(n_steps - 2, &format!("{} on test", candidate.name));
    let on_test = Prefixed::new(&prefix, progress);
    let test = judged(run, "test", task.dataset, parts.test, candidate, task, &on_test)?;
    let prefix = stage(n_steps - 1, &format!("{} on all data", candidate.name));
    let (snapshot, fitted) = fitted(run, candidate, task, &Prefixed::new(&prefix, progress))?;
    let ranking = Ranking::of(&valid[chosen], &test, &fitted);
    let names = task.candidates.iter().map(|candidate| candidate.name.clone()).collect();
    let trained = Trained { snapshot, names, chosen, valid, test, fitted, ranking };
    report(run, task, &trained, &Prefixed::new(&stage(n_steps, "writing"), progress))?;
    Ok(trained)
}

/// The step that writes down what was found, for people.
fn report(
    run: &Run<'_>,
    task: &Task<'_>,
    trained: &Trained,
    progress: &dyn Progress,
) -> Result<(), FlowError> {
    let candidates: Vec<(String, Verdict)> =
        trained.names.iter().cloned().zip(trained.valid.iter().cloned()).collect();
    run.step("report", || {
        progress.begin(REPORT, 1);
        if trained.ranking.test.is_some() {
            let is_as_tested = f64::from(u8::from(trained.ranking.is_as_tested()));
            run.log(&[Metric::new("fit", "pipeline", IS_AS_TESTED, is_as_tested)])?;
        }
        let html = report::render(&Facts {
            run: run.start(),
            judge: task.judge,
            cleaned: task.cleaned,
            candidates: &candidates,
            chosen: trained.chosen,
            test: &trained.test,
            fitted: &trained.fitted,
            remarks: &trained.remarks(),
        });
        run.attach(REPORT, html.as_bytes())?;
        progress.end(&format!("{} bytes", html.len()));
        Ok(())
    })
}

/// What is tested on what.
struct Parts {
    /// All but what tests.
    before_test: Dataset,
    /// How valid is divided off it.
    valid: Split,
    /// How test is divided off everything.
    test: Split,
}

impl Parts {
    fn of(task: &Task<'_>) -> Self {
        let JudgeParams { valid_share, test_share, seed, .. } = *task.judge;
        let (test, valid) = if task.dataset.log.has_times() {
            let valid_share = valid_share / (1.0 - test_share);
            (Split::Time { test_share }, Split::Time { test_share: valid_share })
        } else {
            (Split::AnyOne { seed }, Split::AnyOne { seed: seed.wrapping_add(1) })
        };
        let Division { train, .. } = split(&task.dataset.log, test, task.weights);
        Self { before_test: task.dataset.select(&train), valid, test }
    }
}

/// The step that evaluates a candidate.
fn judged(
    run: &Run<'_>,
    part: &str,
    dataset: &Dataset,
    how: Split,
    candidate: &Candidate,
    task: &Task<'_>,
    progress: &dyn Progress,
) -> Result<Verdict, FlowError> {
    run.step(part, || {
        let verdict = judge::judge(dataset, how, candidate, task, progress)?;
        if let Verdict::Judged(judgement) = &verdict {
            run.log(&judgement.metrics(part))?;
        }
        Ok(verdict)
    })
}

/// The number of the candidate that is best on valid.
fn choose(valid: &[Verdict], task: &Task<'_>) -> Result<usize, FlowError> {
    let value = |verdict: &Verdict| verdict.judgement()?.value(&task.judge.metric);
    if let ([first, _, ..], true) = (valid, valid.iter().all(|verdict| value(verdict).is_none())) {
        return Err(FlowError::NoChoice { why: first.problem().to_owned() });
    }
    let better =
        |best: usize, next: usize| if value(&valid[next]) > value(&valid[best]) { next } else { best };
    (0..valid.len()).reduce(better).ok_or(FlowError::NoCandidate)
}

/// The step that fits the chosen candidate to everything. Its snapshot lies in the run's folder.
fn fitted(
    run: &Run<'_>,
    candidate: &Candidate,
    task: &Task<'_>,
    progress: &dyn Progress,
) -> Result<(Arc<Snapshot>, Fitted), FlowError> {
    let path = run.folder().join(Run::SNAPSHOT);
    let kept = [Some(path.as_path()), task.kept_at].into_iter().flatten().find(|path| path.is_file());
    if kept.is_none() {
        run.forget("fit")?;
    }
    let mut made = None;
    let fitted = run.step("fit", || -> Result<Fitted, FlowError> {
        let begun = Instant::now();
        let Candidate { plan, pipeline, .. } = candidate;
        let (dataset, weights, version) = (task.dataset.clone(), task.weights, task.version);
        let recorded = Recorded::new(progress);
        let (snapshot, insights) =
            insight::fit_inspected(task.earlier, dataset, plan, pipeline, weights, version, &recorded)?;
        stored::save(&snapshot, &path)?;
        let (points, remarks) = recorded.into_told();
        let mut fitted = Fitted {
            users: snapshot.users.len(),
            items: snapshot.catalog.len(),
            models: snapshot.models.names().map(ToString::to_string).collect(),
            ranked_by: pipeline.ranked_by(&snapshot),
            remarks,
            seconds: begun.elapsed().as_secs_f64(),
            curves: curves(points),
            insights,
            examples: Vec::new(),
        };
        let (snapshot, pages) = examples::pages(snapshot, pipeline)?;
        fitted.examples = pages;
        run.log(&fitted.metrics())?;
        made = Some(snapshot);
        Ok(fitted)
    })?;
    match made {
        Some(snapshot) => Ok((snapshot, fitted)),
        None => Ok((Arc::new(stored::load(kept.unwrap_or(&path))?), fitted)),
    }
}

fn curves(points: Vec<Point>) -> Vec<Metric> {
    let metric =
        |(model, measure, step, value): Point| Metric::new("fit", &model, &measure, value).step(step);
    points.into_iter().map(metric).filter(|metric| metric.value.is_finite()).collect()
}

impl Fitted {
    /// Everything as it is logged.
    fn metrics(&self) -> Vec<Metric> {
        let mut metrics = vec![Metric::new("fit", "pipeline", "seconds", self.seconds)];
        metrics.extend(self.curves.iter().cloned());
        for insight in &self.insights {
            let named =
                [("ndcg@10 on validation", insight.ndcg), ("calibration error", insight.calibration_error)];
            metrics.extend(named.map(|(name, value)| Metric::new("fit", &insight.ranker, name, value)));
        }
        metrics
    }
}
