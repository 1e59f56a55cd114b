//! Growing one tree.

use super::BoostedParams;
use super::bins::{BINS, Column, MISSING};
use super::lambdas::Pull;
use rayon::prelude::*;
use reco_core::rank::trees::{Branch, GrownTree, Side};

/// Less curvature than this on a side says nothing about what it wants.
const LEAST_CURVATURE: f64 = 1e-3;

/// Grows a tree on these rows, leaf by leaf, each time where it helps most (Friedman, "Greedy function approximation: a
/// gradient boosting machine", 2001; histograms and leaf-wise growth as in Ke et al., "LightGBM", NeurIPS 2017). Only
/// the features `chosen` are looked at. Leaves hold Newton's step, shortened by the learning rate.
pub(super) fn grow(
    columns: &[Column],
    chosen: &[usize],
    rows: Vec<u32>,
    pulls: &[Pull],
    params: &BoostedParams,
) -> Grown {
    let growth = Growth { columns, chosen, pulls, params };
    let mut leaves = vec![growth.root(rows)];
    let mut grown = Grown::default();
    while leaves.len() < params.leaves {
        let gain = |leaf: &Leaf| leaf.best.as_ref().map_or(0.0, |division| division.gain);
        // The first of equals.
        let best = leaves.iter().enumerate().rev().max_by(|a, b| gain(a.1).total_cmp(&gain(b.1)));
        let Some((place, division)) = best.and_then(|(place, leaf)| Some((place, leaf.best.clone()?))) else {
            break;
        };
        grown.divide(place, &division, columns);
        // The right side is the newest leaf, the left one stays in place.
        let parent = std::mem::take(&mut leaves[place]);
        let is_last = leaves.len() + 1 == params.leaves;
        let (left, right) = growth.sides(parent, &division, is_last);
        leaves[place] = left;
        leaves.push(right);
    }
    let rate = params.learning_rate;
    grown.tree.leaves = leaves.iter().map(|leaf| (rate * leaf.sums.step(params.l2)) as f32).collect();
    grown
}

/// A tree, and the bins at which it divides.
#[derive(Default)]
pub(super) struct Grown {
    pub(super) tree: GrownTree,
    bins: Vec<u8>,
    /// For every leaf the branch it hangs from, and whether on its left.
    parents: Vec<(u32, bool)>,
}

impl Grown {
    /// Puts a branch in the place of a leaf; its right side is a new leaf.
    fn divide(&mut self, leaf: usize, division: &Division, columns: &[Column]) {
        let (branch, right) = (self.tree.branches.len() as u32, self.parents.len().max(1) as u32);
        if let Some(&(parent, is_left)) = self.parents.get(leaf) {
            let parent = &mut self.tree.branches[parent as usize];
            *(if is_left { &mut parent.left } else { &mut parent.right }) = Side::Branch(branch);
        }
        let Division { column, bin, missing_left, .. } = *division;
        self.tree.branches.push(Branch {
            input: column as u32,
            threshold: columns[column].threshold(bin),
            missing_left,
            left: Side::Leaf(leaf as u32),
            right: Side::Leaf(right),
        });
        self.bins.push(bin);
        self.parents.resize(right as usize, (branch, true));
        self.parents[leaf] = (branch, true);
        self.parents.push((branch, false));
    }

    /// What it adds to a row of the columns.
    pub(super) fn value(&self, columns: &[Column], row: usize) -> f32 {
        let mut at = if self.bins.is_empty() { Side::Leaf(0) } else { Side::Branch(0) };
        loop {
            match at {
                Side::Leaf(leaf) => return self.tree.leaves[leaf as usize],
                Side::Branch(branch) => {
                    let Branch { input, missing_left, left, right, .. } = self.tree.branches[branch as usize];
                    let bin = columns[input as usize].bins[row];
                    at = if goes_left(bin, self.bins[branch as usize], missing_left) { left } else { right };
                }
            }
        }
    }
}

fn goes_left(bin: u8, at: u8, missing_left: bool) -> bool {
    if bin == MISSING { missing_left } else { bin <= at }
}

/// Sums over rows.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    gradient: f64,
    curvature: f64,
    rows: u32,
}

impl Sums {
    fn add(&mut self, pull: Pull) {
        self.gradient += f64::from(pull.gradient);
        self.curvature += f64::from(pull.curvature);
        self.rows += 1;
    }

    fn plus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient + other.gradient,
            curvature: self.curvature + other.curvature,
            rows: self.rows + other.rows,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            curvature: self.curvature - other.curvature,
            rows: self.rows - other.rows,
        }
    }

    /// How much lower the loss is at the best step.
    fn worth(self, l2: f64) -> f64 {
        self.gradient * self.gradient / (self.curvature + l2)
    }

    fn step(self, l2: f64) -> f64 {
        -self.gradient / (self.curvature + l2)
    }
}

/// Sums by bin.
type Histogram = [Sums; BINS];

