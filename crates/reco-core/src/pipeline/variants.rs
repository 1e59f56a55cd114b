//! Pipelines of experiments: what a variant changes is served by a pipeline of its own, beside the one for everybody else.

use super::builder::Model;
use super::{BuildError, PipelineConfig, Recommender, RecommenderBuilder};
use crate::experiment::{Arm, Assignment, Experiments, State, VariantConfig, are_apart};
use crate::snapshot::Snapshot;
use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Recommender {
    /// The parts of another builder beside this recommender. Everything else is shared: the snapshot and what takes its
    /// place, live layer, events, clock, threads, and what is known of users; of the builder, they are left aside. Pages are
    /// kept in one cache, under `name`, which must therefore tell apart what makes other pages.
    ///
    /// ```
    /// use reco_core::pipeline::PipelineConfig;
    /// use reco_core::snapshot::Snapshot;
    ///
    /// let config = PipelineConfig::default();
    /// let everybody = config.builder(Snapshot::default())?.build()?;
    /// let patient = PipelineConfig { deadline_ms: 100, ..config };
    /// let few = everybody.beside("patient", patient.builder(everybody.snapshot())?)?;
    /// # let _ = few;
    /// # Ok::<(), reco_core::pipeline::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] for names used twice or weights that make no sense.
    pub fn beside(&self, name: &str, builder: RecommenderBuilder) -> Result<Self, BuildError> {
        builder.build_beside(self, name, Model::Shared)
    }

    /// As [`beside`](Self::beside), on the builder's own snapshot, which stays whatever this recommender answers from. Items
    /// that are new to both are found there by what is written of them, not by who took them.
    ///
    /// # Errors
    ///
    /// As [`beside`](Self::beside).
    pub fn beside_on_own_snapshot(
        &self,
        name: &str,
        builder: RecommenderBuilder,
    ) -> Result<Self, BuildError> {
        builder.build_beside(self, name, Model::Own)
    }
}

impl PipelineConfig {
    /// These settings with those of `patch` on top; tables are merged, anything else is replaced.
    ///
    /// ```
    /// use reco_core::pipeline::PipelineConfig;
    ///
    /// let patch = serde_json::json!({"rerank": {"per_category": 2}, "sources": {"als": {"quota": 80}}});
    /// let config = PipelineConfig::default().patched(patch.as_object().unwrap()).unwrap();
    /// assert_eq!((config.rerank.per_category, config.sources["als"].quota), (Some(2), 80));
    ///
    /// let patch = serde_json::json!({"deadline": 3, "ranker": "best"});
    /// let problems = PipelineConfig::default().patched(patch.as_object().unwrap()).unwrap_err();
    /// assert!(problems[0].starts_with("deadline: unknown field") && problems[1].starts_with("ranker: unknown variant"));
    /// ```
    ///
    /// # Errors
    ///
    /// Every setting that cannot be, with its path; else all [`problems`](Self::problems) of the whole.
    pub fn patched(&self, patch: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let below = serde_json::to_value(self).map_err(|error| vec![error.to_string()])?;
        let with = |patch: &Map<String, Value>| {
            let mut merged = below.clone();
            merge(&mut merged, patch);
            serde_json::from_value::<Self>(merged).map_err(|error| error.to_string())
        };
        // Each setting is tried by itself first, so that one mistake does not hide the next.
        let alone = |(name, value): (&String, &Value)| {
            let error = with(&Map::from_iter([(name.clone(), value.clone())])).err()?;
            Some(format!("{name}: {error}"))
        };
        let mistakes: Vec<String> = patch.iter().filter_map(alone).collect();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let config = with(patch).map_err(|error| vec![error])?;
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

/// Puts settings on top of others; tables are merged.
fn merge(below: &mut Value, patch: &Map<String, Value>) {
    if !below.is_object() {
        // What was switched off, or one word, becomes a table.
        *below = Value::Object(Map::new());
    }
    let Value::Object(settings) = below else { return };
    for (name, value) in patch {
        match value {
            Value::Object(inner) => merge(settings.entry(name).or_insert(Value::Null), inner),
            _ => {
                settings.insert(name.clone(), value.clone());
            }
        }
    }
}

/// A recommender with experiments: whoever takes part is answered by the pipeline of their variants.
///
/// ```
/// use reco_core::experiment::{Experiments, NoMemory, Subject};
/// use reco_core::pipeline::{PipelineConfig, Variants};
/// use reco_core::request::{Request, Surface};
/// use reco_core::snapshot::Snapshot;
///
/// let json = r#"{"few_alike": {"variants": [{"name": "A"}, {"name": "B", "pipeline": {"rerank": {"per_category": 1}}}]}}"#;
/// let experiments = Experiments::new(serde_json::from_str(json)?, Default::default()).expect("nothing is wrong with it");
/// let config = PipelineConfig::default();
/// let recommender = config.builder(Snapshot::default())?.build()?;
/// let variants = Variants::new(recommender, experiments, &config, |config, snapshot| config.builder(snapshot), |_| {
///     Err("there is no other version here".to_owned())
/// })?;
///
/// let (user, attributes) = ("ann".into(), Default::default());
/// let subject = Subject { user: &user, session: None, attributes: &attributes };
/// let assigned = variants.experiments().assign(subject, &Surface::Home, &NoMemory);
/// let page = variants.of(&assigned).recommend_now(Request::for_user("ann"))?;
/// # let _ = page;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Variants {
    main: Recommender,
    experiments: Experiments,
    /// By the variants that change something, in the order of their experiments.
    pipelines: Arc<BTreeMap<Vec<Chosen>, Recommender>>,
}

/// A variant of an experiment.
type Chosen = (Arc<str>, Arm);

/// Why variants cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VariantError {
    /// What they change makes no sense; everything that is wrong, one line each, with the path of the field.
    #[error("{}", .0.join("\n"))]
    Config(Vec<String>),
    /// Their pipeline cannot be built.
    #[error("experiments.{variant}: {cause}")]
    Build {
        /// Which.
        variant: String,
        /// Why.
        cause: BuildError,
    },
    /// Too many may come together.
    #[error(
        "experiments: their variants come together in more than {} ways, each with a pipeline of its own; put some of them in one layer",
        Variants::MOST_PIPELINES
    )]
    TooMany,
}

