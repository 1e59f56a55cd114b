//! The models an evaluation can ask for, and fitting them.

use super::acclaim::Acclaim;
use super::blend::Blend;
use super::inputs::Inputs;
use super::options::EvaluateOptions;
use super::pipeline::{Pages, ranker_of};
use super::scorers::{
    Again, Completed, Factors, Filtered, Following, Frequency, Near, Popular, Random, Scorer, Towers,
    Trending,
};
use crate::data::{Dataset, Split, Target};
use crate::fit::autoencoder::{self, AutoencoderParams};
use crate::fit::spectral::SpectralParams;
use crate::fit::two_tower::{self, TwoTowerParams};
use crate::fit::{FitError, als, bpr, content, counts, ease, item_item, sequence, spectral};
use crate::progress::Progress;
use reco_core::event::ActionWeights;
use reco_core::id::UserKey;
use reco_core::interactions::{Csr, Histories};
use reco_core::pipeline::BuildError;
use reco_core::retrieve::two_tower::TwoTowerModel;
use reco_core::snapshot::Snapshot;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Names that `--model` takes. `pipeline` is the whole recommender as configured: generators, filters, ranker
/// and rules; `pipeline:RANKER` is the same with another ranker, of the same training: `votes`, `blend`, `boosted`,
/// `wide_deep` or `file=MODEL`.
pub const MODELS: [&str; 17] = [
    "popularity",
    "acclaim",
    "trending",
    "frequency",
    "random",
    "again",
    "item-knn",
    "content",
    "sequence",
    "ials",
    "bpr",
    "ease",
    "spectral",
    "autoencoder",
    "two_tower",
    "blend",
    "pipeline",
];

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
    /// No such ranker.
    #[error(
        "there is no ranker `{name}`; `pipeline:` goes with votes, blend, boosted, wide_deep or file=MODEL, as in pipeline:boosted"
    )]
    UnknownRanker {
        /// Its name.
        name: String,
    },
    /// Given negatives for a model that chooses its own candidates.
    #[error(
        "`pipeline` chooses its own candidates and cannot rank given negatives; leave one of the two out"
    )]
    ChoosesCandidates,
    /// It could not be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The pipeline could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The pipeline refused to answer.
    #[error("the pipeline gave no page")]
    Recommend(#[from] reco_core::error::RecommendError),
}

/// Training data in the forms that models want.
pub(super) struct TrainData<'a> {
    pub(super) dataset: &'a Dataset,
    /// How the test was divided off it.
    pub(super) held_out: Split,
    pub(super) matrix: Csr,
    pub(super) histories: Histories,
    /// Distinct users per item.
    pub(super) popularity: Vec<f32>,
    /// What serves pages, as soon as any were asked for.
    pub(super) snapshot: OnceLock<Arc<Snapshot>>,
}

impl<'a> TrainData<'a> {
    pub(super) fn new(inputs: &'a Inputs, weights: &ActionWeights) -> Self {
        let dataset = &inputs.train;
        let matrix = dataset.log.matrix(dataset.catalog.len(), weights);
        let popularity = matrix.column_lengths().into_iter().map(|n_users| n_users as f32).collect();
        let histories = Histories::from_log(&dataset.log, weights);
        let (held_out, snapshot) = (inputs.held_out, OnceLock::new());
        Self { dataset, held_out, matrix, histories, popularity, snapshot }
    }

    /// The key of a user of the data.
    pub(super) fn key(&self, user: u32) -> &UserKey {
        &self.dataset.log.users.keys()[user as usize]
    }

    /// Users with at least one training interaction.
    pub(super) fn n_users(&self) -> usize {
        (0..self.dataset.log.users.len() as u32).filter(|&user| self.knows(user)).count()
    }

    /// Whether training saw the user.
    pub(super) fn knows(&self, user: u32) -> bool {
        !self.histories.of(user).is_empty()
    }
}

/// A fitted model and what it took.
pub(super) struct Fitted<'a> {
    pub(super) scorer: Box<dyn Scorer + 'a>,
    pub(super) train_seconds: f64,
    pub(super) seconds_per_iteration: Option<f64>,
    /// What orders the pages of the pipeline.
    pub(super) ranked_by: Option<String>,
}

/// The baselines that always stand beside.
pub(super) fn baselines(target: Target) -> &'static [&'static str] {
    match target {
        Target::All => &["popularity", "frequency", "item-knn"],
        Target::New => &["popularity", "item-knn"],
    }
}

