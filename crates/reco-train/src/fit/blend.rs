//! Learning how much to trust each source.

use super::{FitError, bad};
use rayon::prelude::*;
use reco_core::linalg::{Matrix, Spd, add_outers, axpy, dot};
use reco_core::rank::{BlendModel, Opinion, SourceWeights};
use serde::{Deserialize, Serialize};

/// Lists to learn from: one candidate a row, its features side by side.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    features: Vec<f32>,
    n_features: usize,
    bounds: Vec<Bounds>,
}

/// One user's candidates: rows `start..end`, the first `n_relevant` of them relevant.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    start: usize,
    end: usize,
    n_relevant: usize,
}

impl Lists {
    /// No lists yet, of candidates with this many features.
    pub fn new(n_features: usize) -> Self {
        Self { n_features, ..Self::default() }
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.bounds.len()
    }

    /// True without lists.
    pub fn is_empty(&self) -> bool {
        self.bounds.is_empty()
    }

    /// Appends a list, `features` row after row, the first `n_relevant` rows being what the user took. A list
    /// in which all or none are relevant teaches nothing and is left out.
    ///
    /// # Panics
    ///
    /// Panics when `features` is not made of whole rows.
    pub fn push(&mut self, features: &[f32], n_relevant: usize) {
        assert_eq!(features.len() % self.n_features, 0, "rows of {} features", self.n_features);
        let n_rows = features.len() / self.n_features;
        if n_relevant == 0 || n_relevant >= n_rows {
            return;
        }
        let start = self.features.len() / self.n_features;
        self.features.extend_from_slice(features);
        self.bounds.push(Bounds { start, end: start + n_rows, n_relevant });
    }

    /// Every other list, from the first (0) or the second (1).
    fn every_other(&self, first: usize) -> Self {
        let mut half = Self::new(self.n_features);
        for list in self.bounds.iter().skip(first).step_by(2) {
            half.push(
                &self.features[list.start * self.n_features..list.end * self.n_features],
                list.n_relevant,
            );
        }
        half
    }

    /// Mean NDCG@10 of the lists as `weights` order them.
    fn ndcg(&self, weights: &[f32]) -> f64 {
        const DEEPEST: usize = 10;
        let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
        let of_list = |list: &Bounds| {
            let rows = self.ordered(list, weights);
            let hits = rows.iter().take(DEEPEST).zip(0..).filter(|(row, _)| **row < list.n_relevant);
            let ideal: f64 = (0..list.n_relevant.min(DEEPEST)).map(gain).sum();
            hits.map(|(_, rank)| gain(rank)).sum::<f64>() / ideal
        };
        self.bounds.iter().map(of_list).sum::<f64>() / self.len().max(1) as f64
    }

    /// The same lists, each cut down to the `most` rows that `weights` score highest.
    fn hardest(&self, weights: &[f32], most: usize) -> Self {
        let mut hardest = Self::new(self.n_features);
        for list in &self.bounds {
            let mut rows = self.ordered(list, weights);
            rows.truncate(most);
            rows.sort_unstable();
            let n_relevant = rows.iter().filter(|row| **row < list.n_relevant).count();
            let features = rows
                .iter()
                .flat_map(|&row| self.rows(list.start + row, list.start + row + 1).flatten().copied());
            hardest.push(&features.collect::<Vec<_>>(), n_relevant);
        }
        hardest
    }

    /// The rows of a list, counted from its first, as `weights` order them; of ties what was taken comes last, so
    /// that weights which tell nothing apart look as bad as they are.
    fn ordered(&self, list: &Bounds, weights: &[f32]) -> Vec<usize> {
        let scores: Vec<f32> = self.rows(list.start, list.end).map(|row| dot(row, weights)).collect();
        let mut rows: Vec<usize> = (0..scores.len()).collect();
        rows.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(b.cmp(&a)));
        rows
    }

    fn rows(&self, start: usize, end: usize) -> impl ExactSizeIterator<Item = &[f32]> {
        self.features[start * self.n_features..end * self.n_features].chunks_exact(self.n_features)
    }
}

/// Newton steps; the loss is convex and smooth, so that a dozen suffice.
const MOST_STEPS: usize = 50;

/// Lists summed by one task, in a fixed order.
const BLOCK: usize = 64;

/// Parameters of learning weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlendParams {
    /// Share of the interactions, the latest, that the weights are learned from; above 0 and below 1. The
    /// sources are fitted to all of them in the end.
    pub held_out: f64,
    /// Weights of the squared weights to choose from, each above 0; see [`fit`].
    pub regularization: Vec<f32>,
    /// Whether a source that likes an item more may never make it less likely. It must not where sources may be
    /// missing: weights learned where others agree would speak where it is alone. Where all of them always
    /// speak, free weights order a little better.
    pub monotone: bool,
    /// How often the weights are learned anew on the head of the lists as they were last ordered.
    pub rounds: usize,
    /// Rows of that head, at least 2: what a page is made of, with some room.
    pub head: usize,
}