/// A leaf that may yet divide.
#[derive(Default)]
struct Leaf {
    rows: Vec<u32>,
    sums: Sums,
    /// One per chosen column; none for what divides no more.
    histograms: Vec<Histogram>,
    best: Option<Division>,
}

/// How a leaf divides.
#[derive(Clone, Debug)]
struct Division {
    gain: f64,
    column: usize,
    /// The last bin that goes left.
    bin: u8,
    missing_left: bool,
}

/// What a tree grows on.
struct Growth<'a> {
    columns: &'a [Column],
    chosen: &'a [usize],
    pulls: &'a [Pull],
    params: &'a BoostedParams,
}

impl Growth<'_> {
    fn root(&self, rows: Vec<u32>) -> Leaf {
        let histograms = self.histograms(&rows);
        self.leaf(rows, histograms)
    }

    fn leaf(&self, rows: Vec<u32>, histograms: Vec<Histogram>) -> Leaf {
        let mut sums = Sums::default();
        rows.iter().for_each(|&row| sums.add(self.pulls[row as usize]));
        let best = self.best(sums, &histograms);
        Leaf { rows, sums, histograms, best }
    }

    /// Both sides of a division; only the smaller one is counted, the other one is the rest. The last two leaves of a
    /// tree need no histograms.
    fn sides(&self, parent: Leaf, division: &Division, is_last: bool) -> (Leaf, Leaf) {
        let bins = &self.columns[division.column].bins;
        let is_left = |row: &u32| goes_left(bins[*row as usize], division.bin, division.missing_left);
        let (left, right): (Vec<u32>, Vec<u32>) = parent.rows.iter().partition(|row| is_left(row));
        if is_last {
            return (self.leaf(left, Vec::new()), self.leaf(right, Vec::new()));
        }
        let is_left_smaller = left.len() <= right.len();
        let smaller = self.histograms(if is_left_smaller { &left } else { &right });
        let mut larger = parent.histograms;
        larger.par_iter_mut().zip(&smaller).for_each(|(all, some)| {
            all.iter_mut().zip(some).for_each(|(all, some)| *all = all.minus(*some));
        });
        let (of_left, of_right) = if is_left_smaller { (smaller, larger) } else { (larger, smaller) };
        (self.leaf(left, of_left), self.leaf(right, of_right))
    }

    fn histograms(&self, rows: &[u32]) -> Vec<Histogram> {
        // In a row, so that every column reads them one after the other.
        let pulls: Vec<Pull> = rows.iter().map(|&row| self.pulls[row as usize]).collect();
        let of_column = |&column: &usize| {
            let bins = &self.columns[column].bins;
            let mut histogram = [Sums::default(); BINS];
            for (&row, &pull) in rows.iter().zip(&pulls) {
                histogram[usize::from(bins[row as usize])].add(pull);
            }
            histogram
        };
        self.chosen.par_iter().map(of_column).collect()
    }

    /// The division that helps most; of equals the first column's.
    fn best(&self, sums: Sums, histograms: &[Histogram]) -> Option<Division> {
        if (sums.rows as usize) < 2 * self.params.rows {
            return None;
        }
        let of_column = |(histogram, &column): (&Histogram, &usize)| self.best_of(column, sums, histogram);
        let divisions: Vec<Option<Division>> =
            histograms.par_iter().zip(self.chosen).map(of_column).collect();
        divisions
            .into_iter()
            .flatten()
            .reduce(|best, other| if other.gain > best.gain { other } else { best })
    }

    fn best_of(&self, column: usize, sums: Sums, histogram: &Histogram) -> Option<Division> {
        let missing = histogram[usize::from(MISSING)];
        let (mut best, mut below) = (None::<Division>, Sums::default());
        for (bin, of_bin) in (0..=u8::MAX).zip(&histogram[..=self.columns[column].edges.len()]) {
            below = below.plus(*of_bin);
            // Without anything missing both are the same, and what is missing later goes with the most.
            let ways = [(below, false), (below.plus(missing), true)];
            for (left, missing_left) in ways {
                let right = sums.minus(left);
                let Some(gain) = self.gain(sums, left, right) else { continue };
                let missing_left = if missing.rows == 0 { left.rows >= right.rows } else { missing_left };
                if best.as_ref().is_none_or(|best| gain > best.gain) {
                    best = Some(Division { gain, column, bin, missing_left });
                }
            }
        }
        best
    }

    /// What a division gains; none where a side is too small.
    fn gain(&self, sums: Sums, left: Sums, right: Sums) -> Option<f64> {
        let BoostedParams { rows, l2, .. } = *self.params;
        let is_enough = |side: Sums| side.rows as usize >= rows && side.curvature >= LEAST_CURVATURE;
        let gain = left.worth(l2) + right.worth(l2) - sums.worth(l2);
        (is_enough(left) && is_enough(right) && gain > 1e-9).then_some(gain)
    }
}
