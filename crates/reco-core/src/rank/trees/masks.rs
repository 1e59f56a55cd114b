//! Trees as bit masks: every split is looked at, for many rows at once, and no branch depends on a row.
//!
//! A tree's leaves are the bits of a word, the leftmost the lowest. A split that sends a row to the right clears
//! the leaves on its left; when all splits have had their say, in any order, the lowest bit left is the row's
//! leaf. Trees of more than 32 leaves are cut into chunks of 32; each chunk needs only those splits that clear
//! some of its leaves, and the first one with a bit left has the leaf.
//!
//! After Lucchese and others, "QuickScorer: a fast algorithm to rank documents with additive ensembles of
//! regression trees" (SIGIR 2015), which visits only splits that go right, in the order of their thresholds; here
//! a vector of rows looks at all of them, which needs no order and no branches.

use super::forest::{BLOCK, Column};
use super::tree::{Child, Rule, Tree};
use pulp::Simd;
use std::ops::Range;

/// Leaves of a chunk, the bits of a word.
const CHUNK: usize = 32;

/// Chunks of many trees, one after the other.
#[derive(Debug, Default)]
pub(super) struct Masks {
    chunks: Vec<Chunk>,
    tests: Vec<Test>,
    odd: Vec<Odd>,
}

/// The leaves of a chunk and the splits that clear some of them.
#[derive(Debug)]
struct Chunk {
    /// Comparisons that send what is missing to the left.
    missing_left: Range<usize>,
    /// Comparisons that send what is missing to the right.
    missing_right: Range<usize>,
    /// Splits by anything else.
    odd: Range<usize>,
    leaves: [f64; CHUNK],
}

/// A split by comparison: what is above the threshold clears all bits that `mask` lacks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    column: u32,
    threshold: f32,
    mask: u32,
}

/// Any other split.
#[derive(Debug)]
struct Odd {
    column: u32,
    mask: u32,
    rule: Rule,
}

impl Masks {
    /// Adds a tree, whose features are those columns; its chunks.
    pub(super) fn push(&mut self, tree: &Tree, column: impl Fn(u32) -> u32) -> Range<u32> {
        let cleared = left_leaves(tree);
        let first = self.chunks.len();
        for (number, leaves) in tree.leaves.chunks(CHUNK).enumerate() {
            let here = number * CHUNK..number * CHUNK + leaves.len();
            let splits = tree.splits.iter().zip(&cleared).filter_map(|(split, cleared)| {
                let mask = mask_without(cleared, &here);
                (mask != u32::MAX).then(|| (column(split.feature), mask, &split.rule))
            });
            self.push_chunk(splits.collect(), leaves);
        }
        first as u32..self.chunks.len() as u32
    }

    fn push_chunk(&mut self, splits: Vec<(u32, u32, &Rule)>, leaves: &[f64]) {
        let of = |tests: &mut Vec<Test>, left| {
            let first = tests.len();
            tests.extend(splits.iter().filter_map(|&(column, mask, rule)| match *rule {
                Rule::AtMost { threshold, missing_left } if missing_left == left => {
                    Some(Test { column, threshold, mask })
                }
                _ => None,
            }));
            first..tests.len()
        };
        let (missing_left, missing_right) = (of(&mut self.tests, true), of(&mut self.tests, false));
        let first_odd = self.odd.len();
        let odd = splits.iter().filter(|(.., rule)| !matches!(rule, Rule::AtMost { .. }));
        self.odd.extend(odd.map(|&(column, mask, rule)| Odd { column, mask, rule: rule.clone() }));
        let mut padded = [0.0; CHUNK];
        padded[..leaves.len()].copy_from_slice(leaves);
        let odd = first_odd..self.odd.len();
        self.chunks.push(Chunk { missing_left, missing_right, odd, leaves: padded });
    }

