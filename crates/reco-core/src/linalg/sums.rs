//! Sums over many vectors, or over some columns of them: outer products, weighted sums, inner products.

use super::{ARCH, LANES, sum_lanes};
use pulp::{Simd, WithSimd};

/// Vectors packed at a time: enough to hide what loading and storing a tile costs, few enough for the cache.
const TOGETHER: usize = 64;

/// Sixteen values side by side.
type Strip = [f32; LANES];

kernel! {
    AddOuters<'a> { terms: &'a [(&'a [f32], f32)], first: usize, n: usize, sum: &'a mut [f32] }, simd -> () {
        let n_strips = n.div_ceil(LANES);
        // One strip of all packed vectors after the other, times their weights and plain.
        let mut scaled = vec![[0.0; LANES]; n_strips * TOGETHER.min(terms.len())];
        let mut plain = scaled.clone();
        for terms in terms.chunks(TOGETHER) {
            let packed = n_strips * terms.len();
            pack(simd, terms, first, n, &mut scaled[..packed], &mut plain[..packed]);
            for (i, scaled) in scaled[..packed].chunks_exact(terms.len()).enumerate() {
                for (j, plain) in plain[..packed].chunks_exact(terms.len()).enumerate().skip(i) {
                    add_tile(simd, scaled, plain, n, (i * LANES, j * LANES), sum);
                }
            }
        }
    }
}

kernel! {
    AddWeighted<'a> { terms: &'a [(&'a [f32], f32)], weights: &'a [f32], first: usize, sum: &'a mut [f32] },
    simd -> () {
        let n = sum.len();
        let (registers, rest) = S::as_mut_simd_f32s(sum);
        for (at, register) in registers.iter_mut().enumerate() {
            let mut sum = *register;
            for ((vector, _), &weight) in terms.iter().zip(weights) {
                let vector = S::as_simd_f32s(&vector[first..][..n]).0[at];
                sum = simd.add_f32s(sum, simd.mul_f32s(simd.splat_f32s(weight), vector));
            }
            *register = sum;
        }
        let start = first + n - rest.len();
        for ((vector, _), &weight) in terms.iter().zip(weights) {
            rest.iter_mut().zip(&vector[start..]).for_each(|(sum, x)| *sum += weight * x);
        }
    }
}

kernel! {
    AddProducts<'a> { terms: &'a [(&'a [f32], f32)], first: usize, x: &'a [f32], products: &'a mut [f32] },
    simd -> () {
        for (product, (vector, _)) in products.iter_mut().zip(terms) {
            *product += sum_lanes::<S, false>(simd, &vector[first..][..x.len()], x);
        }
    }
}

kernel! {
    AddProjections<'a> { terms: &'a [(&'a [f32], f32)], x: &'a [f32], sum: &'a mut [f32] }, simd -> () {
        let (blocks, rest) = terms.as_chunks::<8>();
        for block in blocks {
            add_projections_of(simd, block, x, sum);
        }
        for term in rest {
            add_projections_of(simd, std::array::from_ref(term), x, sum);
        }
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
    let n = terms.first().map_or(0, |(v, _)| v.len());
    ARCH.dispatch(AddOuters { terms, first: 0, n, sum });
}

/// As [`add_outers`], over the `n` columns of the vectors from `first` on.
///
/// # Panics
///
/// Panics when `sum` is not `n` wide or a vector has fewer columns.
pub fn add_outers_within(terms: &[(&[f32], f32)], first: usize, n: usize, sum: &mut [f32]) {
    assert_eq!(sum.len(), n * n, "a square matrix");
    ARCH.dispatch(AddOuters { terms, first, n, sum });
}

/// Adds the vectors of the terms times `weights`, one each, to `sum`, over as many columns as that
/// has, from `first` on. The terms' own weights are not looked at.
///
/// # Panics
///
/// Panics when there is not one weight per term or a vector has fewer columns.
pub fn add_weighted(terms: &[(&[f32], f32)], weights: &[f32], first: usize, sum: &mut [f32]) {
    assert_eq!(terms.len(), weights.len(), "one weight per vector");
    ARCH.dispatch(AddWeighted { terms, weights, first, sum });
}

/// Adds to `products`, one per term, the inner product of its vector with `x`, over as many columns
/// as that has, from `first` on. The terms' weights are not looked at.
///
/// # Panics
///
/// Panics when there is not one product per term or a vector has fewer columns.
pub fn add_products(terms: &[(&[f32], f32)], first: usize, x: &[f32], products: &mut [f32]) {
    assert_eq!(terms.len(), products.len(), "one product per vector");
    ARCH.dispatch(AddProducts { terms, first, x, products });
}

/// Adds weight * (v . x) * v to `sum` for every term (v, weight): the product of their outer products' sum
/// with `x`, without that sum.
///
/// # Panics
///
/// Panics when `sum` or a vector is not as long as `x`.
pub fn add_projections(terms: &[(&[f32], f32)], x: &[f32], sum: &mut [f32]) {
    assert!(
        terms.iter().all(|(v, _)| v.len() == x.len()) && sum.len() == x.len(),
        "vectors differ in length"
    );
    ARCH.dispatch(AddProjections { terms, x, sum });
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn add_projections_of<S: Simd, const K: usize>(
    simd: S,
    terms: &[(&[f32], f32); K],
    x: &[f32],
    sum: &mut [f32],
) {
    let mut scales = [0.0; K];
    let mut splats = [simd.splat_f32s(0.0); K];
    // Loops, not closures: a closure would be compiled without the dispatched instructions.
    for k in 0..K {
        scales[k] = terms[k].1 * sum_lanes::<S, false>(simd, terms[k].0, x);
        splats[k] = simd.splat_f32s(scales[k]);
    }
    let (registers, rest) = S::as_mut_simd_f32s(sum);
    let start = x.len() - rest.len();
    for (at, register) in registers.iter_mut().enumerate() {
        let mut sum = *register;
        for k in 0..K {
            sum = simd.add_f32s(sum, simd.mul_f32s(splats[k], S::as_simd_f32s(terms[k].0).0[at]));
        }
        *register = sum;
    }
    for (at, cell) in rest.iter_mut().enumerate() {
        for k in 0..K {
            *cell += scales[k] * terms[k].0[start + at];
        }
    }
}

/// Lays `n` columns of the vectors out strip by strip; the last strip is filled up with zeros.
#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn pack<S: Simd>(
    simd: S,
    terms: &[(&[f32], f32)],
    first: usize,
    n: usize,
    scaled: &mut [Strip],
    plain: &mut [Strip],
) {
    for (k, &(vector, weight)) in terms.iter().enumerate() {
        let weight = simd.splat_f32s(weight);
        let (strips, rest) = vector[first..][..n].as_chunks::<LANES>();
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        let last = (!rest.is_empty()).then_some(&last);
        for (strip, values) in strips.iter().chain(last).enumerate() {
            let slot = strip * terms.len() + k;
            plain[slot] = *values;
            let registers = S::as_simd_f32s(values).0.iter();
            for (scaled, &values) in S::as_mut_simd_f32s(&mut scaled[slot]).0.iter_mut().zip(registers) {
                *scaled = simd.mul_f32s(weight, values);
            }
        }
    }
}

/// Adds the outer products of two strips to the cells of the `n` wide square `sum` from `corner` on.
#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn add_tile<S: Simd>(
    simd: S,
    scaled: &[Strip],
    plain: &[Strip],
    n: usize,
    (row, column): (usize, usize),
    sum: &mut [f32],
) {
    let (n_rows, n_columns) = (LANES.min(n - row), LANES.min(n - column));
    let mut tile = [[0.0; LANES]; LANES];
    for (i, cells) in tile[..n_rows].iter_mut().enumerate() {
        let from = &sum[(row + i) * n + column..][..n_columns];
        // A whole strip is copied in registers, without a call.
        match <&Strip>::try_from(from) {
            Ok(from) => *cells = *from,
            Err(_) => cells[..n_columns].copy_from_slice(from),
        }
    }
    // As many registers side by side as sixteen values fill, each for all sixteen rows.
    for at in 0..LANES / S::F32_LANES {
        let mut sums = [simd.splat_f32s(0.0); LANES];
        for i in 0..LANES {
            sums[i] = S::as_simd_f32s(&tile[i]).0[at];
        }
        for (scaled, plain) in scaled.iter().zip(plain) {
            let plain = S::as_simd_f32s(plain).0[at];
            // A loop, not a closure: a closure would be compiled without the dispatched instructions.
            for i in 0..LANES {
                sums[i] = simd.add_f32s(sums[i], simd.mul_f32s(simd.splat_f32s(scaled[i]), plain));
            }
        }
        for i in 0..LANES {
            S::as_mut_simd_f32s(&mut tile[i]).0[at] = sums[i];
        }
    }
    for (i, cells) in tile[..n_rows].iter().enumerate() {
        let to = &mut sum[(row + i) * n + column..][..n_columns];
        match <&mut Strip>::try_from(&mut *to) {
            Ok(to) => *to = *cells,
            Err(_) => to.copy_from_slice(&cells[..n_columns]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::vector;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_are_what_terms_one_by_one_add(
            (d, first, values) in (0usize..40, 0usize..5)
                .prop_flat_map(|(d, first)| (Just(d), Just(first), vector((d + first) * 150)))
        ) {
            let vectors = values.chunks_exact((d + first).max(1));
            let terms: Vec<(&[f32], f32)> = vectors.zip(0..).map(|(v, k)| (v, 0.5 + k as f32)).collect();
            let mut together = vec![0.25; d * d];
            add_outers_within(&terms, first, d, &mut together);
            for i in 0..d {
                for j in i..d {
                    let (i, j) = (first + i, first + j);
                    let cell = terms.iter().fold(0.25, |sum, (v, weight)| sum + weight * v[i] * v[j]);
                    prop_assert_eq!(together[(i - first) * d + j - first].to_bits(), cell.to_bits(), "{}, {}", i, j);
                }
            }
            let weights: Vec<f32> = terms.iter().map(|(_, weight)| weight - 1.0).collect();
            let mut sum = vec![0.5; d];
            add_weighted(&terms, &weights, first, &mut sum);
            for (i, sum) in sum.iter().enumerate() {
                let cell = terms.iter().zip(&weights).fold(0.5, |sum, ((v, _), weight)| sum + weight * v[first + i]);
                prop_assert_eq!(sum.to_bits(), cell.to_bits());
            }
            let whole: Vec<(&[f32], f32)> = terms.iter().map(|(v, weight)| (&v[first..], *weight)).collect();
            let mut projected = vec![0.25; d];
            add_projections(&whole, &sum, &mut projected);
            for (i, cell) in projected.iter().enumerate() {
                let one_by_one = whole
                    .iter()
                    .fold(0.25, |all, (v, weight)| all + weight * super::super::dot(v, &sum) * v[i]);
                prop_assert_eq!(cell.to_bits(), one_by_one.to_bits());
            }
            let mut products = vec![0.75; terms.len()];
            add_products(&terms, first, &sum, &mut products);
            for (product, (v, _)) in products.iter().zip(&terms) {
                let one = 0.75 + super::super::dot(&v[first..], &sum);
                prop_assert_eq!(product.to_bits(), one.to_bits());
            }
        }
    }
}
