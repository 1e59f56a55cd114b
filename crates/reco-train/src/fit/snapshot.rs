//! Fitting everything a snapshot serves with.

use super::als::{self, AlsParams, Start};
use super::autoencoder::{self, AutoencoderParams};
use super::blend::BlendParams;
use super::boosted::BoostedParams;
use super::bpr::{self, BprParams};
use super::content::{self, ContentParams};
use super::counts::{self, PopularParams};
use super::ease::{self, EaseParams};
use super::insight::RankerInsight;
use super::item_item::{self, ItemItemParams};
use super::rankers::{self, Rankers};
use super::rehearsal::Assemble;
use super::sequence::{self, SequenceParams};
use super::spectral::{self, SpectralParams};
use super::two_tower::{self, TwoTowerParams};
use super::wide_deep::WideDeepParams;
use super::{FitError, attributes, bad, item_table, vectors};
use crate::data::Dataset;
use crate::progress::Progress;
use reco_core::catalog::Catalog;
use reco_core::embed::TextVectors;
use reco_core::event::ActionWeights;
use reco_core::features::{Feature, FeatureConfig, FeatureSchema, ItemTable, UserAttributes};
use reco_core::id::ItemId;
use reco_core::interactions::{Histories, UserTable};
use reco_core::pipeline::PipelineConfig;
use reco_core::rank::trees::Boosted;
use reco_core::rank::{BlendModels, WideDeep};
use reco_core::retrieve::als::AlsModel;
use reco_core::retrieve::autoencoder::AutoencoderModel;
use reco_core::retrieve::bpr::BprModel;
use reco_core::retrieve::neighbors::Neighbors;
use reco_core::retrieve::popular::Popularity;
use reco_core::retrieve::repeats::Repeats;
use reco_core::retrieve::spectral::SpectralModel;
use reco_core::retrieve::trending::Trends;
use reco_core::retrieve::two_tower::TwoTowerModel;
use reco_core::snapshot::Snapshot;
use reco_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What to fit and how; in configuration `false` switches a model off, `true` on with its defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Matrix factorisation.
    #[serde(with = "reco_core::switch")]
    pub als: Option<AlsParams>,
    /// A network that fills in missing items.
    #[serde(with = "reco_core::switch")]
    pub autoencoder: Option<AutoencoderParams>,
    /// Factors fitted to an order.
    #[serde(with = "reco_core::switch")]
    pub bpr: Option<BprParams>,
    /// Neighbours by what the same users took.
    #[serde(with = "reco_core::switch")]
    pub item_item: Option<ItemItemParams>,
    /// Weights of all items for one another in closed form.
    #[serde(with = "reco_core::switch")]
    pub ease: Option<EaseParams>,
    /// A low-pass filter over who took what.
    #[serde(with = "reco_core::switch")]
    pub spectral: Option<SpectralParams>,
    /// A network of the user beside one of the item.
    #[serde(with = "reco_core::switch")]
    pub two_tower: Option<TwoTowerParams>,
    /// What follows what.
    #[serde(with = "reco_core::switch")]
    pub sequence: Option<SequenceParams>,
    /// Neighbours by text and attributes.
    #[serde(with = "reco_core::switch")]
    pub content: Option<ContentParams>,
    /// Neighbours by the factors of `als`, this many per item; 0 for none, as where `als` is off.
    pub vector_neighbors: usize,
    /// How far to trust each source of the pipeline, learned from the latest interactions. Fits all models
    /// twice: to the earlier interactions to learn from, then to all of them.
    #[serde(with = "reco_core::switch")]
    pub blend: Option<BlendParams>,
    /// A neural ranker, trained on what the blend is learned from (`blend.held_out`); `pipeline.ranker` puts it to
    /// use.
    #[serde(with = "reco_core::switch")]
    pub wide_deep: Option<WideDeepParams>,
    /// Boosted trees, likewise.
    #[serde(with = "reco_core::switch")]
    pub boosted: Option<BoostedParams>,
    /// Whether learned rankers learn from what users were shown and passed over, where impressions are logged; else,
    /// and where they are not, from all that the pipeline proposed.
    pub impressions: bool,
    /// What a learned ranker is told of every candidate.
    pub features: FeatureConfig,
    /// Popularity; the lower rungs of the ladder need it, so it is always fitted.
    pub popular: PopularParams,
    /// Half-life of trends in days, above 0.
    pub trend_half_life_days: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            als: Some(AlsParams::default()),
            autoencoder: None,
            bpr: None,
            item_item: Some(ItemItemParams::default()),
            ease: None,
            spectral: None,
            two_tower: None,
            sequence: None,
            content: Some(ContentParams::default()),
            vector_neighbors: 50,
            blend: Some(BlendParams::default()),
            wide_deep: None,
            boosted: None,
            impressions: true,
            features: FeatureConfig::default(),
            popular: PopularParams::default(),
            trend_half_life_days: 7.0,
        }
    }
}

