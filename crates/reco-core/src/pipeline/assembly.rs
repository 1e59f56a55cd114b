//! The usual pipeline, described as configuration.

use super::{BuildError, Quotas, Recommender, RecommenderBuilder};
use crate::error::OnFault;
use crate::features::ItemTable;
use crate::filter::{Availability, Excluded, OnSurface, Only, Rejected, Requested, Seen, SeenPolicy};
use crate::launch::LaunchConfig;
use crate::onboarding::OnboardingConfig;
use crate::predicate::Predicate;
use crate::rank::trees::Boosted;
use crate::rank::{BlendRanker, LearnedRanker, VoteRanker, VoteWeights, WideDeep, open_model};
use crate::request::Surface;
use crate::rerank::{Explore, ExploreConfig, Onboarding, Pinned, RerankConfig};
use crate::retrieve::again::{AgainConfig, AgainGenerator};
use crate::retrieve::als::AlsGenerator;
use crate::retrieve::autoencoder::AutoencoderGenerator;
use crate::retrieve::bpr::BprGenerator;
use crate::retrieve::neighbors::NeighborGenerator;
use crate::retrieve::popular::PopularGenerator;
use crate::retrieve::spectral::SpectralGenerator;
use crate::retrieve::trending::TrendingGenerator;
use crate::retrieve::two_tower::TwoTowerGenerator;
use crate::retrieve::{CandidateGenerator, ExploreGenerator, InterestsGenerator};
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The usual pipeline: every built-in generator with its quotas, the filters, the ranker, the rules.
///
/// ```
/// use reco_core::pipeline::PipelineConfig;
/// use reco_core::snapshot::Snapshot;
///
/// let recommender = PipelineConfig::default().builder(Snapshot::default())?.build()?;
/// # Ok::<(), reco_core::pipeline::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineConfig {
    /// Time for a request that does not bring its own, 1 to 60,000 ms.
    pub deadline_ms: u64,
    /// Compute threads; 0 is one per core.
    pub threads: usize,
    /// Requests that may wait for a thread before more are refused, at least 1.
    pub max_waiting: usize,
    /// Most items one request may ask for, at least 1.
    pub max_count: usize,
    /// Built-in generators by name: `again`, `als`, `autoencoder`, `bpr`, `content`, `ease`, `item_item`, `popular`, `sequence`,
    /// `spectral`, `trending`, `two_tower`, `vector`.
    pub sources: BTreeMap<String, SourceConfig>,
    /// The user's own items.
    pub again: AgainConfig,
    /// Whether items the user bought or rated may come again.
    pub seen: SeenPolicy,
    /// Only items that match this expression are ever shown.
    #[serde(with = "crate::switch")]
    pub only: Option<Predicate>,
    /// What orders the candidates.
    pub ranker: RankerName,
    /// Whether `wide_deep` is computed in bytes: several times as fast, and nearly the same scores.
    pub quantized: bool,
    /// Weights of the sources for the votes.
    pub votes: VoteWeights,
    /// Rules for the page as a whole.
    pub rerank: RerankConfig,
    /// Places that are filled by chance, to learn what rank does not show.
    #[serde(with = "crate::switch")]
    pub explore: Option<ExploreConfig>,
    /// How items that are new to the catalogue are introduced.
    pub launch: LaunchConfig,
    /// Pages for users who are new.
    #[serde(with = "crate::switch")]
    pub onboarding: Option<OnboardingConfig>,
}

/// The built-in rankers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RankerName {
    /// Weights of the sources learned in training; the votes where there are none ([`BlendRanker`]).
    #[default]
    Blend,
    /// The neural ranker that training made ([`LearnedRanker`]); the blend where there is none, or where it fails.
    WideDeep,
    /// The boosted trees that training grew ([`LearnedRanker::boosted`]), likewise.
    Boosted,
    /// Votes of the sources with the configured weights ([`VoteRanker`]).
    Votes,
    /// A model that LightGBM, XGBoost or an exporter to ONNX wrote to this file, over the same features; the blend
    /// where it fails.
    File(PathBuf),
}

