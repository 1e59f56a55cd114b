//! Growing the boosted ranker.

mod bins;
mod grow;
mod lambdas;
#[cfg(test)]
mod tests;

use super::examples::Examples;
pub use super::learning::Fitted;
use super::learning::{Calibrated, Objective, Sides, calibrated, is_ahead, mean, ndcg_of_each, varying};
use super::{FitError, bad};
use crate::progress::Progress;
use bins::Column;
use lambdas::{Pull, pulls};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use reco_core::features::{BLEND, FeatureConfig};
use reco_core::rank::trees::{Boosted, BoostedWeights, GrownTree, Start};
use serde::{Deserialize, Serialize};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Parameters of the ranker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoostedParams {
    /// Earlier moments whose pages make the lists, at least 1; where the neural ranker wants another number, the larger
    /// one holds for both.
    pub cuts: usize,
    /// Most trees, at least 1; as many are kept as order the lists kept for validation best.
    pub trees: usize,
    /// Trees without a gain on the lists kept for validation after which no more are grown, at least 1.
    pub patience: usize,
    /// Most leaves of a tree, at least 2.
    pub leaves: usize,
    /// Share of Newton's step that a leaf takes, above 0 and at most 1.
    pub learning_rate: f64,
    /// Fewest rows of a leaf, at least 1.
    pub rows: usize,
    /// What is added to the curvature of a leaf, at least 0: pulls its step towards 0.
    pub l2: f64,
    /// Share of the features that a tree looks at, above 0 and at most 1.
    pub features: f64,
    /// Share of the lists that a tree grows on, above 0 and at most 1.
    pub lists: f64,
    /// Candidates of a list that are looked at, at least 2: those taken, then others drawn at random.
    pub candidates: usize,
    /// Share of the users whose lists validate where there is a single cut, above 0 and below 1; else the latest cut
    /// does.
    pub validation: f64,
    /// Seed of what is drawn.
    pub seed: u64,
}

impl Default for BoostedParams {
    fn default() -> Self {
        Self {
            cuts: 3,
            trees: 600,
            patience: 80,
            leaves: 15,
            learning_rate: 0.05,
            rows: 50,
            l2: 5.0,
            features: 0.5,
            lists: 0.7,
            candidates: 128,
            validation: 0.15,
            seed: 42,
        }
    }
}

impl BoostedParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, number, least) in [
            ("cuts", self.cuts, 1),
            ("trees", self.trees, 1),
            ("patience", self.patience, 1),
            ("leaves", self.leaves, 2),
            ("rows", self.rows, 1),
            ("candidates", self.candidates, 2),
        ] {
            if number < least {
                problems.push(bad(name, number, &format!("at least {least}")));
            }
        }
        for (name, share) in
            [("learning_rate", self.learning_rate), ("features", self.features), ("lists", self.lists)]
        {
            if !(share > 0.0 && share <= 1.0) {
                problems.push(bad(name, share, "above 0 and at most 1"));
            }
        }
        if !(self.validation > 0.0 && self.validation < 1.0) {
            problems.push(bad("validation", self.validation, "above 0 and below 1"));
        }
        if !(self.l2 >= 0.0 && self.l2.is_finite()) {
            problems.push(bad("l2", self.l2, "at least 0"));
        }
        problems
    }
}

/// Fits a ranker to examples; `None` where too few lists have something that was taken.
///
/// LambdaMART (Wu, Burges, Svore & Gao, "Adapting boosting for information retrieval measures", 2010), begun with the
/// order of the blend, where the examples tell it, and grown only as far as later lists bear out: trees grow on the
/// earlier cuts, the latest one says how many are best and whether they are better than the blend by more than chance,
/// and then as many grow on all. Examples of one cut are divided by user, and what validates teaches nothing.
///
/// The same seed grows the same trees on any number of threads.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range.
pub fn fit(
    examples: &Examples,
    features: &FeatureConfig,
    params: &BoostedParams,
    progress: &dyn Progress,
) -> Result<Option<Fitted<Boosted>>, FitError> {
    FitError::check("boosted", params.problems())?;
    let sides = Sides::of(examples, params.validation);
    if !sides.suffice(STAGE, progress) {
        return Ok(None);
    }
    let columns =
        varying(examples, &sides.training, features).into_iter().map(|(column, _)| column).collect();
    let lesson = Lesson::new(examples, columns, &sides.training, params);
    progress.begin(STAGE, params.trees as u64);
    let (trees, Trial { logits, .. }) = lesson.learned(&sides, progress);
    let [take] = &lesson.take;
    let calibrated = calibrated(take, examples, &sides.validation, &logits);
    let n_trees = trees.len();
    let judged = lesson.model(trees, &calibrated);
    let ranker = if sides.in_time && n_trees > 0 {
        lesson.model(lesson.grown(&sides.all(), n_trees, |_| ControlFlow::Continue(())), &calibrated)
    } else {
        judged.clone()
    };
    let told = calibrated.judged;
    let figures = format!("NDCG@10 {:.4}, calibration error {:.4}", told.ndcg, told.calibration_error);
    progress.end(&match n_trees {
        0 => format!(
            "no better than the blend on the lists kept for validation, so it orders alike: {figures}"
        ),
        _ => format!("{n_trees} trees are best, by the lists kept for validation: {figures}"),
    });
    Ok(Some(Fitted { ranker, judged, validation: sides.validation }))
}