impl Plan {
    /// What is wrong with this plan, one line each, with the path of the field.
    pub fn problems(&self) -> Vec<String> {
        let under = |name: &'static str, problems: Option<Vec<String>>| {
            problems.into_iter().flatten().map(move |line| format!("{name}.{line}"))
        };
        let mut problems: Vec<String> = under("als", self.als.as_ref().map(AlsParams::problems))
            .chain(under("item_item", self.item_item.as_ref().map(ItemItemParams::problems)))
            .chain(under("autoencoder", self.autoencoder.as_ref().map(AutoencoderParams::problems)))
            .chain(under("bpr", self.bpr.as_ref().map(BprParams::problems)))
            .chain(under("ease", self.ease.as_ref().map(EaseParams::problems)))
            .chain(under("spectral", self.spectral.as_ref().map(SpectralParams::problems)))
            .chain(under("two_tower", self.two_tower.as_ref().map(TwoTowerParams::problems)))
            .chain(under("sequence", self.sequence.as_ref().map(SequenceParams::problems)))
            .chain(under("content", self.content.as_ref().map(ContentParams::problems)))
            .chain(under("blend", self.blend.as_ref().map(BlendParams::problems)))
            .chain(under("wide_deep", self.wide_deep.as_ref().map(WideDeepParams::problems)))
            .chain(under("boosted", self.boosted.as_ref().map(BoostedParams::problems)))
            .chain(under("features", Some(self.features.problems())))
            .chain(under("popular", Some(self.popular.problems())))
            .collect();
        if !(self.trend_half_life_days > 0.0 && self.trend_half_life_days.is_finite()) {
            problems.push(bad("trend_half_life_days", self.trend_half_life_days, "above 0"));
        }
        problems
    }

    /// Earlier moments at which the rankers that read features learn; none without one.
    pub(super) fn ranker_cuts(&self) -> Option<usize> {
        let of_each = [
            self.wide_deep.as_ref().map(|params| params.cuts),
            self.boosted.as_ref().map(|params| params.cuts),
        ];
        of_each.into_iter().flatten().max()
    }

    /// What of this plan is set in vain, one line each, beginning with the field.
    pub fn remarks(&self) -> Vec<String> {
        let in_vain = self.vector_neighbors > 0 && self.als.is_none();
        in_vain.then(|| "vector_neighbors changes nothing: als is off".to_owned()).into_iter().collect()
    }
}

/// Fits all models of the plan and puts them into a snapshot that `pipeline` is to serve.
///
/// # Errors
///
/// [`FitError`] of the first model that cannot be fitted, or for a pipeline that cannot be built.
pub fn fit(
    dataset: Dataset,
    plan: &Plan,
    pipeline: &PipelineConfig,
    weights: &ActionWeights,
    version: &str,
    progress: &dyn Progress,
) -> Result<Snapshot, FitError> {
    fit_for(dataset, plan, &|snapshot| pipeline.builder(snapshot), weights, version, progress)
}

/// Like [`fit`], for a pipeline with parts of your own: the blend then learns how far to trust these, too.
///
/// # Errors
///
/// As [`fit`].
pub fn fit_for(
    dataset: Dataset,
    plan: &Plan,
    assemble: &Assemble<'_>,
    weights: &ActionWeights,
    version: &str,
    progress: &dyn Progress,
) -> Result<Snapshot, FitError> {
    fit_after(None, dataset, plan, assemble, weights, version, progress)
}

