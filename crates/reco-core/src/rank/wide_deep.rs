//! A neural ranker: a linear part that remembers and a deep part that generalises.

#[cfg(test)]
mod tests;

use super::{DenseModel, ModelError};
use crate::linalg::{Layer, Matrix, dot};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Wide & Deep (Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016): a linear model over all
/// features, whose crosses it can remember, beside a network of rectified layers over the same features; the sum of
/// both, one a head, is the logarithm of the odds that the head's objective comes true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Weights", into = "Weights")]
pub struct WideDeep {
    weights: Weights,
    features: Vec<Arc<str>>,
    layers: Vec<Layer>,
}

/// What a [`WideDeep`] consists of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// The features it reads, in order.
    pub inputs: Vec<Input>,
    /// The deep part, from the first layer on.
    pub hidden: Vec<Hidden>,
    /// At least one.
    pub heads: Vec<Head>,
}

/// One feature and how it is brought to scale: (value - mean) * scale, within ±[`Input::FARTHEST`]; what is
/// missing counts as the mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The feature's name.
    pub name: Arc<str>,
    /// Its mean over the training rows that have it.
    pub mean: f32,
    /// One by its standard deviation.
    pub scale: f32,
}

/// A rectified layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hidden {
    /// One row per output.
    pub weights: Matrix,
    /// One per output.
    pub bias: Vec<f32>,
}

/// What one objective makes of the features.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The objective, such as `purchase`.
    pub objective: String,
    /// How much it counts in the score beside the other heads.
    pub share: f32,
    /// A weight per input.
    pub wide: Vec<f32>,
    /// A weight per output of the last hidden layer.
    pub deep: Vec<f32>,
    /// What is added.
    pub bias: f32,
}

/// Why weights are refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Two parts do not fit together.
    #[error("{part} has {found} weights, must have {expected}")]
    Shape {
        /// Which.
        part: String,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// A weight is no number.
    #[error("{part} has a weight that is not finite")]
    NotFinite {
        /// Where.
        part: String,
    },
    /// Nothing to score by.
    #[error("there is no head")]
    NoHead,
}

impl Input {
    /// Standard deviations beyond which values are all alike.
    pub const FARTHEST: f32 = 5.0;

    /// The value as the network sees it.
    pub fn scaled(&self, value: f32) -> f32 {
        if value.is_nan() {
            return 0.0;
        }
        ((value - self.mean) * self.scale).clamp(-Self::FARTHEST, Self::FARTHEST)
    }
}

impl Weights {
    fn check(&self) -> Result<(), WeightsError> {
        let finite = |part: &str, values: &[f32]| {
            let is_finite = values.iter().all(|value| value.is_finite());
            is_finite.then_some(()).ok_or_else(|| WeightsError::NotFinite { part: part.to_owned() })
        };
        let shape = |part: &str, found: usize, expected: usize| {
            let fits = found == expected;
            fits.then_some(()).ok_or_else(|| WeightsError::Shape { part: part.to_owned(), found, expected })
        };
        let scales: Vec<f32> = self.inputs.iter().flat_map(|input| [input.mean, input.scale]).collect();
        finite("scaling", &scales)?;
        let mut width = self.inputs.len();
        for (number, Hidden { weights, bias }) in self.hidden.iter().enumerate() {
            let part = format!("hidden layer {number}");
            shape(&part, weights.as_slice().len(), bias.len() * width)?;
            finite(&part, weights.as_slice())?;
            finite(&part, bias)?;
            width = bias.len();
        }
        for Head { objective, share, wide, deep, bias } in &self.heads {
            shape(&format!("the wide part of head {objective}"), wide.len(), self.inputs.len())?;
            shape(&format!("the deep part of head {objective}"), deep.len(), width)?;
            finite(&format!("head {objective}"), &[wide, deep, &[*share, *bias][..]].concat())?;
        }
        if self.heads.is_empty() { Err(WeightsError::NoHead) } else { Ok(()) }
    }
}

impl TryFrom<Weights> for WideDeep {
    type Error = WeightsError;

    fn try_from(weights: Weights) -> Result<Self, WeightsError> {
        weights.check()?;
        let layers = weights.hidden.iter().map(|layer| Layer::new(&layer.weights)).collect();
        let features = weights.inputs.iter().map(|input| Arc::clone(&input.name)).collect();
        Ok(Self { weights, features, layers })
    }
}

impl From<WideDeep> for Weights {
    fn from(model: WideDeep) -> Self {
        model.weights
    }
}

/// Rows that go through all layers together: few enough to stay in the nearest cache.
const BLOCK: usize = 48;

impl WideDeep {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "wide_deep";

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Scores the rows in `work.inputs`.
    fn score_scaled(&self, work: &mut Work, scores: &mut [f32]) {
        let Work { inputs, hidden, next } = work;
        for (depth, (layer, Hidden { bias, .. })) in self.layers.iter().zip(&self.weights.hidden).enumerate()
        {
            next.clear();
            next.resize(scores.len() * layer.n_out(), 0.0);
            layer.apply(if depth == 0 { inputs } else { hidden }, bias, next);
            next.iter_mut().for_each(|value| *value = value.max(0.0));
            std::mem::swap(hidden, next);
        }
        let hidden: &[f32] = if self.layers.is_empty() { inputs } else { hidden };
        let (n_inputs, n_hidden) = (self.weights.inputs.len(), hidden.len() / scores.len().max(1));
        let shares: f32 = self.weights.heads.iter().map(|head| head.share).sum();
        for (row, score) in scores.iter_mut().enumerate() {
            let wide = &inputs[row * n_inputs..][..n_inputs];
            let deep = &hidden[row * n_hidden..][..n_hidden];
            let of_head =
                |head: &Head| head.share * sigmoid(head.bias + dot(&head.wide, wide) + dot(&head.deep, deep));
            *score = self.weights.heads.iter().map(of_head).sum::<f32>() / shares;
        }
    }
}

/// Scores are probabilities in 0..1 that a row's item is taken: the mean of the heads' by their shares.
impl DenseModel for WideDeep {
    fn kind(&self) -> &'static str {
        Self::NAME
    }

    fn features(&self) -> &[Arc<str>] {
        &self.features
    }

    fn predict(&self, rows: &[f32], scores: &mut [f32]) -> Result<(), ModelError> {
        ModelError::check_shape(self, rows, scores)?;
        let n_inputs = self.weights.inputs.len();
        let mut work = Work::default();
        for (number, scores) in scores.chunks_mut(BLOCK).enumerate() {
            let rows = &rows[number * BLOCK * n_inputs..][..scores.len() * n_inputs];
            work.inputs.clear();
            for row in rows.chunks_exact(n_inputs.max(1)) {
                let scaled = row.iter().zip(&self.weights.inputs).map(|(&value, input)| input.scaled(value));
                work.inputs.extend(scaled);
            }
            self.score_scaled(&mut work, scores);
        }
        Ok(())
    }
}

/// Space for one block of rows.
#[derive(Debug, Default)]
struct Work {
    inputs: Vec<f32>,
    hidden: Vec<f32>,
    next: Vec<f32>,
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
