//! Intervals by resampling users.

use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_pcg::Pcg64;
use rayon::prelude::*;

/// Resamples drawn.
const RESAMPLES: u64 = 1_000;

/// The 95 % percentile bootstrap intervals of the means of `N` values per user (Efron & Tibshirani 1993,
/// chapter 13), low and high. One row a user; all columns are resampled together, 1,000 times.
///
/// The same rows and seed give the same intervals on any number of threads. Means of differences between two
/// models, user by user, give the paired interval of their difference. Without rows all are (0, 0).
pub fn mean_intervals<const N: usize>(rows: &[[f64; N]], seed: u64) -> [(f64, f64); N] {
    let Ok(index) = Uniform::new(0, rows.len()) else { return [(0.0, 0.0); N] };
    let mean = |resample: u64| {
        // Neighbouring seeds must not share resamples.
        let mut rng = Pcg64::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(resample));
        let mut sums = [0.0; N];
        for _ in rows {
            let drawn = &rows[index.sample(&mut rng)];
            sums.iter_mut().zip(drawn).for_each(|(sum, value)| *sum += value);
        }
        sums.map(|sum| sum / rows.len() as f64)
    };
    let means: Vec<[f64; N]> = (0..RESAMPLES).into_par_iter().map(mean).collect();
    std::array::from_fn(|column| {
        let mut means: Vec<f64> = means.iter().map(|means| means[column]).collect();
        means.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| means[((means.len() - 1) as f64 * share).round() as usize];
        (at(0.025), at(0.975))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_mean_and_has_the_width_that_theory_gives() {
        let rows: Vec<[f64; 2]> = (0..700).map(|i| [f64::from(i % 7), 1.0]).collect();
        let [(low, high), constant] = mean_intervals(&rows, 1);
        // The standard deviation of 0..=6 is 2, so the interval is about 3 +- 1.96 * 2 / sqrt(700).
        assert!((low - 2.852).abs() < 0.03 && (high - 3.148).abs() < 0.03, "{low} to {high}");
        assert_eq!(constant, (1.0, 1.0));
        assert_eq!(mean_intervals::<1>(&[], 1), [(0.0, 0.0)]);
    }

    #[test]
    fn an_interval_depends_on_the_seed_but_not_on_the_threads() {
        let rows: Vec<[f64; 1]> = (0..300).map(|i| [f64::from(i * i % 11)]).collect();
        let on = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| mean_intervals(&rows, seed))
        };
        assert_eq!(on(1, 5), on(4, 5));
        assert_ne!(on(1, 5), on(1, 6));
    }
}
