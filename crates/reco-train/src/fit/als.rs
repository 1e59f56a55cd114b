//! Fitting implicit ALS.

use super::{FitError, bad};
use crate::progress::Progress;
use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_pcg::Pcg64;
use rayon::prelude::*;
use reco_core::interactions::Csr;
use reco_core::linalg::{Matrix, Spd, add_outers, axpy};
use reco_core::retrieve::als::{AlsLoss, AlsModel};
use serde::{Deserialize, Serialize};
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
    /// Seed of the initial factors.
    pub seed: u64,
}

impl Default for AlsParams {
    /// Good on film ratings and shop purchases alike; docs/benchmarks.md has the figures.
    fn default() -> Self {
        Self {
            factors: 64,
            iterations: 12,
            regularization: 0.005,
            unobserved_weight: 0.2,
            frequency_exponent: 1.0,
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

/// Fits factors to `interactions` (users x items, summed event weights, all above 0).
///
/// Alternates exact solves: with the items fixed every user's row has a closed form, and the other
/// way round (Hu et al. 2008, section 4). The same parameters give the same bits whatever the
/// number of threads.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Empty`] without interactions,
/// [`FitError::Diverged`] when a system cannot be solved.
pub fn fit(interactions: &Csr, params: &AlsParams, progress: &dyn Progress) -> Result<AlsFit, FitError> {
    FitError::check("als", params.problems())?;
    if interactions.n_cells() == 0 {
        return Err(FitError::Empty { model: "als" });
    }
    let by_user = interactions.clone().map(AlsLoss::confidence);
    let by_item = by_user.transpose();
    let mut rng = Pcg64::seed_from_u64(params.seed);
    let mut users = Matrix::zeros(by_user.n_rows(), params.factors);
    let mut items = initial(by_item.n_rows(), params.factors, &mut rng);
    let loss = params.loss();
    progress.begin("als", params.iterations as u64);
    let begun = Instant::now();
    for _ in 0..params.iterations {
        solve_side(&by_user, &items, &mut users, &loss)?;
        solve_side(&by_item, &users, &mut items, &loss)?;
        progress.advance(1);
    }
    let seconds_per_iteration = begun.elapsed().as_secs_f64() / params.iterations as f64;
    // The users' rows as serving would fold them in: solved against the final items.
    solve_side(&by_user, &items, &mut users, &loss)?;
    progress.end(&format!("{} factors, {seconds_per_iteration:.2} s an iteration", params.factors));
    Ok(AlsFit { model: AlsModel::new(users, items, loss), seconds_per_iteration })
}

/// Small random factors whose inner products start around 0.01.
fn initial(n_rows: usize, d: usize, rng: &mut Pcg64) -> Matrix {
    let bound = 0.1 / (d as f32).sqrt() * 3f32.sqrt();
    let uniform = Uniform::new(-bound, bound).expect("the bound is positive and finite");
    Matrix::from_vec(n_rows, d, (0..n_rows * d).map(|_| uniform.sample(rng)).collect())
}

/// Sets every row of `rows` to the minimum of the loss with `others` fixed.
fn solve_side(observed: &Csr, others: &Matrix, rows: &mut Matrix, loss: &AlsLoss) -> Result<(), FitError> {
    let d = others.n_columns();
    let shared = gram(others, loss.unobserved_weight);
    let solved = rows.as_mut_slice().par_chunks_exact_mut(d).enumerate().try_for_each_init(
        || (Vec::with_capacity(d * d), Vec::new()),
        |(system, terms): &mut (Vec<f32>, Vec<(&[f32], f32)>), (row, target)| {
            let (columns, confidences) = observed.row(row);
            target.fill(0.0);
            if columns.is_empty() {
                return Ok(());
            }
            system.clear();
            system.extend_from_slice(&shared);
            terms.clear();
            let others_of_row = columns.iter().map(|&column| others.row(column as usize));
            terms.extend(others_of_row.zip(confidences.iter().copied()));
            add_outers(terms, system);
            terms.iter().for_each(|(other, confidence)| axpy(*confidence, other, target));
            let regularization = loss.regularization_of(columns.len(), others.n_rows());
            (0..d).for_each(|i| system[i * d + i] += regularization);
            let factor = Spd::factor(d, std::mem::take(system))?;
            factor.solve(target);
            *system = factor.into_inner();
            Ok(())
        },
    );
    solved.map_err(|cause| FitError::Diverged { model: "als", cause })
}

/// Rows summed by one task at a time, in a fixed order.
const GRAM_BLOCK: usize = 512;

/// The upper triangle of `scale` * M^T M.
fn gram(rows: &Matrix, scale: f32) -> Vec<f32> {
    let d = rows.n_columns();
    let blocks: Vec<Vec<f32>> = (rows.as_slice().par_chunks(GRAM_BLOCK * d))
        .map(|block| {
            let mut sum = vec![0.0; d * d];
            add_outers(&block.chunks_exact(d).map(|row| (row, scale)).collect::<Vec<_>>(), &mut sum);
            sum
        })
        .collect();
    let mut sum = vec![0.0; d * d];
    blocks.iter().for_each(|block| axpy(1.0, block, &mut sum));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use reco_core::id::ItemId;
    use reco_core::linalg::dot;

    /// Two tastes: even users like even items, odd users odd ones, with a hole each.
    fn tastes() -> Csr {
        let cells = (0u32..40).flat_map(|user| (0u32..30).map(move |item| (user, item)));
        let liked = cells.filter(|(user, item)| user % 2 == item % 2 && (user + item) % 5 != 0);
        Csr::from_entries(40, 30, liked.map(|(user, item)| (user, item, 1.0)).collect::<Vec<_>>().into_iter())
    }

    fn params() -> AlsParams {
        AlsParams { factors: 8, iterations: 10, ..AlsParams::default() }
    }

    fn score(model: &AlsModel, user: usize, item: usize) -> f32 {
        dot(model.users.row(user), model.items.row(item))
    }

    #[test]
    fn holes_of_ones_taste_outrank_the_other_taste() {
        let two = AlsParams { factors: 2, ..params() };
        let model = fit(&tastes(), &two, &Silent).unwrap().model;
        for (user, hole, other) in [(0, 10, 1), (1, 9, 2), (6, 4, 5)] {
            assert!(score(&model, user, hole) > score(&model, user, other) + 0.2);
        }
    }

    #[test]
    fn threads_change_nothing() {
        let fit_with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&tastes(), &params(), &Silent).unwrap().model)
        };
        let (one, four) = (fit_with(1), fit_with(4));
        assert_eq!((one.users, one.items), (four.users, four.items));
    }

