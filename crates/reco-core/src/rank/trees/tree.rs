//! One decision tree, checked to be one.

/// How a split sends a row to one of its sides, by the value of its feature; NaN is missing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rule {
    /// Left up to a threshold; NaN as told.
    AtMost { threshold: f32, missing_left: bool },
    /// As [`Self::AtMost`], but zero goes the way of what is missing.
    ZeroIsMissing { threshold: f32, missing_left: bool },
    /// Left when it is one of these categories; NaN as told.
    OneOf { categories: Categories, missing_left: bool },
}

impl Rule {
    pub(super) fn goes_left(&self, value: f32) -> bool {
        match self {
            Self::AtMost { missing_left, .. } | Self::OneOf { missing_left, .. } if value.is_nan() => {
                *missing_left
            }
            Self::ZeroIsMissing { missing_left, .. } if value == 0.0 || value.is_nan() => *missing_left,
            Self::AtMost { threshold, .. } | Self::ZeroIsMissing { threshold, .. } => value <= *threshold,
            Self::OneOf { categories, .. } => categories.contain(value),
        }
    }
}

/// A set of categories, numbers from 0 on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Categories {
    /// One bit for each category below 64.
    low: u64,
    /// The others, sorted.
    high: Box<[u32]>,
    /// Whether values between -1 and 0 are category 0, as they are for a library that cuts before it compares.
    cuts_first: bool,
}

impl Categories {
    pub(super) fn new(members: impl IntoIterator<Item = u32>, cuts_first: bool) -> Self {
        let (low, mut high): (Vec<u32>, Vec<u32>) = members.into_iter().partition(|&member| member < 64);
        high.sort_unstable();
        Self { low: low.iter().fold(0, |bits, member| bits | 1 << member), high: high.into(), cuts_first }
    }

    /// Whether the category that a value is cut to is among them.
    fn contain(&self, value: f32) -> bool {
        let least = if self.cuts_first { -1.0 } else { 0.0 };
        let is_category = value == 0.0 || value > least;
        // Casts saturate: what is beyond the largest category stays beyond it.
        let category = value as u32;
        let is_member = match category {
            0..64 => self.low >> category & 1 == 1,
            _ => self.high.binary_search(&category).is_ok(),
        };
        is_category && is_member
    }
}

/// Where a side of a split leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Child {
    Split(u32),
    Leaf(u32),
}

/// An inner node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    /// The column it looks at.
    pub(super) feature: u32,
    pub(super) rule: Rule,
    pub(super) left: Child,
    pub(super) right: Child,
}

/// A tree whose splits each stand behind their parent, so that walks end, and whose leaves are numbered from
/// left to right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    /// The root is the first; a tree of one leaf has none.
    pub(super) splits: Vec<Split>,
    /// What each leaf adds to a row's score.
    pub(super) leaves: Vec<f64>,
}

impl Tree {
    /// Orders the nodes that `root` leads to; the others are dropped.
    ///
    /// # Errors
    ///
    /// Says which node is not there, or is reached twice.
    pub(super) fn new(root: Child, splits: Vec<Split>, leaves: &[f64]) -> Result<Self, String> {
        let mut splits: Vec<Option<Split>> = splits.into_iter().map(Some).collect();
        let mut is_free = vec![true; leaves.len()];
        let mut tree =
            Self { splits: Vec::with_capacity(splits.len()), leaves: Vec::with_capacity(leaves.len()) };
        // A stack, as trees may be as deep as they are large; the side that is left is on top.
        let mut waiting = vec![(root, None)];
        while let Some((child, parent)) = waiting.pop() {
            let place = match child {
                Child::Leaf(leaf) => {
                    let free = is_free.get_mut(leaf as usize);
                    let free = free.ok_or_else(|| format!("leaf {leaf} of {}", leaves.len()))?;
                    if !std::mem::take(free) {
                        return Err(format!("leaf {leaf} has two parents"));
                    }
                    tree.leaves.push(leaves[leaf as usize]);
                    Child::Leaf(tree.leaves.len() as u32 - 1)
                }
                Child::Split(node) => {
                    let n_splits = splits.len();
                    let split = splits.get_mut(node as usize);
                    let split = split.ok_or_else(|| format!("split {node} of {n_splits}"))?;
                    let split = split.take().ok_or_else(|| format!("split {node} has two parents"))?;
                    let place = tree.splits.len() as u32;
                    waiting.push((split.right, Some((place, false))));
                    waiting.push((split.left, Some((place, true))));
                    tree.splits.push(split);
                    Child::Split(place)
                }
            };
            if let Some((parent, is_left)) = parent {
                let parent: &mut Split = &mut tree.splits[parent as usize];
                *(if is_left { &mut parent.left } else { &mut parent.right }) = place;
            }
        }
        Ok(tree)
    }

    /// The leaf of one row, the plain way, as `value` tells the value of a feature.
    #[cfg(test)]
    pub(super) fn leaf(&self, value: impl Fn(u32) -> f32) -> f64 {
        let mut at = if self.splits.is_empty() { Child::Leaf(0) } else { Child::Split(0) };
        loop {
            match at {
                Child::Leaf(leaf) => return self.leaves[leaf as usize],
                Child::Split(split) => {
                    let split = &self.splits[split as usize];
                    at = if split.rule.goes_left(value(split.feature)) { split.left } else { split.right };
                }
            }
        }
    }
}
