//! Fitting implicit ALS.

mod side;
#[cfg(test)]
mod tests;

use super::{FitError, bad};
use crate::progress::{Progress, remarked};
use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_pcg::Pcg64;
use reco_core::interactions::Csr;
use reco_core::linalg::Matrix;
use reco_core::retrieve::als::{AlsLoss, AlsModel};
use serde::{Deserialize, Serialize};
use side::{Method, Side};
use std::time::Instant;

/// Hyper-parameters of implicit ALS; see [`AlsModel`] for the loss they belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlsParams {
    /// Length of the factors, 1 to 1,024.
    pub factors: usize,
    /// Passes over users and items, at least 1.
    pub iterations: usize,
    /// λ, at least 0.
    pub regularization: f32,
    /// a0, above 0 and at most 1.
    pub unobserved_weight: f32,
    /// ν, 0 to 1.
    pub frequency_exponent: f32,
    /// How a row is found.
    pub solver: Solver,
    /// Passes over users and items from the factors of an earlier model on, at least 1.
    pub warm_iterations: usize,
    /// Seed of the initial factors.
    pub seed: u64,
}

/// How a row is found with the other side fixed. Per pass over n observations of a row, in multiplications:
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Solver {
    /// What is fastest to equal quality: [`Cholesky`](Self::Cholesky) up to 32 factors,
    /// [`ConjugateGradient`](Self::ConjugateGradient) beyond; docs/benchmarks/als.md has the figures.
    #[default]
    Auto,
    /// The minimum itself, by factoring its system: n d² / 2 + d³ / 6 (Hu et al. 2008).
    Cholesky,
    /// 32 factors at a time with the others fixed: 18 n d + d² (Rendle et al., "iALS++: Speeding up Matrix
    /// Factorization with Subspace Optimization", 2021).
    Subspace,
    /// Three steps of conjugate gradients from where the row was: 8 n d + 4 d² (Takács et al., "Applications of
    /// the Conjugate Gradient Method for Implicit Feedback Collaborative Filtering", RecSys 2011).
    ConjugateGradient,
}

impl Solver {
    /// The most factors for which solving exactly is fastest.
    const EXACT_UP_TO: usize = 32;

    fn method(self, factors: usize) -> Method {
        match self {
            Self::Cholesky => Method::Exact,
            Self::Auto if factors <= Self::EXACT_UP_TO => Method::Exact,
            Self::Subspace => Method::Blocks(32),
            Self::Auto | Self::ConjugateGradient => Method::Steps(3),
        }
    }
}

impl Default for AlsParams {
    /// Good on film ratings and shop purchases alike; docs/benchmarks.md has the figures.
    fn default() -> Self {
        Self {
            factors: 96,
            iterations: 12,
            regularization: 0.005,
            unobserved_weight: 0.5,
            frequency_exponent: 1.0,
            solver: Solver::Auto,
            warm_iterations: 4,
            seed: 42,
        }
    }
}

impl AlsParams {
    /// The reference defaults many systems are described with: rank 100, 10 iterations, λ = 0.01.
    pub fn reference() -> Self {
        Self { factors: 100, iterations: 10, regularization: 0.01, ..Self::default() }
    }

    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, line: String| {
            if !fine {
                problems.push(line);
            }
        };
        check((1..=1024).contains(&self.factors), bad("factors", self.factors, "1 to 1024"));
        check(self.iterations >= 1, bad("iterations", self.iterations, "at least 1"));
        check(self.warm_iterations >= 1, bad("warm_iterations", self.warm_iterations, "at least 1"));
        let (lambda, a0, nu) = (self.regularization, self.unobserved_weight, self.frequency_exponent);
        check(
            lambda.is_finite() && lambda >= 0.0,
            bad("regularization", lambda, "a finite number not below 0"),
        );
        check(a0 > 0.0 && a0 <= 1.0, bad("unobserved_weight", a0, "above 0 and at most 1"));
        check((0.0..=1.0).contains(&nu), bad("frequency_exponent", nu, "0 to 1"));
        problems
    }

    fn loss(&self) -> AlsLoss {
        AlsLoss {
            unobserved_weight: self.unobserved_weight,
            regularization: self.regularization,
            frequency_exponent: self.frequency_exponent,
        }
    }
}

/// A fitted model and what it took.
#[derive(Debug)]
pub struct AlsFit {
    /// The model.
    pub model: AlsModel,
    /// Mean wall time of one pass over users and items.
    pub seconds_per_iteration: f64,
}

/// Factors to start from, rows as the data to fit numbers users and items; zero for rows without any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// Of the users.
    pub users: Matrix,
    /// Of the items.
    pub items: Matrix,
}

impl Start {
    /// The factors that `model` has for the users and items of other data: the row of each in the model, or
    /// `None` for one it does not know.
    pub fn of(
        model: &AlsModel,
        users: impl ExactSizeIterator<Item = Option<usize>>,
        items: impl ExactSizeIterator<Item = Option<usize>>,
    ) -> Self {
        Self { users: picked(&model.users, users), items: picked(&model.items, items) }
    }

