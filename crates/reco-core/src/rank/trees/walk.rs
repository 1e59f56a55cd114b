//! Trees too large for masks: several rows walk side by side, so that none waits for the memory of another.

use super::forest::{BLOCK, Column};
use super::tree::{Child, Rule, Tree};

/// Rows that walk side by side.
const ABREAST: usize = 16;

/// `Node::odd` of a comparison.
const COMPARES: u32 = u32::MAX;

/// Nodes of many trees.
#[derive(Debug, Default)]
pub(super) struct Walk {
    nodes: Vec<Node>,
    /// What each node adds to a row that stops there.
    values: Vec<f64>,
    odd: Vec<Rule>,
}

/// A split, or a leaf, which leads to itself.
#[derive(Clone, Copy, Debug)]
struct Node {
    threshold: f32,
    column: u32,
    /// Left and right.
    next: [u32; 2],
    missing_left: bool,
    /// The rule to ask instead of comparing.
    odd: u32,
}

impl Walk {
    /// Adds a tree, whose features are those columns; its root.
    pub(super) fn push(&mut self, tree: &Tree, column: impl Fn(u32) -> u32) -> u32 {
        let root = self.nodes.len() as u32;
        let first_leaf = root + tree.splits.len() as u32;
        let place = |child| match child {
            Child::Split(split) => root + split,
            Child::Leaf(leaf) => first_leaf + leaf,
        };
        for split in &tree.splits {
            let mut node = Node {
                threshold: f32::INFINITY,
                column: column(split.feature),
                next: [split.left, split.right].map(place),
                missing_left: true,
                odd: COMPARES,
            };
            if let Rule::AtMost { threshold, missing_left } = split.rule {
                (node.threshold, node.missing_left) = (threshold, missing_left);
            } else {
                node.odd = self.odd.len() as u32;
                self.odd.push(split.rule.clone());
            }
            self.nodes.push(node);
            self.values.push(0.0);
        }
        for (&leaf, place) in tree.leaves.iter().zip(first_leaf..) {
            let next = [place; 2];
            self.nodes.push(Node { threshold: 0.0, column: 0, next, missing_left: true, odd: COMPARES });
            self.values.push(leaf);
        }
        root
    }

    /// The leaf of each row of a block in the tree of that root.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "only inlined code is compiled for the dispatched instruction set"
    )]
    pub(super) fn exits(&self, root: u32, columns: &[Column], exits: &mut [f64; BLOCK]) {
        for (group, exits) in exits.as_chunks_mut::<ABREAST>().0.iter_mut().enumerate() {
            let mut at = [root; ABREAST];
            loop {
                let before = at;
                for (lane, at) in at.iter_mut().enumerate() {
                    *at = self.step(*at, columns, group * ABREAST + lane);
                }
                if at == before {
                    break;
                }
            }
            exits.iter_mut().zip(at).for_each(|(exit, at)| *exit = self.values[at as usize]);
        }
    }

    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "only inlined code is compiled for the dispatched instruction set"
    )]
    fn step(&self, at: u32, columns: &[Column], row: usize) -> u32 {
        let node = &self.nodes[at as usize];
        let value = columns[node.column as usize][row];
        let goes_left = match node.odd {
            COMPARES => (value <= node.threshold) | (value.is_nan() & node.missing_left),
            odd => self.odd[odd as usize].goes_left(value),
        };
        node.next[usize::from(!goes_left)]
    }
}
