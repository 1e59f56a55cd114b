//! One side of the alternation: every user's row with the items fixed, or the other way round.

use rayon::prelude::*;
use reco_core::interactions::Csr;
use reco_core::linalg::{
    Matrix, NotPositiveDefinite, Spd, add_outers, add_outers_within, add_products, add_projections,
    add_weighted, axpy, conjugate_gradient, dot, scan,
};
use reco_core::retrieve::als::AlsLoss;

/// How far a pass goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Method {
    /// To the minimum.
    Exact,
    /// To the minimum over so many factors at a time.
    Blocks(usize),
    /// So many conjugate gradients.
    Steps(usize),
}

/// The rows to find, given the rows of the other side.
pub(super) struct Side<'a> {
    /// Confidences, a row for each row to find, a column for each of the others.
    pub(super) observed: &'a Csr,
    others: &'a Matrix,
    loss: &'a AlsLoss,
    /// a0 H^T H, what all systems share.
    shared: Matrix,
}

/// Memory of one thread.
#[derive(Default)]
struct Scratch<'a> {
    /// The rows of the others that were observed, with their confidences.
    terms: Vec<(&'a [f32], f32)>,
    /// The inner products of `terms` with the row.
    products: Vec<f32>,
    /// What the row misses of the observations, times their confidences.
    errors: Vec<f32>,
    system: Vec<f32>,
    target: Vec<f32>,
}

impl<'a> Side<'a> {
    pub(super) fn new(observed: &'a Csr, others: &'a Matrix, loss: &'a AlsLoss) -> Self {
        Self { observed, others, loss, shared: gram(others, loss.unobserved_weight) }
    }

    /// Lowers the loss over every row, by the method to its minimum or not quite.
    pub(super) fn step(&self, rows: &mut Matrix, method: Method) -> Result<(), NotPositiveDefinite> {
        let d = self.others.n_columns();
        rows.as_mut_slice()
            .par_chunks_exact_mut(d)
            .enumerate()
            .try_for_each_init(Scratch::default, |scratch, (row, factors)| {
                self.step_row(row, factors, method, scratch)
            })
    }

    fn step_row(
        &self,
        row: usize,
        factors: &mut [f32],
        method: Method,
        scratch: &mut Scratch<'a>,
    ) -> Result<(), NotPositiveDefinite> {
        let (columns, confidences) = self.observed.row(row);
        if columns.is_empty() {
            factors.fill(0.0);
            return Ok(());
        }
        let regularization = self.loss.regularization_of(columns.len(), self.others.n_rows());
        scratch.terms.clear();
        let others = columns.iter().map(|&column| self.others.row(column as usize));
        scratch.terms.extend(others.zip(confidences.iter().copied()));
        match method {
            Method::Exact => self.solve_row(factors, regularization, scratch),
            Method::Blocks(block) => self.step_blocks(factors, block, regularization, scratch),
            Method::Steps(steps) => {
                self.step_gradients(factors, steps, regularization, scratch);
                Ok(())
            }
        }
    }

    /// A few conjugate gradients from where the row is.
    fn step_gradients(
        &self,
        factors: &mut [f32],
        steps: usize,
        regularization: f32,
        Scratch { terms, errors, target, .. }: &mut Scratch<'a>,
    ) {
        errors.clear();
        errors.extend(terms.iter().map(|(_, confidence)| confidence));
        target.clear();
        target.resize(factors.len(), 0.0);
        add_weighted(terms, errors, 0, target);
        let apply = |v: &[f32], out: &mut [f32]| {
            scan(&self.shared, v, out);
            axpy(regularization, v, out);
            add_projections(terms, v, out);
        };
        conjugate_gradient(apply, target, factors, 0.0, steps);
    }

    /// The minimum over one block of factors after the other. Each is a Newton step, so the loss never rises.
    fn step_blocks(
        &self,
        factors: &mut [f32],
        block: usize,
        regularization: f32,
        scratch: &mut Scratch<'a>,
    ) -> Result<(), NotPositiveDefinite> {
        scratch.products.clear();
        scratch.products.resize(scratch.terms.len(), 0.0);
        add_products(&scratch.terms, 0, factors, &mut scratch.products);
        for first in (0..factors.len()).step_by(block) {
            let end = factors.len().min(first + block);
            self.step_block(factors, first..end, regularization, scratch)?;
        }
        Ok(())
    }

    /// The minimum over all factors, which needs no row to start from.
    fn solve_row(
        &self,
        factors: &mut [f32],
        regularization: f32,
        Scratch { terms, system, errors, .. }: &mut Scratch<'a>,
    ) -> Result<(), NotPositiveDefinite> {
        let d = factors.len();
        system.clear();
        system.extend_from_slice(self.shared.as_slice());
        add_outers(terms, system);
        (0..d).for_each(|i| system[i * d + i] += regularization);
        errors.clear();
        errors.extend(terms.iter().map(|(_, confidence)| confidence));
        factors.fill(0.0);
        add_weighted(terms, errors, 0, factors);
        let factor = Spd::factor(d, std::mem::take(system))?;
        factor.solve(factors);
        *system = factor.into_inner();
        Ok(())
    }

    /// The minimum over the factors of one block.
    fn step_block(
        &self,
        factors: &mut [f32],
        block: std::ops::Range<usize>,
        regularization: f32,
        Scratch { terms, products, errors, system, target }: &mut Scratch<'a>,
    ) -> Result<(), NotPositiveDefinite> {
        let (n, first) = (block.len(), block.start);
        system.clear();
        target.clear();
        for i in block.clone() {
            let shared = self.shared.row(i);
            system.extend_from_slice(&shared[block.clone()]);
            target.push(-dot(shared, factors) - regularization * factors[i]);
        }
        add_outers_within(terms, first, n, system);
        (0..n).for_each(|i| system[i * n + i] += regularization);
        errors.clear();
        errors.extend(terms.iter().zip(&*products).map(|((_, confidence), p)| confidence * (1.0 - p)));
        add_weighted(terms, errors, first, target);
        let factor = Spd::factor(n, std::mem::take(system))?;
        factor.solve(target);
        *system = factor.into_inner();
        axpy(1.0, target, &mut factors[block]);
        add_products(terms, first, target, products);
        Ok(())
    }
}

/// Rows summed by one task at a time, in a fixed order.
const GRAM_BLOCK: usize = 512;

/// `scale` * M^T M.
fn gram(rows: &Matrix, scale: f32) -> Matrix {
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
    for i in 0..d {
        (0..i).for_each(|j| sum[i * d + j] = sum[j * d + i]);
    }
    Matrix::from_vec(d, d, sum)
}