/// Like [`fit`], but factors go on from those of an `earlier` snapshot, if it has any as long; users and items
/// are found in it by their keys. See [`als::refit`]. Where they cannot, a remark says why.
///
/// # Errors
///
/// As [`fit`].
pub fn refit(
    earlier: &Snapshot,
    dataset: Dataset,
    plan: &Plan,
    pipeline: &PipelineConfig,
    weights: &ActionWeights,
    version: &str,
    progress: &dyn Progress,
) -> Result<Snapshot, FitError> {
    let assemble = |snapshot| pipeline.builder(snapshot);
    fit_after(Some(earlier), dataset, plan, &assemble, weights, version, progress)
}

fn fit_after(
    earlier: Option<&Snapshot>,
    dataset: Dataset,
    plan: &Plan,
    assemble: &Assemble<'_>,
    weights: &ActionWeights,
    version: &str,
    progress: &dyn Progress,
) -> Result<Snapshot, FitError> {
    FitError::check("plan", plan.problems())?;
    let rankers = rankers::fit(&dataset, plan, assemble, weights, false, progress)?;
    Ok(with_rankers(earlier, dataset, plan, rankers, weights, version, progress)?.0)
}

/// All models of the plan, with rankers that were learned before.
pub(super) fn with_rankers(
    earlier: Option<&Snapshot>,
    dataset: Dataset,
    plan: &Plan,
    rankers: Rankers,
    weights: &ActionWeights,
    version: &str,
    progress: &dyn Progress,
) -> Result<(Snapshot, Vec<RankerInsight>), FitError> {
    let mut snapshot = models(earlier, dataset, plan, weights, version, progress)?;
    if let Some(blend) = rankers.blend {
        snapshot.models.insert(BlendModels::NAME, blend);
    }
    if let Some(wide_deep) = rankers.wide_deep {
        snapshot.models.insert(WideDeep::NAME, wide_deep);
    }
    if let Some(boosted) = rankers.boosted {
        snapshot.models.insert(Boosted::NAME, boosted);
    }
    Ok((snapshot, rankers.insights))
}

/// What a learned ranker over this data would be told of every candidate, in the order of its columns.
///
/// # Errors
///
/// [`FitError::Params`] for a plan or settings of features that make no sense.
pub fn features(
    dataset: &Dataset,
    plan: &Plan,
    pipeline: &PipelineConfig,
    weights: &ActionWeights,
) -> Result<Vec<Feature>, FitError> {
    FitError::check("plan", plan.problems())?;
    let Dataset { catalog, log, users, .. } = dataset;
    FitError::check("features", problems_of_columns(dataset, &plan.features))?;
    let histories = Histories::from_log(log, weights);
    let repeats = Repeats::of(&histories, catalog.len());
    let table = item_table::fit(log, &histories, &repeats, catalog, weights, &plan.features);
    let mut snapshot = Snapshot::default();
    snapshot.models.insert(ItemTable::NAME, table);
    if let Some(known) = attributes::fit(users, &histories, catalog, Timestamp::default(), &plan.features) {
        snapshot.models.insert(UserAttributes::NAME, known);
    }
    let (schema, sources) = (FeatureSchema::default(), pipeline.source_names());
    FitError::check("features", schema.problems(&snapshot, &sources))?;
    Ok(schema.features(&snapshot, &sources))
}

/// Columns that are to be features and cannot be, one line each.
fn problems_of_columns(dataset: &Dataset, config: &FeatureConfig) -> Vec<String> {
    let mut problems = item_table::problems(&dataset.catalog, config);
    problems.extend(attributes::problems(&dataset.users, config));
    problems
}

