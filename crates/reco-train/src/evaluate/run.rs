//! One evaluation from data to report.

use super::bootstrap::mean_interval;
use super::metrics::{Metrics, coverage, gini};
use super::models::{self, Fitted, ModelError, Scorer, TrainData};
use super::split::{Split, Target, split};
use crate::data::{DataError, Dataset, FileSpec, ImportSpec, read};
use crate::fit::snapshot::Plan;
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::catalog::Catalog;
use reco_core::event::ActionWeights;
use reco_core::id::ItemId;
use reco_core::linalg::top_scores;
use reco_core::rerank::attribute_similarity;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What to evaluate on.
#[derive(Debug)]
pub enum Source {
    /// One data set, divided here.
    Split(Box<Dataset>, Split),
    /// A data set to train on and a file of test interactions.
    Files(Box<Dataset>, PathBuf),
}

/// How to evaluate.
#[derive(Clone, Debug)]
pub struct EvaluateOptions {
    /// The question.
    pub target: Target,
    /// Models asked for; baselines are added.
    pub models: Vec<String>,
    /// Cut-offs, each at least 1.
    pub k: Vec<usize>,
    /// Ranks each user's relevant items among these user, item pairs only.
    pub negatives: Option<PathBuf>,
    /// Parameters of the models.
    pub plan: Plan,
    /// Weights of the actions.
    pub weights: ActionWeights,
    /// Seed of training and intervals.
    pub seed: u64,
}

/// Why an evaluation cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A cut-off of 0, or none.
    #[error("k must name at least one cut-off above 0")]
    CutOff,
    /// The split left nobody to test.
    #[error("no user has a relevant test item; {hint}")]
    NothingToTest {
        /// What may help.
        hint: &'static str,
    },
}

/// What an evaluation found.
#[derive(Clone, Debug, Serialize)]
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
    /// Users with at least one relevant item.
    pub users_evaluated: usize,
    /// Users of the test without one.
    pub users_without_relevant: usize,
    /// Users evaluated whom training does not know; they are ranked by what the model says of nobody.
    pub users_unknown_to_training: usize,
    /// Whether lists were ranked among given negatives.
    pub negatives: bool,
    /// Seed.
    pub seed: u64,
    /// One entry a model, in the order asked, then the baselines.
    pub models: Vec<ModelReport>,
}

/// One model's figures; the keys are `metric@k` and `metric@k_ci` with its 95 % interval.
#[derive(Clone, Debug, Serialize)]
pub struct ModelReport {
    /// Name.
    pub name: String,
    /// Whether it stands here as a baseline.
    pub baseline: bool,
    /// `hr@10` and so on.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
    /// `hr@10_ci` and so on.
    #[serde(flatten)]
    pub intervals: BTreeMap<String, (f64, f64)>,
    /// Wall time of fitting.
    pub train_seconds: f64,
    /// Of an iterative model.
    pub seconds_per_iteration: Option<f64>,
    /// Largest memory of the whole process so far, where the system tells.
    pub peak_rss_mb: Option<f64>,
}

/// A user to test.
struct Case {
    user: u32,
    relevant: FxHashSet<ItemId>,
    /// Training items, when they are not to be ranked.
    masked: FxHashSet<ItemId>,
    /// Ranked among these only.
    among: Option<Vec<ItemId>>,
}