impl RankerName {
    /// The model of the snapshot that it ranks by, where training makes it only if asked to: `train.NAME`.
    pub fn model(&self) -> Option<&'static str> {
        match self {
            Self::WideDeep => Some(WideDeep::NAME),
            Self::Boosted => Some(Boosted::NAME),
            Self::Blend | Self::Votes | Self::File(_) => None,
        }
    }
}

/// One generator in the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceConfig {
    /// Candidates on every surface not named below; 0 switches it off.
    pub quota: usize,
    /// Candidates on single surfaces: `home`, `similar`, `category`.
    pub on: BTreeMap<String, usize>,
    /// Weight of its votes when lists are merged, above 0.
    pub weight: f32,
    /// What its failure means.
    pub on_fault: OnFault,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self { quota: 50, on: BTreeMap::new(), weight: 1.0, on_fault: OnFault::Skip }
    }
}

impl SourceConfig {
    fn new(quota: usize, on: &[(&str, usize)]) -> Self {
        let on = on.iter().map(|&(surface, quota)| (surface.to_owned(), quota)).collect();
        Self { quota, on, ..Self::default() }
    }

    fn quotas(&self) -> Quotas {
        self.on
            .iter()
            .fold(Quotas::everywhere(self.quota), |quotas, (surface, &quota)| quotas.on(surface, quota))
    }
}

impl Default for PipelineConfig {
    fn default() -> Self {
        let sources = [
            ("again", SourceConfig::new(50, &[("similar", 0)])),
            ("als", SourceConfig::new(50, &[("similar", 0)])),
            // Off until the training plan fits their models.
            ("autoencoder", SourceConfig::new(0, &[])),
            ("bpr", SourceConfig::new(0, &[])),
            ("ease", SourceConfig::new(0, &[])),
            ("sequence", SourceConfig::new(0, &[])),
            ("spectral", SourceConfig::new(0, &[])),
            ("two_tower", SourceConfig::new(0, &[])),
            ("item_item", SourceConfig::new(50, &[])),
            ("content", SourceConfig::new(30, &[])),
            ("vector", SourceConfig::new(0, &[("similar", 50)])),
            ("popular", SourceConfig::new(20, &[("category", 50)])),
            ("trending", SourceConfig::new(20, &[("similar", 0)])),
        ];
        Self {
            deadline_ms: 50,
            threads: 0,
            max_waiting: 1_024,
            max_count: 1_000,
            sources: sources.into_iter().map(|(name, source)| (name.to_owned(), source)).collect(),
            again: AgainConfig::default(),
            seen: SeenPolicy::Never,
            only: None,
            ranker: RankerName::default(),
            quantized: false,
            votes: VoteWeights::default(),
            rerank: RerankConfig::default(),
            explore: None,
            launch: LaunchConfig::default(),
            onboarding: Some(OnboardingConfig::default()),
        }
    }
}

