//! What a learned ranker does on lists that it was not trained on: whether its scores are probabilities, and which
//! features it lives by.

#[cfg(test)]
mod tests;

use super::FitError;
use super::examples::Examples;
use super::rankers;
use super::snapshot::{self, Plan};
use crate::data::Dataset;
use crate::evaluate::{BINS, Bin, Metrics, calibration_error, reliability};
use crate::progress::Progress;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use reco_core::event::ActionWeights;
use reco_core::pipeline::PipelineConfig;
use reco_core::rank::DenseModel;
use reco_core::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A ranker, looked into.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankerInsight {
    /// Which.
    pub ranker: String,
    /// Lists looked at.
    pub lists: usize,
    /// Their candidates.
    pub rows: usize,
    /// How many of these were taken.
    pub taken: usize,
    /// Mean NDCG@10 over these lists.
    pub ndcg: f64,
    /// Bins of equally many candidates by ascending score.
    pub reliability: Vec<Bin>,
    /// Expected calibration error over these bins, 0 to 1; see [`calibration_error`].
    pub calibration_error: f64,
    /// Every feature the ranker reads, the most important first.
    pub importance: Vec<Importance>,
}

/// How much a feature matters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Its name.
    pub feature: String,
    /// How far NDCG@10 falls when its values are dealt out anew among all candidates.
    pub drop: f64,
}

/// As [`snapshot::fit`] or, after an `earlier` snapshot, [`snapshot::refit`]; looks into the rankers that read features,
/// as many as the plan fits.
///
/// # Errors
///
/// As [`snapshot::fit`].
pub fn fit_inspected(
    earlier: Option<&Snapshot>,
    dataset: Dataset,
    plan: &Plan,
    pipeline: &PipelineConfig,
    weights: &ActionWeights,
    version: &str,
    progress: &dyn Progress,
) -> Result<(Snapshot, Vec<RankerInsight>), FitError> {
    FitError::check("plan", plan.problems())?;
    let assemble = |snapshot| pipeline.builder(snapshot);
    let rankers = rankers::fit(&dataset, plan, &assemble, weights, true, progress)?;
    snapshot::with_rankers(earlier, dataset, plan, rankers, weights, version, progress)
}

/// More lists than these say little more about a feature, and take their time for every one.
const MOST_LISTS: usize = 100;

/// Looks into a ranker by what it makes of these lists, those of [the more frequent kind](Examples::are_seen). Importance is by permutation (Breiman, "Random Forests",
/// 2001), over at most 100 of the lists, evenly chosen; the same seed gives the same on any number of threads.
///
/// # Errors
///
/// [`FitError::Ranker`] where it cannot score.
pub fn inspect(
    ranker: &dyn DenseModel,
    examples: &Examples,
    lists: &[usize],
    seed: u64,
    progress: &dyn Progress,
) -> Result<RankerInsight, FitError> {
    let are_seen = examples.are_seen(lists);
    let alike = lists.iter().copied().filter(|&list| examples.lists[list].is_seen == are_seen);
    let lists = &alike.collect::<Vec<usize>>()[..];
    let inputs = Inputs::new(ranker, examples, lists);
    let scores = inputs.scores(None)?;
    let is_taken: Vec<bool> = inputs.rows.iter().map(|&row| examples.is_taken[row]).collect();
    let reliability = reliability(&scores, &is_taken, BINS);
    let every = lists.len().div_ceil(MOST_LISTS).max(1);
    let some: Vec<usize> = lists.iter().copied().step_by(every).collect();
    let sample = Inputs::new(ranker, examples, &some);
    let whole = sample.ndcg(&sample.scores(None)?);
    progress.begin("importance of features", ranker.features().len() as u64);
    let of_feature = |(column, name): (usize, &Arc<str>)| {
        let shuffled = sample.ndcg(&sample.scores(Some((column, seed)))?);
        progress.advance(1);
        Ok(Importance { feature: name.to_string(), drop: whole - shuffled })
    };
    let importance: Result<Vec<Importance>, FitError> =
        ranker.features().par_iter().enumerate().map(of_feature).collect();
    let mut importance = importance?;
    importance.sort_by(|a, b| b.drop.total_cmp(&a.drop).then_with(|| a.feature.cmp(&b.feature)));
    progress.end(importance.first().map_or("none", |first| &first.feature));
    Ok(RankerInsight {
        ranker: ranker.kind().to_owned(),
        lists: lists.len(),
        rows: scores.len(),
        taken: is_taken.iter().filter(|&&is_taken| is_taken).count(),
        ndcg: inputs.ndcg(&scores),
        calibration_error: calibration_error(&reliability),
        reliability,
        importance,
    })
}

/// Some lists as a ranker reads them.
struct Inputs<'a> {
    ranker: &'a dyn DenseModel,
    examples: &'a Examples,
    lists: &'a [usize],
    /// Rows of the examples, list by list.
    rows: Vec<usize>,
    /// What the ranker reads, row-major; NaN for what the examples do not have.
    values: Vec<f32>,
}

impl<'a> Inputs<'a> {
    fn new(ranker: &'a dyn DenseModel, examples: &'a Examples, lists: &'a [usize]) -> Self {
        let place = |name: &Arc<str>| examples.features.iter().position(|known| known.name == *name);
        let columns: Vec<Option<usize>> = ranker.features().iter().map(place).collect();
        let rows: Vec<usize> = lists.iter().flat_map(|&list| examples.lists[list].rows.clone()).collect();
        let value =
            |row: usize, column: Option<usize>| column.map_or(f32::NAN, |column| examples.row(row)[column]);
        let values =
            rows.iter().flat_map(|&row| columns.iter().map(move |&column| value(row, column))).collect();
        Self { ranker, examples, lists, rows, values }
    }

    /// Scores of all rows, with the values of one column dealt out anew by a seed.
    fn scores(&self, shuffled: Option<(usize, u64)>) -> Result<Vec<f32>, FitError> {
        let width = self.ranker.features().len();
        let mut scores = vec![0.0; self.rows.len()];
        let Some((column, seed)) = shuffled else {
            self.ranker.predict(&self.values, &mut scores)?;
            return Ok(scores);
        };
        let mut values = self.values.clone();
        let mut dealt: Vec<f32> = values.iter().skip(column).step_by(width).copied().collect();
        dealt.shuffle(&mut Pcg64Mcg::seed_from_u64(seed.wrapping_add(column as u64)));
        values.iter_mut().skip(column).step_by(width).zip(dealt).for_each(|(value, other)| *value = other);
        self.ranker.predict(&values, &mut scores)?;
        Ok(scores)
    }

    /// Mean NDCG@10 of the lists in the order of these scores; ties go to the first row.
    fn ndcg(&self, scores: &[f32]) -> f64 {
        let mut first = 0;
        let of_list = |&list: &usize| {
            let example = &self.examples.lists[list];
            let scores = &scores[first..first + example.rows.len()];
            first += example.rows.len();
            let is_taken = &self.examples.is_taken[example.rows.clone()];
            Metrics::of_scores(10, scores, is_taken, example.n_taken).ndcg
        };
        self.lists.iter().map(of_list).sum::<f64>() / self.lists.len().max(1) as f64
    }
}
