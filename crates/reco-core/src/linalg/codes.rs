//! Between numbers and the bytes that stand for them.
//!
//! Every value is treated alike and on its own, products and additions rounded separately, so that the answers are
//! the same bits on every CPU. Bytes are the nearest, of two equally near the even one.

use super::{ARCH, GROUP, TILE};
use pulp::{Simd, WithSimd};

/// Adding this to a number of few digits leaves its nearest whole number in the lowest bits: 1.5 * 2^23.
const TO_WHOLE: f32 = 12_582_912.0;

/// The byte of a row's nought in [`centred_codes`].
pub(crate) const CENTRE: i32 = 128;

kernel! {
    Standardize<'a> {
        rows: &'a [f32], means: &'a [f32], scales: &'a [f32], farthest: f32, out: &'a mut [f32]
    }, _simd -> () {
        let width = means.len().max(1);
        for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            for (((to, x), mean), scale) in out.iter_mut().zip(row).zip(means).zip(scales) {
                let scaled = (x - mean) * scale;
                *to = if scaled.is_nan() { 0.0 } else { scaled.clamp(-farthest, farthest) };
            }
        }
    }
}

kernel! {
    CentredCodes<'a> { values: &'a [f32], width: usize, per_step: f32, codes: &'a mut [[u8; GROUP]] }, _simd -> () {
        let rows = codes.chunks_exact_mut(width.div_ceil(GROUP)).zip(values.chunks_exact(width));
        for (codes, values) in rows {
            for (code, value) in codes.as_flattened_mut().iter_mut().zip(values) {
                *code = (value * per_step + (TO_WHOLE + CENTRE as f32)).to_bits() as u8;
            }
        }
    }
}

kernel! {
    Rectify<'a> {
        sums: &'a [i32], scales: &'a [f32], bias: &'a [f32], steps: &'a [f32], out: &'a mut [f32]
    }, _simd -> () {
        let width = scales.len().max(1);
        for ((sums, out), step) in sums.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(steps) {
            for (((to, sum), scale), bias) in out.iter_mut().zip(sums).zip(scales).zip(bias) {
                *to = (*sum as f32 * (scale * step) + bias).max(0.0);
            }
        }
    }
}

kernel! {
    RowCodes<'a> {
        values: &'a [[f32; TILE]], n_tiles: usize, n_groups: usize, codes: &'a mut [[u8; GROUP]], steps: &'a mut [f32]
    }, simd -> () {
        let rows = values.chunks_exact(n_tiles).zip(codes.chunks_exact_mut(n_groups)).zip(steps);
        for ((values, codes), step) in rows {
            let mut registers = simd.splat_f32s(0.0);
            for value in S::as_simd_f32s(values.as_flattened()).0 {
                registers = simd.max_f32s(registers, *value);
            }
            let most = simd.reduce_max_f32s(registers);
            let per_step = if most > LEAST { 255.0 / most } else { 0.0 };
            *step = most / 255.0;
            for (code, value) in codes.as_flattened_mut().iter_mut().zip(values.as_flattened()) {
                *code = (value * per_step + TO_WHOLE).to_bits() as u8;
            }
        }
    }
}

/// A row without anything above this is all noughts.
const LEAST: f32 = 1e-30;

/// (value - mean) * scale of every column of every row, within ±`farthest`, and 0 for what is no number.
///
/// # Panics
///
/// Panics when the shapes do not fit.
pub(crate) fn standardize(rows: &[f32], means: &[f32], scales: &[f32], farthest: f32, out: &mut [f32]) {
    assert_eq!((rows.len(), means.len()), (out.len(), scales.len()), "shapes differ");
    ARCH.dispatch(Standardize { rows, means, scales, farthest, out });
}

/// Every value of rows of `width` as [`CENTRE`] plus `per_step` times itself, which must be within ±127; rows of
/// codes end with a whole group, whose last ones may be anything.
///
/// # Panics
///
/// Panics when the shapes do not fit.
pub(crate) fn centred_codes(values: &[f32], width: usize, per_step: f32, codes: &mut [[u8; GROUP]]) {
    assert_eq!(values.len() * width.div_ceil(GROUP), codes.len() * width, "as many rows in as out");
    if width > 0 {
        ARCH.dispatch(CentredCodes { values, width, per_step, codes });
    }
}