impl PipelineConfig {
    /// What is wrong with it, one line each, with the path of the field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(1..=60_000).contains(&self.deadline_ms) {
            problems.push(format!("deadline_ms is {}, must be 1 to 60000", self.deadline_ms));
        }
        for (name, value) in [("max_waiting", self.max_waiting), ("max_count", self.max_count)] {
            if value == 0 {
                problems.push(format!("{name} is 0, must be at least 1"));
            }
        }
        for (name, source) in &self.sources {
            if generator(name, &self.again).is_none() {
                problems.push(format!(
                    "sources.{name}: there is no such generator; there are {}",
                    BUILT_IN.join(", ")
                ));
            }
            if !(source.weight.is_finite() && source.weight > 0.0) {
                problems.push(format!("sources.{name}.weight is {}, must be above 0", source.weight));
            }
            for surface in source.on.keys().filter(|surface| !Surface::NAMES.contains(&surface.as_str())) {
                problems.push(format!(
                    "sources.{name}.on.{surface}: the surfaces are {}",
                    Surface::NAMES.join(", ")
                ));
            }
        }
        let under = |name: &'static str, lines: Vec<String>| {
            lines.into_iter().map(move |line| format!("{name}.{line}"))
        };
        problems.extend(under("again", self.again.problems()));
        problems.extend(under("seen", self.seen.problem().into_iter().collect()));
        problems.extend(under("votes", self.votes.problems()));
        problems.extend(under("rerank", self.rerank.problems()));
        let of_explore = self.explore.as_ref().map(ExploreConfig::problems);
        problems.extend(under("explore", of_explore.unwrap_or_default()));
        problems.extend(under("launch", self.launch.problems()));
        let of_onboarding = self.onboarding.as_ref().map(OnboardingConfig::problems);
        problems.extend(under("onboarding", of_onboarding.unwrap_or_default()));
        problems
    }

    /// Names of the sources in the order in which candidates know them.
    pub fn source_names(&self) -> Vec<Arc<str>> {
        let pins =
            (!self.rerank.pins.is_empty()).then(|| Pinned::new(self.rerank.pins.clone()).name().into());
        let own = self.sources.keys().map(|name| name.as_str().into());
        own.chain(pins).chain(self.for_newcomers().iter().map(|(source, _)| source.name().into())).collect()
    }

    /// Generators for users who are new, with their quotas.
    fn for_newcomers(&self) -> Vec<(Arc<dyn CandidateGenerator>, Quotas)> {
        let Some(config) = &self.onboarding else { return Vec::new() };
        let at_home = |quota| Quotas::everywhere(0).on("home", quota);
        let interests: Arc<dyn CandidateGenerator> = Arc::new(InterestsGenerator(config.clone()));
        let mut sources = vec![(interests, at_home(30))];
        if config.explores() {
            sources.push((Arc::new(ExploreGenerator(config.clone())), at_home(100)));
        }
        sources
    }

    /// The ranker by features, if one is asked for. A snapshot without features, as before anything is fitted,
    /// says nothing about whether those that a file wants are there.
    fn learned(&self, snapshot: &Snapshot) -> Result<Option<LearnedRanker>, String> {
        let path = match &self.ranker {
            RankerName::WideDeep => return Ok(Some(LearnedRanker::default().quantized(self.quantized))),
            RankerName::Boosted => return Ok(Some(LearnedRanker::boosted())),
            RankerName::File(path) => path,
            RankerName::Blend | RankerName::Votes => return Ok(None),
        };
        let ranker = LearnedRanker::of(open_model(path).map_err(|error| error.to_string())?);
        let has_features = snapshot.models.names().any(|name| &**name == ItemTable::NAME);
        let missing = if has_features { ranker.missing(snapshot, &self.source_names()) } else { Vec::new() };
        match &missing[..] {
            [] => Ok(Some(ranker)),
            [first, rest @ ..] => Err(format!(
                "{} wants the feature `{first}`{}, which {} not there; `reco features` lists those that are",
                path.display(),
                if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) },
                if rest.is_empty() { "is" } else { "are" }
            )),
        }
    }

    /// A builder with everything described here, to add to or to build as it is. Several recommenders may share a
    /// snapshot.
    ///
    /// # Errors
    ///
    /// [`BuildError::Config`] with all [`problems`](Self::problems).
    pub fn builder(&self, snapshot: impl Into<Arc<Snapshot>>) -> Result<RecommenderBuilder, BuildError> {
        let snapshot = snapshot.into();
        let mut problems = self.problems();
        if let Some(Err(error)) = self.only.as_ref().map(|only| only.bind(&snapshot.catalog)) {
            problems.push(format!("only: {error}"));
        }
        let learned = self.learned(&snapshot).unwrap_or_else(|problem| {
            problems.push(format!("ranker: {problem}"));
            None
        });
        if !problems.is_empty() {
            return Err(BuildError::Config(problems));
        }
        let mut builder = Recommender::builder(snapshot)
            .deadline(Duration::from_millis(self.deadline_ms))
            .pool(self.threads, self.max_waiting)
            .max_count(self.max_count)
            .launch(self.launch.clone())
            .filter(Availability, OnFault::Fail)
            .filter(OnSurface, OnFault::Fail)
            .filter(Excluded, OnFault::Fail)
            .filter(Requested, OnFault::Fail)
            .filter(Rejected, OnFault::Fail)
            .filter(Seen(self.seen), OnFault::Fail);
        if let Some(learned) = learned {
            builder = builder.ranker(learned);
        }
        if self.ranker != RankerName::Votes {
            builder = builder.ranker(BlendRanker::new(self.votes.clone()));
        }
        builder = builder.ranker(VoteRanker::new(self.votes.clone()));
        if let Some(only) = &self.only {
            builder = builder.filter(Only(only.clone()), OnFault::Fail);
        }
        for (name, source) in &self.sources {
            if let Some(generator) = generator(name, &self.again) {
                builder = builder.generator_with(generator, source.quotas(), source.weight, source.on_fault);
            }
        }
        if !self.rerank.pins.is_empty() {
            let quotas = Quotas::everywhere(self.rerank.pins.len());
            builder = builder.generator(Pinned::new(self.rerank.pins.clone()), quotas);
        }
        for (generator, quotas) in self.for_newcomers() {
            builder = builder.generator_with(generator, quotas, 1.0, OnFault::Skip);
        }
        let mut rules = self.rerank.build();
        if let Some(config) = &self.onboarding {
            // Pins are set last, whoever asks.
            let at = rules.len() - usize::from(!self.rerank.pins.is_empty());
            rules.insert(at, (Arc::new(Onboarding(config.clone())), OnFault::StepDown));
        }
        for (rule, on_fault) in rules {
            builder = builder.reranker_with(rule, on_fault);
        }
        if let Some(config) = &self.explore {
            builder = builder.explore(Explore::new(config.clone(), Pinned::new(self.rerank.pins.clone())));
        }
        Ok(builder.made_of(self))
    }
}

