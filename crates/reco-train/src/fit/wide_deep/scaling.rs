//! Bringing features to scale.

use crate::fit::examples::Examples;
use crate::fit::learning::{Moments, varying};
use rayon::prelude::*;
use reco_core::features::FeatureConfig;
use reco_core::rank::wide_deep::Input;
use std::sync::Arc;

/// The features that there is something to learn from over the lists at `training`, with means and scales.
pub(super) fn inputs(examples: &Examples, training: &[usize], config: &FeatureConfig) -> Vec<Input> {
    let input = |(column, Moments { mean, deviation, farthest }): (usize, Moments)| {
        let within = farthest / f64::from(Input::FARTHEST);
        let unit = deviation.max(within.min(MOST_DEVIATIONS * deviation));
        let name = Arc::clone(&examples.features[column].name);
        Input { name, mean: mean as f32, scale: (1.0 / unit) as f32 }
    };
    varying(examples, training, config).into_iter().map(input).collect()
}

/// Standard deviations that a unit of an input may stand for so that its farthest values can be told apart: the best
/// of many candidates lie far out, where a vote by rank is near 1 for a few and near 0 for most.
const MOST_DEVIATIONS: f64 = 4.0;

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
