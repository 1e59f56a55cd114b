//! How well those are served who have just come, by how much they have done so far.
//!
//! The rules, in full:
//!
//! * **Training** sees what happened before a moment, the cut. New users are those who came after it. Where they are
//!   fewer than fifty, some of those who came before are new, too: training is told nothing of them, and what they
//!   did before the cut did not happen.
//! * **Time goes on** after the cut: every event, of new and known users alike, is taken in by the recommender in the
//!   order of their times, as a server would, and models stay as they were trained.
//! * **Steps.** A new user is asked for just before they take their first item, and again before the next one after so
//!   many distinct items were taken. Only users who took more items than the largest step are asked for, so that all
//!   steps are about the same people.
//! * **Relevant** are the next `k` distinct items that the user takes and did not have before. Items had before are
//!   not ranked, by any model.

use super::bootstrap::mean_intervals;
use super::metrics::Metrics;
use super::options::EvaluateError;
use super::pipeline::asked;
use super::run::on_few;
use crate::data::{Dataset, Split, Target, split};
use crate::fit::als::AlsParams;
use crate::fit::snapshot::{self, Plan};
use crate::progress::Progress;
use futures_util::FutureExt;
use reco_core::error::RecommendError;
use reco_core::event::{ActionWeights, Event, EventId};
use reco_core::id::ItemId;
use reco_core::linalg::{scan, top_scores};
use reco_core::live::{Live, LiveLimits};
use reco_core::pipeline::{PipelineConfig, Recommender};
use reco_core::request::{Context, Request};
use reco_core::retrieve::als::{AlsLoss, AlsModel};
use reco_core::snapshot::Snapshot;
use reco_core::time::{ManualClock, Timestamp};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Fewer new users than these are joined by some who came before.
const FEWEST: usize = 50;

/// One of so many known users then counts as new.
const ONE_OF: u32 = 5;

/// What to measure.
#[derive(Clone, Debug)]
pub struct ArrivalOptions {
    /// Share of the interactions, the latest, that come after the cut; above 0 and below 1.
    pub test_share: f64,
    /// Numbers of items taken before which pages are asked for, ascending.
    pub after: Vec<usize>,
    /// Length of the pages.
    pub k: usize,
    /// Parameters of the models.
    pub plan: Plan,
    /// Pipelines to measure, by name; all of them are served by the same models, trained for the first.
    pub pipelines: Vec<(String, PipelineConfig)>,
    /// Weights of the actions.
    pub weights: ActionWeights,
    /// Seed of training and of the intervals.
    pub seed: u64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ArrivalReport {
    /// The cut.
    pub cut: Timestamp,
    /// Interactions that trained.
    pub train_interactions: usize,
    /// Users who are new after the cut and took enough.
    pub users: usize,
    /// Those of them who had come before, of which training was told nothing.
    pub users_hidden: usize,
    /// Length of the pages.
    pub k: usize,
    /// Baselines first.
    pub curves: Vec<Curve>,
    /// What the reader of the figures should know.
    pub remarks: Vec<String>,
}

/// How one model did.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// By step.
    pub points: Vec<Point>,
}

/// How one model did after so many items.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Items taken.
    pub after: usize,
    /// Mean recall.
    pub recall: f64,
    /// Its 95 % bootstrap interval over users.
    pub recall_ci: (f64, f64),
    /// Mean NDCG.
    pub ndcg: f64,
    /// Its interval.
    pub ndcg_ci: (f64, f64),
    /// By baseline, the mean difference of recall and its paired interval; none of baselines.
    pub ahead_of: BTreeMap<String, (f64, (f64, f64))>,
}

/// Names of the baselines: what most users had before the cut, what most users had by the moment of asking, and
/// factors folded in from the user's items alone, which say nothing before the first and are popularity there.
pub const BASELINES: [&str; 3] = ["popularity", "popularity so far", "fold-in"];

