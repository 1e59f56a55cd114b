//! Newton's method on the loss of weights over lists.

use super::lists::{Bounds, Lists};
use crate::fit::FitError;
use rayon::prelude::*;
use reco_core::linalg::{Matrix, NotPositiveDefinite, Spd, add_outers, axpy, dot};

/// Newton steps; the loss is convex and smooth, so that a dozen suffice.
const MOST_STEPS: usize = 50;

/// Rows whose share of the odds is less than this part of an equal one do not bend the loss.
const LEAST_SHARE: f32 = 0.05;

/// Lists summed by one task, in a fixed order.
const BLOCK: usize = 64;

/// The weights at which the loss over these lists is least.
pub(super) fn minimum(
    lists: &Lists,
    regularization: f32,
    least: f32,
    start: &[f32],
) -> Result<Vec<f32>, FitError> {
    if lists.is_empty() {
        return Err(FitError::NoLists { model: "blend" });
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
    factored(n, &curvature).map_err(|cause| FitError::Diverged { model: "blend", cause })?.solve(&mut step);
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

/// The factor of a curvature. Where features are nearly copies of one another rounding hides that it is positive;
/// more on its diagonal brings that back, at the price of shorter steps.
fn factored(n: usize, curvature: &[f32]) -> Result<Spd, NotPositiveDefinite> {
    let mean = (0..n).map(|i| curvature[i * n + i]).sum::<f32>() / n as f32;
    let damped = |share: f32| {
        let mut curvature = curvature.to_vec();
        (0..n).for_each(|i| curvature[i * n + i] += share * mean);
        Spd::factor(n, curvature)
    };
    damped(0.0).or_else(|_| damped(1e-5)).or_else(|_| damped(1e-3))
}

/// The loss at some weights with its first and second derivatives.
pub(super) struct Slope {
    loss: f64,
    pub(super) gradient: Vec<f32>,
    /// Row-major, its upper triangle.
    curvature: Vec<f32>,
}

impl Slope {
    fn nothing(n: usize) -> Self {
        Self { loss: 0.0, gradient: vec![0.0; n], curvature: vec![0.0; n * n] }
    }

    pub(super) fn at(weights: &[f32], lists: &Lists, regularization: f32) -> Self {
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
        // Most of a long list soon has next to no share, and the curvature is most of the work: without those rows a step
        // is hardly another one, and where it leads to is judged by all. What is no number must not go unnoticed.
        let least = LEAST_SHARE / shares.len() as f32;
        let bending: Vec<(&[f32], f32)> = rows()
            .zip(shares.iter().copied())
            .filter(|(_, share)| share.is_nan() || *share >= least)
            .collect();
        // Around the mean, not E[x x'] - mean mean': that would lose all digits once one row has all the share.
        let mut centered = Matrix::zeros(bending.len(), weights.len());
        for ((row, _), to) in bending.iter().zip(0..) {
            let to = centered.row_mut(to);
            to.copy_from_slice(row);
            axpy(-1.0, &mean, to);
        }
        let terms: Vec<(&[f32], f32)> = centered.rows().zip(bending.iter().map(|row| row.1)).collect();
        add_outers(&terms, &mut self.curvature);
    }
}
