//! Inner products of rows of bytes with a vector of signed bytes.

use super::{ISA, Isa};

/// Rows are a multiple of this many bytes long.
const STEP: usize = 16;

/// Longest row: 255 * 127 times this stays within 32 bits.
pub(crate) const LONGEST_ROW: usize = 1 << 16;

/// Rows of unsigned bytes of one length, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    bytes: &'a [u8],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Cuts `bytes` into rows of `stride` bytes.
    ///
    /// # Panics
    ///
    /// Panics unless `stride` is a multiple of 16, above 0 and at most 65,536.
    pub(crate) fn new(bytes: &'a [u8], stride: usize) -> Self {
        assert!(stride > 0 && stride.is_multiple_of(STEP) && stride <= LONGEST_ROW, "rows of {stride} bytes");
        Self { bytes, stride }
    }

    /// One row.
    pub(crate) fn row(&self, row: u32) -> &'a [u8] {
        &self.bytes[row as usize * self.stride..][..self.stride]
    }

    /// The inner products of `vector` with the rows named in `which`, into `products`.
    ///
    /// # Panics
    ///
    /// Panics when `vector` is not as long as a row, `products` not as long as `which` or a row is
    /// not there.
    pub(crate) fn products(&self, vector: &[i8], which: &[u32], products: &mut [i32]) {
        self.products_with(*ISA, vector, which, products);
    }

    fn products_with(&self, isa: Isa, vector: &[i8], which: &[u32], products: &mut [i32]) {
        assert_eq!((vector.len(), products.len()), (self.stride, which.len()), "shapes differ");
        match isa {
            Isa::Portable => portable(*self, vector, which, products),
            // SAFETY: the machine was asked for these instructions before `isa` could name them.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::AvxVnni => unsafe { x86::avx2(*self, vector, which, products) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => unsafe { x86::avx512_vnni(*self, vector, which, products) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => unsafe { arm::neon(*self, vector, which, products) },
        }
    }
}