impl Default for BlendParams {
    fn default() -> Self {
        Self {
            held_out: 0.1,
            regularization: vec![0.1, 0.01, 1e-3, 1e-4],
            monotone: true,
            rounds: 2,
            head: 40,
        }
    }
}

impl BlendParams {
    /// The least a weight may be.
    fn least(&self) -> f32 {
        if self.monotone { 0.0 } else { f32::NEG_INFINITY }
    }

    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(self.held_out > 0.0 && self.held_out < 1.0) {
            problems.push(bad("held_out", self.held_out, "above 0 and below 1"));
        }
        if self.regularization.is_empty() {
            problems.push("regularization is empty, must name at least one number above 0".to_owned());
        }
        for bound in self.regularization.iter().filter(|bound| !(bound.is_finite() && **bound > 0.0)) {
            problems.push(bad("regularization", bound, "a finite number above 0"));
        }
        if self.head < 2 {
            problems.push(bad("head", self.head, "at least 2"));
        }
        problems
    }
}

/// The weights w, none below 0 if `monotone`, that minimise the mean softmax cross-entropy of what was taken, per list
/// log Σ exp(w x) - mean of w x over the relevant, plus `regularization` / 2 * |w|².
///
/// That loss bounds 1 - NDCG (Bruch et al., "An Analysis of the Softmax Cost Function for Learning to Rank",
/// ICTIR 2019); it is convex, and solved by Newton's method on the weights that are free to move, projected to the bound (Bertsekas 1982), with
/// halved steps where a whole one overshoots.
/// The same lists give the same bits on any number of threads.
///
/// That loss cares for the order of a whole list, a page only for its head, so the lists are then cut to what
/// the weights put first and the weights are learned again on that.
///
/// Of several regularisations that one is taken whose weights, learned from every other list, order the lists
/// between them best by mean NDCG@10, of equals the last.
///
/// # Errors
///
/// [`FitError::Params`] for a regularisation that is not above 0, [`FitError::Empty`] without lists,
/// [`FitError::Diverged`] for features that are not finite.
pub fn fit(lists: &Lists, params: &BlendParams) -> Result<Vec<f32>, FitError> {
    FitError::check("blend", params.problems())?;
    let nothing = vec![0.0; lists.n_features];
    on_heads(lists, params, regularization(lists, params)?, &nothing)
}

/// The regularisation that holds best for lists it was not learned from.
fn regularization(lists: &Lists, params: &BlendParams) -> Result<f32, FitError> {
    let halves = [lists.every_other(0), lists.every_other(1)];
    if params.regularization.len() == 1 || halves.iter().any(Lists::is_empty) {
        return Ok(params.regularization[0]);
    }
    let mut gains = vec![0.0; params.regularization.len()];
    for (learned_from, tested_on) in [(0, 1), (1, 0)] {
        // From the strongest to the weakest bound the solutions lie close together.
        let mut weights = vec![0.0; lists.n_features];
        for (gain, &bound) in gains.iter_mut().zip(&params.regularization) {
            weights = on_heads(&halves[learned_from], params, bound, &weights)?;
            *gain += halves[tested_on].ndcg(&weights);
        }
    }
    let best = (1..gains.len()).fold(0, |best, next| if gains[next] >= gains[best] { next } else { best });
    Ok(params.regularization[best])
}

/// Weights for the head of the lists, sought from `start` on.
fn on_heads(
    lists: &Lists,
    params: &BlendParams,
    regularization: f32,
    start: &[f32],
) -> Result<Vec<f32>, FitError> {
    let least = params.least();
    let mut weights = minimum(lists, regularization, least, start)?;
    for _ in 0..params.rounds {
        let hardest = lists.hardest(&weights, params.head);
        if hardest.is_empty() {
            break;
        }
        weights = minimum(&hardest, regularization, least, &weights)?;
    }
    Ok(weights)
}

/// As many of the users as weights are learned from, evenly spread; more change little but the time it takes.
pub(crate) fn sampled<T>(users: impl ExactSizeIterator<Item = T>) -> impl Iterator<Item = T> {
    const MOST_USERS: usize = 10_000;
    let every = users.len().div_ceil(MOST_USERS).max(1);
    users.step_by(every)
}

/// Learned weights under the names of their sources.
pub(crate) fn model(sources: &[impl AsRef<str>], weights: &[f32]) -> BlendModel {
    let (weights, _) = weights.as_chunks::<{ Opinion::SIDES }>();
    let sources = sources.iter().zip(weights);
    let named = sources.map(|(name, &weights)| SourceWeights { source: name.as_ref().to_owned(), weights });
    BlendModel::new(named.collect())
}

