//! The models an evaluation can ask for, behind one interface.

use super::split::Target;
use crate::data::Dataset;
use crate::fit::snapshot::Plan;
use crate::fit::{FitError, als, content, item_item};
use crate::progress::Progress;
use reco_core::event::ActionWeights;
use reco_core::id::ItemId;
use reco_core::interactions::{Csr, Histories};
use reco_core::linalg::{dot, scan};
use reco_core::retrieve::again::{AgainConfig, AgainGenerator};
use reco_core::retrieve::als::AlsModel;
use reco_core::retrieve::neighbors::Neighbors;
use reco_core::retrieve::repeats::Repeats;
use reco_core::time::Timestamp;
use std::time::Instant;

/// Names that `--model` takes.
pub const MODELS: [&str; 6] = ["popularity", "frequency", "again", "item-knn", "content", "ials"];

/// Why a model cannot be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No such name.
    #[error("there is no model `{name}`; there are {}", MODELS.join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// It could not be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// Training data in the forms that models want.
pub(super) struct TrainData<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) matrix: Csr,
    pub(super) histories: Histories,
    /// The moment of asking: when the test begins.
    pub(super) now: Timestamp,
    pub(super) seed: u64,
}

impl<'a> TrainData<'a> {
    pub(super) fn new(dataset: &'a Dataset, now: Timestamp, weights: &ActionWeights, seed: u64) -> Self {
        let matrix = dataset.log.matrix(dataset.catalog.len(), weights);
        let histories = Histories::from_log(&dataset.log, weights);
        Self { dataset, matrix, histories, now, seed }
    }

    /// Distinct users per item.
    pub(super) fn popularity(&self) -> Vec<f32> {
        let by_item = self.matrix.transpose();
        (0..by_item.n_rows()).map(|item| by_item.row(item).0.len() as f32).collect()
    }
}

/// A fitted model: a score for every item.
pub(super) trait Scorer: Sync {
    /// Overwrites `scores`, one per item, for a user of the training data.
    fn score(&self, user: u32, scores: &mut [f32]);
}

/// A fitted model and what it took.
pub(super) struct Fitted {
    pub(super) scorer: Box<dyn Scorer>,
    pub(super) train_seconds: f64,
    pub(super) seconds_per_iteration: Option<f64>,
}

/// The baselines that always stand beside.
pub(super) fn baselines(target: Target) -> &'static [&'static str] {
    match target {
        Target::All => &["popularity", "frequency", "item-knn"],
        Target::New => &["popularity", "item-knn"],
    }
}

pub(super) fn fit(
    name: &str,
    train: &TrainData<'_>,
    plan: &Plan,
    progress: &dyn Progress,
) -> Result<Fitted, ModelError> {
    let begun = Instant::now();
    let mut seconds_per_iteration = None;
    let scorer: Box<dyn Scorer> = match name {
        "popularity" => Box::new(Popular(train.popularity())),
        "frequency" => {
            let plain = AgainConfig {
                lasting_share: 1.0,
                count_exponent: 1.0,
                due_gain: 0.0,
                repeat_exponent: 0.0,
                ..AgainConfig::default()
            };
            Box::new(Own::new(train, AgainGenerator::new(plain)))
        }
        "again" => Box::new(Own::new(train, AgainGenerator::default())),
        "item-knn" => {
            let params = plan.item_item.clone().unwrap_or_default();
            let neighbors = item_item::fit(&train.matrix, &params, progress)?;
            Box::new(Near { neighbors, matrix: train.matrix.clone() })
        }
        "content" => {
            let params = plan.content.clone().unwrap_or_default();
            let neighbors = content::fit(&train.dataset.catalog, &params, progress)?;
            Box::new(Near { neighbors, matrix: train.matrix.clone() })
        }
        "ials" => {
            let params = als::AlsParams { seed: train.seed, ..plan.als.clone().unwrap_or_default() };
            let fit = als::fit(&train.matrix, &params, progress)?;
            seconds_per_iteration = Some(fit.seconds_per_iteration);
            Box::new(Factors(fit.model))
        }
        name => return Err(ModelError::Unknown { name: name.to_owned() }),
    };
    Ok(Fitted { scorer, train_seconds: begun.elapsed().as_secs_f64(), seconds_per_iteration })
}

struct Popular(Vec<f32>);

impl Scorer for Popular {
    fn score(&self, _: u32, scores: &mut [f32]) {
        scores.copy_from_slice(&self.0);
    }
}

/// The user's own items first, everything else by popularity below them.
struct Own {
    histories: Histories,
    again: AgainGenerator,
    repeats: Repeats,
    now: Timestamp,
    /// Popularity as a share below 1e-3: it orders ties and fills up.
    below: Vec<f32>,
}

impl Own {
    fn new(train: &TrainData<'_>, again: AgainGenerator) -> Self {
        let mut below = train.popularity();
        let most = below.iter().copied().fold(1.0, f32::max);
        below.iter_mut().for_each(|count| *count *= 1e-3 / most);
        let repeats = Repeats::of(&train.histories, below.len());
        Self { histories: train.histories.clone(), again, repeats, now: train.now, below }
    }
}

impl Scorer for Own {
    fn score(&self, user: u32, scores: &mut [f32]) {
        scores.copy_from_slice(&self.below);
        for touch in self.histories.of(user).iter().filter(|touch| touch.count > 0) {
            scores[touch.item.index()] += 1.0 + self.again.score(touch, Some(&self.repeats), self.now);
        }
    }
}

struct Near {
    neighbors: Neighbors,
    matrix: Csr,
}

impl Scorer for Near {
    fn score(&self, user: u32, scores: &mut [f32]) {
        scores.fill(0.0);
        for &item in self.matrix.row(user as usize).0 {
            for (near, similarity) in self.neighbors.of(ItemId::new(item)) {
                scores[near.index()] += similarity;
            }
        }
    }
}

struct Factors(AlsModel);

impl Scorer for Factors {
    fn score(&self, user: u32, scores: &mut [f32]) {
        let user = self.0.users.row(user as usize);
        if dot(user, user) == 0.0 {
            scores.fill(0.0);
        } else {
            scan(&self.0.items, user, scores);
        }
    }
}
