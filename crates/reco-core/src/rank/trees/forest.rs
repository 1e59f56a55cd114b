//! Many trees, laid out to score many rows at once.

use super::masks::Masks;
use super::tree::Tree;
use super::walk::Walk;
use crate::linalg::ARCH;
use pulp::{Simd, WithSimd};
use std::collections::BTreeMap;
use std::ops::Range;

/// Rows that are scored together: so many values of a column fill four of the widest registers.
pub(super) const BLOCK: usize = 64;

/// One column's values in the rows of a block.
pub(super) type Column = [f32; BLOCK];

/// Most leaves of a tree whose splits are all looked at. Beyond it, walking from the root to a leaf is faster.
const MOST_LEAVES: usize = 256;

/// How the leaves of a row are added up, as the model's own library does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// In double precision.
    Double,
    /// Rounded to single precision after each tree.
    Single,
}

/// Trees whose leaves are added up.
#[derive(Debug)]
pub(super) struct Forest {
    /// The feature of each column: those that any split looks at.
    features: Vec<u32>,
    /// Values not above this in size are zero.
    smallest: f32,
    start: f64,
    sum: Sum,
    masks: Masks,
    walk: Walk,
    /// Where each tree is, in the order of the file.
    places: Vec<Place>,
}

#[derive(Debug)]
enum Place {
    /// Chunks of the masks.
    Masks(Range<u32>),
    /// A root of the walks.
    Walk(u32),
}

impl Forest {
    /// Sums that begin with `start`, over `trees`; values of at most `smallest` in size count as zero.
    pub(super) fn new(trees: &[Tree], start: f64, smallest: f32, sum: Sum) -> Self {
        let used = trees.iter().flat_map(|tree| &tree.splits).map(|split| (split.feature, 0));
        let mut columns: BTreeMap<u32, u32> = used.collect();
        columns.values_mut().zip(0..).for_each(|(column, number)| *column = number);
        let (mut masks, mut walk) = (Masks::default(), Walk::default());
        let place = |tree: &Tree| {
            let column = |feature: u32| columns[&feature];
            if tree.leaves.len() <= MOST_LEAVES {
                Place::Masks(masks.push(tree, column))
            } else {
                Place::Walk(walk.push(tree, column))
            }
        };
        let places = trees.iter().map(place).collect();
        Self { features: columns.into_keys().collect(), smallest, start, sum, masks, walk, places }
    }

    /// Number of trees.
    pub(super) fn n_trees(&self) -> usize {
        self.places.len()
    }

    /// Overwrites `scores` with the sums of the rows, `width` values each.
    pub(super) fn sums(&self, rows: &[f32], width: usize, scores: &mut [f32], finish: impl Fn(f64) -> f64) {
        let mut columns = vec![[0.0; BLOCK]; self.features.len()];
        for (block, scores) in scores.chunks_mut(BLOCK).enumerate() {
            let rows = &rows[block * BLOCK * width..][..scores.len() * width];
            self.fill(rows, width, &mut columns);
            let sums = match self.sum {
                Sum::Double => ARCH.dispatch(Block::<false> { forest: self, columns: &columns }),
                Sum::Single => ARCH.dispatch(Block::<true> { forest: self, columns: &columns }),
            };
            scores.iter_mut().zip(sums).for_each(|(score, sum)| *score = finish(sum) as f32);
        }
    }

    /// Turns the rows of a block into columns.
    fn fill(&self, rows: &[f32], width: usize, columns: &mut [Column]) {
        for (column, &feature) in columns.iter_mut().zip(&self.features) {
            let values = rows.iter().skip(feature as usize).step_by(width);
            for (value, &given) in column.iter_mut().zip(values) {
                *value = if given.abs() <= self.smallest { 0.0 } else { given };
            }
        }
    }
}

/// The sums of one block, compiled for the instructions there are.
struct Block<'a, const SINGLE: bool> {
    forest: &'a Forest,
    columns: &'a [Column],
}

impl<const SINGLE: bool> WithSimd for Block<'_, SINGLE> {
    type Output = [f64; BLOCK];

    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "only inlined code is compiled for the dispatched instruction set"
    )]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; BLOCK] {
        let Self { forest, columns } = self;
        let mut sums = [forest.start; BLOCK];
        let mut exits = [0.0; BLOCK];
        for place in &forest.places {
            match place {
                Place::Masks(chunks) => forest.masks.exits(simd, chunks, columns, &mut exits),
                Place::Walk(root) => forest.walk.exits(*root, columns, &mut exits),
            }
            for (sum, exit) in sums.iter_mut().zip(exits) {
                *sum = if SINGLE { f64::from((*sum + exit) as f32) } else { *sum + exit };
            }
        }
        sums
    }
}
