//! The network while it learns.

use super::WideDeepParams;
use super::batches::{Batch, dropout};
use crate::fit::FitError;
use crate::fit::examples::Examples;
use crate::fit::learning::{Calibrated, Objective};
use candle_core::{D, Device, Tensor, Var};
use candle_nn::ops::log_softmax;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use reco_core::linalg::Matrix;
use reco_core::rank::WideDeep;
use reco_core::rank::wide_deep::{Head, Hidden, Input, Weights};

/// A wide and a deep part under one optimiser.
pub(super) struct Network {
    params: WideDeepParams,
    n_inputs: usize,
    n_heads: usize,
    /// Per hidden layer its weights, inputs x outputs, and bias.
    hidden: Vec<(Var, Var)>,
    /// Inputs x heads.
    wide: Var,
    /// Outputs of the last hidden layer x heads.
    deep: Var,
    optimizer: AdamW,
    rng: Pcg64Mcg,
}

impl Network {
    /// A deep part of random weights (He et al., ICCV 2015), none of which counts yet, beside a wide part that begins
    /// with a weight for each input, the same for all heads.
    pub(super) fn new(begin: &[f32], n_heads: usize, params: &WideDeepParams) -> Result<Self, FitError> {
        let n_inputs = begin.len();
        let mut rng = Pcg64Mcg::seed_from_u64(params.seed);
        let device = Device::Cpu;
        let mut hidden = Vec::new();
        let mut width = n_inputs;
        for &n_outputs in &params.hidden {
            let bound = (6.0 / width as f32).sqrt();
            let weights: Vec<f32> = (0..width * n_outputs).map(|_| rng.random_range(-bound..bound)).collect();
            let weights = Var::from_vec(weights, (width, n_outputs), &device)?;
            let bias = Var::from_vec(vec![0f32; n_outputs], n_outputs, &device)?;
            hidden.push((weights, bias));
            width = n_outputs;
        }
        let wide = begin.iter().flat_map(|&weight| std::iter::repeat_n(weight, n_heads)).collect();
        let wide = Var::from_vec(wide, (n_inputs, n_heads), &device)?;
        let deep = Var::from_vec(vec![0f32; width * n_heads], (width, n_heads), &device)?;
        Self::of(hidden, wide, deep, rng, params)
    }

    /// From its weights.
    fn of(
        hidden: Vec<(Var, Var)>,
        wide: Var,
        deep: Var,
        rng: Pcg64Mcg,
        params: &WideDeepParams,
    ) -> Result<Self, FitError> {
        let (n_inputs, n_heads) = wide.dims2()?;
        let layers = hidden.iter().flat_map(|(weights, bias)| [weights.clone(), bias.clone()]);
        let all: Vec<Var> = layers.chain([wide.clone(), deep.clone()]).collect();
        let settings = ParamsAdamW {
            lr: params.learning_rate,
            weight_decay: params.weight_decay,
            ..ParamsAdamW::default()
        };
        let optimizer = AdamW::new(all, settings)?;
        Ok(Self { params: params.clone(), n_inputs, n_heads, hidden, wide, deep, optimizer, rng })
    }