/// Measures all pipelines on the same new users.
///
/// # Errors
///
/// [`EvaluateError`] for a share outside its range, data without times, models that cannot be fitted, or data in which
/// nobody new took enough.
pub fn arrivals(
    dataset: &Dataset,
    options: &ArrivalOptions,
    progress: &dyn Progress,
) -> Result<ArrivalReport, EvaluateError> {
    if !(options.test_share > 0.0 && options.test_share < 1.0) {
        return Err(EvaluateError::TestShare(options.test_share));
    }
    if options.k == 0 {
        return Err(EvaluateError::CutOff);
    }
    if !dataset.log.has_times() {
        return Err(EvaluateError::NoTimes);
    }
    let course = Course::new(dataset, options);
    if course.asked_for.is_empty() {
        let hint = "a larger share after the cut or fewer steps may help";
        return Err(EvaluateError::NothingToTest { hint });
    }
    let snapshot = Arc::new(trained(dataset, &course, options, progress)?);
    let mut measured = vec![];
    for (name, pipeline) in &options.pipelines {
        let recommender = asked(pipeline.builder(Arc::clone(&snapshot)).map_err(model)?, Target::New)
            .live(Arc::new(Live::new(
                options.weights.clone(),
                options.plan.trend_half_life_days,
                LiveLimits::default(),
            )))
            .max_count(options.k)
            .pool(1, 1)
            .clock(Arc::new(ManualClock::starting_at(course.end)))
            .build()
            .map_err(model)?;
        let run = Run { dataset, course: &course, options, recommender: &recommender, snapshot: &snapshot };
        progress.begin(&format!("serving new users by {name}"), course.later.len() as u64);
        let pages = run.pages(progress).map_err(model)?;
        progress.end(&format!("{} users", course.asked_for.len()));
        let [own, baselines @ ..] = pages;
        if measured.is_empty() {
            measured.extend(BASELINES.map(str::to_owned).into_iter().zip(baselines));
        }
        measured.push((name.clone(), own));
    }
    Ok(ArrivalReport {
        cut: course.cut,
        train_interactions: course.train.len(),
        users: course.asked_for.len(),
        users_hidden: course.users_hidden,
        k: options.k,
        curves: curves(&measured, options),
        remarks: on_few(course.asked_for.len()).into_iter().collect(),
    })
}

fn model(error: impl Into<super::models::ModelError>) -> EvaluateError {
    EvaluateError::Model(error.into())
}

/// What happens when, and who is asked for.
struct Course {
    cut: Timestamp,
    /// The last moment.
    end: Timestamp,
    /// Rows to train on.
    train: Vec<u32>,
    /// Rows after the cut in the order of their times.
    later: Vec<u32>,
    /// New users who took enough, with their distinct items in the order in which they took them.
    asked_for: BTreeMap<u32, Vec<ItemId>>,
    users_hidden: usize,
}

impl Course {
    fn new(dataset: &Dataset, options: &ArrivalOptions) -> Self {
        let log = &dataset.log;
        let division = split(log, Split::Time { test_share: options.test_share }, &options.weights);
        let cut = division.cut.unwrap_or_default();
        let mut later: Vec<u32> = (0..log.len() as u32).filter(|&row| log.at[row as usize] >= cut).collect();
        later.sort_by_key(|&row| (log.at[row as usize], row));
        let weight = log.weights(&options.weights);
        let mut taken: BTreeMap<u32, Vec<ItemId>> = BTreeMap::new();
        for row in later.iter().map(|&row| row as usize).filter(|&row| weight[row] > 0.0) {
            let items = taken.entry(log.user[row]).or_default();
            if !items.contains(&log.item[row]) {
                items.push(log.item[row]);
            }
        }
        let fewest = options.after.iter().max().map_or(1, |most| most + 1);
        taken.retain(|_, items| items.len() >= fewest);
        let mut is_known = vec![false; log.users.len()];
        division.train.iter().for_each(|&row| is_known[log.user[row as usize] as usize] = true);
        let n_new = taken.keys().filter(|&&user| !is_known[user as usize]).count();
        let is_hidden = |user: u32| n_new < FEWEST && is_known[user as usize] && user.is_multiple_of(ONE_OF);
        taken.retain(|&user, _| !is_known[user as usize] || is_hidden(user));
        let train = division.train.into_iter().filter(|&row| !is_hidden(log.user[row as usize])).collect();
        let users_hidden = taken.keys().filter(|&&user| is_known[user as usize]).count();
        let end = log.span().map(|(_, last)| last).unwrap_or_default();
        Self { cut, end, train, later, asked_for: taken, users_hidden }
    }
}