/// The factors of `earlier` for these users and items; nothing where it has none.
fn start(earlier: &Snapshot, users: &UserTable, catalog: &Catalog) -> Start {
    let Some(model) = earlier.models.get(AlsModel::NAME) else { return Start::default() };
    let users = users.keys().iter().map(|key| earlier.users.row(key.as_str()).map(|row| row as usize));
    let items = (0..catalog.len() as u32).map(|id| {
        let key = catalog.key(ItemId::new(id));
        earlier.catalog.id(key.as_str()).map(ItemId::index)
    });
    Start::of(model, users, items)
}

/// A snapshot with all models but the blend; factors go on from those of `earlier`.
pub(super) fn models(
    earlier: Option<&Snapshot>,
    dataset: Dataset,
    plan: &Plan,
    weights: &ActionWeights,
    version: &str,
    progress: &dyn Progress,
) -> Result<Snapshot, FitError> {
    FitError::check("features", problems_of_columns(&dataset, &plan.features))?;
    let Dataset { catalog, log, users, .. } = dataset;
    let matrix = log.matrix(catalog.len(), weights);
    if plan.als.is_some() && matrix.n_cells() == 0 {
        FitError::check_weights(&log, weights)?;
    }
    let mut snapshot = Snapshot { version: version.into(), ..Snapshot::default() };
    let models = &mut snapshot.models;
    models.insert(Popularity::NAME, counts::popularity(&log, &catalog, weights, &plan.popular, progress)?);
    models.insert(Trends::NAME, counts::trends(&log, catalog.len(), weights, plan.trend_half_life_days));
    if let Some(params) = &plan.als {
        let model = match earlier {
            Some(earlier) => {
                als::refit(&matrix, params, start(earlier, &log.users, &catalog), progress)?.model
            }
            None => als::fit(&matrix, params, progress)?.model,
        };
        if plan.vector_neighbors > 0 {
            let near = vectors::neighbors(&model.items, plan.vector_neighbors, progress)?;
            models.insert(Neighbors::BY_VECTOR, near);
        }
        models.insert(AlsModel::NAME, model);
    }
    if let Some(params) = &plan.autoencoder {
        models.insert(AutoencoderModel::NAME, autoencoder::fit(&matrix, params, progress)?);
    }
    if let Some(params) = &plan.bpr {
        models.insert(BprModel::NAME, bpr::fit(&matrix, params, progress)?.model);
    }
    if let Some(params) = &plan.item_item {
        models.insert(Neighbors::BY_USERS, item_item::fit(&matrix, params, progress)?);
    }
    if let Some(params) = &plan.ease {
        models.insert(Neighbors::BY_REGRESSION, ease::fit(&matrix, params, progress)?);
    }
    if let Some(params) = &plan.spectral {
        models.insert(SpectralModel::NAME, spectral::fit(&matrix, params, progress)?);
    }
    let histories = Histories::from_log(&log, weights);
    if let Some(params) = &plan.two_tower {
        models.insert(TwoTowerModel::NAME, two_tower::fit(&histories, &catalog, params, progress)?);
    }
    if let Some(params) = &plan.sequence {
        let sequence = sequence::fit(&log, catalog.len(), weights, params, progress)?;
        models.insert(Neighbors::BY_SEQUENCE, sequence);
    }
    if let Some(params) = &plan.content {
        let content = content::fit(&catalog, params, progress)?;
        models.insert(Neighbors::BY_CONTENT, content.neighbors);
        if let Some(vectors) = content.vectors {
            models.insert(TextVectors::NAME, vectors);
        }
    }
    snapshot.histories = histories;
    let repeats = Repeats::of(&snapshot.histories, catalog.len());
    let table = item_table::fit(&log, &snapshot.histories, &repeats, &catalog, weights, &plan.features);
    snapshot.models.insert(ItemTable::NAME, table);
    snapshot.models.insert(Repeats::NAME, repeats);
    snapshot.data_until = log.span().map(|(_, last)| last).unwrap_or_default();
    let (histories, until) = (&snapshot.histories, snapshot.data_until);
    if let Some(known) = attributes::fit(&users, histories, &catalog, until, &plan.features) {
        snapshot.models.insert(UserAttributes::NAME, known);
    }
    snapshot.users = log.users;
    snapshot.catalog = catalog;
    Ok(snapshot)
}