    /// One step after a share `passed` of all.
    pub(super) fn step(&mut self, batch: &Batch, passed: f64) -> Result<(), FitError> {
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * passed.min(1.0)).cos());
        self.optimizer.set_learning_rate(self.params.learning_rate * cosine);
        let n_rows = batch.offsets.len();
        let (n_lists, n_candidates) = (batch.n_lists, n_rows / batch.n_lists);
        let shape = (n_lists, n_candidates, self.n_heads);
        let rows = Tensor::from_slice(&batch.rows, (n_rows, self.n_inputs), &Device::Cpu)?;
        let offsets = Tensor::from_slice(&batch.offsets, (n_lists, n_candidates, 1), &Device::Cpu)?;
        let targets = Tensor::from_slice(&batch.targets, shape, &Device::Cpu)?;
        let logits = self.logits(&rows, true)?.reshape(shape)?;
        let chances = log_softmax(&logits.broadcast_add(&offsets)?, D::Minus2)?;
        let loss = ((chances * targets)?.sum_all()? / -(n_lists as f64))?;
        self.optimizer.backward_step(&loss)?;
        Ok(())
    }

    /// The logits of scaled rows, a column per head.
    fn logits(&mut self, rows: &Tensor, is_training: bool) -> Result<Tensor, FitError> {
        let mut hidden = rows.clone();
        for layer in 0..self.hidden.len() {
            if is_training && self.params.dropout > 0.0 {
                let mask = dropout(hidden.elem_count(), self.params.dropout as f32, &mut self.rng);
                hidden = (&hidden * Tensor::from_vec(mask, hidden.shape(), &Device::Cpu)?)?;
            }
            let (weights, bias) = &self.hidden[layer];
            hidden = hidden.matmul(weights)?.broadcast_add(bias)?.relu()?;
        }
        Ok((rows.matmul(&self.wide)? + hidden.matmul(&self.deep)?)?)
    }

    /// For every head and each of these lists the logits of its rows.
    pub(super) fn logits_of(
        &mut self,
        examples: &Examples,
        scaled: &[f32],
        lists: &[usize],
    ) -> Result<Vec<Vec<Vec<f32>>>, FitError> {
        let mut of_heads = vec![Vec::with_capacity(lists.len()); self.n_heads];
        for &list in lists {
            let rows = examples.lists[list].rows.clone();
            let values = &scaled[rows.start * self.n_inputs..rows.end * self.n_inputs];
            let values = Tensor::from_slice(values, (rows.len(), self.n_inputs), &Device::Cpu)?;
            let logits: Vec<Vec<f32>> = self.logits(&values, false)?.t()?.to_vec2()?;
            of_heads.iter_mut().zip(logits).for_each(|(lists, logits)| lists.push(logits));
        }
        Ok(of_heads)
    }

    /// The same weights, no longer bound to this network.
    pub(super) fn copied(&self) -> Result<Self, FitError> {
        // Weights of their own: a variable made from a detached tensor copies its values.
        let copied = |weights: &Var| Var::from_tensor(&weights.as_detached_tensor());
        let layer = |(weights, bias): &(Var, Var)| Ok((copied(weights)?, copied(bias)?));
        let hidden = self.hidden.iter().map(layer).collect::<Result<_, FitError>>()?;
        Self::of(hidden, copied(&self.wide)?, copied(&self.deep)?, self.rng.clone(), &self.params)
    }

    /// The model as served, whose scores are probabilities.
    pub(super) fn model(
        &self,
        inputs: Vec<Input>,
        objectives: &[Objective],
        calibrated: &[Calibrated],
    ) -> Result<WideDeep, FitError> {
        let (wide, deep): (Vec<Vec<f32>>, Vec<Vec<f32>>) =
            (self.wide.t()?.to_vec2()?, self.deep.t()?.to_vec2()?);
        let mut hidden = Vec::new();
        for (weights, bias) in &self.hidden {
            let (n_in, n_out) = weights.dims2()?;
            let weights = weights.t()?.flatten_all()?.to_vec1()?;
            hidden.push(Hidden { weights: Matrix::from_vec(n_out, n_in, weights), bias: bias.to_vec1()? });
        }
        let parts = objectives.iter().zip(calibrated).zip(wide.into_iter().zip(deep));
        let heads = parts.map(|((objective, calibrated), (wide, deep))| {
            let &Calibrated { slope, intercept, judged } = calibrated;
            let scaled_by = |weights: Vec<f32>| weights.into_iter().map(|weight| weight * slope).collect();
            Head {
                objective: objective.name.clone(),
                share: objective.share,
                wide: scaled_by(wide),
                deep: scaled_by(deep),
                bias: intercept,
                judged: Some(judged),
            }
        });
        let heads = heads.collect();
        Ok(WideDeep::try_from(Weights { inputs, hidden, heads })?)
    }
}
