//! How far probabilities are from what happens.

/// Bins as Guo et al. have them.
const BINS: usize = 15;

/// The expected calibration error (Naeini et al., AAAI 2015; Guo et al., "On Calibration of Modern Neural Networks",
/// ICML 2017): the mean, over fifteen bins of equally many rows by ascending probability, of how far the mean probability
/// of a bin is from the share of its rows that came true. 0 for no rows, at most 1.
///
/// # Panics
///
/// Panics when there are not as many outcomes as probabilities.
pub fn expected_calibration_error(chances: &[f32], came_true: &[bool]) -> f64 {
    assert_eq!(chances.len(), came_true.len(), "an outcome per probability");
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|&a, &b| chances[a].total_cmp(&chances[b]).then(a.cmp(&b)));
    let n_rows = order.len();
    let of_bin = |bin: usize| {
        let rows = &order[bin * n_rows / BINS..(bin + 1) * n_rows / BINS];
        let said: f64 = rows.iter().map(|&row| f64::from(chances[row])).sum();
        let came: f64 = rows.iter().map(|&row| f64::from(u8::from(came_true[row]))).sum();
        (said - came).abs()
    };
    (0..BINS).map(of_bin).sum::<f64>() / n_rows.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

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
        // Right on the whole and wrong everywhere: bins do not make up for one another.
        let chances: Vec<f32> = (0..30).map(|row| if row < 15 { 0.2 } else { 0.8 }).collect();
        check(&chances, &(0..30).map(|row| row < 15).collect::<Vec<bool>>(), 0.8 - 0.02);
    }
}