/// Evaluates all models on the same users.
///
/// # Errors
///
/// [`EvaluateError`] for an unknown model, unreadable files or a split that leaves nothing to test.
pub fn run(
    source: Source,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Report, EvaluateError> {
    if options.k.is_empty() || options.k.contains(&0) {
        return Err(EvaluateError::CutOff);
    }
    let (train, test, now) = divide(source)?;
    let data = TrainData::new(&train, now, &options.weights, options.seed);
    let negatives = match &options.negatives {
        Some(path) => Some(pairs(path, &train)?),
        None => None,
    };
    let (cases, without) = cases(&data, &test, negatives.as_ref(), options.target);
    if cases.is_empty() {
        let hint = "a larger test share, another split or target all may help";
        return Err(EvaluateError::NothingToTest { hint });
    }
    let baselines = models::baselines(options.target).iter().map(|name| (*name).to_owned());
    let mut names: Vec<(String, bool)> = options.models.iter().map(|name| (name.clone(), false)).collect();
    names.extend(baselines.filter(|name| !options.models.contains(name)).map(|name| (name, true)));
    let mut reports = Vec::with_capacity(names.len());
    for (name, baseline) in names {
        let fitted = models::fit(&name, &data, &options.plan, progress)?;
        reports.push(evaluate(name, baseline, &fitted, &data, &cases, options, progress));
    }
    let unknown = cases.iter().filter(|case| data.histories.of(case.user).is_empty()).count();
    Ok(Report {
        users: train.log.users.len(),
        items: train.catalog.len(),
        train_interactions: train.log.len(),
        test_interactions: test.len(),
        target: options.target,
        users_evaluated: cases.len(),
        users_without_relevant: without,
        users_unknown_to_training: unknown,
        negatives: negatives.is_some(),
        seed: options.seed,
        models: reports,
    })
}

type Pairs = Vec<(u32, ItemId)>;

/// Training data, test pairs and the moment between them.
fn divide(source: Source) -> Result<(Dataset, Pairs, reco_core::time::Timestamp), EvaluateError> {
    match source {
        Source::Split(dataset, how) => {
            let (train, test) = split(&dataset.log, how);
            let pair = |row: u32| (dataset.log.user[row as usize], dataset.log.item[row as usize]);
            let pairs = test.into_iter().map(pair).collect();
            let log = dataset.log.select(&train);
            let now = log.span().map(|(_, last)| last).unwrap_or_default();
            Ok((Dataset { log, ..*dataset }, pairs, now))
        }
        Source::Files(dataset, path) => {
            let pairs = pairs(&path, &dataset)?;
            let now = dataset.log.span().map(|(_, last)| last).unwrap_or_default();
            Ok((*dataset, pairs, now))
        }
    }
}

/// The user, item pairs of a file in terms of the training data; what training does not know is left out.
fn pairs(path: &std::path::Path, train: &Dataset) -> Result<Pairs, DataError> {
    let spec = ImportSpec { interactions: Some(FileSpec::new(path)), ..ImportSpec::default() };
    let (dataset, _) = read(&spec, &crate::progress::Silent)?;
    let users: Vec<Option<u32>> =
        dataset.log.users.keys().iter().map(|key| train.log.users.row(key.as_str())).collect();
    let items: Vec<Option<ItemId>> =
        dataset.catalog.ids().map(|id| train.catalog.id(dataset.catalog.key(id).as_str())).collect();
    let rows = dataset.log.user.iter().zip(&dataset.log.item);
    Ok(rows.filter_map(|(&user, item)| Some((users[user as usize]?, items[item.index()]?))).collect())
}

/// The users to test, and how many of the test have nothing relevant.
fn cases(
    data: &TrainData<'_>,
    test: &Pairs,
    negatives: Option<&Pairs>,
    target: Target,
) -> (Vec<Case>, usize) {
    let mut by_user: BTreeMap<u32, FxHashSet<ItemId>> = BTreeMap::new();
    for &(user, item) in test {
        by_user.entry(user).or_default().insert(item);
    }
    let mut among: FxHashMap<u32, Vec<ItemId>> = FxHashMap::default();
    for &(user, item) in negatives.into_iter().flatten() {
        among.entry(user).or_default().push(item);
    }
    let n_users = by_user.len();
    let case = |(user, mut relevant): (u32, FxHashSet<ItemId>)| {
        let had = |item: &ItemId| data.histories.of(user).iter().any(|touch| touch.item == *item);
        let mut masked = FxHashSet::default();
        if target == Target::New {
            relevant.retain(|item| !had(item));
            masked = data.histories.of(user).iter().map(|touch| touch.item).collect();
        }
        let among = negatives.map(|_| {
            let mut items = among.get(&user).cloned().unwrap_or_default();
            items.extend(relevant.iter().copied());
            items.sort_unstable();
            items.dedup();
            items
        });
        (!relevant.is_empty()).then_some(Case { user, relevant, masked, among })
    };
    let cases: Vec<Case> = by_user.into_iter().filter_map(case).collect();
    let without = n_users - cases.len();
    (cases, without)
}

fn evaluate(
    name: String,
    baseline: bool,
    fitted: &Fitted,
    data: &TrainData<'_>,
    cases: &[Case],
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> ModelReport {
    let deepest = options.k.iter().copied().max().unwrap_or(1);
    let n_items = data.dataset.catalog.len();
    progress.begin(&format!("ranking by {name}"), cases.len() as u64);
    let lists: Vec<Vec<ItemId>> = cases
        .par_iter()
        .map_init(
            || vec![0.0f32; n_items],
            |scores, case| {
                progress.advance(1);
                ranked(&*fitted.scorer, case, scores, deepest)
            },
        )
        .collect();
    progress.end(&format!("{} users", cases.len()));
    let mut report = ModelReport {
        name,
        baseline,
        metrics: BTreeMap::new(),
        intervals: BTreeMap::new(),
        train_seconds: fitted.train_seconds,
        seconds_per_iteration: fitted.seconds_per_iteration,
        peak_rss_mb: peak_rss_mb(),
    };
    let popularity = data.popularity();
    for &k in &options.k {
        accuracy(&mut report, k, &lists, cases, options.seed);
        beyond_accuracy(&mut report, k, &lists, &data.dataset.catalog, &popularity);
    }
    report
}

/// A user's best items.
fn ranked(scorer: &dyn Scorer, case: &Case, scores: &mut [f32], k: usize) -> Vec<ItemId> {
    scorer.score(case.user, scores);
    let best = match &case.among {
        None => top_scores(scores, k, |id| !case.masked.contains(&id)),
        Some(among) => {
            let mut rows: Vec<(f32, ItemId)> = among.iter().map(|&id| (scores[id.index()], id)).collect();
            reco_core::candidate::top_k(&mut rows, k);
            rows
        }
    };
    best.into_iter().map(|(_, id)| id).collect()
}

fn accuracy(report: &mut ModelReport, k: usize, lists: &[Vec<ItemId>], cases: &[Case], seed: u64) {
    let per_user: Vec<Metrics> = lists
        .iter()
        .zip(cases)
        .map(|(list, case)| {
            let hits: Vec<bool> = list.iter().map(|id| case.relevant.contains(id)).collect();
            Metrics::at(k, &hits, case.relevant.len())
        })
        .collect();
    for (metric, (name, _)) in Metrics::default().named().iter().enumerate() {
        let values: Vec<f64> = per_user.iter().map(|metrics| metrics.named()[metric].1).collect();
        let key = format!("{name}@{k}");
        report.metrics.insert(key.clone(), values.iter().sum::<f64>() / values.len() as f64);
        report.intervals.insert(format!("{key}_ci"), mean_interval(&values, seed));
    }
}

/// Coverage, Gini, novelty (mean -log2 of the share of users who had an item; Vargas & Castells, RecSys 2011)
/// and intra-list diversity (mean attribute dissimilarity of pairs).
fn beyond_accuracy(
    report: &mut ModelReport,
    k: usize,
    lists: &[Vec<ItemId>],
    catalog: &Catalog,
    popularity: &[f32],
) {
    let mut exposures = vec![0u32; catalog.len()];
    let n_users = popularity.iter().copied().fold(1.0, f32::max).max(lists.len() as f32);
    let (mut novelty, mut n_shown) = (0.0, 0usize);
    for &id in lists.iter().flat_map(|list| list.iter().take(k)) {
        exposures[id.index()] += 1;
        novelty -= f64::from((popularity[id.index()].max(0.5) / n_users).log2());
        n_shown += 1;
    }
    let diversity: f64 = lists.par_iter().map(|list| spread(&list[..k.min(list.len())], catalog)).sum();
    let mut insert = |name: &str, value: f64| report.metrics.insert(format!("{name}@{k}"), value);
    insert("coverage", coverage(&exposures));
    insert("gini", gini(&exposures));
    insert("novelty", novelty / n_shown.max(1) as f64);
    insert("diversity", diversity / lists.len().max(1) as f64);
}

fn spread(list: &[ItemId], catalog: &Catalog) -> f64 {
    let (mut sum, mut pairs) = (0.0, 0u32);
    for (i, &a) in list.iter().enumerate() {
        for &b in &list[i + 1..] {
            sum += 1.0 - f64::from(attribute_similarity(catalog, a, b));
            pairs += 1;
        }
    }
    if pairs == 0 { 0.0 } else { sum / f64::from(pairs) }
}

/// `VmHWM` of Linux.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1_024.0)
}