    #[test]
    fn every_pass_lowers_the_loss() {
        let matrix = tastes();
        let loss_after = |iterations| {
            let fit = fit(&matrix, &AlsParams { iterations, ..params() }, &Silent).unwrap();
            total_loss(&matrix, &fit.model)
        };
        let losses: Vec<f64> = (1..8).map(loss_after).collect();
        assert!(losses.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-6)), "{losses:?}");
    }

    fn total_loss(matrix: &Csr, model: &AlsModel) -> f64 {
        let by_item = matrix.transpose();
        let mut sum = 0.0;
        for user in 0..matrix.n_rows() {
            for item in 0..matrix.n_columns() {
                let s = f64::from(score(model, user, item));
                let observed = matrix.row(user).0.contains(&(item as u32));
                sum += f64::from(model.loss.unobserved_weight) * s * s
                    + if observed { (1.0 - s).powi(2) } else { 0.0 };
            }
        }
        let penalty = |observed: &Csr, rows: &Matrix, n_others: usize| -> f64 {
            (0..rows.n_rows())
                .map(|row| {
                    let weight = model.loss.regularization_of(observed.row(row).0.len(), n_others);
                    f64::from(weight) * f64::from(dot(rows.row(row), rows.row(row)))
                })
                .sum()
        };
        sum + penalty(matrix, &model.users, matrix.n_columns())
            + penalty(&by_item, &model.items, matrix.n_rows())
    }

    /// Solves A x = b in f64 by elimination.
    fn solve_in_f64(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
        let d = b.len();
        for k in 0..d {
            let pivot = a[k].clone();
            for i in k + 1..d {
                let factor = a[i][k] / pivot[k];
                a[i].iter_mut().zip(&pivot).for_each(|(cell, &above)| *cell -= factor * above);
                b[i] -= factor * b[k];
            }
        }
        for i in (0..d).rev() {
            let known: f64 = (i + 1..d).map(|j| a[i][j] * b[j]).sum();
            b[i] = (b[i] - known) / a[i][i];
        }
        b
    }

    #[test]
    fn rows_are_the_minimum_a_dense_solver_finds() {
        let matrix = tastes();
        let model = fit(&matrix, &params(), &Silent).unwrap().model;
        let (items, loss, d) = (&model.items, model.loss, 8);
        for user in 0..matrix.n_rows() {
            let (columns, _) = matrix.row(user);
            let mut a = vec![vec![0.0f64; d]; d];
            let mut b = vec![0.0f64; d];
            for (item, h) in items.rows().enumerate() {
                // Every weight is 1, so an observed item has confidence 1 beside the unobserved weight.
                let observed = f64::from(u8::from(columns.contains(&(item as u32))));
                let weight = f64::from(loss.unobserved_weight) + observed;
                for i in 0..d {
                    (0..d).for_each(|j| a[i][j] += weight * f64::from(h[i]) * f64::from(h[j]));
                    b[i] += observed * f64::from(h[i]);
                }
            }
            let regularization = f64::from(loss.regularization_of(columns.len(), items.n_rows()));
            (0..d).for_each(|i| a[i][i] += regularization);
            for (got, want) in model.users.row(user).iter().zip(solve_in_f64(a, b)) {
                assert!((f64::from(*got) - want).abs() < 1e-4, "user {user}: {got} is not {want}");
            }
        }
    }

    #[test]
    fn folding_in_the_whole_history_gives_the_trained_row() {
        let matrix = tastes();
        let model = fit(&matrix, &params(), &Silent).unwrap().model;
        for user in 0..matrix.n_rows() {
            let (items, weights) = matrix.row(user);
            let observed: Vec<(ItemId, f32)> = items
                .iter()
                .zip(weights)
                .map(|(&item, &weight)| (ItemId::new(item), AlsLoss::confidence(weight)))
                .collect();
            let folded = model.fold_in(&observed, None);
            let trained = model.users.row(user);
            let gap: f32 = folded.iter().zip(trained).map(|(a, b)| (a - b).abs()).sum();
            assert!(gap < 2e-2 * trained.iter().map(|x| x.abs()).sum::<f32>(), "user {user}: {gap}");
        }
    }

    #[test]
    fn bad_parameters_are_all_named() {
        let bad = AlsParams { factors: 0, unobserved_weight: 0.0, ..AlsParams::default() };
        let error = fit(&tastes(), &bad, &Silent).unwrap_err().to_string();
        assert!(error.contains("factors is 0") && error.contains("unobserved_weight is 0"), "{error}");
    }
}
