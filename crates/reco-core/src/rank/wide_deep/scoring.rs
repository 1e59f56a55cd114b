//! From rows of features to scores, however the deep part is computed.

use super::{Head, Input, Weights};
use crate::linalg::{MatrixView, scan, standardize};
use std::sync::Arc;

/// The deep part of a network.
pub(super) trait Deep {
    /// What the first inputs, the same for all rows of a request, contribute to the first layer.
    type Shared;

    /// Where a block is computed.
    type Space: Default;

    /// Rows that go through all layers together: few enough to stay in the nearest cache.
    const BLOCK: usize;

    /// Of the first `n_shared` inputs of a row, which are those of all rows.
    fn shared(&self, inputs: &[f32], n_shared: usize) -> Self::Shared;

    /// The outputs of the last hidden layer for `n_rows` rows of scaled inputs, row-major; a row may end with zeros.
    fn outputs<'a>(
        &'a self,
        inputs: &'a [f32],
        n_rows: usize,
        shared: &Self::Shared,
        space: &'a mut Self::Space,
    ) -> MatrixView<'a>;
}

/// What a network does before and after its deep part.
#[derive(Clone, Debug)]
pub(super) struct Scoring {
    features: Vec<Arc<str>>,
    means: Vec<f32>,
    scales: Vec<f32>,
    heads: Vec<Head>,
    shares: f32,
}

impl Scoring {
    pub(super) fn new(weights: &Weights) -> Self {
        let Weights { inputs, heads, .. } = weights;
        Self {
            features: inputs.iter().map(|input| Arc::clone(&input.name)).collect(),
            means: inputs.iter().map(|input| input.mean).collect(),
            scales: inputs.iter().map(|input| input.scale).collect(),
            heads: heads.clone(),
            shares: heads.iter().map(|head| head.share).sum(),
        }
    }

    /// The same for a deep part of so many outputs, the last of which are always 0; as it is without any.
    pub(super) fn with_outputs(mut self, n_outputs: Option<usize>) -> Self {
        for head in &mut self.heads {
            head.deep.resize(n_outputs.unwrap_or(head.deep.len()), 0.0);
        }
        self
    }

    pub(super) fn features(&self) -> &[Arc<str>] {
        &self.features
    }

    /// Scores rows of features, which fit.
    pub(super) fn score<D: Deep>(&self, deep: &D, rows: &[f32], scores: &mut [f32]) {
        let n_inputs = self.features.len();
        let mut inputs = vec![0.0; scores.len().min(D::BLOCK) * n_inputs];
        let n_shared = n_shared(rows, n_inputs);
        let first_row = rows.get(..n_inputs).unwrap_or_default();
        self.standardize(first_row, &mut inputs[..first_row.len()]);
        let shared = deep.shared(&inputs[..first_row.len()], n_shared);
        let (mut space, mut sums) = (D::Space::default(), Sums::default());
        for (number, scores) in scores.chunks_mut(D::BLOCK).enumerate() {
            let n_values = scores.len() * n_inputs;
            let inputs = &mut inputs[..n_values];
            self.standardize(&rows[number * D::BLOCK * n_inputs..][..n_values], inputs);
            let outputs = deep.outputs(inputs, scores.len(), &shared, &mut space);
            let inputs = MatrixView::new(scores.len(), n_inputs, inputs);
            self.combine(inputs, outputs, &mut sums, scores);
        }
    }

    fn standardize(&self, rows: &[f32], out: &mut [f32]) {
        standardize(rows, &self.means, &self.scales, Input::FARTHEST, out);
    }

    /// What the heads make of both parts.
    fn combine(&self, inputs: MatrixView<'_>, outputs: MatrixView<'_>, sums: &mut Sums, scores: &mut [f32]) {
        scores.fill(0.0);
        sums.wide.resize(scores.len(), 0.0);
        sums.deep.resize(scores.len(), 0.0);
        for Head { share, wide, deep, bias, .. } in &self.heads {
            scan(inputs, wide, &mut sums.wide);
            scan(outputs, deep, &mut sums.deep);
            for ((score, wide), deep) in scores.iter_mut().zip(&sums.wide).zip(&sums.deep) {
                *score += share * sigmoid(bias + wide + deep);
            }
        }
        scores.iter_mut().for_each(|score| *score /= self.shares);
    }
}

/// What the two parts say of the rows of a block.
#[derive(Debug, Default)]
struct Sums {
    wide: Vec<f32>,
    deep: Vec<f32>,
}

/// How many of the first values of a row are the same bits in all rows: what is known of the user and the
/// circumstances comes before what is known of the item.
fn n_shared(rows: &[f32], n_inputs: usize) -> usize {
    let mut rows = rows.chunks_exact(n_inputs.max(1));
    let Some(first) = rows.next() else { return 0 };
    rows.fold(n_inputs, |n_shared, row| {
        let pairs = || row[..n_shared].iter().zip(&first[..n_shared]).map(|(a, b)| a.to_bits() ^ b.to_bits());
        // Without a branch for each, for they mostly agree.
        let differ = pairs().fold(0, |differ, bits| differ | bits);
        if differ == 0 { n_shared } else { pairs().position(|bits| bits != 0).unwrap_or(n_shared) }
    })
}

pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