    /// The leaf of each row of a block in the tree of these chunks.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "only inlined code is compiled for the dispatched instruction set"
    )]
    pub(super) fn exits<S: Simd>(
        &self,
        simd: S,
        chunks: &Range<u32>,
        columns: &[Column],
        exits: &mut [f64; BLOCK],
    ) {
        // Backwards, so that the first chunk with a bit left has the last word.
        for chunk in self.chunks[chunks.start as usize..chunks.end as usize].iter().rev() {
            let mut bits = [u32::MAX; BLOCK];
            let missing_left = &self.tests[chunk.missing_left.clone()];
            clear(simd, missing_left, columns, &mut bits, |x, most| simd.greater_than_f32s(x, most));
            let missing_right = &self.tests[chunk.missing_right.clone()];
            clear(simd, missing_right, columns, &mut bits, |x, most| {
                simd.not_m32s(simd.less_than_or_equal_f32s(x, most))
            });
            for odd in &self.odd[chunk.odd.clone()] {
                for (bits, &value) in bits.iter_mut().zip(&columns[odd.column as usize]) {
                    *bits &= if odd.rule.goes_left(value) { u32::MAX } else { odd.mask };
                }
            }
            for (exit, bits) in exits.iter_mut().zip(bits) {
                let leaf = chunk.leaves[bits.trailing_zeros() as usize % CHUNK];
                *exit = if bits == 0 { *exit } else { leaf };
            }
        }
    }
}

/// Clears what the tests clear, for every row of a block.
#[inline(always)]
#[allow(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
fn clear<S: Simd>(
    simd: S,
    tests: &[Test],
    columns: &[Column],
    bits: &mut [u32; BLOCK],
    goes_right: impl Fn(S::f32s, S::f32s) -> S::m32s,
) {
    let bits = S::as_mut_simd_u32s(bits).0;
    let mut left = [simd.splat_u32s(0); BLOCK];
    left.iter_mut().zip(bits.iter()).for_each(|(left, bits)| *left = *bits);
    let all = simd.splat_u32s(u32::MAX);
    for test in tests {
        let (threshold, mask) = (simd.splat_f32s(test.threshold), simd.splat_u32s(test.mask));
        let values = S::as_simd_f32s(&columns[test.column as usize]).0;
        for (left, &values) in left.iter_mut().zip(values) {
            let kept = simd.select_u32s(goes_right(values, threshold), mask, all);
            *left = simd.and_u32s(*left, kept);
        }
    }
    bits.iter_mut().zip(left).for_each(|(bits, left)| *bits = left);
}

/// The leaves on the left of each split.
fn left_leaves(tree: &Tree) -> Vec<Range<usize>> {
    // Splits come before what they lead to: backwards for what lies below, forwards for what lies before.
    let mut n_leaves = vec![0; tree.splits.len()];
    let below = |child, n_leaves: &[usize]| match child {
        Child::Leaf(_) => 1,
        Child::Split(split) => n_leaves[split as usize],
    };
    for (place, split) in tree.splits.iter().enumerate().rev() {
        n_leaves[place] = below(split.left, &n_leaves) + below(split.right, &n_leaves);
    }
    let mut first = vec![0; tree.splits.len()];
    for (place, split) in tree.splits.iter().enumerate() {
        let middle = first[place] + below(split.left, &n_leaves);
        for (child, start) in [(split.left, first[place]), (split.right, middle)] {
            if let Child::Split(child) = child {
                first[child as usize] = start;
            }
        }
    }
    let ranges = tree.splits.iter().zip(first);
    ranges.map(|(split, first)| first..first + below(split.left, &n_leaves)).collect()
}

/// All bits but those of the leaves `cleared`, in the chunk of the leaves `here`.
fn mask_without(cleared: &Range<usize>, here: &Range<usize>) -> u32 {
    let bit = |leaf: usize| leaf.clamp(here.start, here.end) - here.start;
    // Sixty-four bits, as shifting by all 32 would not do.
    let below = |leaf| (1u64 << bit(leaf)) - 1;
    !((below(cleared.end) & !below(cleared.start)) as u32)
}
