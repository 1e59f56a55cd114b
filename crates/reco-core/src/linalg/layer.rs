//! A dense layer of a network over many rows at once.

use super::{ARCH, Matrix};
use pulp::{Simd, WithSimd};

/// Outputs computed side by side.
const TILE: usize = 32;

/// The weights of a dense layer, laid out so that each is loaded once for several rows.
///
/// Unlike the other kernels it fuses products and additions, so answers may differ in the last bits between
/// machines that do and do not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    n_in: usize,
    n_out: usize,
    /// Tile by tile, the weights of an input for all outputs of the tile side by side.
    packed: Vec<[f32; TILE]>,
}

impl Layer {
    /// From weights with one row per output and one column per input.
    pub fn new(weights: &Matrix) -> Self {
        let (n_out, n_in) = (weights.n_rows(), weights.n_columns());
        let mut packed = vec![[0.0; TILE]; n_out.div_ceil(TILE) * n_in];
        for output in 0..n_out {
            for (input, &weight) in weights.row(output).iter().enumerate() {
                packed[output / TILE * n_in + input][output % TILE] = weight;
            }
        }
        Self { n_in, n_out, packed }
    }

    /// Number of inputs.
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// Number of outputs.
    pub fn n_out(&self) -> usize {
        self.n_out
    }

    /// For every row of `rows` its outputs plus `start`, into `out`; all row-major.
    ///
    /// # Panics
    ///
    /// Panics when the shapes do not fit.
    pub fn apply(&self, rows: &[f32], start: &[f32], out: &mut [f32]) {
        assert_eq!(start.len(), self.n_out, "a start per output");
        assert_eq!(rows.len() * self.n_out, out.len() * self.n_in, "as many rows in as out");
        if self.n_in == 0 || self.n_out == 0 {
            out.chunks_exact_mut(self.n_out.max(1)).for_each(|row| row.copy_from_slice(start));
            return;
        }
        ARCH.dispatch(Apply { layer: self, rows, start, out });
    }
}

kernel! {
    Apply<'a> { layer: &'a Layer, rows: &'a [f32], start: &'a [f32], out: &'a mut [f32] }, simd -> () {
        // As many rows as leave the sums of a tile in registers.
        if S::F32_LANES >= 16 {
            apply::<S, 12>(simd, layer, rows, start, out);
        } else {
            apply::<S, 3>(simd, layer, rows, start, out);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn apply<S: Simd, const ROWS: usize>(simd: S, layer: &Layer, rows: &[f32], start: &[f32], out: &mut [f32]) {
    let (n_in, n_out) = (layer.n_in, layer.n_out);
    let blocks = rows.chunks(ROWS * n_in).zip(out.chunks_mut(ROWS * n_out));
    for (rows, out) in blocks {
        let n_rows = rows.len() / n_in;
        // The last block is filled up with copies of its last row.
        let mut block = [rows; ROWS];
        for i in 0..ROWS {
            block[i] = &rows[i.min(n_rows - 1) * n_in..][..n_in];
        }
        for (number, tile) in layer.packed.chunks_exact(n_in).enumerate() {
            let first = number * TILE;
            let width = TILE.min(n_out - first);
            let mut sums = [[0.0; TILE]; ROWS];
            sums.iter_mut().for_each(|sums| sums[..width].copy_from_slice(&start[first..first + width]));
            add_tile(simd, &block, tile, &mut sums);
            for i in 0..n_rows {
                out[i * n_out + first..][..width].copy_from_slice(&sums[i][..width]);
            }
        }
    }
}

/// Adds the products of a tile's weights with the rows of a block to `sums`.
#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn add_tile<S: Simd, const ROWS: usize>(
    simd: S,
    block: &[&[f32]; ROWS],
    tile: &[[f32; TILE]],
    sums: &mut [[f32; TILE]; ROWS],
) {
    // Two registers side by side, for all rows of the block.
    for at in (0..TILE / S::F32_LANES).step_by(2) {
        let mut low = [simd.splat_f32s(0.0); ROWS];
        let mut high = low;
        for i in 0..ROWS {
            let registers = S::as_simd_f32s(&sums[i]).0;
            (low[i], high[i]) = (registers[at], registers[at + 1]);
        }
        for (input, weights) in tile.iter().enumerate() {
            let registers = S::as_simd_f32s(weights).0;
            let (left, right) = (registers[at], registers[at + 1]);
            // A loop, not a closure: a closure would be compiled without the dispatched instructions.
            for i in 0..ROWS {
                let value = simd.splat_f32s(block[i][input]);
                low[i] = simd.mul_add_f32s(value, left, low[i]);
                high[i] = simd.mul_add_f32s(value, right, high[i]);
            }
        }
        for i in 0..ROWS {
            let registers = S::as_mut_simd_f32s(&mut sums[i]).0;
            (registers[at], registers[at + 1]) = (low[i], high[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_layer_is_a_product_of_matrices(
            (n_rows, n_in, n_out) in (0usize..40, 0usize..40, 0usize..80),
            seed in 0u32..1_000,
        ) {
            let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) % 201) as f32 / 100.0 - 1.0;
            let rows: Vec<f32> = (0..n_rows * n_in).map(value).collect();
            let mut weights = Matrix::zeros(n_out, n_in);
            weights.as_mut_slice().iter_mut().enumerate().for_each(|(i, weight)| *weight = value(i + 7));
            let start: Vec<f32> = (0..n_out).map(value).collect();
            let mut out = vec![f32::NAN; n_rows * n_out];
            Layer::new(&weights).apply(&rows, &start, &mut out);
            for row in 0..n_rows {
                for output in 0..n_out {
                    let products = (0..n_in).map(|input| rows[row * n_in + input] * weights.row(output)[input]);
                    let expected = start[output] + products.sum::<f32>();
                    prop_assert!((out[row * n_out + output] - expected).abs() < 1e-4);
                }
            }
        }
    }
}
