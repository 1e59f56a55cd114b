//! Fitting the denoising autoencoder.

mod network;
#[cfg(test)]
mod tests;

use super::{FitError, bad};
use crate::progress::Progress;
use network::Network;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use reco_core::interactions::Csr;
use reco_core::retrieve::autoencoder::AutoencoderModel;
use serde::{Deserialize, Serialize};

/// Parameters of the autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoencoderParams {
    /// Units of the hidden layer, 1 to 1,024.
    pub width: usize,
    /// Passes over the users, at least 1.
    pub epochs: usize,
    /// Users whose errors one step learns from, at least 1.
    pub batch: usize,
    /// Step of the first pass, above 0; it falls to a tenth in a straight line.
    pub learning_rate: f32,
    /// Share of a user's items that is hidden in every step, 0 up to 1 but not 1.
    pub input_dropout: f32,
    /// Share of the hidden units that is left out in every step, 0 up to 1 but not 1.
    pub hidden_dropout: f32,
    /// Seed of the first weights, the order of the users and what is dropped.
    pub seed: u64,
}

impl Default for AutoencoderParams {
    fn default() -> Self {
        Self {
            width: 200,
            epochs: 120,
            batch: 250,
            learning_rate: 1e-3,
            input_dropout: 0.5,
            hidden_dropout: 0.2,
            seed: 42,
        }
    }
}

impl AutoencoderParams {
    /// Of the first step, what the last one is.
    const LAST_RATE: f32 = 0.1;

    /// Products of numbers that decoding all passes takes; learning takes some three times as many.
    pub(crate) fn products(&self, n_users: usize, n_items: usize) -> f64 {
        [n_users, n_items, self.width, self.epochs].map(|n| n as f64).iter().product()
    }

    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, line: String| {
            if !fine {
                problems.push(line);
            }
        };
        check((1..=1_024).contains(&self.width), bad("width", self.width, "1 to 1024"));
        check(self.epochs >= 1, bad("epochs", self.epochs, "at least 1"));
        check(self.batch >= 1, bad("batch", self.batch, "at least 1"));
        let rate = self.learning_rate;
        check(rate.is_finite() && rate > 0.0, bad("learning_rate", rate, "a finite number above 0"));
        for (name, share) in [("input_dropout", self.input_dropout), ("hidden_dropout", self.hidden_dropout)]
        {
            check((0.0..1.0).contains(&share), bad(name, share, "0 up to 1, but not 1"));
        }
        problems
    }
}

/// Fits Mult-DAE (Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018): from a part
/// of what users had, drawn anew in every pass, the network learns to give everything they had the largest share
/// in a softmax over all items, by Adam (Kingma & Ba, ICLR 2015).
///
/// A pass takes time in proportion to users x items x width: it is for catalogues of some ten thousand items.
/// The same seed gives the same bits on any number of threads.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Empty`] without interactions,
/// [`FitError::NotFinite`] when the weights left the finite numbers.
pub fn fit(
    interactions: &Csr,
    params: &AutoencoderParams,
    progress: &dyn Progress,
) -> Result<AutoencoderModel, FitError> {
    const NAME: &str = AutoencoderModel::NAME;
    FitError::check(NAME, params.problems())?;
    let rows = (0..interactions.n_rows()).map(|user| interactions.row(user).0);
    let mut users: Vec<&[u32]> = rows.filter(|items| !items.is_empty()).collect();
    if users.is_empty() {
        return Err(FitError::Empty { model: NAME });
    }
    let mut rng = Pcg64Mcg::seed_from_u64(params.seed);
    let mut network = Network::new(&interactions.column_lengths(), params, &mut rng);
    progress.begin(NAME, params.epochs as u64);
    for epoch in 0..params.epochs {
        users.shuffle(&mut rng);
        let passed = epoch as f32 / params.epochs as f32;
        let rate = params.learning_rate * (1.0 - (1.0 - AutoencoderParams::LAST_RATE) * passed);
        users.chunks(params.batch).for_each(|batch| network.step(batch, rate, params, &mut rng));
        progress.advance(1);
    }
    progress.end(&format!("{} units, {} users", params.width, users.len()));
    network.into_model().ok_or(FitError::NotFinite { model: NAME })
}