impl Variants {
    /// Most pipelines beside the one for everybody.
    pub const MOST_PIPELINES: usize = 256;

    /// A pipeline for each way in which variants that change something may come together. `build` makes one of settings, as
    /// the main one was made of `config`; `load` gives another version of the model by its number, or says why not.
    ///
    /// # Errors
    ///
    /// [`VariantError`] with everything that is wrong.
    pub fn new(
        main: Recommender,
        experiments: Experiments,
        config: &PipelineConfig,
        build: impl Fn(&PipelineConfig, Arc<Snapshot>) -> Result<RecommenderBuilder, BuildError>,
        load: impl Fn(u64) -> Result<Arc<Snapshot>, String>,
    ) -> Result<Self, VariantError> {
        let maker = Maker { main: &main, experiments: &experiments, config, build, load };
        let pipelines = Arc::new(maker.pipelines()?);
        Ok(Self { main, experiments, pipelines })
    }

    /// A recommender without experiments.
    pub fn none(main: Recommender) -> Self {
        Self { main, experiments: Experiments::default(), pipelines: Arc::default() }
    }

    /// The pipeline of everybody else.
    pub fn main(&self) -> &Recommender {
        &self.main
    }

    /// The experiments.
    pub fn experiments(&self) -> &Experiments {
        &self.experiments
    }

    /// The pipeline of these variants.
    pub fn of(&self, assigned: &[Assignment]) -> &Recommender {
        let changing = assigned.iter().filter(|of| changes(&self.experiments, &of.experiment, of.arm));
        let chosen: Vec<Chosen> = changing.map(|of| (Arc::clone(&of.experiment), of.arm)).collect();
        self.pipelines.get(&chosen).unwrap_or(&self.main)
    }
}

/// Variants that others may take the place of while they serve, as when an experiment begins or ends. Cheap to clone: all clones
/// get what is put in one.
///
/// ```
/// use reco_core::pipeline::{CurrentVariants, PipelineConfig, Variants};
/// use reco_core::snapshot::Snapshot;
///
/// let recommender = PipelineConfig::default().builder(Snapshot::default())?.build()?;
/// let current = CurrentVariants::from(Variants::none(recommender.clone()));
/// // Whoever answers a request holds on to what is current when it begins.
/// let variants = current.get();
/// current.put(Variants::none(recommender));
/// assert!(variants.experiments().is_empty());
/// # Ok::<(), reco_core::pipeline::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CurrentVariants(Arc<ArcSwap<Variants>>);

impl From<Variants> for CurrentVariants {
    fn from(variants: Variants) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(variants)))
    }
}

impl CurrentVariants {
    /// Those that serve.
    pub fn get(&self) -> Arc<Variants> {
        self.0.load_full()
    }

    /// Lets others serve. Requests that have begun end with those that they began with.
    pub fn put(&self, variants: Variants) {
        self.0.store(Arc::new(variants));
    }
}

/// Whether a variant is anything but what everybody gets.
fn changes(experiments: &Experiments, experiment: &str, arm: Arm) -> bool {
    let variant = experiments.config(experiment).and_then(|config| config.variants.get(usize::from(arm.0)));
    variant.is_some_and(|variant| variant.version.is_some() || !variant.pipeline.is_empty())
}

/// What pipelines are made from.
struct Maker<'a, B, L> {
    main: &'a Recommender,
    experiments: &'a Experiments,
    config: &'a PipelineConfig,
    build: B,
    load: L,
}

