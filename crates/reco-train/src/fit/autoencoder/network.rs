//! The network while it learns.

use super::AutoencoderParams;
use crate::fit::wide_deep::dropout;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use reco_core::linalg::{Matrix, axpy};
use reco_core::retrieve::autoencoder::AutoencoderModel;

/// Users decoded by one task and items learned by one: fixed, so that threads do not change the sums.
const USERS: usize = 64;
const ITEMS: usize = 256;

/// Both layers, shaped as [`AutoencoderModel::new`] has them, and how often they were improved.
pub(super) struct Network {
    encode: Layer,
    decode: Layer,
    n_steps: i32,
}

/// What a user had, as the network is told: items and their values.
type Noised = Vec<(u32, f32)>;

impl Network {
    /// Random weights (Glorot & Bengio, AISTATS 2010); for everybody items start as popular as they are.
    pub(super) fn new(n_users_of: &[u32], params: &AutoencoderParams, rng: &mut Pcg64Mcg) -> Self {
        let (n_items, width) = (n_users_of.len(), params.width);
        let bound = (6.0 / (n_items + width) as f32).sqrt();
        let mut random = |n: usize| (0..n).map(|_| rng.random_range(-bound..bound)).collect::<Vec<f32>>();
        let mut encode = random(n_items * width);
        encode.resize((n_items + 1) * width, 0.0);
        let mut decode = random(n_items * (width + 1));
        for (row, &n_users) in decode.chunks_exact_mut(width + 1).zip(n_users_of) {
            row[width] = (n_users as f32).ln_1p();
        }
        Self {
            encode: Layer::new(Matrix::from_vec(n_items + 1, width, encode)),
            decode: Layer::new(Matrix::from_vec(n_items, width + 1, decode)),
            n_steps: 0,
        }
    }

    /// Learns from what these users had.
    pub(super) fn step(
        &mut self,
        users: &[&[u32]],
        rate: f32,
        params: &AutoencoderParams,
        rng: &mut Pcg64Mcg,
    ) {
        let width = params.width;
        let inputs: Vec<Noised> =
            users.iter().map(|items| noised(items, params.input_dropout, rng)).collect();
        let kept = dropout(users.len() * width, params.hidden_dropout, rng);
        let units = self.encoded(&inputs);
        let mut hidden = Vec::with_capacity(users.len() * (width + 1));
        for (units, kept) in units.rows().zip(kept.chunks_exact(width)) {
            hidden.extend(units.iter().zip(kept).map(|(unit, kept)| unit * kept));
            hidden.push(1.0);
        }
        let hidden = Matrix::from_vec(users.len(), width + 1, hidden);
        let (errors, mut blame) = self.decoded(users, &hidden);
        for (row, (units, kept)) in units.rows().zip(kept.chunks_exact(width)).enumerate() {
            let slopes = units.iter().zip(kept).map(|(unit, kept)| kept * (1.0 - unit * unit));
            blame.row_mut(row).iter_mut().zip(slopes).for_each(|(blame, slope)| *blame *= slope);
        }
        self.n_steps += 1;
        let adam = Adam::new(rate, self.n_steps);
        let n_items = errors.n_columns();
        let errors = MatRef::from_row_major_slice(errors.as_slice(), users.len(), n_items);
        let hidden = MatRef::from_row_major_slice(hidden.as_slice(), users.len(), width + 1);
        self.decode.improve(&adam, |first, gradient| {
            let n_rows = gradient.len() / (width + 1);
            let gradient = MatMut::from_row_major_slice_mut(gradient, n_rows, width + 1);
            let errors = errors.subcols(first, n_rows).transpose();
            matmul(gradient, Accum::Replace, errors, hidden, 1.0, Par::Seq);
        });
        let by_item = transposed(&inputs, n_items);
        self.encode.improve(&adam, |first, gradient| {
            for (row, gradient) in (first..).zip(gradient.chunks_exact_mut(width)) {
                for &(user, value) in &by_item[row] {
                    axpy(value, &blame.row(user as usize)[..width], gradient);
                }
            }
        });
    }

    /// The hidden layer, users x width.
    fn encoded(&self, inputs: &[Noised]) -> Matrix {
        let weights = &self.encode.weights;
        let everybody = weights.row(weights.n_rows() - 1);
        let mut units = Matrix::zeros(inputs.len(), weights.n_columns());
        units.as_mut_slice().par_chunks_exact_mut(weights.n_columns()).zip(inputs).for_each(
            |(units, input)| {
                units.copy_from_slice(everybody);
                input.iter().for_each(|&(item, value)| axpy(value, weights.row(item as usize), units));
                units.iter_mut().for_each(|unit| *unit = unit.tanh());
            },
        );
        units
    }

