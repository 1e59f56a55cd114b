//! Trees that training grew on top of the blend.

use super::forest::{Forest, Sum};
use super::tree::{Child, Rule, Split, Tree};
use crate::rank::wide_deep::Judged;
use crate::rank::{DenseModel, ModelError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Gradient-boosted regression trees over the features of a candidate (Burges, "From RankNet to LambdaRank to
/// LambdaMART: An Overview", 2010): the leaves that a row comes to, added to the value of the feature it starts from,
/// are the logarithm of the odds that the item is taken.
///
/// ```
/// use reco_core::rank::DenseModel;
/// use reco_core::rank::trees::{Boosted, BoostedWeights, Branch, GrownTree, Side};
///
/// // What was liked more than three times is likelier to be taken.
/// let branch = Branch { input: 0, threshold: 3.0, missing_left: true, left: Side::Leaf(0), right: Side::Leaf(1) };
/// let tree = GrownTree { branches: vec![branch], leaves: vec![-1.0, 1.0] };
/// let weights = BoostedWeights { inputs: vec!["likes".into()], trees: vec![tree], ..BoostedWeights::default() };
/// let model = Boosted::try_from(weights)?;
/// let mut scores = [0.0; 2];
/// model.predict(&[2.0, 7.0], &mut scores)?;
/// assert!(scores[0] < 0.5 && scores[1] > 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "BoostedWeights", into = "BoostedWeights")]
pub struct Boosted {
    weights: Arc<BoostedWeights>,
    forest: Arc<Forest>,
}

/// What a [`Boosted`] consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoostedWeights {
    /// The features it reads, in order.
    pub inputs: Vec<Arc<str>>,
    /// What a row begins with; 0 without it.
    pub start: Option<Start>,
    /// In the order in which they were grown.
    pub trees: Vec<GrownTree>,
    /// What the sum is multiplied by, so that it is the logarithm of odds.
    pub slope: f32,
    /// What is added then.
    pub intercept: f32,
    /// How it did on lists that training kept from it, where that is known.
    pub judged: Option<Judged>,
}

impl Default for BoostedWeights {
    /// Without a tree: every row is as likely as not.
    fn default() -> Self {
        Self { inputs: Vec::new(), start: None, trees: Vec::new(), slope: 1.0, intercept: 0.0, judged: None }
    }
}

/// The value that a row's sum begins with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The place of the feature among the inputs.
    pub input: u32,
    /// What takes its place where it is missing or no finite number.
    pub missing: f32,
}

impl Start {
    /// The start of a row with this value.
    pub fn of(&self, value: f32) -> f32 {
        if value.is_finite() { value } else { self.missing }
    }
}

/// One tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrownTree {
    /// The first is the root; a tree of one leaf has none.
    pub branches: Vec<Branch>,
    /// What each leaf adds.
    pub leaves: Vec<f32>,
}

/// A row goes left up to a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// The place of its feature among the inputs.
    pub input: u32,
    /// The largest value that goes left.
    pub threshold: f32,
    /// Whether a missing value does.
    pub missing_left: bool,
    /// Where the left leads.
    pub left: Side,
    /// Where the right leads.
    pub right: Side,
}

/// Where a side of a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// To the branch at this place.
    Branch(u32),
    /// To the leaf at this place.
    Leaf(u32),
}

impl GrownTree {
    /// The leaf of a row that holds these inputs.
    ///
    /// # Panics
    ///
    /// Panics when a branch leads nowhere, or to an input that the row lacks; trees in a [`Boosted`] are checked.
    pub fn value(&self, row: impl Fn(u32) -> f32) -> f32 {
        let mut at = if self.branches.is_empty() { Side::Leaf(0) } else { Side::Branch(0) };
        loop {
            match at {
                Side::Leaf(leaf) => return self.leaves[leaf as usize],
                Side::Branch(branch) => {
                    let Branch { input, threshold, missing_left, left, right } =
                        self.branches[branch as usize];
                    let value = row(input);
                    let goes_left = value <= threshold || value.is_nan() && missing_left;
                    at = if goes_left { left } else { right };
                }
            }
        }
    }

