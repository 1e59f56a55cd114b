//! Small dense kernels: dot products, scans, solves; dispatched to the best instructions at run time.
//!
//! Every sum runs over sixteen lanes in a fixed order, with a product and an addition rounded
//! separately, so that the answers are the same bits on every CPU.

mod matrix;
mod solve;
mod top;

pub use matrix::Matrix;
pub use solve::{NotPositiveDefinite, Spd, conjugate_gradient};
pub use top::top_scores;

use pulp::Arch;
use std::sync::LazyLock;

/// The instruction set of this machine, looked up once.
static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Sums run over this many independent lanes.
const LANES: usize = 16;

/// The inner product of two vectors of equal length.
///
/// # Panics
///
/// Panics when the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors differ in length");
    ARCH.dispatch(|| dot_lanes(a, b))
}

/// Adds `scale` times `x` to `y`.
///
/// # Panics
///
/// Panics when the lengths differ.
pub fn axpy(scale: f32, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "vectors differ in length");
    ARCH.dispatch(|| y.iter_mut().zip(x).for_each(|(y, &x)| *y += scale * x));
}

/// Inner products of `vector` with every row of `rows`, into `scores`.
///
/// # Panics
///
/// Panics when the shapes do not fit.
pub fn scan(rows: &Matrix, vector: &[f32], scores: &mut [f32]) {
    assert_eq!((rows.n_columns(), rows.n_rows()), (vector.len(), scores.len()), "shapes differ");
    ARCH.dispatch(|| {
        for (score, row) in scores.iter_mut().zip(rows.rows()) {
            *score = dot_lanes(row, vector);
        }
    });
}

/// Adds `weight` * v * v^T to the lower triangle of the row-major square `sum`.
///
/// # Panics
///
/// Panics when `sum` is not as wide as `v` is long.
pub fn add_outer(weight: f32, v: &[f32], sum: &mut [f32]) {
    let n = v.len();
    assert_eq!(sum.len(), n * n, "a square matrix");
    ARCH.dispatch(|| {
        for (i, row) in sum.chunks_exact_mut(n).enumerate() {
            let scale = weight * v[i];
            for (cell, &x) in row[..=i].iter_mut().zip(v) {
                *cell += scale * x;
            }
        }
    });
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn dot_lanes(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f32 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0] + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn vector(len: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-1.0f32..1.0, len)
    }

    proptest! {
        #[test]
        fn dot_is_close_to_the_sum_in_f64((a, b) in (0usize..200).prop_flat_map(|n| (vector(n), vector(n)))) {
            let exact: f64 = a.iter().zip(&b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
            prop_assert_eq!(dot(&a, &b).to_bits(), dot_lanes(&a, &b).to_bits(), "same bits without dispatch");
        }

        #[test]
        fn a_scan_is_a_dot_per_row((rows, x) in (vector(7 * 33), vector(33))) {
            let rows = Matrix::from_vec(7, 33, rows);
            let mut scores = vec![0.0; 7];
            scan(&rows, &x, &mut scores);
            for (row, score) in scores.into_iter().enumerate() {
                prop_assert_eq!(score.to_bits(), dot(rows.row(row), &x).to_bits());
            }
        }
    }
}
