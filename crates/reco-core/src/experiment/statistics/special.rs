//! Tails and quantiles of the normal, t, chi-square and beta distributions.
//!
//! Incomplete beta and gamma functions are those of CDFLIB (Didonato & Morris, ACM algorithms 654 and 708), which
//! hold thirteen digits far into the tails and for parameters of any size. Its searches stop at eight digits, so that
//! quantiles are found here.

use cdflib::special::{beta_log, cumnor, dinvnr, try_beta_inc, try_gamma_inc};

/// P(Z > z).
pub(super) fn normal_tail(z: f64) -> f64 {
    if z.is_nan() { f64::NAN } else { cumnor(z).1 }
}

/// P(Z <= z).
pub(super) fn normal_below(z: f64) -> f64 {
    normal_tail(-z)
}

/// P(|Z| > |z|).
pub(super) fn normal_two_sided(z: f64) -> f64 {
    2.0 * normal_tail(z.abs())
}

/// The density of the normal distribution.
pub(super) fn normal_density(z: f64) -> f64 {
    const ROOT_OF_TWO_PI: f64 = 2.506_628_274_631_000_5;
    (-0.5 * z * z).exp() / ROOT_OF_TWO_PI
}

/// The z above which the normal distribution has this share.
pub(super) fn normal_above(share: f64) -> f64 {
    match share {
        0.0 => f64::INFINITY,
        1.0 => f64::NEG_INFINITY,
        // The search divides by what it finds.
        0.5 => 0.0,
        _ => dinvnr(1.0 - share, share),
    }
}

/// P(|T| > |t|) with `df` degrees of freedom.
pub(super) fn t_two_sided(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() {
        return f64::NAN;
    }
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    if df.is_infinite() {
        return normal_two_sided(t);
    }
    beta_below(0.5 * df, 0.5, df / (df + square), square / (df + square))
}

/// The t that |T| exceeds with this probability; of NaN degrees of freedom, NaN.
pub(super) fn t_two_sided_above(share: f64, df: f64) -> f64 {
    if df.is_nan() {
        return f64::NAN;
    }
    if df.is_infinite() {
        return normal_above(share / 2.0);
    }
    // In the logarithm of t, both tails like those of the normal distribution and tails like powers are tame.
    let scale = beta_log(0.5, 0.5 * df) + 0.5 * df.ln();
    let above = |ln_t: f64| {
        let t = ln_t.exp();
        let p = t_two_sided(t, df);
        let ln_density = -0.5 * (df + 1.0) * (t * t / df).ln_1p() - scale;
        (share.ln() - p.ln(), 2.0 * (ln_density + ln_t).exp() / p)
    };
    let start = normal_above(share / 2.0).max(1e-3).ln();
    root(-300.0, 300.0, start, above).exp()
}

/// P(X > x) of a chi-square distribution.
pub(super) fn chi_square_tail(x: f64, df: f64) -> f64 {
    if x.is_infinite() { 0.0 } else { try_gamma_inc(0.5 * df, 0.5 * x).map_or(f64::NAN, |tails| tails.1) }
}

/// P(X <= x) of Beta(a, b), where `y` is 1 - x.
pub(super) fn beta_below(a: f64, b: f64, x: f64, y: f64) -> f64 {
    try_beta_inc(a, b, x, y).map_or(f64::NAN, |tails| tails.0)
}

/// P of a coin that falls at least as unevenly as this, in either direction.
pub(in crate::experiment) fn sign_test(heads: u64, tails: u64) -> f64 {
    let (few, many) = (heads.min(tails) as f64, heads.max(tails) as f64);
    // P(X <= few) of a binomial variable is that of a beta variable.
    (2.0 * beta_below(many, few + 1.0, 0.5, 0.5)).min(1.0)
}

/// P(X >= found) of a binomial variable: the number of `n` that happen by a chance of `share`.
pub(in crate::experiment) fn binomial_tail(found: u64, n: u64, share: f64) -> f64 {
    if found == 0 {
        return 1.0;
    }
    if found > n || share <= 0.0 {
        return 0.0;
    }
    beta_below(found as f64, (n - found) as f64 + 1.0, share, 1.0 - share)
}

/// The logit of the x below which Beta(a, b) has this share: it says as much of x near 1 as near 0.
pub(super) fn beta_quantile_logit(share: f64, a: f64, b: f64) -> f64 {
    let ln_beta = beta_log(a, b);
    let below = |logit: f64| {
        let found = beta_below(a, b, sigmoid(logit), sigmoid(-logit));
        let ln_density = -a * (-logit).exp().ln_1p() - b * logit.exp().ln_1p() - ln_beta;
        (found.ln() - share.ln(), ln_density.exp() / found)
    };
    root(-700.0, 700.0, (a / b).ln(), below)
}

/// 1 / (1 + e^-logit).
pub(super) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Where a function that grows, told with its slope, is 0: Newton's method kept within what is known to hold the root.
pub(super) fn root(
    mut low: f64,
    mut high: f64,
    start: f64,
    mut value_and_slope: impl FnMut(f64) -> (f64, f64),
) -> f64 {
    let mut x = start;
    for _ in 0..200 {
        let (value, slope) = value_and_slope(x);
        if value > 0.0 {
            high = x
        } else {
            low = x
        }
        let next = x - value / slope;
        // A slope that vanished or is no number leaves halving.
        let next = if next > low && next < high { next } else { f64::midpoint(low, high) };
        if (next - x).abs() <= 4.0 * f64::EPSILON * x.abs().max(1e-3) {
            return next;
        }
        x = next;
    }
    x
}

/// The mean of a function over a density with a single peak at 0, known but for a factor, whose logarithm is an
/// analytic function.
///
/// The trapezoidal rule converges exponentially for such densities (Trefethen & Weideman, SIAM Review 56, 2014), so
/// that steps of a quarter of a standard deviation leave nothing to be seen. `deviation` may be too large.
pub(super) fn mean_over_bell(
    deviation: f64,
    ln_density: impl Fn(f64) -> f64,
    function: impl Fn(f64) -> f64,
) -> f64 {
    const REACH: f64 = 60.0;
    let step = (deviation / 4.0).min(0.25);
    let n_steps = (REACH * deviation / step).ceil() as i64;
    let (mut total, mut weights) = (0.0, 0.0);
    for at in -n_steps..=n_steps {
        let x = at as f64 * step;
        let weight = ln_density(x).exp();
        if weight > 0.0 {
            weights += weight;
            total += weight * function(x);
        }
    }
    total / weights
}