/// What its fitting is called where progress is told.
const STAGE: &str = "boosted trees";

/// Trees between two looks at the lists kept for validation.
const STRIDE: usize = 10;

/// What there is to learn.
struct Lesson<'a> {
    examples: &'a Examples,
    /// The features it may read, as columns of the examples.
    columns: Vec<usize>,
    start: Option<Start>,
    /// What is foreseen.
    take: [Objective; 1],
    params: &'a BoostedParams,
}

/// How the first trees do on the lists kept for validation.
struct Trial {
    n_trees: usize,
    /// For every list the logits of its rows.
    logits: Vec<Vec<f32>>,
    ndcg_of_each: Vec<f64>,
}

impl<'a> Lesson<'a> {
    fn new(
        examples: &'a Examples,
        columns: Vec<usize>,
        training: &[usize],
        params: &'a BoostedParams,
    ) -> Self {
        let place = columns.iter().position(|&column| &*examples.features[column].name == BLEND);
        let start = place.map(|place| {
            let rows = training.iter().flat_map(|&list| examples.lists[list].rows.clone());
            let known = rows.map(|row| examples.row(row)[columns[place]]).filter(|value| value.is_finite());
            Start { input: place as u32, missing: known.reduce(f32::min).unwrap_or(0.0) }
        });
        Self { examples, columns, start, take: [Objective::take(examples, 1.0)], params }
    }

    fn value(&self, row: usize, input: u32) -> f32 {
        self.examples.row(row)[self.columns[input as usize]]
    }

    fn start_of(&self, row: usize) -> f32 {
        self.start.map_or(0.0, |start| start.of(self.value(row, start.input)))
    }

