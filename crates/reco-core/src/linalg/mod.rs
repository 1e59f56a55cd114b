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

use pulp::{Arch, Simd, WithSimd};
use std::sync::LazyLock;

/// The instruction set of this machine, looked up once.
static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Sums run over this many independent lanes, in registers of whatever width there is.
const LANES: usize = 16;

/// A kernel: a struct with its arguments, whose body is inlined into a function compiled for the
/// dispatched instruction set.
macro_rules! kernel {
    ($name:ident<$life:lifetime> { $($field:ident: $type:ty),* }, $simd:ident -> $output:ty $body:block) => {
        struct $name<$life> {
            $($field: $type),*
        }

        impl<$life> WithSimd for $name<$life> {
            type Output = $output;

            #[inline(always)]
            fn with_simd<S: Simd>(self, $simd: S) -> $output {
                let Self { $($field),* } = self;
                $body
            }
        }
    };
}

kernel! { Dot<'a> { a: &'a [f32], b: &'a [f32] }, simd -> f32 { dot_lanes(simd, a, b) } }

kernel! {
    Axpy<'a> { scale: f32, x: &'a [f32], y: &'a mut [f32] }, simd -> () { axpy_lanes(simd, scale, x, y) }
}

kernel! {
    Scan<'a> { rows: &'a Matrix, vector: &'a [f32], scores: &'a mut [f32] }, simd -> () {
        for (score, row) in scores.iter_mut().zip(rows.as_slice().chunks_exact(vector.len().max(1))) {
            *score = dot_lanes(simd, row, vector);
        }
    }
}

kernel! {
    AddOuter<'a> { weight: f32, v: &'a [f32], sum: &'a mut [f32] }, simd -> () {
        for (i, row) in sum.chunks_exact_mut(v.len().max(1)).enumerate() {
            // From a little before the diagonal, so that registers stay aligned with the row.
            let start = i / LANES * LANES;
            axpy_lanes(simd, weight * v[i], &v[start..], &mut row[start..]);
        }
    }
}

kernel! {
    Factor<'a> { n: usize, a: &'a mut [f32] }, simd -> Result<(), usize> {
        for k in 0..n {
            let (above, below) = a.split_at_mut((k + 1) * n);
            let row = &mut above[k * n..];
            let pivot = row[k];
            if pivot.is_nan() || pivot <= 0.0 {
                return Err(k);
            }
            let scale = 1.0 / pivot.sqrt();
            row[k..].iter_mut().for_each(|cell| *cell *= scale);
            for (i, other) in (k + 1..n).zip(below.chunks_exact_mut(n)) {
                let start = i / LANES * LANES;
                axpy_lanes(simd, -row[i], &row[start..], &mut other[start..]);
            }
        }
        Ok(())
    }
}

/// Replaces the upper triangle of A by U with U^T U = A; the row where A turns out not to be positive
/// definite is the error.
fn factor(n: usize, a: &mut [f32]) -> Result<(), usize> {
    assert_eq!(a.len(), n * n, "a square matrix");
    ARCH.dispatch(Factor { n, a })
}

/// The inner product of two vectors of equal length.
///
/// # Panics
///
/// Panics when the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors differ in length");
    ARCH.dispatch(Dot { a, b })
}

/// Adds `scale` times `x` to `y`.
///
/// # Panics
///
/// Panics when the lengths differ.
pub fn axpy(scale: f32, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "vectors differ in length");
    ARCH.dispatch(Axpy { scale, x, y });
}

/// Inner products of `vector` with every row of `rows`, into `scores`.
///
/// # Panics
///
/// Panics when the shapes do not fit.
pub fn scan(rows: &Matrix, vector: &[f32], scores: &mut [f32]) {
    assert_eq!((rows.n_columns(), rows.n_rows()), (vector.len(), scores.len()), "shapes differ");
    ARCH.dispatch(Scan { rows, vector, scores });
}

/// Adds `weight` * v * v^T to the upper triangle of the row-major square `sum`; what stands below the
/// diagonal has no meaning afterwards.
///
/// # Panics
///
/// Panics when `sum` is not as wide as `v` is long.
pub fn add_outer(weight: f32, v: &[f32], sum: &mut [f32]) {
    assert_eq!(sum.len(), v.len() * v.len(), "a square matrix");
    ARCH.dispatch(AddOuter { weight, v, sum });
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn dot_lanes<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    // As many registers as hold sixteen lanes: one to sixteen of them.
    let mut sums = [simd.splat_f32s(0.0); LANES];
    for (a, b) in a.iter().zip(b) {
        let registers = S::as_simd_f32s(a).0.iter().zip(S::as_simd_f32s(b).0);
        for (sum, (&a, &b)) in sums.iter_mut().zip(registers) {
            *sum = simd.add_f32s(*sum, simd.mul_f32s(a, b));
        }
    }
    let mut lanes = [0.0f32; LANES];
    S::as_mut_simd_f32s(&mut lanes).0.iter_mut().zip(sums).for_each(|(lanes, sum)| *lanes = sum);
    let eight: [f32; 8] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 8]);
    let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    (four[0] + four[2]) + (four[1] + four[3]) + rest
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn axpy_lanes<S: Simd>(simd: S, scale: f32, x: &[f32], y: &mut [f32]) {
    let (x, x_rest) = S::as_simd_f32s(x);
    let (y, y_rest) = S::as_mut_simd_f32s(y);
    let scales = simd.splat_f32s(scale);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = simd.add_f32s(*y, simd.mul_f32s(scales, x));
    }
    y_rest.iter_mut().zip(x_rest).for_each(|(y, x)| *y += scale * x);
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
            prop_assert_eq!(dot(&a, &b).to_bits(), dot_lanes(pulp::Scalar::new(), &a, &b).to_bits(), "same bits without vectors");
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
