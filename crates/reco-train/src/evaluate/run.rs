//! One evaluation from data to report.

use super::bootstrap::mean_intervals;
use super::cases::{Case, Cases};
use super::exposure::{Exposure, deciles};
use super::inputs::Gathered;
use super::metrics::Metrics;
use super::models::{self, Fitted, ModelError, TrainData};
use super::options::{EvaluateError, EvaluateOptions, MOST_CUT_OFF, Source};
use super::per_user::PerUser;
use super::report::{ModelReport, Report, Versus, peak_rss_mb};
use super::scorers::Scorer;
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::candidate::top_k;
use reco_core::error::RecommendError;
use reco_core::id::ItemId;
use reco_core::linalg::top_scores;
use std::collections::{BTreeMap, BTreeSet};

/// Evaluates all models on the same users.
///
/// Rankings are made for many users at once on rayon's pool; memory holds one row of scores a thread, never
/// users x items.
///
/// # Errors
///
/// [`EvaluateError`] for an unknown model, unreadable files or a split that leaves nothing to test. Options
/// are checked before any model is fitted.
pub fn run(
    source: Source,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Report, EvaluateError> {
    judged(source, options, models::baselines(options.target), progress)
}

/// As [`run`], without baselines beside the models asked for: for figures of one model among many.
///
/// # Errors
///
/// As [`run`].
pub fn alone(
    source: Source,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Report, EvaluateError> {
    judged(source, options, &[], progress)
}

fn judged(
    source: Source,
    options: &EvaluateOptions,
    beside: &[&'static str],
    progress: &dyn Progress,
) -> Result<Report, EvaluateError> {
    if options.k.is_empty() || options.k.contains(&0) {
        return Err(EvaluateError::CutOff);
    }
    if let Some(k) = Some(options.deepest()).filter(|k| *k > MOST_CUT_OFF) {
        return Err(EvaluateError::CutOffBeyond { k });
    }
    let names = models::names(options, beside)?;
    let Gathered { inputs, weights, mut remarks } =
        Gathered::new(source, options.negatives.as_ref(), options.weights.clone(), options.seed)?;
    let options = &EvaluateOptions { weights, ..options.clone() };
    let data = TrainData::new(&inputs, &options.weights);
    let cases = Cases::new(&inputs, &data.histories, options.target);
    if cases.tested.is_empty() {
        let hint = "a larger test share, another split, target all or negatives for more users may help";
        return Err(EvaluateError::NothingToTest { hint });
    }
    let mut measured = Vec::with_capacity(names.len());
    for name in names {
        let fitted = models::fit(name, &data, options, progress)?;
        measured.push(measure(name, &fitted, &data, &cases.tested, options, progress)?);
    }
    remarks.extend(on_few(cases.tested.len()));
    let unknown_items = cases.tested.iter().flat_map(|case| &case.relevant).copied();
    let unknown_items = unknown_items.filter(|id| data.popularity.get(id.index()).is_none_or(|n| *n == 0.0));
    let relevant = cases.tested.iter().flat_map(|case| &case.relevant).copied();
    Ok(Report {
        users: data.n_users(),
        items: data.dataset.catalog.len(),
        train_interactions: data.dataset.log.len(),
        test_interactions: inputs.held.len(),
        target: options.target,
        users_evaluated: cases.tested.len(),
        users_without_relevant: cases.without_relevant,
        users_without_negatives: cases.without_negatives,
        users_unknown_to_training: cases.tested.iter().filter(|case| !data.knows(case.user)).count(),
        items_unknown_to_training: unknown_items.collect::<BTreeSet<_>>().len(),
        negatives: inputs.negatives.is_some(),
        seed: options.seed,
        taken_deciles: deciles(&data.popularity, relevant),
        remarks,
        models: reports(&measured, options),
        per_user: PerUser {
            users: cases.tested.iter().map(|case| data.key(case.user).to_string()).collect(),
            k: options.k.clone(),
            models: measured.into_iter().map(|model| (model.report.name, model.per_user)).collect(),
        },
    })
}

/// Fewer users than these, resampled, say next to nothing of how others would have been served: an interval over them
/// is too narrow, over one it is a point.
const FEWEST_FOR_INTERVALS: usize = 10;

/// Of fewer users than these a single one moves a mean by two hundredths and more.
const FEW_USERS: usize = 50;

/// That means are over few users.
pub(crate) fn on_few(users: usize) -> Option<String> {
    let of = if users == 1 { "1 user" } else { &*format!("{users} users") };
    match users {
        0..FEWEST_FOR_INTERVALS => Some(format!(
            "judged by {of}: too few for intervals and for any conclusion; {FEWEST_FOR_INTERVALS} give intervals, \
             {FEW_USERS} figures that one of them does not turn"
        )),
        FEWEST_FOR_INTERVALS..FEW_USERS => Some(format!(
            "judged by no more than {of}: one of them moves a mean by up to {:.3}",
            1.0 / users as f64
        )),
        _ => None,
    }
}

/// A model's report so far, and per cut-off its metrics of every user.
struct Measured {
    report: ModelReport,
    per_user: Vec<Vec<[f64; Metrics::N]>>,
}

fn measure(
    name: &str,
    fitted: &Fitted<'_>,
    data: &TrainData<'_>,
    cases: &[Case],
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Measured, ModelError> {
    let n_items = data.dataset.catalog.len();
    progress.begin(&format!("ranking by {name}"), cases.len() as u64);
    let lists: Result<Vec<Vec<ItemId>>, RecommendError> = cases
        .par_iter()
        .map_init(
            || vec![0.0f32; n_items],
            |scores, case| {
                progress.advance(1);
                ranked(&*fitted.scorer, case, scores, options.deepest())
            },
        )
        .collect();
    let lists = lists?;
    progress.end(&format!("{} users", cases.len()));
    let exposure =
        Exposure { catalog: &data.dataset.catalog, n_users_of: &data.popularity, n_users: data.n_users() };
    let metrics = options.k.iter().flat_map(|&k| {
        exposure.at(k, &lists).into_iter().map(move |(name, value)| (format!("{name}@{k}"), value))
    });
    let report = ModelReport {
        name: name.to_owned(),
        baseline: models::baselines(options.target).contains(&name),
        ranked_by: fitted.ranked_by.clone(),
        metrics: metrics.collect(),
        intervals: BTreeMap::new(),
        versus: BTreeMap::new(),
        deciles: options.k.iter().map(|&k| (format!("deciles@{k}"), exposure.deciles(k, &lists))).collect(),
        train_seconds: fitted.train_seconds,
        seconds_per_iteration: fitted.seconds_per_iteration,
        peak_rss_mb: peak_rss_mb(),
    };
    let per_user = options.k.iter().map(|&k| accuracy(k, &lists, cases)).collect();
    Ok(Measured { report, per_user })
}

/// A user's best items.
fn ranked(
    scorer: &dyn Scorer,
    case: &Case,
    scores: &mut [f32],
    k: usize,
) -> Result<Vec<ItemId>, RecommendError> {
    scorer.score(case, scores)?;
    let best = match &case.among {
        None => top_scores(scores, k, |id| !case.is_masked(id)),
        Some(among) => {
            // An item beyond the catalogue has no score.
            let scored = among.iter().filter_map(|&id| Some((*scores.get(id.index())?, id)));
            let mut rows: Vec<(f32, ItemId)> = scored.filter(|(score, _)| score.is_finite()).collect();
            top_k(&mut rows, k);
            rows
        }
    };
    Ok(best.into_iter().map(|(_, id)| id).collect())
}

/// Metrics of every user at one cut-off.
fn accuracy(k: usize, lists: &[Vec<ItemId>], cases: &[Case]) -> Vec<[f64; Metrics::N]> {
    let of = |(list, case): (&Vec<ItemId>, &Case)| {
        let hits: Vec<bool> = list.iter().take(k).map(|&id| case.is_relevant(id)).collect();
        Metrics::at(k, &hits, case.relevant.len()).named().map(|(_, value)| value)
    };
    lists.iter().zip(cases).map(of).collect()
}

/// Fills in means, intervals and comparisons.
fn reports(measured: &[Measured], options: &EvaluateOptions) -> Vec<ModelReport> {
    let names = Metrics::default().named().map(|(name, _)| name);
    let mut reports: Vec<ModelReport> = measured.iter().map(|model| model.report.clone()).collect();
    for (cut, &k) in options.k.iter().enumerate() {
        let key = |metric: usize| format!("{}@{k}", names[metric]);
        let means: Vec<[f64; Metrics::N]> = measured.iter().map(|model| mean(&model.per_user[cut])).collect();
        let best: [Option<usize>; Metrics::N] = std::array::from_fn(|metric| best(&means, metric, &reports));
        for (number, report) in reports.iter_mut().enumerate() {
            let own = &measured[number].per_user[cut];
            report.metrics.extend((0..Metrics::N).map(|metric| (key(metric), means[number][metric])));
            if own.len() < FEWEST_FOR_INTERVALS {
                continue;
            }
            let intervals = mean_intervals(own, options.seed);
            let named = (0..Metrics::N).map(|metric| (format!("{}_ci", key(metric)), intervals[metric]));
            report.intervals.extend(named);
            if report.baseline {
                continue;
            }
            let of_best = |metric: usize, user: usize| {
                best[metric].map_or(0.0, |model| measured[model].per_user[cut][user][metric])
            };
            let differences: Vec<[f64; Metrics::N]> = own
                .iter()
                .enumerate()
                .map(|(user, own)| std::array::from_fn(|metric| own[metric] - of_best(metric, user)))
                .collect();
            let (difference, ci) = (mean(&differences), mean_intervals(&differences, options.seed));
            for (metric, best) in best.iter().enumerate() {
                let Some(best) = best else { continue };
                let baseline = measured[*best].report.name.clone();
                let versus = Versus { baseline, difference: difference[metric], ci: ci[metric] };
                report.versus.insert(format!("{}_vs_baseline", key(metric)), versus);
            }
        }
    }
    reports
}

/// The baseline with the highest mean, the first of equals.
fn best(means: &[[f64; Metrics::N]], metric: usize, reports: &[ModelReport]) -> Option<usize> {
    let baselines = (0..means.len()).filter(|&model| reports[model].baseline);
    baselines.reduce(|best, next| if means[next][metric] > means[best][metric] { next } else { best })
}

fn mean<const N: usize>(rows: &[[f64; N]]) -> [f64; N] {
    let mut sums = [0.0; N];
    rows.iter().for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value));
    sums.map(|sum| sum / rows.len().max(1) as f64)
}
