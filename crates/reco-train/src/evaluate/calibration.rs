//! How far probabilities are from what happens.

use serde::{Deserialize, Serialize};

/// Bins as Guo et al. have them.
pub(crate) const BINS: usize = 15;

/// Rows of like probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// How many.
    pub rows: usize,
    /// Their mean probability.
    pub predicted: f64,
    /// The share of them that came true.
    pub observed: f64,
}

/// Rows in bins of equally many by ascending probability: where most of them are small, bins of equal width would hold
/// everything in one (Nguyen & O'Connor, "Posterior calibration and exploratory analysis for natural language
/// processing models", EMNLP 2015). Fewer rows than bins make a bin each.
pub fn reliability(chances: &[f32], came_true: &[bool], bins: usize) -> Vec<Bin> {
    let mut order: Vec<usize> = (0..chances.len().min(came_true.len())).collect();
    order.sort_by(|&a, &b| chances[a].total_cmp(&chances[b]).then(a.cmp(&b)));
    let bins = bins.clamp(1, order.len().max(1));
    let bin = |number: usize| {
        let rows = &order[order.len() * number / bins..order.len() * (number + 1) / bins];
        let n = rows.len().max(1) as f64;
        let predicted = rows.iter().map(|&row| f64::from(chances[row])).sum::<f64>() / n;
        let observed = rows.iter().filter(|&&row| came_true[row]).count() as f64 / n;
        Bin { rows: rows.len(), predicted, observed }
    };
    (0..bins).map(bin).filter(|bin| bin.rows > 0).collect()
}

/// The expected calibration error: the mean distance between the mean probability and the share that came true of a bin, weighted by
/// its rows (Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015).
pub fn calibration_error(bins: &[Bin]) -> f64 {
    let rows: usize = bins.iter().map(|bin| bin.rows).sum();
    let sum: f64 = bins.iter().map(|bin| bin.rows as f64 * (bin.observed - bin.predicted).abs()).sum();
    sum / rows.max(1) as f64
}

/// The expected calibration error over fifteen bins of equally many rows (Guo et al., "On Calibration of Modern Neural
/// Networks", ICML 2017). 0 for no rows, at most 1.
///
/// # Panics
///
/// Panics when there are not as many outcomes as probabilities.
pub fn expected_calibration_error(chances: &[f32], came_true: &[bool]) -> f64 {
    assert_eq!(chances.len(), came_true.len(), "an outcome per probability");
    calibration_error(&reliability(chances, came_true, BINS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(chances: &[f32], came_true: &[bool], expected: f64) {
        let found = expected_calibration_error(chances, came_true);
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }

    #[test]
    fn it_is_the_distance_of_what_is_said_from_what_comes() {
        check(&[], &[], 0.0);
        check(&[0.0, 1.0], &[false, true], 0.0);
        check(&[0.9, 0.9], &[false, false], 0.9);
        // Fifteen bins of two rows: half of each comes true where half is said, and where nine tenths are.
        let came_true: Vec<bool> = (0..30).map(|row| row % 2 == 0).collect();
        check(&[0.5; 30], &came_true, 0.0);
        check(&[0.9; 30], &came_true, 0.4);
        // Right on the whole and wrong in every bin but the one in the middle: bins do not make up for one another.
        let chances: Vec<f32> = (0..30).map(|row| if row < 15 { 0.2 } else { 0.8 }).collect();
        check(&chances, &(0..30).map(|row| row < 15).collect::<Vec<bool>>(), 0.8 * 14.0 / 15.0);
    }

    #[test]
    fn probabilities_that_come_true_have_no_error() {
        let chances: Vec<f32> = (0..100).map(|row| if row < 50 { 0.1 } else { 0.8 }).collect();
        let came_true: Vec<bool> =
            (0..100).map(|row| if row < 50 { row % 10 == 0 } else { row % 5 != 0 }).collect();
        let bins = reliability(&chances, &came_true, 2);
        assert_eq!(bins.iter().map(|bin| bin.rows).collect::<Vec<_>>(), [50, 50]);
        assert!(calibration_error(&bins) < 1e-6);
        let sure = reliability(&[1.0; 4], &[true, false, false, false], 1);
        assert!((calibration_error(&sure) - 0.75).abs() < 1e-12);
        assert!(reliability(&[], &[], 10).is_empty() && calibration_error(&[]).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn bins_hold_every_row_once_and_the_error_is_a_share(
            rows in prop::collection::vec((0f32..1.0, any::<bool>()), 0..80),
            bins in 1usize..12,
        ) {
            let (chances, came_true): (Vec<f32>, Vec<bool>) = rows.into_iter().unzip();
            let bins = reliability(&chances, &came_true, bins);
            prop_assert_eq!(bins.iter().map(|bin| bin.rows).sum::<usize>(), chances.len());
            prop_assert!(bins.is_sorted_by(|a, b| a.predicted <= b.predicted + 1e-9));
            prop_assert!((0.0..=1.0).contains(&calibration_error(&bins)));
        }
    }
}
