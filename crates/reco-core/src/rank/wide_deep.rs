//! A neural ranker: a linear part that remembers and a deep part that generalises.

mod deep;
mod quantized;
mod scoring;
#[cfg(test)]
mod tests;

pub use quantized::QuantizedWideDeep;

use super::{DenseModel, ModelError};
use crate::linalg::{LONGEST_ROW, Matrix};
use deep::FloatDeep;
use scoring::Scoring;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Wide & Deep (Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016): a linear model over all
/// features, whose crosses it can remember, beside a network of rectified layers over the same features; the sum of
/// both, one a head, is the logarithm of the odds that the head's objective comes true.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Weights", into = "Weights")]
pub struct WideDeep {
    weights: Arc<Weights>,
    scoring: Scoring,
    deep: FloatDeep,
    quantized: OnceLock<QuantizedWideDeep>,
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
    /// How it did on what training kept from it, where that is known.
    #[serde(default)]
    pub judged: Option<Judged>,
}

/// How well a ranker, or a head of one, does on lists that its weights were not trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Lists that have some of both: what the objective came true for, and what it did not.
    pub lists: u32,
    /// Candidates that the calibration is of: those of all lists, or, where most lists are of what users were shown,
    /// of these lists; those without the objective among them.
    pub rows: u32,
    /// Candidates for which it came true.
    pub taken: u32,
    /// Mean NDCG@10 of these lists, 0 to 1.
    pub ndcg: f64,
    /// Expected calibration error over all these candidates, 0 to 1: how far probabilities are from shares, in the
    /// mean over bins of equally many.
    pub calibration_error: f64,
}

impl Judged {
    /// By name, each behind this prefix and a dot: `ndcg@10` and so on.
    pub fn metrics(&self, prefix: &str) -> BTreeMap<String, f64> {
        let Self { lists, rows, taken, ndcg, calibration_error } = *self;
        let metrics = [
            ("lists", f64::from(lists)),
            ("taken_share", f64::from(taken) / f64::from(rows.max(1))),
            ("ndcg@10", ndcg),
            ("calibration_error", calibration_error),
        ];
        metrics.map(|(metric, value)| (format!("{prefix}.{metric}"), value)).into()
    }
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
    /// A layer has more inputs than are ever added up.
    #[error("a layer has {found} inputs, may have {most}")]
    TooWide {
        /// How many.
        found: usize,
        /// The most there may be.
        most: usize,
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
        let scaled = (value - self.mean) * self.scale;
        if scaled.is_nan() { 0.0 } else { scaled.clamp(-Self::FARTHEST, Self::FARTHEST) }
    }
}

impl Weights {
    /// Most inputs of a layer.
    pub const MOST_INPUTS: usize = LONGEST_ROW;

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
        let widths = self.hidden.iter().map(|layer| layer.bias.len()).chain([self.inputs.len()]);
        if let Some(found) = widths.max().filter(|&found| found > Self::MOST_INPUTS) {
            return Err(WeightsError::TooWide { found, most: Self::MOST_INPUTS });
        }
        let mut width = self.inputs.len();
        for (number, Hidden { weights, bias }) in self.hidden.iter().enumerate() {
            let part = format!("hidden layer {number}");
            shape(&part, weights.as_slice().len(), bias.len() * width)?;
            finite(&part, weights.as_slice())?;
            finite(&part, bias)?;
            width = bias.len();
        }
        for Head { objective, share, wide, deep, bias, .. } in &self.heads {
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
        let (scoring, deep) = (Scoring::new(&weights), FloatDeep::new(&weights));
        Ok(Self { weights: Arc::new(weights), scoring, deep, quantized: OnceLock::new() })
    }
}

impl From<WideDeep> for Weights {
    fn from(model: WideDeep) -> Self {
        Arc::unwrap_or_clone(model.weights)
    }
}

/// Models of the same weights are the same.
impl PartialEq for WideDeep {
    fn eq(&self, other: &Self) -> bool {
        self.weights == other.weights
    }
}

impl WideDeep {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "wide_deep";

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// How well it did on what training kept from it, by name: `wide_deep.take.ndcg@10` and so on.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let of_head = |head: &Head| Some(head.judged?.metrics(&format!("{}.{}", Self::NAME, head.objective)));
        self.weights.heads.iter().filter_map(of_head).flatten().collect()
    }

    /// The same network with a deep part of bytes, made when it is first asked for.
    pub fn quantized(&self) -> &QuantizedWideDeep {
        self.quantized.get_or_init(|| QuantizedWideDeep::new(&self.weights, self.scoring.clone()))
    }
}

/// Scores are probabilities in 0..1 that a row's item is taken: the mean of the heads' by their shares.
impl DenseModel for WideDeep {
    fn kind(&self) -> &'static str {
        Self::NAME
    }

    fn features(&self) -> &[Arc<str>] {
        self.scoring.features()
    }

    fn predict(&self, rows: &[f32], scores: &mut [f32]) -> Result<(), ModelError> {
        ModelError::check_shape(self, rows, scores)?;
        self.scoring.score(&self.deep, rows, scores);
        Ok(())
    }
}
