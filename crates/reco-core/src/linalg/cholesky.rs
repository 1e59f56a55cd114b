//! The Cholesky factorisation, some rows at a time.

use super::ARCH;
use pulp::{Simd, WithSimd};

/// Rows taken out of the rest in one pass, so that it is read and written less often; changes no bit.
const TOGETHER: usize = 8;

kernel! {
    Factor<'a> { n: usize, a: &'a mut [f32] }, simd -> Result<(), usize> {
        let mut first = 0;
        while first + TOGETHER <= n {
            factor_block::<S, TOGETHER>(simd, n, first, a)?;
            first += TOGETHER;
        }
        for row in first..n {
            factor_block::<S, 1>(simd, n, row, a)?;
        }
        Ok(())
    }
}

/// Replaces the upper triangle of A by U with U^T U = A; the row where A turns out not to be positive
/// definite is the error.
pub(super) fn factor(n: usize, a: &mut [f32]) -> Result<(), usize> {
    assert_eq!(a.len(), n * n, "a square matrix");
    ARCH.dispatch(Factor { n, a })
}

/// Factors the `K` rows from `first` and takes their part out of all rows below.
#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn factor_block<S: Simd, const K: usize>(
    simd: S,
    n: usize,
    first: usize,
    a: &mut [f32],
) -> Result<(), usize> {
    let (block, below) = a[first * n..].split_at_mut(K * n);
    for k in 0..K {
        let (row, rest) = block[k * n..].split_at_mut(n);
        let pivot = row[first + k];
        if pivot.is_nan() || pivot <= 0.0 {
            return Err(first + k);
        }
        let scale = 1.0 / pivot.sqrt();
        row[first + k..].iter_mut().for_each(|cell| *cell *= scale);
        add_to_rows(simd, [&*row], [-1.0], first + k + 1, rest);
    }
    let rows: [&[f32]; K] = std::array::from_fn(|k| &block[k * n..][..n]);
    add_to_rows(simd, rows, [-1.0; K], first + K, below);
    Ok(())
}

/// Adds weights[k] * vectors[k][i] * vectors[k], for one k after the other, to row i of a square
/// matrix, right of the diagonal; `rows` begins with row `first`.
#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn add_to_rows<S: Simd, const K: usize>(
    simd: S,
    vectors: [&[f32]; K],
    weights: [f32; K],
    first: usize,
    rows: &mut [f32],
) {
    let n = vectors[0].len().max(1);
    let (mut i, mut rows) = (first, rows);
    while !rows.is_empty() {
        // Rows whose diagonal falls into the same register start there.
        let start = i / S::F32_LANES * S::F32_LANES;
        let n_rows = (start + S::F32_LANES - i).min(rows.len() / n);
        let (group, later) = rows.split_at_mut(n_rows * n);
        let n_registers = (n - start) / S::F32_LANES;
        let tails = vectors.map(|v| &v[start..n]);
        let registers = tails.map(|v| &S::as_simd_f32s(v).0[..n_registers]);
        let rest = n_registers * S::F32_LANES;
        for row in group.chunks_exact_mut(n) {
            let row = &mut row[start..];
            // Loops, not closures: a closure would be compiled without the dispatched instructions.
            let mut scales = [0.0; K];
            let mut splats = [simd.splat_f32s(0.0); K];
            for k in 0..K {
                scales[k] = weights[k] * vectors[k][i];
                splats[k] = simd.splat_f32s(scales[k]);
            }
            for (at, cell) in S::as_mut_simd_f32s(row).0[..n_registers].iter_mut().enumerate() {
                let mut sum = *cell;
                for k in 0..K {
                    sum = simd.add_f32s(sum, simd.mul_f32s(splats[k], registers[k][at]));
                }
                *cell = sum;
            }
            for (at, cell) in row.iter_mut().enumerate().skip(rest) {
                for k in 0..K {
                    *cell += scales[k] * tails[k][at];
                }
            }
            i += 1;
        }
        rows = later;
    }
}
