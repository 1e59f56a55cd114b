//! Learning how much to trust each source.

mod lists;
mod newton;
#[cfg(test)]
mod tests;

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
/// ICTIR 2019); it is convex, and solved by Newton's method on the weights that are free to move, projected to
/// the bound (Bertsekas 1982), with halved steps where a whole one overshoots.
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
    fit_some(lists, &[(0..lists.n_features).collect()], params)
}

/// The regularisation that holds best for lists it was not learned from.
pub(super) fn regularization(lists: &Lists, params: &BlendParams) -> Result<f32, FitError> {
    FitError::check("blend", params.problems())?;
    Ok(chosen(lists, params)?.regularization)
}

/// Weights as by [`fit`], of the features in that one of several choices which holds best for lists it was not
/// learned from, of equals the first; the others weigh 0.
///
/// # Panics
///
/// Panics for a feature that the lists do not have.
pub(crate) fn fit_some(
    lists: &Lists,
    choices: &[Vec<usize>],
    params: &BlendParams,
) -> Result<Vec<f32>, FitError> {
    FitError::check("blend", params.problems())?;
    let ways = choices.len() * params.regularization.len();
    let mut best: Option<(Chosen, &Vec<usize>)> = None;
    for features in choices {
        let first = Chosen { regularization: params.regularization[0], gain: 0.0 };
        let chosen = if ways == 1 { first } else { chosen(&lists.only(features), params)? };
        if best.as_ref().is_none_or(|(best, _)| chosen.gain > best.gain) {
            best = Some((chosen, features));
        }
    }
    let mut weights = vec![0.0; lists.n_features];
    if let Some((Chosen { regularization, .. }, features)) = best {
        let nothing = vec![0.0; features.len()];
        let learned = on_heads(&lists.only(features), params, regularization, &nothing)?;
        features.iter().zip(learned).for_each(|(&feature, weight)| weights[feature] = weight);
    }
    Ok(weights)
}

/// A regularisation, and what its weights gain on lists they were not learned from.
struct Chosen {
    regularization: f32,
    gain: f64,
}

/// The regularisation that holds best for lists it was not learned from.
fn chosen(lists: &Lists, params: &BlendParams) -> Result<Chosen, FitError> {
    let halves = [lists.every_other(0), lists.every_other(1)];
    if halves.iter().any(Lists::is_empty) {
        return Ok(Chosen { regularization: params.regularization[0], gain: 0.0 });
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
    Ok(Chosen { regularization: params.regularization[best], gain: gains[best] })
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