/// For every row sum * scale * step + bias, or 0 where that is below: `scales` and `bias` are each column's, `steps`
/// each row's.
///
/// # Panics
///
/// Panics when the shapes do not fit.
pub(crate) fn rectify(
    sums: &[[i32; TILE]],
    scales: &[[f32; TILE]],
    bias: &[[f32; TILE]],
    steps: &[f32],
    out: &mut [[f32; TILE]],
) {
    assert_eq!((sums.len(), scales.len()), (out.len(), bias.len()), "shapes differ");
    assert_eq!(steps.len() * scales.len(), sums.len(), "a step per row");
    let (sums, out) = (sums.as_flattened(), out.as_flattened_mut());
    ARCH.dispatch(Rectify { sums, scales: scales.as_flattened(), bias: bias.as_flattened(), steps, out });
}

/// Rows of numbers from 0 on as bytes of which the largest of its row is 255, and what each row's bytes count by, into
/// `steps`.
///
/// # Panics
///
/// Panics when the shapes do not fit, or when a row has fewer numbers than codes.
pub(crate) fn row_codes(values: &[[f32; TILE]], codes: &mut [[u8; GROUP]], steps: &mut [f32]) {
    if steps.is_empty() || values.is_empty() || codes.is_empty() {
        steps.fill(0.0);
        return;
    }
    let (n_tiles, n_groups) = (values.len() / steps.len(), codes.len() / steps.len());
    assert_eq!((n_tiles * steps.len(), n_groups * steps.len()), (values.len(), codes.len()), "whole rows");
    assert!(n_groups * GROUP <= n_tiles * TILE, "a number for every code");
    ARCH.dispatch(RowCodes { values, n_tiles, n_groups, codes, steps });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each as a loop over single values has it, to the bit.
        #[test]
        fn values_are_treated_one_by_one(
            rows in prop::collection::vec(prop::array::uniform16(-9.0f32..9.0), 1..5),
            (sums, step) in (prop::array::uniform16(any::<i32>()), 0.007_812_5f32..1.0),
        ) {
            let (flat, width) = (rows.as_flattened(), 16);
            let (means, scales) = (vec![0.3; width], vec![0.7; width]);
            let mut scaled = vec![f32::NAN; flat.len()];
            standardize(flat, &means, &scales, 5.0, &mut scaled);
            let expected = flat.iter().map(|x| ((x - 0.3) * 0.7).clamp(-5.0, 5.0));
            prop_assert!(scaled.iter().copied().eq(expected));

            let mut codes = vec![[0; GROUP]; flat.len() / GROUP];
            centred_codes(&scaled, width, 25.4, &mut codes);
            let expected = scaled.iter().map(|x| ((x * 25.4).round_ties_even() as i32 + CENTRE) as u8);
            prop_assert!(codes.as_flattened().iter().copied().eq(expected));

            let mut rectified = rows.clone();
            let all = vec![sums; rows.len()];
            rectify(&all, &[[1e-6; TILE]], &[rows[0]], &vec![step; rows.len()], &mut rectified);
            for row in &rectified {
                let expected = sums.iter().zip(rows[0]).map(|(&sum, bias)| (sum as f32 * (1e-6 * step) + bias).max(0.0));
                prop_assert!(row.iter().copied().eq(expected));
            }

            let mut steps = vec![f32::NAN; rows.len()];
            row_codes(&rectified, &mut codes, &mut steps);
            for ((row, codes), step) in rectified.iter().zip(codes.chunks_exact(width / GROUP)).zip(steps) {
                let most = row.iter().copied().fold(0.0, f32::max);
                for (x, &code) in row.iter().zip(codes.as_flattened()) {
                    prop_assert!((x - f32::from(code) * step).abs() <= most / 254.0, "{x} as {code} steps of {step}");
                }
            }
        }
    }

    #[test]
    fn odd_values_have_codes() {
        let mut scaled = [0.5; 3];
        standardize(&[f32::NAN, f32::INFINITY, -f32::MAX], &[1.0; 3], &[0.0, 2.0, 2.0], 5.0, &mut scaled);
        assert_eq!(scaled.map(f32::to_bits), [0.0f32, 5.0, -5.0].map(f32::to_bits));
        let (mut codes, mut steps) = ([[7; GROUP]; 4], [f32::NAN]);
        row_codes(&[[0.0; TILE]], &mut codes, &mut steps);
        assert_eq!((codes, steps[0].to_bits()), ([[0; GROUP]; 4], 0));
        row_codes(&[[f32::INFINITY; TILE]], &mut codes, &mut steps);
        assert!(steps[0].is_infinite());
    }
}
