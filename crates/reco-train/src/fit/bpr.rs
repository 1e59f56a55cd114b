//! Fitting factors to an order: BPR with negatives that are hard to tell apart.

mod strata;
#[cfg(test)]
mod tests;

use super::{FitError, bad};
use crate::progress::Progress;
use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_pcg::Pcg64;
use reco_core::interactions::Csr;
use reco_core::linalg::Matrix;
use reco_core::retrieve::bpr::{BprDescent, BprModel};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use strata::Strata;

/// Parameters of BPR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BprParams {
    /// Length of the factors, 1 to 1,024.
    pub factors: usize,
    /// Passes over the interactions, at least 1.
    pub epochs: usize,
    /// Step of the first pass, above 0; it falls to nothing along half a cosine.
    pub learning_rate: f32,
    /// Weight of the squared factors in every step, at least 0.
    pub regularization: f32,
    /// Items drawn at random for every interaction, 1 to 256; the one of them that scores highest is the negative.
    pub candidates: usize,
    /// Seed of the factors and draws.
    pub seed: u64,
}

impl Default for BprParams {
    fn default() -> Self {
        Self { factors: 64, epochs: 40, learning_rate: 0.05, regularization: 0.02, candidates: 8, seed: 42 }
    }
}

impl BprParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, line: String| {
            if !fine {
                problems.push(line);
            }
        };
        let (rate, lambda) = (self.learning_rate, self.regularization);
        check((1..=1024).contains(&self.factors), bad("factors", self.factors, "1 to 1024"));
        check(self.epochs >= 1, bad("epochs", self.epochs, "at least 1"));
        check(rate.is_finite() && rate > 0.0, bad("learning_rate", rate, "a finite number above 0"));
        check(
            lambda.is_finite() && lambda >= 0.0,
            bad("regularization", lambda, "a finite number not below 0"),
        );
        check((1..=256).contains(&self.candidates), bad("candidates", self.candidates, "1 to 256"));
        problems
    }
}

/// A fitted model and what it took.
#[derive(Debug)]
pub struct BprFit {
    /// The model.
    pub model: BprModel,
    /// Mean wall time of one pass over the interactions.
    pub seconds_per_iteration: f64,
}

/// Fits factors so that what a user had scores above what they had not: stochastic descent of
/// -log σ(w·h - w·g) over a user's items h and negatives g (Rendle et al., "BPR: Bayesian Personalized Ranking from
/// Implicit Feedback", UAI 2009), with biases of items, which are one more factor that is 1 for every user.
///
/// A negative is the best of a few drawn (Zhang et al., "Optimizing Top-N Collaborative Filtering via Dynamic
/// Negative Item Sampling", SIGIR 2013): most of those drawn at random are told apart already and teach nothing.
///
/// Interactions are visited by strata that share neither users nor items (Gemulla et al., "Large-Scale Matrix
/// Factorization with Distributed Stochastic Gradient Descent", KDD 2011). Their number is fixed, so the same
/// parameters give the same bits on any number of threads.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Empty`] without interactions,
/// [`FitError::NotFinite`] where the steps were too long.
pub fn fit(interactions: &Csr, params: &BprParams, progress: &dyn Progress) -> Result<BprFit, FitError> {
    FitError::check("bpr", params.problems())?;
    if interactions.n_cells() == 0 {
        return Err(FitError::Empty { model: "bpr" });
    }
    let d = params.factors + 1;
    let mut rng = Pcg64::seed_from_u64(params.seed);
    let mut users = initial(interactions.n_rows(), d, &mut rng);
    let mut items = initial(interactions.n_columns(), d, &mut rng);
    (0..users.n_rows()).for_each(|row| users.row_mut(row)[d - 1] = 1.0);
    (0..items.n_rows()).for_each(|row| items.row_mut(row)[d - 1] = 0.0);
    progress.begin("bpr", params.epochs as u64);
    let begun = Instant::now();
    for epoch in 0..params.epochs {
        let done = epoch as f32 / params.epochs as f32;
        let rate = params.learning_rate * 0.5 * (1.0 + (std::f32::consts::PI * done).cos());
        Strata::new(interactions, &mut rng).visit(&mut users, &mut items, rate, params);
        progress.advance(1);
    }
    if !(users.is_finite() && items.is_finite()) {
        return Err(FitError::NotFinite { model: "bpr" });
    }
    let seconds_per_iteration = begun.elapsed().as_secs_f64() / params.epochs as f64;
    // Rows nobody touched say nothing.
    let n_users = interactions.column_lengths();
    let untouched = n_users.iter().enumerate().filter(|(_, n)| **n == 0);
    untouched.for_each(|(item, _)| items.row_mut(item).fill(0.0));
    let silent = (0..users.n_rows()).filter(|&row| interactions.row(row).0.is_empty());
    silent.collect::<Vec<_>>().into_iter().for_each(|row| users.row_mut(row).fill(0.0));
    progress.end(&format!("{} factors, {seconds_per_iteration:.2} s an epoch", params.factors));
    let descent = BprDescent {
        regularization: params.regularization,
        candidates: params.candidates,
        length: params.learning_rate * params.epochs as f32 / 2.0,
    };
    Ok(BprFit { model: BprModel { users, items, descent }, seconds_per_iteration })
}

fn initial(n_rows: usize, d: usize, rng: &mut Pcg64) -> Matrix {
    let bound = 0.1 / (d as f32).sqrt() * 3f32.sqrt();
    let uniform = Uniform::new(-bound, bound).expect("the bound is positive and finite");
    Matrix::from_vec(n_rows, d, (0..n_rows * d).map(|_| uniform.sample(rng)).collect())
}
