//! What fitted factors must satisfy.

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

const SOLVERS: [Solver; 3] = [Solver::Cholesky, Solver::Subspace, Solver::ConjugateGradient];

#[test]
fn threads_change_nothing() {
    for solver in SOLVERS {
        let params = AlsParams { factors: 40, solver, ..params() };
        let fit_with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&tastes(), &params, &Silent).unwrap().model)
        };
        let (one, four) = (fit_with(1), fit_with(4));
        assert_eq!((one.users, one.items), (four.users, four.items), "{solver:?}");
    }
}

#[test]
fn every_pass_of_every_solver_lowers_the_loss() {
    let matrix = tastes();
    for solver in SOLVERS {
        let loss_after = |iterations| {
            let params = AlsParams { iterations, solver, factors: 40, ..params() };
            total_loss(&matrix, &fit(&matrix, &params, &Silent).unwrap().model)
        };
        let losses: Vec<f64> = (1..8).map(loss_after).collect();
        assert!(losses.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-6)), "{solver:?}: {losses:?}");
    }
}

/// Few of many thousand pairs, popular items in front, more users than factors.
fn skewed() -> Csr {
    let draw = |n: u32| n.wrapping_mul(2_654_435_761) ^ (n.wrapping_mul(40_503) >> 3);
    let cell = |n: u32| {
        let (user, item) = (draw(n) % 300, draw(n + 900_001) % 200);
        // Users of one taste in five, who pick from their own items mostly.
        let own = if draw(n + 77) % 4 > 0 { item / 5 * 5 + user % 5 } else { item };
        (user, own.min(draw(n + 5) % 200), 1.0 + (n % 3) as f32)
    };
    Csr::from_entries(300, 200, (0..9_000).map(cell))
}

#[test]
fn solvers_agree_in_the_end() {
    let matrix = skewed();
    let loss_of = |solver| {
        let params = AlsParams { factors: 40, iterations: 60, solver, ..AlsParams::default() };
        total_loss(&matrix, &fit(&matrix, &params, &Silent).unwrap().model)
    };
    let [exact, blocks, gradients] = SOLVERS.map(loss_of);
    for loss in [blocks, gradients] {
        assert!((loss / exact - 1.0).abs() < 0.01, "{loss} is not {exact}");
    }
}

/// The ten best items for a row of factors.
fn best(model: &AlsModel, factors: &[f32]) -> Vec<ItemId> {
    let mut scores = vec![0.0; model.items.n_rows()];
    reco_core::linalg::scan(&model.items, factors, &mut scores);
    reco_core::linalg::top_scores(&scores, 10, |_| true).into_iter().map(|(_, item)| item).collect()
}

/// The share of `a` that is in `b`.
fn overlap(a: &[ItemId], b: &[ItemId]) -> f64 {
    a.iter().filter(|item| b.contains(item)).count() as f64 / a.len() as f64
}

#[test]
fn users_and_items_folded_in_rank_like_trained_ones() {
    let matrix = skewed();
    for solver in SOLVERS {
        let params = AlsParams { factors: 24, iterations: 30, solver, ..AlsParams::default() };
        let model = fit(&matrix, &params, &Silent).unwrap().model;
        let mut shares: Vec<f64> = (0..matrix.n_rows())
            .map(|user| {
                let folded = model.fold_in(&observed(&matrix, user), None);
                overlap(&best(&model, model.users.row(user)), &best(&model, &folded))
            })
            .collect();
        shares.sort_by(f64::total_cmp);
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        assert!(mean >= 0.95 && shares[shares.len() / 20] >= 0.9, "{solver:?}: mean {mean}");
        let by_item = matrix.transpose();
        for item in 0..by_item.n_rows() {
            let users: Vec<(u32, f32)> = observed(&by_item, item)
                .into_iter()
                .map(|(user, confidence)| (user.raw(), confidence))
                .collect();
            let (folded, trained) = (model.fold_in_item(&users), model.items.row(item));
            let cosine = dot(&folded, trained) / (dot(&folded, &folded) * dot(trained, trained)).sqrt();
            assert!(users.is_empty() || cosine > 0.99, "{solver:?}: item {item} {cosine}");
        }
    }
}