/// What serves all pipelines.
fn trained(
    dataset: &Dataset,
    course: &Course,
    options: &ArrivalOptions,
    progress: &dyn Progress,
) -> Result<Snapshot, EvaluateError> {
    let als = options.plan.als.clone().map(|als| AlsParams { seed: options.seed, ..als });
    let plan = Plan { als, ..options.plan.clone() };
    // Rows alone are left out: the catalogue is known, and users of the table without rows are strangers.
    let mut earlier = dataset.select(&course.train);
    let known = earlier.log.user.iter().map(|&user| earlier.log.users.keys()[user as usize].clone());
    let mut users = reco_core::interactions::UserTable::default();
    earlier.log.user = known.map(|key| users.intern(key.as_str())).collect();
    earlier.users = users
        .keys()
        .iter()
        .map(|key| {
            let row = dataset.log.users.row(key.as_str());
            row.and_then(|row| dataset.users.get(row as usize)).cloned().unwrap_or_default()
        })
        .collect();
    earlier.log.users = users;
    let pipeline = options.pipelines.first().map(|(_, pipeline)| pipeline.clone()).unwrap_or_default();
    let assemble = |snapshot: Snapshot| Ok(asked(pipeline.builder(snapshot)?, Target::New));
    Ok(snapshot::fit_for(earlier, &plan, &assemble, &options.weights, "evaluation", progress)?)
}

/// Recall and NDCG by step and user.
type Measured = Vec<Vec<[f64; 2]>>;

/// One pipeline, served events and asked for pages.
struct Run<'a> {
    dataset: &'a Dataset,
    course: &'a Course,
    options: &'a ArrivalOptions,
    recommender: &'a Recommender,
    snapshot: &'a Snapshot,
}

/// What is known of a new user so far.
#[derive(Default)]
struct Newcomer {
    /// Distinct items taken, with their weights.
    taken: Vec<(ItemId, f32)>,
    /// All items of the user's events.
    had: Vec<ItemId>,
}

