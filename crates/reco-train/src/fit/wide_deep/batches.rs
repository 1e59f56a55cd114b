//! Lists of candidates, several at a time.

use super::WideDeepParams;
use crate::fit::examples::Examples;
use crate::fit::learning::Objective;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Lists of equally many rows; shorter ones are filled up with rows that have no chance.
pub(super) struct Batch {
    pub(super) n_lists: usize,
    /// Scaled features, row-major.
    pub(super) rows: Vec<f32>,
    /// What is added to the logit of each row: the logarithm of how many candidates it stands for.
    pub(super) offsets: Vec<f32>,
    /// For each row, objective by objective, its share of that for which the objective came true, times the
    /// objective's share of all; sums to the latter over a list in which it came true.
    pub(super) targets: Vec<f32>,
}

/// Batches of lists in an order of their own every time.
pub(super) struct Batches<'a> {
    examples: &'a Examples,
    objectives: &'a [Objective],
    scaled: &'a [f32],
    params: &'a WideDeepParams,
    lists: Vec<usize>,
    next: usize,
    rng: Pcg64Mcg,
}

impl<'a> Batches<'a> {
    pub(super) fn new(
        examples: &'a Examples,
        objectives: &'a [Objective],
        scaled: &'a [f32],
        lists: Vec<usize>,
        params: &'a WideDeepParams,
    ) -> Self {
        let rng = Pcg64Mcg::seed_from_u64(params.seed);
        let mut batches = Self { examples, objectives, scaled, params, lists, next: 0, rng };
        batches.shuffle();
        batches
    }

    /// Begins another pass.
    pub(super) fn shuffle(&mut self) {
        self.next = 0;
        self.lists.shuffle(&mut self.rng);
    }

    /// The share of the pass that is over, 0..1.
    pub(super) fn passed(&self) -> f64 {
        self.next as f64 / self.lists.len().max(1) as f64
    }

    /// The next batch of the pass; `None` at its end.
    pub(super) fn next(&mut self) -> Option<Batch> {
        let lists: Vec<usize> = self.lists[self.next..].iter().take(self.params.batch).copied().collect();
        if lists.is_empty() {
            return None;
        }
        self.next += lists.len();
        let width = self.scaled.len() / self.examples.items.len().max(1);
        let n_rows = lists.len() * self.params.candidates;
        let mut batch = Batch {
            n_lists: lists.len(),
            rows: Vec::with_capacity(n_rows * width),
            offsets: Vec::with_capacity(n_rows),
            targets: Vec::with_capacity(n_rows * self.objectives.len()),
        };
        for list in lists {
            self.add(list, width, &mut batch);
        }
        Some(batch)
    }

    fn add(&mut self, list: usize, width: usize, batch: &mut Batch) {
        let n_candidates = self.params.candidates;
        let is_taken = |row: &usize| self.examples.is_taken[*row];
        let (mut taken, mut others): (Vec<usize>, Vec<usize>) =
            self.examples.lists[list].rows.clone().partition(is_taken);
        taken.shuffle(&mut self.rng);
        taken.truncate(n_candidates / 2);
        let n_others = others.len().min(n_candidates - taken.len());
        let stands_for = others.len() as f32 / n_others.max(1) as f32;
        let (drawn, _) = others.partial_shuffle(&mut self.rng, n_others);
        let counted = |objective: &Objective| {
            let n = taken.iter().filter(|&&row| objective.came_true[row]).count();
            objective.share / n.max(1) as f32
        };
        let targets: Vec<f32> = self.objectives.iter().map(counted).collect();
        let rows = taken.iter().map(|&row| (row, 0.0));
        for (row, offset) in rows.chain(drawn.iter().map(|&row| (row, stands_for.ln()))) {
            batch.rows.extend_from_slice(&self.scaled[row * width..(row + 1) * width]);
            batch.offsets.push(offset);
            let objectives = self.objectives.iter().zip(&targets);
            let target = |(objective, &target): (&Objective, &f32)| {
                if objective.came_true[row] { target } else { 0.0 }
            };
            batch.targets.extend(objectives.map(target));
        }
        let n_missing = n_candidates - taken.len() - n_others;
        batch.rows.extend(std::iter::repeat_n(0.0, n_missing * width));
        batch.offsets.extend(std::iter::repeat_n(NO_CHANCE, n_missing));
        batch.targets.extend(std::iter::repeat_n(0.0, n_missing * self.objectives.len()));
    }
}

/// An offset that leaves a row no share in a softmax, without being infinite.
const NO_CHANCE: f32 = -1e9;

/// For every value whether it is dropped: 0, or else what keeps the sum the same.
pub(in crate::fit) fn dropout(n: usize, share: f32, rng: &mut Pcg64Mcg) -> Vec<f32> {
    let kept = 1.0 / (1.0 - share);
    (0..n).map(|_| if rng.random::<f32>() < share { 0.0 } else { kept }).collect()
}
