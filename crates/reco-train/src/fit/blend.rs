//! Learning how much to trust each source.

mod lists;
mod newton;
#[cfg(test)]
mod tests;

use super::learning::{is_ahead, mean};
use super::{FitError, bad};
pub use lists::Lists;
use newton::minimum;
use reco_core::rank::{BlendModel, Opinion, SourceWeights};
use serde::{Deserialize, Serialize};

/// Parameters of learning weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlendParams {
    /// Share of the interactions, the latest, that the weights are learned from; above 0 and below 1. The
    /// sources are fitted to all of them in the end.
    pub held_out: f64,
    /// Weights of the squared weights, each above 0, of which those count that hold for others; see [`fit`].
    pub regularization: Vec<f32>,
    /// Whether a source that likes an item more may never make it less likely. It must not where sources speak of
    /// their own proposals alone, as those do that cannot assess others': weights learned where others agree would
    /// speak where it is alone. Where all of them speak of all candidates, free weights order better, and more of
    /// what sources say can be weighed; a snapshot's weights are free where that holds for users not learned from.
    pub monotone: bool,
    /// How often the weights are learned anew on the head of the lists as they were last ordered.
    pub rounds: usize,
    /// Rows of that head, at least 2: what a page is made of, with some room.
    pub head: usize,
}

impl Default for BlendParams {
    fn default() -> Self {
        Self { held_out: 0.1, regularization: vec![0.1, 0.01, 1e-3], monotone: false, rounds: 2, head: 40 }
    }
}

impl BlendParams {
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
/// ICTIR 2019); it is convex, and solved by Newton's method on the weights that are free to move, projected to
/// the bound (Bertsekas 1982), with halved steps where a whole one overshoots.
/// The same lists give the same bits on any number of threads.
///
/// That loss cares for the order of a whole list, a page only for its head, so the lists are then cut to what
/// the weights put first and the weights are learned again on that.
///
/// Of several regularisations, those count whose weights, learned from every other list, order the lists between them
/// best by mean NDCG@10, or no more than a standard error of the difference behind, and the weights are the mean of
/// theirs: to choose among what is nearly equal is to leave it to chance, to average is not (Breiman, "Heuristics of
/// Instability and Stabilization in Model Selection", Annals of Statistics 24, 1996).
///
/// # Errors
///
/// [`FitError::Params`] for a regularisation that is not above 0, [`FitError::NoLists`] without lists,
/// [`FitError::Diverged`] for features that are not finite.
pub fn fit(lists: &Lists, params: &BlendParams) -> Result<Vec<f32>, FitError> {
    let free = Way { features: (0..lists.n_features).collect(), monotone: params.monotone };
    fit_some(lists, &[free], params)
}

/// What weights may be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Way {
    /// Features that weigh anything.
    pub(crate) features: Vec<usize>,
    /// Whether none weighs less than 0.
    pub(crate) monotone: bool,
}

impl Way {
    /// From the most cautious to the boldest, where so many features in turn are the sides of a source's opinion, of
    /// which the first are told by each item alone. Bolder weights need more users to learn from.
    pub(super) fn all(n_features: usize, params: &BlendParams) -> Vec<Self> {
        let plain = (0..n_features).filter(|feature| feature % Opinion::SIDES < Opinion::PLAIN).collect();
        let cautious = Self { features: plain, monotone: true };
        if params.monotone {
            return vec![cautious];
        }
        let free = Self { monotone: false, ..cautious.clone() };
        let bold = Self { features: (0..n_features).collect(), monotone: false };
        vec![cautious, free, bold]
    }

    /// The least a weight may be.
    fn least(&self) -> f32 {
        if self.monotone { 0.0 } else { f32::NEG_INFINITY }
    }
}

/// Weights as by [`fit`], learned in several ways; features that are left out weigh 0.
///
/// # Panics
///
/// Panics for a feature that the lists do not have.
pub(crate) fn fit_some(lists: &Lists, ways: &[Way], params: &BlendParams) -> Result<Vec<f32>, FitError> {
    fit_chosen(lists, &choose(lists, ways, params)?, params)
}

/// The mean of the weights in all ways that were chosen.
pub(super) fn fit_chosen(
    lists: &Lists,
    chosen: &[Chosen],
    params: &BlendParams,
) -> Result<Vec<f32>, FitError> {
    let mut weights = vec![0.0; lists.n_features];
    for Chosen { way, regularization } in chosen {
        let nothing = vec![0.0; way.features.len()];
        let learned = on_heads(&lists.only(&way.features), params, way.least(), *regularization, &nothing)?;
        for (&feature, weight) in way.features.iter().zip(learned) {
            weights[feature] += weight / chosen.len() as f32;
        }
    }
    Ok(weights)
}

/// A way of learning weights that holds for others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chosen {
    way: Way,
    regularization: f32,
}

/// Those of the ways, given from the most cautious to the boldest, each with any of the regularisations, that order
/// lists which they were not learned from as well as the best of them does, but for what may be chance. Where there
/// are too few lists to tell, the most cautious.
pub(super) fn choose(lists: &Lists, ways: &[Way], params: &BlendParams) -> Result<Vec<Chosen>, FitError> {
    FitError::check("blend", params.problems())?;
    if let ([way], &[regularization]) = (ways, &params.regularization[..]) {
        return Ok(vec![Chosen { way: way.clone(), regularization }]);
    }
    let mut trials = Vec::new();
    for way in ways {
        trials.extend(tried(lists, way, params)?);
    }
    let Some((_, best)) = trials.iter().max_by(|one, other| mean(&one.1).total_cmp(&mean(&other.1))) else {
        return Ok(Vec::new());
    };
    if best.is_empty() {
        return Ok(trials.into_iter().take(1).map(|trial| trial.0).collect());
    }
    let is_as_good = |gains: &[f64]| !is_ahead(best, gains);
    Ok(trials.iter().filter(|trial| is_as_good(&trial.1)).map(|trial| trial.0.clone()).collect())
}

/// One way with each regularisation, and the NDCG@10 of each list as weights order it that were learned from every
/// other one; of nothing where the lists cannot be halved.
fn tried(lists: &Lists, way: &Way, params: &BlendParams) -> Result<Vec<(Chosen, Vec<f64>)>, FitError> {
    // From the strongest to the weakest the solutions lie close together.
    let mut bounds = params.regularization.clone();
    bounds.sort_by(|one, other| other.total_cmp(one));
    let lists = lists.only(&way.features);
    let halves = [lists.every_other(0), lists.every_other(1)];
    let mut gains = vec![Vec::new(); bounds.len()];
    if !halves.iter().any(Lists::is_empty) {
        for (learned_from, tested_on) in [(0, 1), (1, 0)] {
            let mut weights = vec![0.0; lists.n_features];
            for (gains, &bound) in gains.iter_mut().zip(&bounds) {
                weights = on_heads(&halves[learned_from], params, way.least(), bound, &weights)?;
                gains.extend(halves[tested_on].ndcg(&weights));
            }
        }
    }
    let chosen = bounds.into_iter().map(|regularization| Chosen { way: way.clone(), regularization });
    Ok(chosen.zip(gains).collect())
}

/// Weights for the head of the lists, sought from `start` on.
fn on_heads(
    lists: &Lists,
    params: &BlendParams,
    least: f32,
    regularization: f32,
    start: &[f32],
) -> Result<Vec<f32>, FitError> {
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