    fn checked(&self, n_inputs: usize) -> Result<Tree, String> {
        let child = |side| match side {
            Side::Branch(branch) => Child::Split(branch),
            Side::Leaf(leaf) => Child::Leaf(leaf),
        };
        let split = |branch: &Branch| {
            let Branch { input, threshold, missing_left, left, right } = *branch;
            if input as usize >= n_inputs {
                return Err(format!("a branch reads input {input} of {n_inputs}"));
            }
            if threshold.is_nan() {
                return Err("a threshold is no number".to_owned());
            }
            let rule = Rule::AtMost { threshold, missing_left };
            Ok(Split { feature: input, rule, left: child(left), right: child(right) })
        };
        if !self.leaves.iter().all(|leaf| leaf.is_finite()) {
            return Err("a leaf is not finite".to_owned());
        }
        let splits = self.branches.iter().map(split).collect::<Result<Vec<Split>, String>>()?;
        let leaves: Vec<f64> = self.leaves.iter().map(|&leaf| f64::from(leaf)).collect();
        Tree::new(if splits.is_empty() { Child::Leaf(0) } else { Child::Split(0) }, splits, &leaves)
    }
}

/// Why trees are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreesError {
    /// One makes no sense.
    #[error("tree {number}: {problem}")]
    Tree {
        /// Its place.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The start is none of the inputs, or the calibration no number.
    #[error("{0}")]
    Frame(String),
}

impl TryFrom<BoostedWeights> for Boosted {
    type Error = TreesError;

    fn try_from(weights: BoostedWeights) -> Result<Self, TreesError> {
        let BoostedWeights { inputs, start, trees, slope, intercept, .. } = &weights;
        if let Some(start) = start.filter(|start| start.input as usize >= inputs.len()) {
            return Err(TreesError::Frame(format!(
                "it starts from input {} of {}",
                start.input,
                inputs.len()
            )));
        }
        let frame = [*slope, *intercept, start.map_or(0.0, |start| start.missing)];
        if !frame.iter().all(|number| number.is_finite()) {
            return Err(TreesError::Frame("slope, intercept or start is not finite".to_owned()));
        }
        let checked = |(number, tree): (usize, &GrownTree)| {
            tree.checked(inputs.len()).map_err(|problem| TreesError::Tree { number, problem })
        };
        let trees = trees.iter().enumerate().map(checked).collect::<Result<Vec<Tree>, TreesError>>()?;
        let forest = Forest::new(&trees, 0.0, 0.0, Sum::Double);
        Ok(Self { weights: Arc::new(weights), forest: Arc::new(forest) })
    }
}

impl From<Boosted> for BoostedWeights {
    fn from(model: Boosted) -> Self {
        Arc::unwrap_or_clone(model.weights)
    }
}

/// Models of the same weights are the same.
impl PartialEq for Boosted {
    fn eq(&self, other: &Self) -> bool {
        self.weights == other.weights
    }
}

impl Boosted {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "boosted";

    /// Its weights.
    pub fn weights(&self) -> &BoostedWeights {
        &self.weights
    }

    /// How well it did on what training kept from it, by name: `boosted.take.ndcg@10` and so on.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        self.weights.judged.map(|judged| judged.metrics(&format!("{}.take", Self::NAME))).unwrap_or_default()
    }
}