const BUILT_IN: [&str; 13] = [
    "again",
    "als",
    "autoencoder",
    "bpr",
    "content",
    "ease",
    "item_item",
    "popular",
    "sequence",
    "spectral",
    "trending",
    "two_tower",
    "vector",
];

fn generator(name: &str, again: &AgainConfig) -> Option<Arc<dyn CandidateGenerator>> {
    Some(match name {
        "again" => Arc::new(AgainGenerator::new(again.clone())),
        "als" => Arc::new(AlsGenerator),
        "autoencoder" => Arc::new(AutoencoderGenerator),
        "bpr" => Arc::new(BprGenerator),
        "content" => Arc::new(NeighborGenerator::by_content()),
        "ease" => Arc::new(NeighborGenerator::by_regression()),
        "item_item" => Arc::new(NeighborGenerator::by_users()),
        "popular" => Arc::new(PopularGenerator),
        "sequence" => Arc::new(NeighborGenerator::by_sequence()),
        "spectral" => Arc::new(SpectralGenerator),
        "trending" => Arc::new(TrendingGenerator),
        "two_tower" => Arc::new(TwoTowerGenerator),
        "vector" => Arc::new(NeighborGenerator::by_vector()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound_and_names_every_generator() {
        let config = PipelineConfig::default();
        assert_eq!(config.problems(), [""; 0]);
        assert!(config.sources.keys().eq(BUILT_IN.iter()));
        assert!(
            BUILT_IN
                .iter()
                .all(|name| generator(name, &config.again).is_some_and(|made| made.name() == *name))
        );
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let mut config = PipelineConfig {
            deadline_ms: 0,
            seen: SeenPolicy::WithinDays(-1.0),
            ..PipelineConfig::default()
        };
        config
            .sources
            .insert("alss".to_owned(), SourceConfig { weight: 0.0, ..SourceConfig::new(1, &[("hoem", 3)]) });
        let BuildError::Config(problems) = config.builder(Snapshot::default()).unwrap_err() else {
            panic!("a config error")
        };
        assert_eq!(problems.len(), 5, "{problems:#?}");
    }
}