impl<B, L> Maker<'_, B, L>
where
    B: Fn(&PipelineConfig, Arc<Snapshot>) -> Result<RecommenderBuilder, BuildError>,
    L: Fn(u64) -> Result<Arc<Snapshot>, String>,
{
    fn pipelines(&self) -> Result<BTreeMap<Vec<Chosen>, Recommender>, VariantError> {
        let ways = self.ways()?;
        let versions = self.versions(&ways)?;
        let (mut pipelines, mut problems) = (BTreeMap::new(), Vec::new());
        for chosen in ways {
            match self.settings(&chosen) {
                Ok(config) => {
                    let pipeline = self.pipeline(&chosen, &config, &versions)?;
                    pipelines.insert(chosen, pipeline);
                }
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() { Ok(pipelines) } else { Err(VariantError::Config(problems)) }
    }

    /// All ways in which variants that change something may come together, but for none of them.
    fn ways(&self) -> Result<Vec<Vec<Chosen>>, VariantError> {
        let mut ways = vec![Vec::new()];
        for (name, config) in self.experiments.configs().filter(|(_, config)| config.state != State::Stopped)
        {
            let arms = (0..config.variants.len()).map(|arm| Arm(arm as u8));
            let changing: Vec<Arm> = arms.filter(|arm| changes(self.experiments, name, *arm)).collect();
            for way in ways.clone() {
                let meets = |(other, _): &Chosen| {
                    self.experiments.config(other).is_some_and(|other| !are_apart(config, other))
                };
                if way.iter().all(meets) {
                    let with = |&arm: &Arm| [&way[..], &[(Arc::clone(name), arm)]].concat();
                    ways.extend(changing.iter().map(with));
                }
                if ways.len() > Variants::MOST_PIPELINES + 1 {
                    return Err(VariantError::TooMany);
                }
            }
        }
        ways.retain(|way| !way.is_empty());
        Ok(ways)
    }

    /// The other versions of the model, each loaded once.
    fn versions(&self, ways: &[Vec<Chosen>]) -> Result<BTreeMap<u64, Arc<Snapshot>>, VariantError> {
        let (mut versions, mut problems) = (BTreeMap::new(), Vec::new());
        for (chosen, version) in ways.iter().filter_map(|way| Some((way, self.version(way)?))) {
            if versions.contains_key(&version) {
                continue;
            }
            match (self.load)(version) {
                Ok(snapshot) => {
                    versions.insert(version, snapshot);
                }
                Err(why) => problems.push(format!("experiments.{}.version: {why}", self.path(chosen))),
            }
        }
        if problems.is_empty() { Ok(versions) } else { Err(VariantError::Config(problems)) }
    }

    fn version(&self, chosen: &[Chosen]) -> Option<u64> {
        chosen.iter().find_map(|chosen| self.variant(chosen)?.version)
    }

    fn variant(&self, (experiment, arm): &Chosen) -> Option<&VariantConfig> {
        self.experiments.config(experiment)?.variants.get(usize::from(arm.0))
    }

    /// The settings of these variants together. No two of them change the same.
    fn settings(&self, chosen: &[Chosen]) -> Result<PipelineConfig, Vec<String>> {
        let patches = chosen.iter().filter_map(|chosen| Some(&self.variant(chosen)?.pipeline));
        let config = patches.clone().try_fold(self.config.clone(), |config, patch| config.patched(patch));
        config.map_err(|problems| {
            let path = self.path(chosen);
            problems.into_iter().map(|problem| format!("experiments.{path}.pipeline.{problem}")).collect()
        })
    }

    fn pipeline(
        &self,
        chosen: &[Chosen],
        config: &PipelineConfig,
        versions: &BTreeMap<u64, Arc<Snapshot>>,
    ) -> Result<Recommender, VariantError> {
        let path = self.path(chosen);
        let settings = serde_json::to_string(config).unwrap_or_default();
        let name = format!("{path} {settings}");
        let own = self.version(chosen).and_then(|version| versions.get(&version));
        let built = match own {
            Some(snapshot) => (self.build)(config, Arc::clone(snapshot))
                .and_then(|builder| self.main.beside_on_own_snapshot(&name, builder)),
            None => (self.build)(config, self.main.snapshot())
                .and_then(|builder| self.main.beside(&name, builder)),
        };
        built.map_err(|cause| VariantError::Build { variant: path, cause })
    }

    /// How variants are named in problems: as paths in the configuration.
    fn path(&self, chosen: &[Chosen]) -> String {
        let name = |chosen: &Chosen| {
            let variant = self.variant(chosen).map_or("", |variant| &variant.name);
            format!("{}.variants.{variant}", chosen.0)
        };
        chosen.iter().map(name).collect::<Vec<_>>().join(" with ")
    }
}
