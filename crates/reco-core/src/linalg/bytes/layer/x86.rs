//! The layer's kernels for x86-64.

use super::{Block, GROUP, TILE, Task, Tile};
use std::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_and_si256, _mm256_dpbusd_avx_epi32, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi16,
    _mm256_srai_epi16, _mm256_srli_epi16, _mm256_storeu_si256, _mm512_dpbusd_epi32, _mm512_loadu_si512,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
};

/// Six rows by four tiles of sums leave registers for their weights, and general ones for where the rows are.
#[target_feature(enable = "avx512bw,avx512vnni")]
pub(super) fn avx512_vnni(task: &Task<'_>, sums: &mut [[i32; TILE]]) {
    const ROWS: usize = 6;
    let n_tiles = task.layer.n_tiles;
    for (block, n_rows, sums) in task.blocks::<ROWS>(sums) {
        let mut tile = 0;
        while tile < n_tiles {
            tile += match n_tiles - tile {
                4.. => of_tiles::<ROWS, 4>(task, &block, tile, n_rows, sums),
                2 | 3 => of_tiles::<ROWS, 2>(task, &block, tile, n_rows, sums),
                _ => of_tiles::<ROWS, 1>(task, &block, tile, n_rows, sums),
            };
        }
    }
}

/// `N` tiles from the one numbered `first` on; gives `N`.
#[target_feature(enable = "avx512bw,avx512vnni")]
#[inline]
fn of_tiles<const ROWS: usize, const N: usize>(
    task: &Task<'_>,
    block: &Block<'_, ROWS>,
    first: usize,
    n_rows: usize,
    sums: &mut [[i32; TILE]],
) -> usize {
    let n_tiles = task.layer.n_tiles;
    let mut registers = [[_mm512_setzero_si512(); N]; ROWS];
    let mut weights: [&[Tile]; N] = [&[]; N];
    for tile in 0..N {
        weights[tile] = task.weights(first + tile);
        let start = load(&task.start[first + tile]);
        for of_row in &mut registers {
            of_row[tile] = start;
        }
    }
    for group in 0..task.groups.len() {
        let mut of_group = [_mm512_setzero_si512(); N];
        for tile in 0..N {
            of_group[tile] = load(&weights[tile][group].0);
        }
        for row in 0..ROWS {
            let codes = _mm512_set1_epi32(i32::from_ne_bytes(block[row][group]));
            for tile in 0..N {
                registers[row][tile] = _mm512_dpbusd_epi32(registers[row][tile], codes, of_group[tile]);
            }
        }
    }
    for row in 0..ROWS {
        for tile in 0..N {
            if row < n_rows {
                store(registers[row][tile], &mut sums[row * n_tiles + first + tile]);
            }
        }
    }
    N
}

/// Six rows by a tile of two registers.
#[target_feature(enable = "avx2,avxvnni")]
pub(super) fn avx_vnni(task: &Task<'_>, sums: &mut [[i32; TILE]]) {
    const ROWS: usize = 6;
    for (block, n_rows, sums) in task.blocks::<ROWS>(sums) {
        for (tile, start) in task.start.iter().enumerate() {
            let mut registers = [halves(start); ROWS];
            for (group, weights) in task.weights(tile).iter().enumerate() {
                let [low, high] = halves(&weights.0);
                for row in 0..ROWS {
                    let codes = _mm256_set1_epi32(i32::from_ne_bytes(block[row][group]));
                    let [sums_low, sums_high] = registers[row];
                    registers[row] = [
                        _mm256_dpbusd_avx_epi32(sums_low, codes, low),
                        _mm256_dpbusd_avx_epi32(sums_high, codes, high),
                    ];
                }
            }
            store_halves(&registers, n_rows, task.start.len(), tile, sums);
        }
    }
}

/// Three rows by a tile of two registers. Even and odd inputs are widened to sixteen bits: `maddubs` on bytes would
/// saturate.
#[target_feature(enable = "avx2")]
pub(super) fn avx2(task: &Task<'_>, sums: &mut [[i32; TILE]]) {
    const ROWS: usize = 3;
    let even_bytes = _mm256_set1_epi16(0x00ff);
    for (block, n_rows, sums) in task.blocks::<ROWS>(sums) {
        for (tile, start) in task.start.iter().enumerate() {
            let mut registers = [halves(start); ROWS];
            for (group, weights) in task.weights(tile).iter().enumerate() {
                let weights = halves(&weights.0);
                let mut even = [_mm256_setzero_si256(); 2];
                let mut odd = even;
                for half in 0..2 {
                    even[half] = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(weights[half]));
                    odd[half] = _mm256_srai_epi16::<8>(weights[half]);
                }
                for row in 0..ROWS {
                    let codes = _mm256_set1_epi32(i32::from_ne_bytes(block[row][group]));
                    let codes_even = _mm256_and_si256(codes, even_bytes);
                    let codes_odd = _mm256_srli_epi16::<8>(codes);
                    for half in 0..2 {
                        let products = _mm256_add_epi32(
                            _mm256_madd_epi16(codes_even, even[half]),
                            _mm256_madd_epi16(codes_odd, odd[half]),
                        );
                        registers[row][half] = _mm256_add_epi32(registers[row][half], products);
                    }
                }
            }
            store_halves(&registers, n_rows, task.start.len(), tile, sums);
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_halves<const ROWS: usize>(
    registers: &[[__m256i; 2]; ROWS],
    n_rows: usize,
    n_tiles: usize,
    tile: usize,
    sums: &mut [[i32; TILE]],
) {
    for row in 0..ROWS {
        if row < n_rows {
            let (low, high) = sums[row * n_tiles + tile].split_at_mut(TILE / 2);
            for (half, to) in [low, high].into_iter().enumerate() {
                let to: &mut [i32; TILE / 2] = to.try_into().expect("half a tile");
                // SAFETY: the array is as large as the register, and the store needs no alignment.
                unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), registers[row][half]) };
            }
        }
    }
}

/// A cache line as two registers.
#[target_feature(enable = "avx2")]
#[inline]
fn halves<T>(line: &[T; TILE]) -> [__m256i; 2] {
    const { assert!(size_of::<T>() == GROUP, "a cache line") };
    let start = line.as_ptr().cast::<__m256i>();
    // SAFETY: the array is as large as two registers, and the loads need no alignment.
    unsafe { [_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))] }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load<T>(line: &[T; TILE]) -> __m512i {
    const { assert!(size_of::<T>() == GROUP, "a cache line") };
    // SAFETY: the array is as large as the register, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(register: __m512i, to: &mut [i32; TILE]) {
    // SAFETY: the array is as large as the register, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), register) };
}
