//! From logits to probabilities.

use super::objectives::Objective;
use crate::evaluate::expected_calibration_error;
use crate::fit::examples::Examples;
use crate::fit::users::half_of;
use reco_core::rank::wide_deep::Judged;

/// How logits become probabilities, and how well.
pub(super) struct Calibrated {
    pub(super) slope: f32,
    pub(super) intercept: f32,
    pub(super) judged: Judged,
}

/// Calibrates the logits of these lists. Half of their users judge the calibration by the other half, and these by
/// them: on its own rows a calibration would look better than it is.
pub(super) fn calibrated(
    objective: &Objective,
    examples: &Examples,
    lists: &[usize],
    logits: &[Vec<f32>],
) -> Calibrated {
    let halves =
        [0, 1].map(|half| Rows::of(objective, examples, lists, logits, |user| half_of(user) == half));
    let (mut chances, mut came_true) = (Vec::new(), Vec::new());
    for (judging, judged) in [(0, 1), (1, 0)] {
        let (slope, intercept) = platt(&halves[judging].logits, &halves[judging].came_true);
        let chance = |logit: &f32| 1.0 / (1.0 + (-(slope * logit + intercept)).exp());
        chances.extend(halves[judged].logits.iter().map(chance));
        came_true.extend_from_slice(&halves[judged].came_true);
    }
    let all = Rows::of(objective, examples, lists, logits, |_| true);
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
    /// Of those lists whose user is chosen.
    fn of(
        objective: &Objective,
        examples: &Examples,
        lists: &[usize],
        logits: &[Vec<f32>],
        is_chosen: impl Fn(u32) -> bool,
    ) -> Self {
        let mut rows = Self { logits: Vec::new(), came_true: Vec::new() };
        let chosen = lists.iter().zip(logits).filter(|(list, _)| is_chosen(examples.lists[**list].user));
        for (&list, logits) in chosen {
            rows.logits.extend_from_slice(logits);
            rows.came_true.extend_from_slice(&objective.came_true[examples.lists[list].rows.clone()]);
        }
        rows
    }
}

/// Slope and intercept that make 1 / (1 + e^-(slope * logit + intercept)) the share of rows taken at each logit
/// (Platt, "Probabilistic Outputs for Support Vector Machines", 1999), by Newton's method with targets smoothed as
/// there, so that it ends where everything or nothing was taken. The slope is never below 0, for it must not turn
/// an order around.
fn platt(logits: &[f32], is_taken: &[bool]) -> (f32, f32) {
    let n_taken = is_taken.iter().filter(|&&is_taken| is_taken).count() as f64;
    let n_others = is_taken.len() as f64 - n_taken;
    let (high, low) = ((n_taken + 1.0) / (n_taken + 2.0), 1.0 / (n_others + 2.0));
    let (mut slope, mut intercept) = (1.0f64, ((n_taken + 1.0) / (n_others + 1.0)).ln());
    for _ in 0..STEPS {
        let (mut gradient, mut hessian) = ([0.0f64; 2], [RIDGE, 0.0, RIDGE]);
        for (&logit, &is_taken) in logits.iter().zip(is_taken) {
            let logit = f64::from(logit);
            let chance = 1.0 / (1.0 + (-(slope * logit + intercept)).exp());
            let error = chance - if is_taken { high } else { low };
            let weight = chance * (1.0 - chance);
            gradient[0] += error * logit;
            gradient[1] += error;
            hessian[0] += weight * logit * logit;
            hessian[1] += weight * logit;
            hessian[2] += weight;
        }
        let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
        let step = [
            (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
            (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
        ];
        if !step.iter().all(|step| step.is_finite()) {
            break;
        }
        slope = (slope - step[0].clamp(-1.0, 1.0)).max(LEAST_SLOPE);
        intercept -= step[1].clamp(-2.0, 2.0);
    }
    (slope as f32, intercept as f32)
}

const STEPS: usize = 50;
const RIDGE: f64 = 1e-6;
const LEAST_SLOPE: f64 = 1e-3;

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
    fn nothing_taken_is_a_small_probability() {
        let (slope, intercept) = platt(&[0.5, -0.5, 2.0], &[false; 3]);
        assert!(slope.is_finite() && intercept < 0.0, "{slope} {intercept}");
        let (slope, intercept) = platt(&[], &[]);
        assert!(slope.is_finite() && intercept.is_finite());
    }
}