/// The weights at which the loss over these lists is least.
fn minimum(lists: &Lists, regularization: f32, least: f32, start: &[f32]) -> Result<Vec<f32>, FitError> {
    if lists.is_empty() {
        return Err(FitError::Empty { model: "blend" });
    }
    let mut weights = start.to_vec();
    let mut here = Slope::at(&weights, lists, regularization);
    for _ in 0..MOST_STEPS {
        let Some((better, there)) = improved(&weights, &here, lists, regularization, least)? else { break };
        let gain = here.loss - there.loss;
        (weights, here) = (better, there);
        if gain < 1e-9 * here.loss.abs() {
            break;
        }
    }
    Ok(weights)
}

/// Where a Newton step leads, halved until it helps; `None` at the bottom.
fn improved(
    weights: &[f32],
    here: &Slope,
    lists: &Lists,
    regularization: f32,
    least: f32,
) -> Result<Option<(Vec<f32>, Slope)>, FitError> {
    let n = weights.len();
    let (mut step, mut curvature) = (here.gradient.clone(), here.curvature.clone());
    // A weight at the bound that would cross it stays out of the step.
    for held in (0..n).filter(|&i| weights[i] <= least && here.gradient[i] > 0.0) {
        step[held] = 0.0;
        (0..n).for_each(|other| curvature[held.min(other) * n + held.max(other)] = 0.0);
        curvature[held * n + held] = 1.0;
    }
    let curvature = Spd::factor(n, curvature);
    curvature.map_err(|cause| FitError::Diverged { model: "blend", cause })?.solve(&mut step);
    for halving in 0..20 {
        let mut moved = weights.to_vec();
        axpy(-0.5f32.powi(halving), &step, &mut moved);
        moved.iter_mut().for_each(|weight| *weight = weight.max(least));
        let there = Slope::at(&moved, lists, regularization);
        if there.loss < here.loss {
            return Ok(Some((moved, there)));
        }
    }
    Ok(None)
}

/// The loss at some weights with its first and second derivatives.
struct Slope {
    loss: f64,
    gradient: Vec<f32>,
    /// Row-major, its upper triangle.
    curvature: Vec<f32>,
}

impl Slope {
    fn nothing(n: usize) -> Self {
        Self { loss: 0.0, gradient: vec![0.0; n], curvature: vec![0.0; n * n] }
    }

    fn at(weights: &[f32], lists: &Lists, regularization: f32) -> Self {
        let n = weights.len();
        let blocks: Vec<Self> = lists
            .bounds
            .par_chunks(BLOCK)
            .map(|block| {
                let mut sum = Self::nothing(n);
                block.iter().for_each(|list| sum.add(list, weights, lists));
                sum
            })
            .collect();
        let mut sum = Self::nothing(n);
        let scale = 1.0 / lists.len() as f32;
        for block in &blocks {
            sum.loss += block.loss * f64::from(scale);
            axpy(scale, &block.gradient, &mut sum.gradient);
            axpy(scale, &block.curvature, &mut sum.curvature);
        }
        sum.loss += 0.5 * f64::from(regularization * dot(weights, weights));
        axpy(regularization, weights, &mut sum.gradient);
        (0..n).for_each(|i| sum.curvature[i * n + i] += regularization);
        sum
    }

    fn add(&mut self, list: &Bounds, weights: &[f32], lists: &Lists) {
        let rows = || lists.rows(list.start, list.end);
        let mut shares: Vec<f32> = rows().map(|row| dot(row, weights)).collect();
        let taken = shares[..list.n_relevant].iter().sum::<f32>() / list.n_relevant as f32;
        let top = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        shares.iter_mut().for_each(|score| *score = (*score - top).exp());
        let total: f32 = shares.iter().sum();
        self.loss += f64::from(total.ln() + top - taken);
        shares.iter_mut().for_each(|share| *share /= total);
        let mut mean = vec![0.0; weights.len()];
        rows().zip(&shares).for_each(|(row, share)| axpy(*share, row, &mut mean));
        axpy(1.0, &mean, &mut self.gradient);
        let each = -1.0 / list.n_relevant as f32;
        rows().take(list.n_relevant).for_each(|row| axpy(each, row, &mut self.gradient));
        // Around the mean, not E[x x'] - mean mean': that would lose all digits once one row has all the share.
        let mut centered = Matrix::zeros(shares.len(), weights.len());
        for (row, to) in rows().zip(0..) {
            let to = centered.row_mut(to);
            to.copy_from_slice(row);
            axpy(-1.0, &mean, to);
        }
        let terms: Vec<(&[f32], f32)> = centered.rows().zip(shares.iter().copied()).collect();
        add_outers(&terms, &mut self.curvature);
    }
}

#[cfg(test)]
mod tests;
