//! Fitting the two towers.

mod network;
mod pairs;
#[cfg(test)]
mod tests;

use super::{FitError, bad};
use crate::progress::Progress;
use network::Network;
use pairs::Pairs;
use reco_core::catalog::Catalog;
use reco_core::embed::{self, words};
use reco_core::interactions::Histories;
use reco_core::linalg::Matrix;
use reco_core::retrieve::two_tower::TwoTowerModel;
use serde::{Deserialize, Serialize};

/// Parameters of the two towers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TwoTowerParams {
    /// Dimensions of the vectors and units of the layers, 1 to 1,024.
    pub width: usize,
    /// Passes over the pairs of users and items, at least 1.
    pub epochs: usize,
    /// Pairs of a step, at least 2: the items of the others are what a pair is told from.
    pub batch: usize,
    /// Size of the first step, above 0; it falls to nothing along half a cosine.
    pub learning_rate: f64,
    /// How much of every weight a step takes away, times the learning rate; at least 0.
    pub weight_decay: f64,
    /// By what cosines are divided before they become chances, above 0: small is sharp.
    pub temperature: f64,
    /// Whether chances are corrected for how often an item stands in a batch. Without, what is popular counts for
    /// less than it is worth, as it is drawn against others more often.
    pub corrected: bool,
    /// Other items of the user that a step sees, 1 to 50.
    pub history: usize,
    /// Seed of the first weights, of the order of the pairs and of what is drawn.
    pub seed: u64,
}

impl Default for TwoTowerParams {
    fn default() -> Self {
        Self {
            width: 128,
            epochs: 10,
            batch: 512,
            learning_rate: 3e-3,
            weight_decay: 0.01,
            temperature: 0.07,
            corrected: true,
            history: 20,
            seed: 42,
        }
    }
}

impl TwoTowerParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, line: String| {
            if !fine {
                problems.push(line);
            }
        };
        let is_positive = |value: f64| value.is_finite() && value > 0.0;
        check((1..=1_024).contains(&self.width), bad("width", self.width, "1 to 1024"));
        check(self.epochs >= 1, bad("epochs", self.epochs, "at least 1"));
        check(self.batch >= 2, bad("batch", self.batch, "at least 2"));
        check(is_positive(self.learning_rate), bad("learning_rate", self.learning_rate, "above 0"));
        let decay = self.weight_decay;
        check(decay.is_finite() && decay >= 0.0, bad("weight_decay", decay, "at least 0"));
        check(is_positive(self.temperature), bad("temperature", self.temperature, "above 0"));
        let most = TwoTowerModel::LATEST;
        check((1..=most).contains(&self.history), bad("history", self.history, &format!("1 to {most}")));
        problems
    }
}

/// Fits towers of the user and of the item (Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
/// Recommendations", RecSys 2019): each pair of a user and an item is to be told from the other items of its batch by
/// the user's other items, in a softmax over cosines corrected by the logarithm of how often an item is drawn (by
/// AdamW). Items are known by an embedding each and by their words and attributes, hashed to as many dimensions
/// (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009), which is all there is of those
/// that nobody took.
///
/// The same seed gives the same weights on any number of threads.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Empty`] where no user has two items,
/// [`FitError::NotFinite`] when the weights left the finite numbers, [`FitError::Neural`] where the network cannot be
/// computed.
pub fn fit(
    histories: &Histories,
    catalog: &Catalog,
    params: &TwoTowerParams,
    progress: &dyn Progress,
) -> Result<TwoTowerModel, FitError> {
    const NAME: &str = TwoTowerModel::NAME;
    FitError::check(NAME, params.problems())?;
    let mut pairs = Pairs::new(histories, catalog.len(), params);
    if pairs.is_empty() {
        return Err(FitError::Empty { model: NAME });
    }
    let contents = contents(catalog);
    let mut network = Network::new(&contents, params)?;
    progress.begin(NAME, params.epochs as u64);
    for epoch in 0..params.epochs {
        pairs.shuffle();
        while let Some(batch) = pairs.next() {
            let passed = (epoch as f64 + pairs.passed()) / params.epochs as f64;
            network.step(&batch, passed)?;
        }
        progress.advance(1);
    }
    let model = network.into_model(&pairs.n_users_of())?;
    progress.end(&format!("{} pairs, {} dimensions", pairs.len(), params.width));
    model.ok_or(FitError::NotFinite { model: NAME })
}

/// Dimensions of an item's hashed words and attributes.
const CONTENT: usize = 128;

/// Words and attributes of the items, each hashed to a dimension and a sign; rows of length 1, or zero.
fn contents(catalog: &Catalog) -> Matrix {
    let mut contents = Matrix::zeros(catalog.len(), CONTENT);
    for id in catalog.ids() {
        let row = contents.row_mut(id.index());
        // Without a title an item goes by its key, which says nothing.
        let key = catalog.key(id).as_str();
        let says_nothing: Vec<String> =
            if catalog.title(id) == key { words(key).collect() } else { Vec::new() };
        for term in embed::terms(catalog, id).into_iter().filter(|term| !says_nothing.contains(term)) {
            let hash = crc32fast::hash(term.as_bytes());
            row[hash as usize % CONTENT] += if hash >> 31 == 0 { 1.0 } else { -1.0 };
        }
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
    contents
}
