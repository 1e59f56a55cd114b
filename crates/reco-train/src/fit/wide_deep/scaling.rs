//! Bringing features to scale.

use crate::fit::examples::Examples;
use rayon::prelude::*;
use reco_core::features::FeatureConfig;
use reco_core::rank::wide_deep::Input;
use std::sync::Arc;

/// The features that vary within any cut of the data, with their means and scales over the lists at `training`. One
/// that is the same in all lists of a cut, as the hour of the day is, would tell the cuts apart and nothing of times
/// to come.
pub(super) fn inputs(examples: &Examples, training: &[usize], config: &FeatureConfig) -> Vec<Input> {
    let columns: Vec<usize> = (0..examples.width()).collect();
    let input = |&column: &usize| {
        let feature = &examples.features[column];
        if config.leaves_out(&feature.name) {
            return None;
        }
        let values = |lists: &[usize]| {
            let rows = lists.iter().flat_map(|&list| examples.lists[list].rows.clone());
            rows.map(|row| examples.row(row)[column]).filter(|value| value.is_finite()).collect::<Vec<f32>>()
        };
        let varies = |cut: &&[usize]| {
            let moments = Moments::of(&values(cut));
            moments.is_some_and(|Moments { mean, deviation }| deviation > 1e-6 * mean.abs().max(1e-3))
        };
        let cut_of = |list: usize| examples.lists[list].cut;
        training.chunk_by(|&left, &right| cut_of(left) == cut_of(right)).find(varies)?;
        let values = values(training);
        let Moments { mean, deviation } = Moments::of(&values)?;
        let farthest = values.iter().fold(0.0f64, |most, &value| most.max((f64::from(value) - mean).abs()));
        let within = farthest / f64::from(Input::FARTHEST);
        let unit = deviation.max(within.min(MOST_DEVIATIONS * deviation));
        Some(Input { name: Arc::clone(&feature.name), mean: mean as f32, scale: (1.0 / unit) as f32 })
    };
    columns.par_iter().filter_map(input).collect()
}

/// Standard deviations that a unit of an input may stand for so that its farthest values can be told apart: the best
/// of many candidates lie far out, where a vote by rank is near 1 for a few and near 0 for most.
const MOST_DEVIATIONS: f64 = 4.0;

/// Mean and standard deviation.
struct Moments {
    mean: f64,
    deviation: f64,
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
        (n > 0.0).then(|| Self { mean, deviation: (squares / n).sqrt() })
    }
}

/// All rows as the network sees them, row-major.
pub(super) fn scaled(examples: &Examples, inputs: &[Input]) -> Vec<f32> {
    let place = |input: &Input| examples.features.iter().position(|feature| feature.name == input.name);
    let columns: Vec<(usize, &Input)> =
        inputs.iter().filter_map(|input| Some((place(input)?, input))).collect();
    let of_row = |row: usize| {
        let values = examples.row(row);
        columns.iter().map(|&(column, input)| input.scaled(values[column])).collect::<Vec<f32>>()
    };
    (0..examples.items.len()).into_par_iter().flat_map_iter(of_row).collect()
}
