//! Fitting the neural ranker.

mod batches;
mod best;
mod network;
mod scaling;
#[cfg(test)]
mod tests;

use super::examples::Examples;
pub use super::learning::Fitted;
use super::learning::{Calibrated, Objective, Sides, calibrated, mean, ndcg_of_each};
use super::{FitError, bad};
use crate::progress::{Progress, remarked};
use batches::Batches;
pub(super) use batches::dropout;
use best::{Best, State, Trial};
use network::Network;
use reco_core::features::{BLEND, FeatureConfig};
use reco_core::rank::WideDeep;
use reco_core::rank::wide_deep::{Head, Input, Judged, Weights};
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
    /// Share of the users whose lists validate where there is a single cut, above 0 and below 1; else the latest cut
    /// does.
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
            candidates: 256,
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
/// It begins with the order of the blend, where the examples tell it, and goes on only as far as later lists bear out:
/// the network learns from the earlier cuts, the latest one says after how many passes it is best and whether that is
/// better than the blend by more than chance, and then it learns from all. Examples of one cut are divided by user, and
/// what validates teaches nothing.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Neural`] where the network cannot be computed.
pub fn fit(
    examples: &Examples,
    features: &FeatureConfig,
    params: &WideDeepParams,
    progress: &dyn Progress,
) -> Result<Option<Fitted<WideDeep>>, FitError> {
    FitError::check("wide_deep", params.problems())?;
    let sides = Sides::of(examples, params.validation);
    if !sides.suffice(STAGE, progress) {
        return Ok(None);
    }
    let objectives = Objective::all(examples, &params.objectives, &sides, STAGE, progress)?;
    if objectives.is_empty() {
        remarked(progress, STAGE, "left out: none of its objectives is left");
        return Ok(None);
    }
    let inputs = scaling::inputs(examples, &sides.training, features);
    let scaled = scaling::scaled(examples, &inputs);
    let lesson = Lesson { examples, objectives, inputs, scaled, params };
    progress.begin(STAGE, params.epochs as u64);
    let State { trial: Trial { epochs, logits, .. }, network } = lesson.learned(&sides, progress)?;
    let calibrated = lesson.calibrated(&logits, &sides.validation);
    let judged = lesson.model(&network, &calibrated)?;
    let ranker = if sides.in_time && epochs > 0 {
        lesson.model(&lesson.passed(&sides.all(), epochs)?, &calibrated)?
    } else {
        judged.clone()
    };
    progress.end(&told(epochs, &judged));
    Ok(Some(Fitted { ranker, judged, validation: sides.validation }))
}

/// How far it came.
fn told(epochs: usize, judged: &WideDeep) -> String {
    let of_head = |head: &Head| {
        let Judged { ndcg, calibration_error, .. } = head.judged.unwrap_or_default();
        format!("{} NDCG@10 {ndcg:.4}, calibration error {calibration_error:.4}", head.objective)
    };
    let heads: Vec<String> = judged.weights().heads.iter().map(of_head).collect();
    let heads = heads.join("; ");
    match epochs {
        0 => {
            format!("no better than the blend on the lists kept for validation, so it orders alike: {heads}")
        }
        1 => format!("best after 1 pass, by the lists kept for validation: {heads}"),
        _ => format!("best after {epochs} passes, by the lists kept for validation: {heads}"),
    }
}

/// What there is to learn.
struct Lesson<'a> {
    examples: &'a Examples,
    objectives: Vec<Objective>,
    inputs: Vec<Input>,
    /// All rows as the network sees them.
    scaled: Vec<f32>,
    params: &'a WideDeepParams,
}

impl Lesson<'_> {
    /// The state that orders the lists kept for validation best.
    fn learned(&self, sides: &Sides, progress: &dyn Progress) -> Result<State, FitError> {
        let begin = blend_alone(&self.inputs);
        let mut network = Network::new(&begin, self.objectives.len(), self.params)?;
        let mut best = Best::default();
        if begin.iter().any(|&weight| weight > 0.0) {
            best = Best::starting_at(self.trial(&mut network, &sides.validation, 0)?, &network)?;
        }
        let mut batches = self.batches(sides.training.clone());
        for epoch in 0..self.params.epochs {
            self.pass(&mut network, &mut batches, epoch)?;
            let trial = self.trial(&mut network, &sides.validation, epoch + 1)?;
            progress.point(WideDeep::NAME, "ndcg@10", epoch as u64 + 1, mean(&trial.ndcg_of_each));
            progress.advance(1);
            best.offer(trial, &network)?;
        }
        Ok(best.state().expect("there is at least one pass"))
    }

    /// A network after so many passes over these lists.
    fn passed(&self, lists: &[usize], epochs: usize) -> Result<Network, FitError> {
        let mut network = Network::new(&blend_alone(&self.inputs), self.objectives.len(), self.params)?;
        let mut batches = self.batches(lists.to_vec());
        (0..epochs).try_for_each(|epoch| self.pass(&mut network, &mut batches, epoch))?;
        Ok(network)
    }

    fn batches(&self, lists: Vec<usize>) -> Batches<'_> {
        Batches::new(self.examples, &self.objectives, &self.scaled, lists, self.params)
    }

    fn pass(&self, network: &mut Network, batches: &mut Batches<'_>, epoch: usize) -> Result<(), FitError> {
        while let Some(batch) = batches.next() {
            network.step(&batch, (epoch as f64 + batches.passed()) / self.params.epochs as f64)?;
        }
        batches.shuffle();
        Ok(())
    }

    fn trial(&self, network: &mut Network, lists: &[usize], epochs: usize) -> Result<Trial, FitError> {
        let logits = network.logits_of(self.examples, &self.scaled, lists)?;
        let ndcg_of_each = ndcg_of_each(&self.objectives, self.examples, lists, &logits);
        Ok(Trial { epochs, logits, ndcg_of_each })
    }

    /// How the logits of each head become probabilities, by those of lists that the network has not seen.
    fn calibrated(&self, logits: &[Vec<Vec<f32>>], lists: &[usize]) -> Vec<Calibrated> {
        let heads = self.objectives.iter().zip(logits);
        heads.map(|(head, logits)| calibrated(head, self.examples, lists, logits)).collect()
    }

    fn model(&self, network: &Network, calibrated: &[Calibrated]) -> Result<WideDeep, FitError> {
        network.model(self.inputs.clone(), &self.objectives, calibrated)
    }
}

/// A weight for every input that together order as the blend does, where there is one.
fn blend_alone(inputs: &[Input]) -> Vec<f32> {
    inputs.iter().map(|input| if &*input.name == BLEND { 1.0 / input.scale } else { 0.0 }).collect()
}

/// What its fitting is called where progress is told.
const STAGE: &str = "wide & deep";
