//! Fitting the neural ranker.

mod batches;
mod calibration;
mod network;
mod objectives;
mod scaling;
#[cfg(test)]
mod tests;

use super::examples::Examples;
use super::{FitError, bad};
use crate::progress::Progress;
use batches::Batches;
pub(super) use batches::dropout;
use network::Network;
use objectives::Objective;
use reco_core::features::FeatureConfig;
use reco_core::rank::WideDeep;
use reco_core::rank::wide_deep::{Head, Judged, Weights};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parameters of the ranker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WideDeepParams {
    /// Earlier moments whose pages make the lists, at least 1: the first is that of the blend, each one before it
    /// holds out as large a share of what the one after it knew. All models are fitted anew to what was known at
    /// each.
    pub cuts: usize,
    /// What is foreseen and how much it counts, above 0: actions by name (`purchase`, `click`, `rating`), and `take` for
    /// any that counts. None is `take` alone. A score is the mean of their probabilities, weighed so.
    pub objectives: BTreeMap<String, f32>,
    /// Outputs of the hidden layers of the deep part, each at least 1; none leaves the wide part.
    pub hidden: Vec<usize>,
    /// Passes over the lists, at least 1; the one that orders the lists kept for validation best is taken.
    pub epochs: usize,
    /// Size of a step, above 0; it falls to nothing along half a cosine.
    pub learning_rate: f64,
    /// How much of every weight a step takes away, times the learning rate; at least 0.
    pub weight_decay: f64,
    /// Share of the inputs and hidden outputs that a step does not see, at least 0 and below 1.
    pub dropout: f64,
    /// Lists that make up a step, at least 1.
    pub batch: usize,
    /// Candidates of a list that a step sees, at least 2: those taken, then others drawn at random, each of which
    /// stands for as many as were left out.
    pub candidates: usize,
    /// Share of the users whose lists validate, above 0 and below 1.
    pub validation: f64,
    /// Seed of the first weights, of the order of the lists and of what is drawn.
    pub seed: u64,
}

impl Default for WideDeepParams {
    fn default() -> Self {
        Self {
            cuts: 3,
            objectives: BTreeMap::new(),
            hidden: vec![128, 64],
            epochs: 12,
            learning_rate: 2e-3,
            weight_decay: 0.02,
            dropout: 0.1,
            batch: 32,
            candidates: 128,
            validation: 0.15,
            seed: 42,
        }
    }
}

impl WideDeepParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(self.validation > 0.0 && self.validation < 1.0) {
            problems.push(bad("validation", self.validation, "above 0 and below 1"));
        }
        for (name, number) in [("cuts", self.cuts), ("epochs", self.epochs), ("batch", self.batch)] {
            if number == 0 {
                problems.push(bad(name, number, "at least 1"));
            }
        }
        for (name, share) in self.objectives.iter().filter(|(_, share)| !(share.is_finite() && **share > 0.0))
        {
            problems.push(bad(&format!("objectives.{name}"), share, "above 0"));
        }
        if !self.hidden.iter().all(|&width| (1..=Weights::MOST_INPUTS).contains(&width)) {
            let range = format!("numbers of 1 to {}", Weights::MOST_INPUTS);
            problems.push(bad("hidden", format!("{:?}", self.hidden), &range));
        }
        if self.candidates < 2 {
            problems.push(bad("candidates", self.candidates, "at least 2"));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            problems.push(bad("learning_rate", self.learning_rate, "above 0"));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            problems.push(bad("weight_decay", self.weight_decay, "at least 0"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            problems.push(bad("dropout", self.dropout, "at least 0 and below 1"));
        }
        problems
    }
}

/// Fits a ranker to examples; `None` where too few lists have something that was taken.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Neural`] where the network cannot be computed.
pub fn fit(
    examples: &Examples,
    features: &FeatureConfig,
    params: &WideDeepParams,
    progress: &dyn Progress,
) -> Result<Option<WideDeep>, FitError> {
    FitError::check("wide_deep", params.problems())?;
    let (training, validation) = batches::divided(examples, params);
    if training.len().min(validation.len()) < FEWEST_LISTS {
        progress.begin("wide & deep", 0);
        progress.end(&format!("left out, for fewer than {FEWEST_LISTS} lists have something that was taken"));
        return Ok(None);
    }
    let objectives = Objective::all(examples, params, [&training, &validation], progress)?;
    if objectives.is_empty() {
        return Ok(None);
    }
    let inputs = scaling::inputs(examples, &training, features);
    let scaled = scaling::scaled(examples, &inputs);
    let mut batches = Batches::new(examples, &objectives, &scaled, training, params);
    let mut network = Network::new(inputs.len(), objectives.len(), params)?;
    let mut best: Option<(f64, Network)> = None;
    progress.begin("wide & deep", params.epochs as u64);
    for epoch in 0..params.epochs {
        while let Some(batch) = batches.next() {
            let passed = (epoch as f64 + batches.passed()) / params.epochs as f64;
            network.step(&batch, passed)?;
        }
        batches.shuffle();
        let ndcg = network.ndcg(examples, &objectives, &scaled, &validation)?;
        if best.as_ref().is_none_or(|(known, _)| ndcg > *known) {
            best = Some((ndcg, network.copied()?));
        }
        progress.point(WideDeep::NAME, "ndcg@10", epoch as u64 + 1, ndcg);
        progress.advance(1);
    }
    let Some((_, best)) = best else { return Ok(None) };
    let model = best.into_model(inputs, &objectives, examples, &scaled, &validation)?;
    let of_head = |head: &Head| {
        let Judged { ndcg, calibration_error, .. } = head.judged.unwrap_or_default();
        format!("{} NDCG@10 {ndcg:.4}, calibration error {calibration_error:.4}", head.objective)
    };
    let judged: Vec<String> = model.weights().heads.iter().map(of_head).collect();
    progress.end(&format!("on the lists kept for validation: {}", judged.join("; ")));
    Ok(Some(model))
}

/// Numbers of the lists that a fit to these examples is validated by, and not trained on.
pub(super) fn validation(examples: &Examples, params: &WideDeepParams) -> Vec<usize> {
    batches::divided(examples, params).1
}

/// Fewer lists than these teach nothing that holds for others.
const FEWEST_LISTS: usize = 10;
