//! Learning how much to trust each source.

mod lists;
mod newton;
#[cfg(test)]
mod tests;

use super::learning::is_ahead;
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
        Self {
            held_out: 0.1,
            regularization: vec![0.1, 0.01, 1e-3, 1e-4],
            monotone: false,
            rounds: 2,
            head: 40,
        }
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
/// Of several regularisations that one is taken whose weights, learned from every other list, order the lists
/// between them best by mean NDCG@10; a weaker one only where it is ahead by more than a standard error, for what is
/// hardly better there may as well be worse elsewhere; of equals the weakest.
///
/// # Errors
///
/// [`FitError::Params`] for a regularisation that is not above 0, [`FitError::Empty`] without lists,
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
    /// which the first are told by each item alone. Bolder weights order better, and need more users to learn from.
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

/// Weights as by [`fit`] in that one of several ways, given from the most cautious to the boldest, which
/// [`choose`] prefers; features that are left out weigh 0.
///
/// # Panics
///
/// Panics without a way, or for a feature that the lists do not have.
pub(crate) fn fit_some(lists: &Lists, ways: &[Way], params: &BlendParams) -> Result<Vec<f32>, FitError> {
    fit_chosen(lists, &choose(lists, ways, params)?, params)
}

/// Weights in a way that was chosen.
pub(super) fn fit_chosen(lists: &Lists, chosen: &Chosen, params: &BlendParams) -> Result<Vec<f32>, FitError> {
    let Chosen { way, regularization, .. } = chosen;
    let nothing = vec![0.0; way.features.len()];
    let learned = on_heads(&lists.only(&way.features), params, way.least(), *regularization, &nothing)?;
    let mut weights = vec![0.0; lists.n_features];
    way.features.iter().zip(learned).for_each(|(&feature, weight)| weights[feature] = weight);
    Ok(weights)
}

/// A way with its regularisation, and what its weights gain on each of the lists that they were not learned from.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    way: Way,
    regularization: f32,
    gains: Vec<f64>,
}

/// The way, of those given from the most cautious to the boldest, and the regularisation that hold best for lists
/// they were not learned from.
///
/// # Panics
///
/// Panics without a way.
pub(super) fn choose(lists: &Lists, ways: &[Way], params: &BlendParams) -> Result<Chosen, FitError> {
    FitError::check("blend", params.problems())?;
    if let ([way], [regularization]) = (ways, &params.regularization[..]) {
        return Ok(Chosen { way: way.clone(), regularization: *regularization, gains: Vec::new() });
    }
    let mut best = regularized(lists, &ways[0], params)?;
    for way in &ways[1..] {
        let bolder = regularized(lists, way, params)?;
        // Less than that may be chance, and of what may be as good the more cautious way is to be preferred.
        if is_ahead(&bolder.gains, &best.gains) {
            best = bolder;
        }
    }
    Ok(best)
}

/// One way with the regularisation that holds best for lists it was not learned from.
fn regularized(lists: &Lists, way: &Way, params: &BlendParams) -> Result<Chosen, FitError> {
    // From the strongest to the weakest the solutions lie close together.
    let mut bounds = params.regularization.clone();
    bounds.sort_by(|one, other| other.total_cmp(one));
    let first = Chosen { way: way.clone(), regularization: bounds[0], gains: Vec::new() };
    let lists = lists.only(&way.features);
    let halves = [lists.every_other(0), lists.every_other(1)];
    if halves.iter().any(Lists::is_empty) {
        return Ok(first);
    }
    let mut gains = vec![Vec::new(); bounds.len()];
    for (learned_from, tested_on) in [(0, 1), (1, 0)] {
        let mut weights = vec![0.0; lists.n_features];
        for (gains, &bound) in gains.iter_mut().zip(&bounds) {
            weights = on_heads(&halves[learned_from], params, way.least(), bound, &weights)?;
            gains.extend(halves[tested_on].ndcg(&weights));
        }
    }
    let is_better =
        |next: usize, best: usize| gains[next] == gains[best] || is_ahead(&gains[next], &gains[best]);
    let best = (1..bounds.len()).fold(0, |best, next| if is_better(next, best) { next } else { best });
    Ok(Chosen { regularization: bounds[best], gains: gains.swap_remove(best), ..first })
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
