//! The deep part in single precision.

use super::scoring::Deep;
use super::{Hidden, Weights};
use crate::linalg::{Layer, MatrixView};

/// Rectified layers of f32.
#[derive(Clone, Debug)]
pub(super) struct FloatDeep {
    layers: Vec<(Layer, Vec<f32>)>,
}

impl FloatDeep {
    pub(super) fn new(weights: &Weights) -> Self {
        let layer = |Hidden { weights, bias }: &Hidden| (Layer::new(weights), bias.clone());
        Self { layers: weights.hidden.iter().map(layer).collect() }
    }
}

/// The sums of the first layer after the first inputs, and how many these are.
pub(super) struct Begun {
    sums: Vec<f32>,
    n_inputs: usize,
}

/// The outputs of two layers at a time.
#[derive(Debug, Default)]
pub(super) struct Space {
    hidden: Vec<f32>,
    next: Vec<f32>,
}

impl Deep for FloatDeep {
    type Shared = Begun;
    type Space = Space;

    const BLOCK: usize = 48;

    fn shared(&self, inputs: &[f32], n_shared: usize) -> Begun {
        let Some((layer, bias)) = self.layers.first() else { return Begun { sums: Vec::new(), n_inputs: 0 } };
        let mut sums = bias.clone();
        if n_shared > 0 {
            layer.apply(0..n_shared, inputs, bias, &mut sums);
        }
        Begun { sums, n_inputs: n_shared }
    }

    fn outputs<'a>(
        &'a self,
        inputs: &'a [f32],
        n_rows: usize,
        shared: &Begun,
        space: &'a mut Space,
    ) -> MatrixView<'a> {
        let Some(((first, _), others)) = self.layers.split_first() else {
            return MatrixView::new(n_rows, inputs.len() / n_rows.max(1), inputs);
        };
        let Space { hidden, next } = space;
        hidden.resize(n_rows * first.n_out(), 0.0);
        first.rectified(shared.n_inputs..first.n_in(), inputs, &shared.sums, hidden);
        let mut n_out = first.n_out();
        for (layer, bias) in others {
            next.resize(n_rows * layer.n_out(), 0.0);
            layer.rectified(0..n_out, hidden, bias, next);
            n_out = layer.n_out();
            std::mem::swap(hidden, next);
        }
        MatrixView::new(n_rows, n_out, hidden)
    }
}