/// Scores are probabilities in 0..1 that a row's item is taken.
impl DenseModel for Boosted {
    fn kind(&self) -> &'static str {
        Self::NAME
    }

    fn features(&self) -> &[Arc<str>] {
        &self.weights.inputs
    }

    fn predict(&self, rows: &[f32], scores: &mut [f32]) -> Result<(), ModelError> {
        ModelError::check_shape(self, rows, scores)?;
        let BoostedWeights { inputs, start, slope, intercept, .. } = &*self.weights;
        self.forest.sums(rows, inputs.len(), scores, |sum| sum);
        let probability = |sum: f32| 1.0 / (1.0 + (-(slope * sum + intercept)).exp());
        for (row, score) in scores.iter_mut().enumerate() {
            let begins = start.map_or(0.0, |start| start.of(rows[row * inputs.len() + start.input as usize]));
            *score = probability(begins + *score);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;
    use crate::features::BLEND;
    use crate::fixture;
    use crate::rank::LearnedRanker;
    use crate::request::Request;
    use proptest::prelude::*;

    fn branch(input: u32, threshold: f32, left: Side, right: Side) -> Branch {
        Branch { input, threshold, missing_left: input == 0, left, right }
    }

    /// Two trees over two inputs, begun with the second.
    fn weights() -> BoostedWeights {
        let deep = vec![
            branch(0, 1.0, Side::Branch(1), Side::Leaf(0)),
            branch(1, -2.0, Side::Leaf(1), Side::Leaf(2)),
        ];
        BoostedWeights {
            inputs: vec!["cross.own_events".into(), BLEND.into()],
            start: Some(Start { input: 1, missing: -9.0 }),
            trees: vec![
                GrownTree { branches: deep, leaves: vec![0.5, -0.25, 2.0] },
                GrownTree { branches: Vec::new(), leaves: vec![0.125] },
            ],
            ..BoostedWeights::default()
        }
    }

    proptest! {
        #[test]
        fn a_score_is_the_start_and_the_leaves(
            rows in prop::collection::vec(
                [prop_oneof![-3.0f32..3.0, Just(f32::NAN)], prop_oneof![-5.0f32..0.0, Just(f32::NAN)]],
                0..150,
            ),
            slope in 0.125f32..2.0,
        ) {
            let weights = BoostedWeights { slope, intercept: -0.5, ..weights() };
            let model = Boosted::try_from(weights.clone()).unwrap();
            let mut scores = vec![f32::NAN; rows.len()];
            model.predict(rows.as_flattened(), &mut scores).unwrap();
            for (row, score) in rows.iter().zip(scores) {
                let leaves: f32 = weights.trees.iter().map(|tree| tree.value(|input| row[input as usize])).sum();
                let start = if row[1].is_nan() { -9.0 } else { row[1] };
                let expected = 1.0 / (1.0 + (-(slope * (start + leaves) - 0.5)).exp());
                prop_assert!((score - expected).abs() < 1e-6, "{score} is not {expected}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let check = |damage: fn(&mut BoostedWeights), part: &str| {
            let mut damaged = weights();
            damage(&mut damaged);
            let error = Boosted::try_from(damaged).unwrap_err().to_string();
            assert!(error.contains(part), "{error} is not about {part}");
        };
        check(|weights| weights.start = Some(Start { input: 2, missing: 0.0 }), "starts from input 2 of 2");
        check(|weights| weights.slope = f32::NAN, "slope");
        check(|weights| weights.trees[0].branches[0].input = 7, "tree 0: a branch reads input 7 of 2");
        check(|weights| weights.trees[0].branches[1].threshold = f32::NAN, "tree 0: a threshold");
        check(
            |weights| weights.trees[0].branches[1].left = Side::Branch(0),
            "tree 0: split 0 has two parents",
        );
        check(|weights| weights.trees[0].branches[1].left = Side::Leaf(9), "tree 0: leaf 9 of 3");
        check(|weights| weights.trees[1].leaves.clear(), "tree 1: leaf 0 of 0");
        check(|weights| weights.trees[1].leaves[0] = f32::INFINITY, "tree 1: a leaf is not finite");
    }

    #[test]
    fn it_is_a_ranker_of_the_snapshot_that_holds_it() {
        let mut snapshot = fixture::snapshot();
        snapshot.models.insert(Boosted::NAME, Boosted::try_from(weights()).unwrap());
        let query = fixture::query_of(Request::for_user("ann"), snapshot);
        let set = fixture::candidates([1, 4, 9]);
        conformance::ranker(&LearnedRanker::boosted(), &query, &set);
    }
}
