//! From logits to probabilities.

/// Slope and intercept that make 1 / (1 + e^-(slope * logit + intercept)) the share of rows taken at each logit
/// (Platt, "Probabilistic Outputs for Support Vector Machines", 1999), by Newton's method with targets smoothed as
/// there, so that it ends where everything or nothing was taken. The slope is never below 0, for it must not turn
/// an order around.
pub(super) fn platt(logits: &[f32], is_taken: &[bool]) -> (f32, f32) {
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
