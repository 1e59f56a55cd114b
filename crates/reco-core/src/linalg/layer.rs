//! A dense layer of a network over many rows at once.

use super::{ARCH, Matrix};
use pulp::{Simd, WithSimd};
use std::ops::Range;

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

    /// For every row of `rows` the products of these inputs plus `start`, into `out`; all row-major.
    ///
    /// Inputs count one after the other, so that those of some inputs are the start of those of all.
    ///
    /// # Panics
    ///
    /// Panics when the shapes do not fit.
    pub fn apply(&self, inputs: Range<usize>, rows: &[f32], start: &[f32], out: &mut [f32]) {
        self.dispatch(inputs, rows, start, f32::NEG_INFINITY, out);
    }

    /// The same, with 0 in place of what is below.
    ///
    /// # Panics
    ///
    /// As [`apply`](Self::apply).
    pub fn rectified(&self, inputs: Range<usize>, rows: &[f32], start: &[f32], out: &mut [f32]) {
        self.dispatch(inputs, rows, start, 0.0, out);
    }

    fn dispatch(&self, inputs: Range<usize>, rows: &[f32], start: &[f32], least: f32, out: &mut [f32]) {
        assert_eq!(start.len(), self.n_out, "a start per output");
        assert_eq!(rows.len() * self.n_out, out.len() * self.n_in, "as many rows in as out");
        assert!(inputs.start <= inputs.end && inputs.end <= self.n_in, "inputs that are there");
        if inputs.is_empty() || self.n_out == 0 {
            let starts = out.chunks_exact_mut(self.n_out.max(1));
            starts.for_each(|row| row.iter_mut().zip(start).for_each(|(to, x)| *to = x.max(least)));
            return;
        }
        let mut padded = vec![[0.0; TILE]; self.n_out.div_ceil(TILE)];
        padded.as_flattened_mut()[..self.n_out].copy_from_slice(start);
        let task = Task { layer: self, inputs, rows, start: &padded, least };
        ARCH.dispatch(Apply { task: &task, out });
    }
}

/// What is multiplied.
struct Task<'a> {
    layer: &'a Layer,
    inputs: Range<usize>,
    rows: &'a [f32],
    start: &'a [[f32; TILE]],
    /// What stands in place of all below.
    least: f32,
}

kernel! {
    Apply<'a> { task: &'a Task<'a>, out: &'a mut [f32] }, simd -> () {
        // As many rows and tiles as leave their sums in registers, and where the rows are in general ones.
        let n_tiles = task.start.len();
        let mut tile = 0;
        while tile < n_tiles {
            if S::F32_LANES >= 16 && tile + 2 <= n_tiles {
                of_tiles::<S, 6, 2>(simd, task, tile, out);
                tile += 2;
            } else {
                of_tiles::<S, 6, 1>(simd, task, tile, out);
                tile += 1;
            }
        }
    }
}

/// The outputs of `N` tiles from the one numbered `first` on.
#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn of_tiles<S: Simd, const ROWS: usize, const N: usize>(
    simd: S,
    task: &Task<'_>,
    first: usize,
    out: &mut [f32],
) {
    let Layer { n_in, n_out, packed } = task.layer;
    let (n_in, n_out) = (*n_in, *n_out);
    let blocks = task.rows.chunks(ROWS * n_in).zip(out.chunks_mut(ROWS * n_out));
    for (rows, out) in blocks {
        let n_rows = rows.len() / n_in;
        // The last block is filled up with copies of its last row.
        let mut block = [rows; ROWS];
        for i in 0..ROWS {
            block[i] = &rows[i.min(n_rows - 1) * n_in..][task.inputs.clone()];
        }
        let mut weights: [&[[f32; TILE]]; N] = [&[]; N];
        for tile in 0..N {
            weights[tile] = &packed[(first + tile) * n_in..][task.inputs.clone()];
        }
        let mut sums = [[[0.0; TILE]; N]; ROWS];
        // As many registers side by side as are half a tile on the widest machine.
        for at in (0..TILE / S::F32_LANES).step_by(2) {
            add_products(simd, &block, &weights, &task.start[first..first + N], at, task.least, &mut sums);
        }
        for i in 0..n_rows {
            for (tile, sums) in (first..).zip(&sums[i]) {
                let place = tile * TILE;
                let to = &mut out[i * n_out + place..][..TILE.min(n_out - place)];
                match <&mut [f32; TILE]>::try_from(&mut *to) {
                    Ok(to) => *to = *sums,
                    Err(_) => to.copy_from_slice(&sums[..to.len()]),
                }
            }
        }
    }
}