impl Run<'_> {
    /// Of the pipeline, then of the baselines.
    fn pages(&self, progress: &dyn Progress) -> Result<[Measured; 4], RecommendError> {
        let log = &self.dataset.log;
        let weight = log.weights(&self.options.weights);
        let matrix = self.dataset.select(&self.course.train).log;
        let matrix = matrix.matrix(self.dataset.catalog.len(), &self.options.weights);
        let popularity: Vec<f32> = matrix.column_lengths().into_iter().map(|n| n as f32).collect();
        let mut so_far = popularity.clone();
        let mut users: FxHashMap<u32, Newcomer> = FxHashMap::default();
        let mut pending: Vec<Event> = Vec::new();
        let mut measured: [Measured; 4] = Default::default();
        measured.iter_mut().for_each(|of| of.resize(self.options.after.len(), Vec::new()));
        for &row in &self.course.later {
            progress.advance(1);
            let (number, row) = (row, row as usize);
            let (user, item) = (log.user[row], log.item[row]);
            let of_user = users.entry(user).or_default();
            let is_new = !of_user.taken.iter().any(|(known, _)| *known == item);
            if weight[row] > 0.0
                && is_new
                && let Some(course) = self.course.asked_for.get(&user)
                && let Some(step) = self.options.after.iter().position(|n| *n == of_user.taken.len())
            {
                self.take_in(&mut pending);
                let next = course[of_user.taken.len()..].iter();
                let relevant: Vec<ItemId> = next.take(self.options.k).copied().collect();
                let lists = [
                    self.page(user, log.at[row])?,
                    self.best(&popularity, of_user),
                    self.best(&so_far, of_user),
                    self.folded(&popularity, of_user),
                ];
                for (measured, list) in measured.iter_mut().zip(lists) {
                    measured[step].push(self.judged(&list, &relevant));
                }
            }
            if weight[row] > 0.0 {
                if let Some((_, sum)) = of_user.taken.iter_mut().find(|(known, _)| *known == item) {
                    *sum += weight[row];
                } else {
                    of_user.taken.push((item, weight[row]));
                    so_far[item.index()] += 1.0;
                }
            }
            if !of_user.had.contains(&item) {
                of_user.had.push(item);
            }
            pending.push(self.event(number));
        }
        Ok(measured)
    }

    fn event(&self, row: u32) -> Event {
        let (log, number) = (&self.dataset.log, row as usize);
        let value = log.value[number];
        Event {
            id: EventId(u128::from(row) + 1),
            user: log.users.keys()[log.user[number] as usize].clone(),
            item: self.dataset.catalog.key(log.item[number]).clone(),
            action: log.actions[usize::from(log.action[number])].clone(),
            value: (!value.is_nan()).then_some(value),
            at: log.at[number],
            details: None,
        }
    }

    /// Lets the recommender know of what happened since it was last asked.
    fn take_in(&self, pending: &mut Vec<Event>) {
        let ingested = self.recommender.ingest(std::mem::take(pending)).now_or_never();
        debug_assert!(ingested.is_some_and(|ingested| ingested.is_ok()), "an embedded log waits for nothing");
    }

    fn page(&self, user: u32, at: Timestamp) -> Result<Vec<ItemId>, RecommendError> {
        let context = Context { time: Some(at), ..Context::default() };
        let request = Request::for_user(self.dataset.log.users.keys()[user as usize].clone())
            .count(self.options.k)
            .context(context)
            .explain(false)
            .seed(self.options.seed);
        let page = self.recommender.recommend_now(request)?;
        Ok(page.items.into_iter().map(|item| item.id).collect())
    }

    fn best(&self, scores: &[f32], user: &Newcomer) -> Vec<ItemId> {
        let best = top_scores(scores, self.options.k, |id| !user.had.contains(&id));
        best.into_iter().map(|(_, id)| id).collect()
    }

    fn folded(&self, popularity: &[f32], user: &Newcomer) -> Vec<ItemId> {
        let model = self.snapshot.models.get::<AlsModel>(AlsModel::NAME);
        let Some(model) = model.filter(|_| !user.taken.is_empty()) else {
            return self.best(popularity, user);
        };
        let observed = user.taken.iter().map(|&(item, weight)| (item, AlsLoss::confidence(weight)));
        let vector = model.fold_in(&observed.collect::<Vec<_>>(), None);
        let mut scores = vec![0.0; model.items.n_rows()];
        scan(&model.items, &vector, &mut scores);
        self.best(&scores, user)
    }

    fn judged(&self, list: &[ItemId], relevant: &[ItemId]) -> [f64; 2] {
        let hits: Vec<bool> = list.iter().map(|id| relevant.contains(id)).collect();
        let Metrics { recall, ndcg, .. } = Metrics::at(self.options.k, &hits, relevant.len());
        [recall, ndcg]
    }
}

fn curves(measured: &[(String, Measured)], options: &ArrivalOptions) -> Vec<Curve> {
    let curve = |(name, own): &(String, Measured)| {
        let points = options.after.iter().zip(own).enumerate().map(|(step, (&after, own))| {
            let [recall_ci, ndcg_ci] = mean_intervals(own, options.seed);
            let [recall, ndcg] = mean(own);
            let is_baseline = |name: &str| BASELINES.contains(&name);
            let beside = measured.iter().filter(|(other, _)| is_baseline(other) && !is_baseline(name));
            let ahead_of = beside.map(|(other, of_other)| {
                let differences: Vec<[f64; 1]> =
                    own.iter().zip(&of_other[step]).map(|(own, other)| [own[0] - other[0]]).collect();
                let ([difference], [ci]) = (mean(&differences), mean_intervals(&differences, options.seed));
                (other.clone(), (difference, ci))
            });
            Point { after, recall, recall_ci, ndcg, ndcg_ci, ahead_of: ahead_of.collect() }
        });
        Curve { name: name.clone(), points: points.collect() }
    };
    measured.iter().map(curve).collect()
}

fn mean<const N: usize>(rows: &[[f64; N]]) -> [f64; N] {
    let mut sums = [0.0; N];
    rows.iter().for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value));
    sums.map(|sum| sum / rows.len().max(1) as f64)
}
