//! Bringing features to scale.

use crate::fit::examples::Examples;
use rayon::prelude::*;
use reco_core::features::FeatureConfig;
use reco_core::rank::wide_deep::Input;
use std::sync::Arc;

/// The features that vary over the lists at `training`, with their means and scales.
pub(super) fn inputs(examples: &Examples, training: &[usize], config: &FeatureConfig) -> Vec<Input> {
    let columns: Vec<usize> = (0..examples.width()).collect();
    let input = |&column: &usize| {
        let feature = &examples.features[column];
        if config.leaves_out(&feature.name) {
            return None;
        }
        let rows = training.iter().flat_map(|&list| examples.lists[list].rows.clone());
        let values = rows.map(|row| examples.row(row)[column]).filter(|value| value.is_finite());
        let (mean, deviation) = moments(values)?;
        let is_constant = deviation <= 1e-6 * mean.abs().max(1e-3);
        let name = Arc::clone(&feature.name);
        (!is_constant).then(|| Input { name, mean: mean as f32, scale: (1.0 / deviation) as f32 })
    };
    columns.par_iter().filter_map(input).collect()
}

/// Mean and standard deviation (Welford, Technometrics 1962); `None` of nothing.
fn moments(values: impl Iterator<Item = f32>) -> Option<(f64, f64)> {
    let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values.map(f64::from) {
        n += 1.0;
        let step = value - mean;
        mean += step / n;
        squares += step * (value - mean);
    }
    (n > 0.0).then(|| (mean, (squares / n).sqrt()))
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