fn portable(rows: Rows<'_>, vector: &[i8], which: &[u32], products: &mut [i32]) {
    for (product, &row) in products.iter_mut().zip(which) {
        let terms = rows.row(row).iter().zip(vector);
        *product = terms.map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Rows;
    use std::arch::x86_64::{
        __m128i, __m512i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi32,
        _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16,
        _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_setzero_si256, _mm512_dpbusd_epi32,
        _mm512_maskz_loadu_epi8, _mm512_reduce_add_epi32, _mm512_setzero_si512,
    };

    #[target_feature(enable = "avx512bw,avx512vnni")]
    pub(super) fn avx512_vnni(rows: Rows<'_>, vector: &[i8], which: &[u32], products: &mut [i32]) {
        // A vector of few registers stays in them.
        match vector.len().div_ceil(64) {
            1 => registers::<1>(rows, vector, which, products),
            2 => registers::<2>(rows, vector, which, products),
            3 => registers::<3>(rows, vector, which, products),
            _ => {
                for (product, &row) in products.iter_mut().zip(which) {
                    let mut sum = _mm512_setzero_si512();
                    for (a, b) in rows.row(row).chunks(64).zip(vector.chunks(64)) {
                        sum = _mm512_dpbusd_epi32(sum, load(a), load(b));
                    }
                    *product = _mm512_reduce_add_epi32(sum);
                }
            }
        }
    }

    /// For vectors of `N` registers, the last of which may be filled in part.
    #[target_feature(enable = "avx512bw,avx512vnni")]
    fn registers<const N: usize>(rows: Rows<'_>, vector: &[i8], which: &[u32], products: &mut [i32]) {
        let mut registers = [_mm512_setzero_si512(); N];
        for (register, bytes) in registers.iter_mut().zip(vector.chunks(64)) {
            *register = load(bytes);
        }
        for (product, &row) in products.iter_mut().zip(which) {
            let row = rows.row(row);
            let mut sum = _mm512_setzero_si512();
            for (at, register) in registers.into_iter().enumerate() {
                let bytes = &row[at * 64..];
                sum = _mm512_dpbusd_epi32(sum, load(bytes), register);
            }
            *product = _mm512_reduce_add_epi32(sum);
        }
    }

    /// Sixteen bytes at a time, widened to sixteen bits: `maddubs` on bytes would saturate.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(rows: Rows<'_>, vector: &[i8], which: &[u32], products: &mut [i32]) {
        for (product, &row) in products.iter_mut().zip(which) {
            let mut sum = _mm256_setzero_si256();
            let steps = rows.row(row).as_chunks::<16>().0.iter().zip(vector.as_chunks::<16>().0);
            for (a, b) in steps {
                let (a, b) = (_mm256_cvtepu8_epi16(load16(a)), _mm256_cvtepi8_epi16(load16(b)));
                sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
            }
            let half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b00_00_11_10>(half));
            let eighth = _mm_add_epi32(quarter, _mm_shuffle_epi32::<0b00_00_00_01>(quarter));
            *product = _mm_cvtsi128_si32(eighth);
        }
    }

    /// The first 64 of `bytes`, or all of them and zeros.
    #[target_feature(enable = "avx512bw")]
    #[inline]
    fn load<T>(bytes: &[T]) -> __m512i {
        const { assert!(size_of::<T>() == 1, "bytes") };
        let places = u64::MAX.checked_shl(bytes.len() as u32).map_or(u64::MAX, |beyond| !beyond);
        // SAFETY: only places within `bytes` are read, and the load needs no alignment.
        unsafe { _mm512_maskz_loadu_epi8(places, bytes.as_ptr().cast()) }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn load16<T>(bytes: &[T; 16]) -> __m128i {
        const { assert!(size_of::<T>() == 1, "sixteen bytes") };
        // SAFETY: the array is as large as the register, and the load needs no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::Rows;
    use std::arch::aarch64::{
        vaddvq_s32, vdupq_n_s32, vget_low_s8, vget_low_s16, vget_low_u8, vld1q_s8, vld1q_u8, vmlal_high_s16,
        vmlal_s16, vmovl_high_s8, vmovl_high_u8, vmovl_s8, vmovl_u8, vreinterpretq_s16_u16,
    };

    #[target_feature(enable = "neon")]
    pub(super) fn neon(rows: Rows<'_>, vector: &[i8], which: &[u32], products: &mut [i32]) {
        for (product, &row) in products.iter_mut().zip(which) {
            let mut sum = vdupq_n_s32(0);
            let steps = rows.row(row).as_chunks::<16>().0.iter().zip(vector.as_chunks::<16>().0);
            for (a, b) in steps {
                // SAFETY: the arrays are as large as the registers, and the loads need no alignment.
                let (a, b) = unsafe { (vld1q_u8(a.as_ptr()), vld1q_s8(b.as_ptr())) };
                let low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a)));
                let high = vreinterpretq_s16_u16(vmovl_high_u8(a));
                let (b_low, b_high) = (vmovl_s8(vget_low_s8(b)), vmovl_high_s8(b));
                sum = vmlal_s16(sum, vget_low_s16(low), vget_low_s16(b_low));
                sum = vmlal_high_s16(sum, low, b_low);
                sum = vmlal_s16(sum, vget_low_s16(high), vget_low_s16(b_high));
                sum = vmlal_high_s16(sum, high, b_high);
            }
            *product = vaddvq_s32(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(stride: usize, bytes: &[u8], vector: &[i8]) {
        let rows = Rows::new(bytes, stride);
        let which: Vec<u32> = (0..(bytes.len() / stride) as u32).rev().collect();
        let mut want = vec![0; which.len()];
        portable(rows, vector, &which, &mut want);
        for isa in Isa::all() {
            let mut products = vec![-1; which.len()];
            rows.products_with(isa, vector, &which, &mut products);
            assert_eq!(products, want, "{isa:?}, rows of {stride} bytes");
        }
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_products(
            (stride, bytes, vector) in (1usize..20, 0usize..6).prop_flat_map(|(steps, n_rows)| {
                let stride = steps * STEP;
                let vector = prop::collection::vec(any::<i8>(), stride);
                (Just(stride), prop::collection::vec(any::<u8>(), n_rows * stride), vector)
            }),
        ) {
            check(stride, &bytes, &vector);
        }
    }

    #[test]
    fn the_largest_values_do_not_saturate() {
        for stride in [16, 64, 128, 192, 256, 4096] {
            check(stride, &vec![255; 3 * stride], &vec![127; stride]);
            check(stride, &vec![255; 3 * stride], &vec![-128; stride]);
        }
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn a_row_that_is_not_there_is_refused() {
        Rows::new(&[0; 64], 64).products(&[0; 64], &[1], &mut [0]);
    }
}