    /// Why training on `interactions` cannot go on from here; `None` where it can.
    fn misfit(&self, interactions: &Csr, factors: usize) -> Option<String> {
        let rows = (self.users.n_rows(), self.items.n_rows());
        let (n_users, n_items) = (interactions.n_rows(), interactions.n_columns());
        let both = [&self.users, &self.items];
        if self.items.n_columns() == 0 {
            Some("it has no factors".to_owned())
        } else if rows != (n_users, n_items) {
            Some(format!(
                "it has rows for {} users and {} items, the data {n_users} and {n_items}",
                rows.0, rows.1
            ))
        } else if let Some(other) = both.iter().map(|side| side.n_columns()).find(|&length| length != factors)
        {
            Some(format!("its rows have {other} factors, {factors} are asked for"))
        } else if self.items.as_slice().iter().all(|&factor| factor == 0.0) {
            Some("it knows none of the items".to_owned())
        } else if !both.iter().all(|side| side.is_finite()) {
            Some("it has factors that are not finite".to_owned())
        } else {
            None
        }
    }
}

/// The rows named; zero where there is none.
fn picked(from: &Matrix, rows: impl ExactSizeIterator<Item = Option<usize>>) -> Matrix {
    let mut picked = Matrix::zeros(rows.len(), from.n_columns());
    for (to, row) in rows.enumerate() {
        if let Some(row) = row.filter(|&row| row < from.n_rows()) {
            picked.row_mut(to).copy_from_slice(from.row(row));
        }
    }
    picked
}

/// Fits factors to `interactions` (users x items, summed event weights, all above 0), from small random ones on.
///
/// Alternates: with the items fixed every user's row has a closed form, and the other way round
/// (Hu et al. 2008, section 4). The same parameters give the same bits whatever the number of threads.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Empty`] without interactions,
/// [`FitError::Diverged`] when a system cannot be solved.
pub fn fit(interactions: &Csr, params: &AlsParams, progress: &dyn Progress) -> Result<AlsFit, FitError> {
    FitError::check("als", params.problems())?;
    let mut rng = Pcg64::seed_from_u64(params.seed);
    let start = Start {
        users: Matrix::zeros(interactions.n_rows(), params.factors),
        items: initial(interactions.n_columns(), params.factors, &mut rng),
    };
    alternate(interactions, params, start, params.iterations, progress)
}

/// As [`fit`], from the factors of an earlier model on, with `warm_iterations` instead of `iterations`. Rows that
/// were zero get their factors from those that were not. From a start of other dimensions, or without any factors,
/// nothing is taken: that is [`fit`], and a remark says why.
///
/// # Errors
///
/// As [`fit`].
pub fn refit(
    interactions: &Csr,
    params: &AlsParams,
    start: Start,
    progress: &dyn Progress,
) -> Result<AlsFit, FitError> {
    FitError::check("als", params.problems())?;
    if let Some(misfit) = start.misfit(interactions, params.factors) {
        let line = format!("als cannot go on from the earlier snapshot and begins anew: {misfit}");
        remarked(progress, "warm start", &line);
        return fit(interactions, params, progress);
    }
    alternate(interactions, params, start, params.warm_iterations, progress)
}

fn alternate(
    interactions: &Csr,
    params: &AlsParams,
    start: Start,
    iterations: usize,
    progress: &dyn Progress,
) -> Result<AlsFit, FitError> {
    if interactions.n_cells() == 0 {
        return Err(FitError::Empty { model: "als" });
    }
    let by_user = interactions.clone().map(AlsLoss::confidence);
    let by_item = by_user.transpose();
    let (loss, method) = (params.loss(), params.solver.method(params.factors));
    let step = |observed: &Csr, others: &Matrix, rows: &mut Matrix, method| {
        let step = Side::new(observed, others, &loss).step(rows, method);
        step.map_err(|cause| FitError::Diverged { model: "als", cause })
    };
    let Start { mut users, mut items } = start;
    progress.begin("als", iterations as u64);
    let begun = Instant::now();
    for _ in 0..iterations {
        step(&by_user, &items, &mut users, method)?;
        step(&by_item, &users, &mut items, method)?;
        progress.advance(1);
    }
    let seconds_per_iteration = begun.elapsed().as_secs_f64() / iterations as f64;
    // The users' rows as serving would fold them in: solved against the final items.
    step(&by_user, &items, &mut users, Method::Exact)?;
    let factors = params.factors;
    progress.end(&format!("{factors} factors, {iterations} iterations of {seconds_per_iteration:.2} s"));
    Ok(AlsFit { model: AlsModel::new(users, items, loss), seconds_per_iteration })
}

/// Small random factors whose inner products start around 0.01.
fn initial(n_rows: usize, d: usize, rng: &mut Pcg64) -> Matrix {
    let bound = 0.1 / (d as f32).sqrt() * 3f32.sqrt();
    let uniform = Uniform::new(-bound, bound).expect("the bound is positive and finite");
    Matrix::from_vec(n_rows, d, (0..n_rows * d).map(|_| uniform.sample(rng)).collect())
}
