//! Sums of outer products, and the Cholesky factorisation, which subtracts them.

use super::ARCH;
use pulp::{Simd, WithSimd};

/// Outer products added in one pass over the sum, so that it is read and written less often. The
/// additions to a cell stay in the order of the terms, so this number changes no bit.
const TOGETHER: usize = 8;

kernel! {
    AddOuters<'a> { terms: &'a [(&'a [f32], f32)], sum: &'a mut [f32] }, simd -> () {
        let (blocks, rest) = terms.as_chunks::<TOGETHER>();
        for block in blocks {
            add_block(simd, block, sum);
        }
        for term in rest {
            add_block(simd, std::array::from_ref(term), sum);
        }
    }
}

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

/// Adds weight * v * v^T for every term (v, weight) to the upper triangle of the row-major square
/// `sum`, in the order of the terms; what stands below the diagonal has no meaning afterwards.
///
/// # Panics
///
/// Panics when `sum` is not as wide as every vector is long.
pub fn add_outers(terms: &[(&[f32], f32)], sum: &mut [f32]) {
    assert!(terms.iter().all(|(v, _)| v.len() * v.len() == sum.len()), "a square matrix");
    ARCH.dispatch(AddOuters { terms, sum });
}

/// Replaces the upper triangle of A by U with U^T U = A; the row where A turns out not to be positive
/// definite is the error.
pub(super) fn factor(n: usize, a: &mut [f32]) -> Result<(), usize> {
    assert_eq!(a.len(), n * n, "a square matrix");
    ARCH.dispatch(Factor { n, a })
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn add_block<S: Simd, const K: usize>(simd: S, terms: &[(&[f32], f32); K], sum: &mut [f32]) {
    add_to_rows(simd, terms.map(|(v, _)| v), terms.map(|(_, weight)| weight), 0, sum);
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

#[cfg(test)]
mod tests {
    use super::super::tests::vector;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_add_what_terms_one_by_one_add(
            (d, values) in (0usize..40).prop_flat_map(|d| (Just(d), vector(d * 21)))
        ) {
            let terms: Vec<(&[f32], f32)> =
                values.chunks_exact(d.max(1)).zip(0..).map(|(v, k)| (v, 0.5 + k as f32)).collect();
            let mut together = vec![0.25; d * d];
            add_outers(&terms, &mut together);
            for i in 0..d {
                for j in i..d {
                    let cell = terms.iter().fold(0.25, |sum, (v, weight)| sum + weight * v[i] * v[j]);
                    prop_assert_eq!(together[i * d + j].to_bits(), cell.to_bits(), "{}, {}", i, j);
                }
            }
        }
    }
}
