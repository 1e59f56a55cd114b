//! Small dense kernels: dot products, scans, solves; dispatched to the best instructions at run time.
//!
//! Every sum runs over sixteen lanes in a fixed order, with a product and an addition rounded
//! separately, so that the answers are the same bits on every CPU.

pub(crate) use bytes::{ByteLayer, GROUP, LONGEST_ROW, Rows, TILE, prefetch};
pub(crate) use codes::{CENTRE, centred_codes, rectify, row_codes, standardize};
pub use layer::Layer;
pub use matrix::{Matrix, MatrixView, ShapeError};
pub use solve::{NotPositiveDefinite, Spd, conjugate_gradient};
pub use sums::{add_outers, add_outers_within, add_products, add_projections, add_weighted};
pub(crate) use top::top_scores_into;
pub use top::{Top, top_scores};

use pulp::{Arch, Simd, WithSimd};
use std::sync::LazyLock;

/// The instruction set of this machine, looked up once.
pub(crate) static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

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

mod bytes;
// After `kernel!`, which some of them use.
mod cholesky;
mod codes;
mod layer;
mod matrix;
mod solve;
mod sums;
mod top;

kernel! { Dot<'a> { a: &'a [f32], b: &'a [f32] }, simd -> f32 { sum_lanes::<S, false>(simd, a, b) } }

kernel! {
    SquaredDistance<'a> { a: &'a [f32], b: &'a [f32] }, simd -> f32 { sum_lanes::<S, true>(simd, a, b) }
}

kernel! {
    Axpy<'a> { scale: f32, x: &'a [f32], y: &'a mut [f32] }, simd -> () { axpy_lanes(simd, scale, x, y) }
}

kernel! {
    Scan<'a> { rows: MatrixView<'a>, vector: &'a [f32], scores: &'a mut [f32] }, simd -> () {
        for (score, row) in scores.iter_mut().zip(rows.as_slice().chunks_exact(vector.len().max(1))) {
            *score = sum_lanes::<S, false>(simd, row, vector);
        }
    }
}

kernel! {
    ScanDistances<'a> { rows: MatrixView<'a>, vector: &'a [f32], squares: &'a mut [f32] }, simd -> () {
        for (square, row) in squares.iter_mut().zip(rows.as_slice().chunks_exact(vector.len().max(1))) {
            *square = sum_lanes::<S, true>(simd, row, vector);
        }
    }
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

/// The squared Euclidean distance of two vectors of equal length.
///
/// # Panics
///
/// Panics when the lengths differ.
pub fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors differ in length");
    ARCH.dispatch(SquaredDistance { a, b })
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
pub fn scan<'a>(rows: impl Into<MatrixView<'a>>, vector: &[f32], scores: &mut [f32]) {
    let rows = rows.into();
    assert_eq!((rows.n_columns(), rows.n_rows()), (vector.len(), scores.len()), "shapes differ");
    ARCH.dispatch(Scan { rows, vector, scores });
}

/// Squared Euclidean distances of `vector` to every row of `rows`, into `squares`. Differences are
/// taken before they are squared: |a|² - 2ab + |b|² would lose all digits far from the origin.
///
/// # Panics
///
/// Panics when the shapes do not fit.
pub fn scan_distances<'a>(rows: impl Into<MatrixView<'a>>, vector: &[f32], squares: &mut [f32]) {
    let rows = rows.into();
    assert_eq!((rows.n_columns(), rows.n_rows()), (vector.len(), squares.len()), "shapes differ");
    ARCH.dispatch(ScanDistances { rows, vector, squares });
}

/// The sum of a * b or, for `DISTANCE`, of (a - b)².
#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn sum_lanes<S: Simd, const DISTANCE: bool>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    // As many registers as hold sixteen lanes: one to sixteen of them.
    let mut sums = [simd.splat_f32s(0.0); LANES];
    for (a, b) in a.iter().zip(b) {
        let registers = S::as_simd_f32s(a).0.iter().zip(S::as_simd_f32s(b).0);
        for (sum, (&a, &b)) in sums.iter_mut().zip(registers) {
            let difference = simd.sub_f32s(a, b);
            let (a, b) = if DISTANCE { (difference, difference) } else { (a, b) };
            *sum = simd.add_f32s(*sum, simd.mul_f32s(a, b));
        }
    }
    let mut lanes = [0.0f32; LANES];
    S::as_mut_simd_f32s(&mut lanes).0.iter_mut().zip(sums).for_each(|(lanes, sum)| *lanes = sum);
    let eight: [f32; 8] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 8]);
    let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
    let rest = a_rest.iter().zip(b_rest);
    let rest: f32 = rest.map(|(x, y)| if DISTANCE { (x - y) * (x - y) } else { x * y }).sum();
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
        fn sums_are_close_to_those_in_f64((a, b) in (0usize..200).prop_flat_map(|n| (vector(n), vector(n)))) {
            let exact: f64 = a.iter().zip(&b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
            let square: f64 = a.iter().zip(&b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
            prop_assert!((f64::from(squared_distance(&a, &b)) - square).abs() < 1e-4);
            prop_assert_eq!(dot(&a, &b).to_bits(), sum_lanes::<_, false>(pulp::Scalar::new(), &a, &b).to_bits(), "same bits without vectors");
        }

        #[test]
        fn a_scan_is_a_sum_per_row((rows, x) in (vector(7 * 33), vector(33))) {
            let rows = Matrix::from_vec(7, 33, rows);
            let (mut scores, mut squares) = (vec![0.0; 7], vec![0.0; 7]);
            scan(&rows, &x, &mut scores);
            scan_distances(&rows, &x, &mut squares);
            for (row, (score, square)) in scores.into_iter().zip(squares).enumerate() {
                prop_assert_eq!(score.to_bits(), dot(rows.row(row), &x).to_bits());
                prop_assert_eq!(square.to_bits(), squared_distance(rows.row(row), &x).to_bits());
            }
        }
    }
}
