//! A dense layer over bytes: rows of unsigned ones times weights of signed ones.

#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::{ISA, Isa};
use std::ops::Range;

/// Inputs that are multiplied and added up at once.
pub(crate) const GROUP: usize = 4;

/// Outputs computed side by side.
pub(crate) const TILE: usize = 16;

/// The weights of sixteen outputs for a group of inputs, output by output: a cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
struct Tile([[i8; GROUP]; TILE]);

/// Signed bytes as the weights of a dense layer, laid out so that each is loaded once for several rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ByteLayer {
    n_groups: usize,
    n_tiles: usize,
    /// Tile of outputs by tile of outputs, their groups one after the other.
    tiles: Vec<Tile>,
}

impl ByteLayer {
    /// From the weights of each output, all for as many inputs.
    ///
    /// # Panics
    ///
    /// Panics when outputs differ in the number of inputs, or when these are more than
    /// [`LONGEST_ROW`](super::LONGEST_ROW).
    pub(crate) fn new(n_inputs: usize, outputs: &[Vec<i8>]) -> Self {
        assert!(n_inputs <= super::LONGEST_ROW, "a layer of {n_inputs} inputs");
        let n_groups = n_inputs.div_ceil(GROUP);
        let n_tiles = outputs.len().div_ceil(TILE);
        let mut tiles = vec![Tile([[0; GROUP]; TILE]); n_tiles * n_groups];
        for (output, weights) in outputs.iter().enumerate() {
            assert_eq!(weights.len(), n_inputs, "a weight per input");
            for (input, &weight) in weights.iter().enumerate() {
                let Tile(tile) = &mut tiles[output / TILE * n_groups + input / GROUP];
                tile[output % TILE][input % GROUP] = weight;
            }
        }
        Self { n_groups, n_tiles, tiles }
    }

    /// Groups of inputs; a row has four bytes for each.
    pub(crate) fn n_groups(&self) -> usize {
        self.n_groups
    }

    /// Tiles of outputs; a row of sums has sixteen for each.
    pub(crate) fn n_tiles(&self) -> usize {
        self.n_tiles
    }

    /// For every row of `codes` the products of these groups of inputs with the weights, added up onto `start`,
    /// into `sums`.
    ///
    /// # Panics
    ///
    /// Panics when the shapes do not fit.
    pub(crate) fn apply(
        &self,
        groups: Range<usize>,
        codes: &[[u8; GROUP]],
        start: &[[i32; TILE]],
        sums: &mut [[i32; TILE]],
    ) {
        self.apply_with(*ISA, groups, codes, start, sums);
    }

    fn apply_with(
        &self,
        isa: Isa,
        groups: Range<usize>,
        codes: &[[u8; GROUP]],
        start: &[[i32; TILE]],
        sums: &mut [[i32; TILE]],
    ) {
        assert_eq!(start.len(), self.n_tiles, "a start per output");
        assert_eq!(codes.len() * self.n_tiles, sums.len() * self.n_groups, "as many rows in as out");
        assert!(groups.start <= groups.end && groups.end <= self.n_groups, "groups that are there");
        if groups.is_empty() || start.is_empty() {
            sums.chunks_exact_mut(start.len().max(1)).for_each(|row| row.copy_from_slice(start));
            return;
        }
        let task = Task { layer: self, groups, codes, start };
        match isa {
            // SAFETY: the machine was asked for these instructions before `isa` could name them.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { x86::avx2(&task, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => unsafe { x86::avx_vnni(&task, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => unsafe { x86::avx512_vnni(&task, sums) },
            _ => portable(&task, sums),
        }
    }
}

/// What is multiplied.
struct Task<'a> {
    layer: &'a ByteLayer,
    groups: Range<usize>,
    codes: &'a [[u8; GROUP]],
    start: &'a [[i32; TILE]],
}

impl<'a> Task<'a> {
    /// Blocks of rows: the codes of `ROWS` of them, how many of these count, and all their sums. The last block is
    /// filled up with copies of its last row.
    fn blocks<const ROWS: usize>(
        &self,
        sums: &'a mut [[i32; TILE]],
    ) -> impl Iterator<Item = (Block<'a, ROWS>, usize, &'a mut [[i32; TILE]])> {
        let (n_groups, n_tiles, groups) = (self.layer.n_groups, self.layer.n_tiles, self.groups.clone());
        let blocks = self.codes.chunks(ROWS * n_groups).zip(sums.chunks_mut(ROWS * n_tiles));
        blocks.map(move |(codes, sums)| {
            let n_rows = codes.len() / n_groups;
            let of_row = |row: usize| &codes[row.min(n_rows - 1) * n_groups..][groups.clone()];
            (std::array::from_fn(of_row), n_rows, sums)
        })
    }

    /// The weights of a tile of outputs.
    fn weights(&self, tile: usize) -> &'a [Tile] {
        &self.layer.tiles[tile * self.layer.n_groups..][self.groups.clone()]
    }
}

/// The codes of some rows.
type Block<'a, const ROWS: usize> = [&'a [[u8; GROUP]]; ROWS];

fn portable(task: &Task<'_>, sums: &mut [[i32; TILE]]) {
    for ([codes], _, sums) in task.blocks::<1>(sums) {
        for (tile, (sums, start)) in sums.iter_mut().zip(task.start).enumerate() {
            *sums = *start;
            for (codes, Tile(weights)) in codes.iter().zip(task.weights(tile)) {
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    let terms = codes.iter().zip(weights);
                    *sum += terms.map(|(&code, &weight)| i32::from(code) * i32::from(weight)).sum::<i32>();
                }
            }
        }
    }
}
