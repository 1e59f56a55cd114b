//! Which features there is something to learn from.

use crate::fit::examples::Examples;
use rayon::prelude::*;
use reco_core::features::FeatureConfig;

/// The features that vary within any cut of the data, over the lists at `training`, in their order. One that is the same
/// in all lists of a cut, as the hour of the day is, would tell the cuts apart and nothing of times to come.
pub(in crate::fit) fn varying(
    examples: &Examples,
    training: &[usize],
    config: &FeatureConfig,
) -> Vec<(usize, Moments)> {
    let columns: Vec<usize> = (0..examples.width()).collect();
    let of_column = |&column: &usize| {
        if config.leaves_out(&examples.features[column].name) {
            return None;
        }
        let values = |lists: &[usize]| {
            let rows = lists.iter().flat_map(|&list| examples.lists[list].rows.clone());
            rows.map(|row| examples.row(row)[column]).filter(|value| value.is_finite()).collect::<Vec<f32>>()
        };
        let varies = |cut: &&[usize]| {
            let moments = Moments::of(&values(cut));
            moments.is_some_and(|Moments { mean, deviation, .. }| deviation > 1e-6 * mean.abs().max(1e-3))
        };
        let cut_of = |list: usize| examples.lists[list].cut;
        training.chunk_by(|&left, &right| cut_of(left) == cut_of(right)).find(varies)?;
        Some((column, Moments::of(&values(training))?))
    };
    columns.par_iter().filter_map(of_column).collect()
}

/// What the values of a feature are like.
pub(in crate::fit) struct Moments {
    pub(in crate::fit) mean: f64,
    /// The standard deviation.
    pub(in crate::fit) deviation: f64,
    /// How far from the mean the farthest is.
    pub(in crate::fit) farthest: f64,
}

impl Moments {
    /// By Welford's method (Technometrics 1962); `None` of nothing.
    fn of(values: &[f32]) -> Option<Self> {
        let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for value in values.iter().copied().map(f64::from) {
            n += 1.0;
            let step = value - mean;
            mean += step / n;
            squares += step * (value - mean);
        }
        let farthest = values.iter().fold(0.0f64, |most, &value| most.max((f64::from(value) - mean).abs()));
        (n > 0.0).then(|| Self { mean, deviation: (squares / n).sqrt(), farthest })
    }
}