#[test]
fn a_start_of_another_length_is_ignored() {
    let items = Matrix::from_vec(3, 2, vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let model = AlsModel::new(Matrix::zeros(1, 2), items, AlsParams::default().loss());
    let observed = [0, 1, 2].map(|item| (ItemId::new(item), 1.0));
    for another_length in [&[][..], &[1.0; 3]] {
        assert_eq!(model.fold_in(&observed, Some(another_length)), model.fold_in(&observed, None));
    }
}

#[test]
fn an_earlier_model_saves_two_thirds_of_the_passes() {
    let matrix = skewed();
    let early = Csr::from_entries(
        300,
        200,
        (0..300)
            .flat_map(|user| {
                let (items, weights) = matrix.row(user as usize);
                // Some users and items are new, and everybody did something since.
                let known = items
                    .iter()
                    .zip(weights)
                    .filter(move |(item, _)| (user + **item) % 20 != 0 && user % 30 != 0);
                known.filter(|(item, _)| *item % 40 != 7).map(move |(&item, &weight)| (user, item, weight))
            })
            .collect::<Vec<_>>()
            .into_iter(),
    );
    let params = AlsParams { factors: 24, iterations: 12, ..AlsParams::default() };
    let earlier = fit(&early, &params, &Silent).unwrap().model;
    let start = Start::of(&earlier, (0..300).map(Some), (0..200).map(Some));
    assert!(params.warm_iterations * 3 <= params.iterations);
    let warm = refit(&matrix, &params, start, &Silent).unwrap().model;
    let cold = fit(&matrix, &params, &Silent).unwrap().model;
    let (warm, cold) = (total_loss(&matrix, &warm), total_loss(&matrix, &cold));
    assert!(warm <= cold * 1.005, "warm {warm}, cold {cold}");
}

#[test]
fn a_start_that_does_not_fit_is_not_used() {
    let matrix = tastes();
    let cold = fit(&matrix, &params(), &Silent).unwrap().model;
    let longer = fit(&matrix, &AlsParams { factors: 9, ..params() }, &Silent).unwrap().model;
    let stranger = || (0..30).map(|_| None);
    for (start, why) in [
        (Start::of(&longer, (0..40).map(Some), (0..30).map(Some)), "its rows have 9 factors"),
        (Start::of(&cold, (0..40).map(Some), stranger()), "it knows none of the items"),
        (
            Start::of(&cold, (0..39).map(Some), (0..30).map(Some)),
            "rows for 39 users and 30 items, the data 40 and 30",
        ),
    ] {
        let misfit = start.misfit(&matrix, params().factors).unwrap();
        assert!(misfit.contains(why), "{misfit}");
        assert_eq!(refit(&matrix, &params(), start, &Silent).unwrap().model.items, cold.items);
    }
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
    sum + penalty(matrix, &model.users, matrix.n_columns()) + penalty(&by_item, &model.items, matrix.n_rows())
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

/// A row's columns with their confidences.
fn observed(matrix: &Csr, row: usize) -> Vec<(ItemId, f32)> {
    let (columns, weights) = matrix.row(row);
    let confidences = weights.iter().map(|&weight| AlsLoss::confidence(weight));
    columns.iter().map(|&column| ItemId::new(column)).zip(confidences).collect()
}

#[test]
fn bad_parameters_are_all_named() {
    let bad = AlsParams { factors: 0, unobserved_weight: 0.0, ..AlsParams::default() };
    let error = fit(&tastes(), &bad, &Silent).unwrap_err().to_string();
    assert!(error.contains("factors is 0") && error.contains("unobserved_weight is 0"), "{error}");
}
