//! From logits to probabilities.

use super::Objective;
use crate::evaluate::expected_calibration_error;
use crate::fit::examples::{ExampleList, Examples};
use crate::fit::users::half_of;
use reco_core::rank::wide_deep::Judged;

/// How logits become probabilities, and how well.
pub(in crate::fit) struct Calibrated {
    pub(in crate::fit) slope: f32,
    pub(in crate::fit) intercept: f32,
    pub(in crate::fit) judged: Judged,
}

/// Calibrates the logits of these lists, those of [the more frequent kind](Examples::are_seen). Half of their users
/// judge the calibration by the other half, and these by them: on its own rows a calibration would look better than it
/// is.
pub(in crate::fit) fn calibrated(
    objective: &Objective,
    examples: &Examples,
    lists: &[usize],
    logits: &[Vec<f32>],
) -> Calibrated {
    let are_seen = examples.are_seen(lists);
    let is_alike = |list: &ExampleList| list.is_seen == are_seen;
    let in_half = |half| move |list: &ExampleList| is_alike(list) && half_of(list.user) == half;
    let halves = [0, 1].map(|half| Rows::of(objective, examples, lists, logits, in_half(half)));
    let (mut chances, mut came_true) = (Vec::new(), Vec::new());
    for (judging, judged) in [(0, 1), (1, 0)] {
        let (slope, intercept) = platt(&halves[judging].logits, &halves[judging].came_true);
        let chance = |logit: &f32| 1.0 / (1.0 + (-(slope * logit + intercept)).exp());
        chances.extend(halves[judged].logits.iter().map(chance));
        came_true.extend_from_slice(&halves[judged].came_true);
    }
    let all = Rows::of(objective, examples, lists, logits, is_alike);
    let (slope, intercept) = platt(&all.logits, &all.came_true);
    let judged = Judged {
        lists: objective.n_lists(examples, lists) as u32,
        rows: all.logits.len() as u32,
        taken: all.came_true.iter().filter(|&&came_true| came_true).count() as u32,
        ndcg: objective.ndcg(examples, lists, logits),
        calibration_error: expected_calibration_error(&chances, &came_true),
    };
    Calibrated { slope, intercept, judged }
}

/// Rows of lists, one after the other.
struct Rows {
    logits: Vec<f32>,
    came_true: Vec<bool>,
}

impl Rows {
    /// Of those lists that are chosen.
    fn of(
        objective: &Objective,
        examples: &Examples,
        lists: &[usize],
        logits: &[Vec<f32>],
        is_chosen: impl Fn(&ExampleList) -> bool,
    ) -> Self {
        let mut rows = Self { logits: Vec::new(), came_true: Vec::new() };
        let chosen = lists.iter().zip(logits).filter(|(list, _)| is_chosen(&examples.lists[**list]));
        for (&list, logits) in chosen {
            rows.logits.extend_from_slice(logits);
            rows.came_true.extend_from_slice(&objective.came_true[examples.lists[list].rows.clone()]);
        }
        rows
    }
}

/// Slope and intercept that make 1 / (1 + e^-(slope * logit + intercept)) the share of rows taken at each logit
/// (Platt, "Probabilistic Outputs for Support Vector Machines", 1999), with targets smoothed as there, so that it ends
/// where everything or nothing was taken. By Newton's method, steps halved where they overshoot (Lin, Lin, Weng,
/// "A Note on Platt's Probabilistic Outputs", 2007). The slope is never below 0, for it must not turn
/// an order around.
fn platt(logits: &[f32], is_taken: &[bool]) -> (f32, f32) {
    let n_taken = is_taken.iter().filter(|&&is_taken| is_taken).count() as f64;
    let n_others = is_taken.len() as f64 - n_taken;
    let (high, low) = ((n_taken + 1.0) / (n_taken + 2.0), 1.0 / (n_others + 2.0));
    let targets = is_taken.iter().map(|&is_taken| if is_taken { high } else { low });
    let rows: Vec<(f64, f64)> = logits.iter().map(|&logit| f64::from(logit)).zip(targets).collect();
    // Where all rows are given the same chance, the loss is curved whatever the logits.
    let mut at = (LEAST_SLOPE, ((n_taken + 1.0) / (n_others + 1.0)).ln());
    let mut here = Descent::at(at, &rows);
    for _ in 0..STEPS {
        let step = here.step();
        let halved = (0..20).map(|halving| 0.5f64.powi(halving));
        let tried = halved.map(|by| {
            let moved = ((at.0 - by * step.0).max(LEAST_SLOPE), at.1 - by * step.1);
            (moved, Descent::at(moved, &rows))
        });
        let Some((moved, there)) = tried.into_iter().find(|(_, there)| there.loss < here.loss) else { break };
        (at, here) = (moved, there);
    }
    (at.0 as f32, at.1 as f32)
}