/// Two registers, from the one numbered `at` on, of each tile of each row: `start` and the products of the tile's
/// weights with the row, or `least` where that is below.
#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn add_products<S: Simd, const ROWS: usize, const N: usize>(
    simd: S,
    block: &[&[f32]; ROWS],
    weights: &[&[[f32; TILE]]; N],
    start: &[[f32; TILE]],
    at: usize,
    least: f32,
    sums: &mut [[[f32; TILE]; N]; ROWS],
) {
    let zero = simd.splat_f32s(0.0);
    let mut low = [[zero; N]; ROWS];
    let mut high = low;
    // Loops, not closures: closures would be compiled without the dispatched instructions.
    for tile in 0..N {
        let registers = S::as_simd_f32s(&start[tile]).0;
        for i in 0..ROWS {
            (low[i][tile], high[i][tile]) = (registers[at], registers[at + 1]);
        }
    }
    for input in 0..block[0].len() {
        let (mut left, mut right) = ([zero; N], [zero; N]);
        for tile in 0..N {
            let registers = S::as_simd_f32s(&weights[tile][input]).0;
            (left[tile], right[tile]) = (registers[at], registers[at + 1]);
        }
        for i in 0..ROWS {
            let value = simd.splat_f32s(block[i][input]);
            for tile in 0..N {
                low[i][tile] = simd.mul_add_f32s(value, left[tile], low[i][tile]);
                high[i][tile] = simd.mul_add_f32s(value, right[tile], high[i][tile]);
            }
        }
    }
    let least = simd.splat_f32s(least);
    for i in 0..ROWS {
        for tile in 0..N {
            let registers = S::as_mut_simd_f32s(&mut sums[i][tile]).0;
            registers[at] = simd.max_f32s(low[i][tile], least);
            registers[at + 1] = simd.max_f32s(high[i][tile], least);
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
            cut in 0usize..40,
            seed in 0u32..1_000,
        ) {
            let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) % 201) as f32 / 100.0 - 1.0;
            let rows: Vec<f32> = (0..n_rows * n_in).map(value).collect();
            let mut weights = Matrix::zeros(n_out, n_in);
            weights.as_mut_slice().iter_mut().enumerate().for_each(|(i, weight)| *weight = value(i + 7));
            let start: Vec<f32> = (0..n_out).map(value).collect();
            let mut out = vec![f32::NAN; n_rows * n_out];
            let (layer, mut rectified) = (Layer::new(&weights), out.clone());
            layer.apply(0..n_in, &rows, &start, &mut out);
            layer.rectified(0..n_in, &rows, &start, &mut rectified);
            for row in 0..n_rows {
                for output in 0..n_out {
                    let products = (0..n_in).map(|input| rows[row * n_in + input] * weights.row(output)[input]);
                    let expected = start[output] + products.sum::<f32>();
                    let found = out[row * n_out + output];
                    prop_assert!((found - expected).abs() < 1e-4);
                    prop_assert_eq!(rectified[row * n_out + output].to_bits(), found.max(0.0).to_bits());
                }
            }
            // Cut anywhere, the sums are the same bits.
            let (cut, mut whole) = (cut.min(n_in), vec![f32::NAN; n_out]);
            for (row, out) in rows.chunks_exact(n_in.max(1)).zip(out.chunks_exact(n_out.max(1))) {
                let mut begun = vec![f32::NAN; n_out];
                layer.apply(0..cut, row, &start, &mut begun);
                layer.apply(cut..n_in, row, &begun, &mut whole);
                prop_assert_eq!(&whole, out);
            }
        }
    }
}