    /// What is wrong with the chances of the items, users x items, and how it depends on the hidden layer: the
    /// derivatives of the mean over users of - Σ log chance of what they had.
    fn decoded(&self, users: &[&[u32]], hidden: &Matrix) -> (Matrix, Matrix) {
        let weights = &self.decode.weights;
        let (n_items, width) = (weights.n_rows(), weights.n_columns());
        let weights = MatRef::from_row_major_slice(weights.as_slice(), n_items, width);
        let mut errors = Matrix::zeros(users.len(), n_items);
        let mut blame = Matrix::zeros(users.len(), width);
        let tasks = errors.as_mut_slice().par_chunks_mut(USERS * n_items);
        let tasks = tasks.zip(blame.as_mut_slice().par_chunks_mut(USERS * width));
        let tasks = tasks.zip(hidden.as_slice().par_chunks(USERS * width)).zip(users.par_chunks(USERS));
        tasks.for_each(|(((errors, blame), hidden), some)| {
            let hidden = MatRef::from_row_major_slice(hidden, some.len(), width);
            let logits = MatMut::from_row_major_slice_mut(&mut *errors, some.len(), n_items);
            matmul(logits, Accum::Replace, hidden, weights.transpose(), 1.0, Par::Seq);
            for (row, items) in errors.chunks_exact_mut(n_items).zip(some) {
                to_errors(row, items, 1.0 / users.len() as f32);
            }
            let errors = MatRef::from_row_major_slice(&*errors, some.len(), n_items);
            let blame = MatMut::from_row_major_slice_mut(blame, some.len(), width);
            matmul(blame, Accum::Replace, errors, weights, 1.0, Par::Seq);
        });
        (errors, blame)
    }

    /// The model as served; `None` when its weights are not finite.
    pub(super) fn into_model(self) -> Option<AutoencoderModel> {
        let (encode, decode) = (self.encode.weights, self.decode.weights);
        (encode.is_finite() && decode.is_finite()).then(|| AutoencoderModel::new(encode, decode))
    }
}

/// Items of a user of whom some are hidden; the values are those of a unit vector where nothing is.
fn noised(items: &[u32], hidden: f32, rng: &mut Pcg64Mcg) -> Noised {
    let each = 1.0 / (items.len() as f32).sqrt();
    let kept = dropout(items.len(), hidden, rng);
    let values = items.iter().zip(kept).map(|(&item, kept)| (item, kept * each));
    values.filter(|(_, value)| *value > 0.0).collect()
}

/// Per item the users who had it and its value for them; then all users, for what is everybody's.
fn transposed(inputs: &[Noised], n_items: usize) -> Vec<Noised> {
    let mut by_item = vec![Noised::new(); n_items];
    for (user, input) in (0u32..).zip(inputs) {
        input.iter().for_each(|&(item, value)| by_item[item as usize].push((user, value)));
    }
    by_item.push((0u32..).zip(inputs).map(|(user, _)| (user, 1.0)).collect());
    by_item
}

/// Replaces a user's logits by `scale` times the derivatives of - Σ log softmax over what they had.
fn to_errors(logits: &mut [f32], items: &[u32], scale: f32) {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = (*logit - top).exp();
        sum += *logit;
    }
    let share = scale * items.len() as f32 / sum;
    logits.iter_mut().for_each(|chance| *chance *= share);
    items.iter().for_each(|&item| logits[item as usize] -= scale);
}

/// The next step of Adam (Kingma & Ba, ICLR 2015).
struct Adam {
    rate: f32,
    /// What the running means lack because they began at 0.
    warm: [f32; 2],
}

impl Adam {
    /// How much of the running means of gradients and of their squares stays.
    const KEPT: [f32; 2] = [0.9, 0.999];

    fn new(rate: f32, n_steps: i32) -> Self {
        Self { rate, warm: Self::KEPT.map(|kept| 1.0 - kept.powi(n_steps)) }
    }

    fn improve(&self, weights: &mut [f32], means: &mut [f32], squares: &mut [f32], gradient: &[f32]) {
        let values = weights.iter_mut().zip(means).zip(squares).zip(gradient);
        for (((weight, mean), square), gradient) in values {
            *mean = Self::KEPT[0] * *mean + (1.0 - Self::KEPT[0]) * gradient;
            *square = Self::KEPT[1] * *square + (1.0 - Self::KEPT[1]) * gradient * gradient;
            let length = (*square / self.warm[1]).sqrt() + 1e-8;
            *weight -= self.rate * (*mean / self.warm[0]) / length;
        }
    }
}

/// Weights, one row per item, and the running means of their gradients and of these squared.
struct Layer {
    weights: Matrix,
    means: Vec<f32>,
    squares: Vec<f32>,
}

impl Layer {
    fn new(weights: Matrix) -> Self {
        let zeros = vec![0.0; weights.as_slice().len()];
        Self { weights, means: zeros.clone(), squares: zeros }
    }

    /// Improves all rows by gradients that `write` puts in place of zeros, given the first row of a few.
    fn improve(&mut self, adam: &Adam, write: impl Fn(usize, &mut [f32]) + Sync) {
        let n = ITEMS * self.weights.n_columns();
        let weights = self.weights.as_mut_slice().par_chunks_mut(n);
        let parts = weights.zip(self.means.par_chunks_mut(n)).zip(self.squares.par_chunks_mut(n));
        parts.enumerate().for_each(|(part, ((weights, means), squares))| {
            let mut gradient = vec![0.0; weights.len()];
            write(part * ITEMS, &mut gradient);
            adam.improve(weights, means, squares, &gradient);
        });
    }
}