const STEPS: usize = 50;
const RIDGE: f64 = 1e-6;
const LEAST_SLOPE: f64 = 1e-3;

/// The cross-entropy at a slope and an intercept, with its first and second derivatives.
struct Descent {
    loss: f64,
    gradient: (f64, f64),
    curvature: [f64; 3],
}

impl Descent {
    /// Over rows of a logit and a target.
    fn at((slope, intercept): (f64, f64), rows: &[(f64, f64)]) -> Self {
        let mut sum = Self { loss: 0.0, gradient: (0.0, 0.0), curvature: [RIDGE, 0.0, RIDGE] };
        for &(logit, target) in rows {
            let z = slope * logit + intercept;
            let chance = 1.0 / (1.0 + (-z).exp());
            let (error, weight) = (chance - target, chance * (1.0 - chance));
            sum.loss += z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z;
            sum.gradient = (sum.gradient.0 + error * logit, sum.gradient.1 + error);
            sum.curvature[0] += weight * logit * logit;
            sum.curvature[1] += weight * logit;
            sum.curvature[2] += weight;
        }
        sum
    }

    /// Newton's step: what to take away.
    fn step(&self) -> (f64, f64) {
        let [a, b, c] = self.curvature;
        let determinant = a * c - b * b;
        let (slope, intercept) = self.gradient;
        ((c * slope - b * intercept) / determinant, (a * intercept - b * slope) / determinant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_the_shares_that_were_taken() {
        // At logits -1, 0 and 1 a tenth, a half and nine tenths are taken: slope ln 9, intercept 0.
        let rows: Vec<(f32, bool)> = [(-1.0, 100), (0.0, 500), (1.0, 900)]
            .into_iter()
            .flat_map(|(logit, n_taken)| (0..1_000).map(move |row| (logit, row < n_taken)))
            .collect();
        let (logits, is_taken): (Vec<f32>, Vec<bool>) = rows.into_iter().unzip();
        let (slope, intercept) = platt(&logits, &is_taken);
        assert!((slope - 9f32.ln()).abs() < 0.01 && intercept.abs() < 0.01, "{slope} {intercept}");
    }

    #[test]
    fn far_from_the_bottom_steps_do_not_leap_to_and_fro() {
        // Logits far from 0, at each of which a fortieth more is taken: whole steps would pass the bottom.
        let rows: Vec<(f32, bool)> =
            (0..2_000u16).map(|row| (20.0 + f32::from(row % 40), row / 40 < row % 40)).collect();
        let (logits, is_taken): (Vec<f32>, Vec<bool>) = rows.into_iter().unzip();
        let (slope, intercept) = platt(&logits, &is_taken);
        let n_taken = is_taken.iter().filter(|&&taken| taken).count() as f32;
        let said: f32 = logits.iter().map(|logit| 1.0 / (1.0 + (-(slope * logit + intercept)).exp())).sum();
        assert!(slope > 0.01 && (said - n_taken).abs() < 1.0, "slope {slope}: {said} of {n_taken}");
    }

    #[test]
    fn nothing_taken_is_a_small_probability() {
        let (slope, intercept) = platt(&[0.5, -0.5, 2.0], &[false; 3]);
        assert!(slope.is_finite() && intercept < 0.0, "{slope} {intercept}");
        let (slope, intercept) = platt(&[], &[]);
        assert!(slope.is_finite() && intercept.is_finite());
    }
}