/// The models asked for, then those missing of `beside`; none twice.
pub(super) fn names<'a>(
    options: &'a EvaluateOptions,
    beside: &[&'static str],
) -> Result<Vec<&'a str>, ModelError> {
    let mut names: Vec<&str> = Vec::new();
    let asked = options.models.iter().map(String::as_str);
    for name in asked.chain(beside.iter().copied()) {
        let has_pages = ranker_of(name, options)?.is_some();
        if !has_pages && !MODELS.contains(&name) {
            return Err(ModelError::Unknown { name: name.to_owned() });
        }
        if has_pages && options.negatives.is_some() {
            return Err(ModelError::ChoosesCandidates);
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Fits one model.
pub(super) fn fit<'a>(
    name: &str,
    train: &'a TrainData<'a>,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Fitted<'a>, ModelError> {
    let begun = Instant::now();
    let plan = &options.plan;
    let (mut seconds_per_iteration, mut ranked_by) = (None, None);
    let scorer: Box<dyn Scorer + 'a> = match name {
        "popularity" => Box::new(Popular(&train.popularity)),
        Acclaim::NAME => Box::new(Acclaim::new(&train.dataset.log, train.dataset.catalog.len())),
        "frequency" => Box::new(Frequency::new(&train.histories, &train.popularity)),
        "random" => Box::new(Random(options.seed)),
        "again" => Box::new(Again::new(&train.histories, &train.popularity, &options.pipeline.again)),
        "item-knn" => {
            let params = plan.item_item.clone().unwrap_or_default();
            Box::new(Near {
                neighbors: item_item::fit(&train.matrix, &params, progress)?,
                matrix: &train.matrix,
            })
        }
        "content" => {
            let params = plan.content.clone().unwrap_or_default();
            let content = content::fit(&train.dataset.catalog, &params, progress)?;
            Box::new(Near { neighbors: content.neighbors, matrix: &train.matrix })
        }
        "ials" => {
            let params = als::AlsParams { seed: options.seed, ..plan.als.clone().unwrap_or_default() };
            let fit = als::fit(&train.matrix, &params, progress)?;
            seconds_per_iteration = Some(fit.seconds_per_iteration);
            Box::new(Factors { users: fit.model.users, items: fit.model.items })
        }
        "bpr" => {
            let params = bpr::BprParams { seed: options.seed, ..plan.bpr.clone().unwrap_or_default() };
            let fit = bpr::fit(&train.matrix, &params, progress)?;
            seconds_per_iteration = Some(fit.seconds_per_iteration);
            Box::new(Factors { users: fit.model.users, items: fit.model.items })
        }
        "sequence" => {
            let params = plan.sequence.clone().unwrap_or_default();
            let (log, n_items) = (&train.dataset.log, train.dataset.catalog.len());
            let neighbors = sequence::fit(log, n_items, &options.weights, &params, progress)?;
            Box::new(Following { neighbors, histories: &train.histories })
        }
        "spectral" => {
            let params = SpectralParams { seed: options.seed, ..plan.spectral.clone().unwrap_or_default() };
            let model = spectral::fit(&train.matrix, &params, progress)?;
            Box::new(Filtered { model, matrix: &train.matrix })
        }
        "autoencoder" => {
            let params =
                AutoencoderParams { seed: options.seed, ..plan.autoencoder.clone().unwrap_or_default() };
            let model = autoencoder::fit(&train.matrix, &params, progress)?;
            Box::new(Completed { model, matrix: &train.matrix })
        }
        TwoTowerModel::NAME => {
            let params = TwoTowerParams { seed: options.seed, ..plan.two_tower.clone().unwrap_or_default() };
            let model = two_tower::fit(&train.histories, &train.dataset.catalog, &params, progress)?;
            Box::new(Towers { model, histories: &train.histories })
        }
        "ease" => {
            let params = plan.ease.clone().unwrap_or_default();
            Box::new(Near { neighbors: ease::fit(&train.matrix, &params, progress)?, matrix: &train.matrix })
        }
        "trending" => {
            let (log, n_items) = (&train.dataset.log, train.dataset.catalog.len());
            Box::new(Trending(counts::trends(log, n_items, &options.weights, plan.trend_half_life_days)))
        }
        Blend::NAME => Box::new(Blend::fit(train, options, progress)?),
        name => {
            let unknown = || ModelError::Unknown { name: name.to_owned() };
            let ranker = ranker_of(name, options)?.ok_or_else(unknown)?;
            let pages = Pages::fit(ranker, train, options, progress)?;
            ranked_by = Some(pages.ranked_by().to_owned());
            Box::new(pages)
        }
    };
    Ok(Fitted { scorer, train_seconds: begun.elapsed().as_secs_f64(), seconds_per_iteration, ranked_by })
}