    /// The trees that order the lists kept for validation best; none where the start does by itself, as far as one can
    /// tell.
    fn learned(&self, sides: &Sides, progress: &dyn Progress) -> (Vec<GrownTree>, Trial) {
        let lists = &sides.validation;
        let of_list = |&list: &usize| self.rows(list).map(|row| self.start_of(row)).collect();
        let mut logits: Vec<Vec<f32>> = lists.iter().map(of_list).collect();
        let before = self.trial(0, lists, &logits);
        let (mut n_trees, mut best) = (0usize, None::<Trial>);
        let mut trees = self.grown(&sides.training, self.params.trees, |tree| {
            self.add(tree, lists, &mut logits);
            n_trees += 1;
            progress.advance(1);
            if !n_trees.is_multiple_of(STRIDE) && n_trees < self.params.trees {
                return ControlFlow::Continue(());
            }
            let trial = self.trial(n_trees, lists, &logits);
            let ndcg = mean(&trial.ndcg_of_each);
            progress.point(Boosted::NAME, "ndcg@10", n_trees as u64, ndcg);
            if best.as_ref().is_none_or(|best| ndcg > mean(&best.ndcg_of_each)) {
                best = Some(trial);
            }
            let n_best = best.as_ref().map_or(0, |best| best.n_trees);
            if n_trees < n_best + self.params.patience {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        let trial = match best {
            Some(best) if self.start.is_none() || is_ahead(&best.ndcg_of_each, &before.ndcg_of_each) => best,
            _ => before,
        };
        trees.truncate(trial.n_trees);
        (trees, trial)
    }

    fn rows(&self, list: usize) -> Range<usize> {
        self.examples.lists[list].rows.clone()
    }

    /// Adds what a tree gives to the logits of these lists.
    fn add(&self, tree: &GrownTree, lists: &[usize], logits: &mut [Vec<f32>]) {
        logits.par_iter_mut().zip(lists).for_each(|(logits, &list)| {
            for (logit, row) in logits.iter_mut().zip(self.rows(list)) {
                *logit += tree.value(|input| self.value(row, input));
            }
        });
    }

    fn trial(&self, n_trees: usize, lists: &[usize], logits: &[Vec<f32>]) -> Trial {
        let logits = [logits.to_vec()];
        let ndcg_of_each = ndcg_of_each(&self.take, self.examples, lists, &logits);
        let [logits] = logits;
        Trial { n_trees, logits, ndcg_of_each }
    }

    /// Grows so many trees on these lists, unless `each` has seen enough.
    fn grown(
        &self,
        lists: &[usize],
        n_trees: usize,
        mut each: impl FnMut(&GrownTree) -> ControlFlow<()>,
    ) -> Vec<GrownTree> {
        let mut rng = Pcg64Mcg::seed_from_u64(self.params.seed);
        let drawn = Drawn::new(self.examples, lists, self.params.candidates, &mut rng);
        let columns = Column::all(self.examples, &self.columns, &drawn.rows);
        let mut scores: Vec<f32> = drawn.rows.iter().map(|&row| self.start_of(row)).collect();
        let mut trees = Vec::new();
        for _ in 0..n_trees {
            let rows = drawn.some(self.params.lists, &mut rng);
            let chosen = some_of(columns.len(), self.params.features, &mut rng);
            let tree = grow::grow(&columns, &chosen, rows, &drawn.pulls(&scores), self.params);
            scores.par_iter_mut().enumerate().for_each(|(row, score)| *score += tree.value(&columns, row));
            let is_enough = each(&tree.tree).is_break();
            trees.push(tree.tree);
            if is_enough {
                break;
            }
        }
        trees
    }

    fn model(&self, trees: Vec<GrownTree>, calibrated: &Calibrated) -> Boosted {
        let &Calibrated { slope, intercept, judged } = calibrated;
        let inputs = self.columns.iter().map(|&column| Arc::clone(&self.examples.features[column].name));
        let inputs = inputs.collect();
        let weights =
            BoostedWeights { inputs, start: self.start, trees, slope, intercept, judged: Some(judged) };
        Boosted::try_from(weights).expect("branches lead to branches and leaves that were grown")
    }
}

/// The rows that are learned from.
struct Drawn {
    /// As rows of the examples, list by list.
    rows: Vec<usize>,
    /// Where each list is among them.
    lists: Vec<Range<usize>>,
    is_taken: Vec<bool>,
}

impl Drawn {
    /// Of each list what was taken, then others at random.
    fn new(examples: &Examples, lists: &[usize], n_candidates: usize, rng: &mut Pcg64Mcg) -> Self {
        let mut drawn = Self { rows: Vec::new(), lists: Vec::new(), is_taken: Vec::new() };
        for &list in lists {
            let is_taken = |row: &usize| examples.is_taken[*row];
            let (mut rows, mut others): (Vec<usize>, Vec<usize>) =
                examples.lists[list].rows.clone().partition(is_taken);
            let n_others = n_candidates.saturating_sub(rows.len()).min(others.len());
            rows.extend_from_slice(others.partial_shuffle(rng, n_others).0);
            rows.sort_unstable();
            drawn.lists.push(drawn.rows.len()..drawn.rows.len() + rows.len());
            drawn.is_taken.extend(rows.iter().map(is_taken));
            drawn.rows.extend(rows);
        }
        drawn
    }

    /// The rows of a share of the lists.
    fn some(&self, share: f64, rng: &mut Pcg64Mcg) -> Vec<u32> {
        let lists = some_of(self.lists.len(), share, rng);
        lists.iter().flat_map(|&list| self.lists[list].clone().map(|row| row as u32)).collect()
    }

    fn pulls(&self, scores: &[f32]) -> Vec<Pull> {
        let of_list = |rows: &Range<usize>| pulls(&scores[rows.clone()], &self.is_taken[rows.clone()]);
        let of_lists: Vec<Vec<Pull>> = self.lists.par_iter().map(of_list).collect();
        of_lists.concat()
    }
}

/// A share of so many numbers, at least one, in ascending order.
fn some_of(n: usize, share: f64, rng: &mut Pcg64Mcg) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..n).collect();
    let n_some = ((n as f64 * share).round() as usize).clamp(n.min(1), n);
    let mut some = numbers.partial_shuffle(rng, n_some).0.to_vec();
    some.sort_unstable();
    some
}
