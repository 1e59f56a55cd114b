//! The network with a deep part of bytes: faster, and the same bits on every CPU.
//!
//! Weights are bytes of which the largest of an output is 127 (Jacob et al., "Quantization and Training of Neural
//! Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, one scale per output). Scaled inputs lie
//! within ±[`Input::FARTHEST`], so their bytes need no calibration; those of hidden outputs are brought to scale row
//! by row, so nothing is cut off whatever the row. The wide part and the heads stay in single precision.

use super::scoring::{Deep, Scoring};
use super::{Hidden, Input, Weights};
use crate::linalg::{ByteLayer, CENTRE, GROUP, MatrixView, TILE, centred_codes, rectify, row_codes};
use crate::rank::{DenseModel, ModelError};
use std::sync::Arc;

/// [`WideDeep`](super::WideDeep) with a deep part of bytes, from [`WideDeep::quantized`](super::WideDeep::quantized):
/// its scores are close to the network's own.
#[derive(Clone, Debug)]
pub struct QuantizedWideDeep {
    scoring: Scoring,
    deep: ByteDeep,
}

impl QuantizedWideDeep {
    /// What it is called beside the network itself.
    pub const NAME: &'static str = "wide_deep_int8";

    pub(super) fn new(weights: &Weights, scoring: Scoring) -> Self {
        let deep = ByteDeep::new(weights);
        let scoring = scoring.with_outputs(deep.n_outputs());
        Self { scoring, deep }
    }
}

impl DenseModel for QuantizedWideDeep {
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

/// Rectified layers of bytes.
#[derive(Clone, Debug)]
struct ByteDeep {
    layers: Vec<ByteHidden>,
}

/// A layer: bytes, and what a step of each output's counts.
#[derive(Clone, Debug)]
struct ByteHidden {
    layer: ByteLayer,
    /// What sums start from, so that a byte that stands for 0 adds nothing.
    start: Vec<[i32; TILE]>,
    scales: Vec<[f32; TILE]>,
    bias: Vec<[f32; TILE]>,
}

impl ByteDeep {
    fn new(weights: &Weights) -> Self {
        // Scaled inputs lie on both sides of 0, hidden outputs do not.
        let noughts = std::iter::once(CENTRE).chain(std::iter::repeat(0));
        let layers = weights.hidden.iter().zip(noughts);
        Self { layers: layers.map(|(layer, nought)| ByteHidden::new(layer, nought)).collect() }
    }

    /// Outputs of the last layer, whole tiles; `None` without any.
    fn n_outputs(&self) -> Option<usize> {
        self.layers.last().map(|last| last.layer.n_tiles() * TILE)
    }
}

impl ByteHidden {
    /// For inputs of which the byte `nought` stands for 0.
    fn new(Hidden { weights, bias }: &Hidden, nought: i32) -> Self {
        let (mut scales, mut codes, mut start) = (Vec::new(), Vec::new(), Vec::new());
        for output in 0..bias.len() {
            let (step, of_output) = rounded(weights.row(output));
            start.push(-nought * of_output.iter().map(|&code| i32::from(code)).sum::<i32>());
            scales.push(step);
            codes.push(of_output);
        }
        let layer = ByteLayer::new(weights.n_columns(), &codes);
        Self { layer, start: tiles(&start), scales: tiles(&scales), bias: tiles(bias) }
    }
}

/// Weights as bytes of which the largest is 127, and what one step counts.
fn rounded(weights: &[f32]) -> (f32, Vec<i8>) {
    let step = weights.iter().fold(0.0f32, |most, weight| most.max(weight.abs())) / 127.0;
    // The smallest steps are themselves rounded.
    let code = |weight: &f32| (weight / step).round_ties_even().clamp(-127.0, 127.0) as i8;
    (step, weights.iter().map(|weight| if step > 0.0 { code(weight) } else { 0 }).collect())
}

/// Values in whole tiles, the last filled up with zeros.
fn tiles<T: Copy + Default>(values: &[T]) -> Vec<[T; TILE]> {
    let mut tiles = vec![[T::default(); TILE]; values.len().div_ceil(TILE)];
    tiles.as_flattened_mut()[..values.len()].copy_from_slice(values);
    tiles
}

/// Bytes by which one standard deviation of an input counts.
const PER_DEVIATION: f32 = 127.0 / Input::FARTHEST;

/// The sums of the first layer after the first inputs, and how many groups of them these are.
struct Begun {
    sums: Vec<[i32; TILE]>,
    n_groups: usize,
}

/// Where a block is computed.
#[derive(Debug, Default)]
struct Space {
    codes: Vec<[u8; GROUP]>,
    steps: Vec<f32>,
    sums: Vec<[i32; TILE]>,
    hidden: Vec<[f32; TILE]>,
}

impl Deep for ByteDeep {
    type Shared = Begun;
    type Space = Space;

    const BLOCK: usize = 24;

    fn shared(&self, inputs: &[f32], n_shared: usize) -> Begun {
        let Some(ByteHidden { layer, start, .. }) = self.layers.first() else {
            return Begun { sums: Vec::new(), n_groups: 0 };
        };
        let (n_groups, mut sums) = (n_shared / GROUP, start.clone());
        if n_groups > 0 {
            let mut codes = vec![[0; GROUP]; layer.n_groups()];
            centred_codes(inputs, inputs.len(), PER_DEVIATION, &mut codes);
            layer.apply(0..n_groups, &codes, start, &mut sums);
        }
        Begun { sums, n_groups }
    }

    fn outputs<'a>(
        &'a self,
        inputs: &'a [f32],
        n_rows: usize,
        shared: &Begun,
        space: &'a mut Space,
    ) -> MatrixView<'a> {
        let n_inputs = inputs.len() / n_rows.max(1);
        let Space { codes, steps, sums, hidden } = space;
        let Some(n_outputs) = self.n_outputs() else { return MatrixView::new(n_rows, n_inputs, inputs) };
        for (depth, ByteHidden { layer, start, scales, bias }) in self.layers.iter().enumerate() {
            codes.resize(n_rows * layer.n_groups(), [0; GROUP]);
            steps.resize(n_rows, 0.0);
            sums.resize(n_rows * layer.n_tiles(), [0; TILE]);
            if depth == 0 {
                centred_codes(inputs, n_inputs, PER_DEVIATION, codes);
                steps.fill(1.0 / PER_DEVIATION);
                layer.apply(shared.n_groups..layer.n_groups(), codes, &shared.sums, sums);
            } else {
                row_codes(hidden, codes, steps);
                layer.apply(0..layer.n_groups(), codes, start, sums);
            }
            hidden.resize(sums.len(), [0.0; TILE]);
            rectify(sums, scales, bias, steps, hidden);
        }
        MatrixView::new(n_rows, n_outputs, hidden.as_flattened())
    }
}
