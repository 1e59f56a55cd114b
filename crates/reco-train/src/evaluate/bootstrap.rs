//! Intervals by resampling users.

use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_pcg::Pcg64;

/// Resamples drawn.
const RESAMPLES: usize = 1_000;

/// The 95 % percentile bootstrap interval of the mean (Efron & Tibshirani 1993, chapter 13).
/// The same values and seed give the same interval; without values it is (0, 0).
pub fn mean_interval(values: &[f64], seed: u64) -> (f64, f64) {
    let Ok(index) = Uniform::new(0, values.len()) else { return (0.0, 0.0) };
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..values.len()).map(|_| values[index.sample(&mut rng)]).sum::<f64>() / values.len() as f64)
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    (at(0.025), at(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_mean_and_repeats() {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i % 7)).collect();
        let mean = values.iter().sum::<f64>() / 500.0;
        let (low, high) = mean_interval(&values, 1);
        assert!(low < mean && mean < high && high - low < 0.5);
        assert_eq!((low, high), mean_interval(&values, 1));
        assert_eq!(mean_interval(&[], 1), (0.0, 0.0));
    }
}
