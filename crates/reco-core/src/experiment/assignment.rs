//! Who takes part in which experiments.

use super::config::name_problem;
use super::{Arm, ExperimentConfig, Holdout, State, Unit, choose_variation};
use crate::id::UserKey;
use crate::request::Surface;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Whoever asks for a page, as experiments see them.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The user; of a visitor without a name, [the session's](UserKey::of_session).
    pub user: &'a UserKey,
    /// The session, if it is known.
    pub session: Option<&'a str>,
    /// What else is known of them, for `only`.
    pub attributes: &'a Map<String, Value>,
}

impl Subject<'_> {
    /// Whom an experiment divides: the user, or the session that stands for one.
    fn unit(&self, by: Unit) -> Option<UserKey> {
        match by {
            Unit::User => Some(self.user.clone()),
            Unit::Session => self.visitor(),
        }
    }

    /// Whoever this was before they told their name.
    fn visitor(&self) -> Option<UserKey> {
        self.session.map(UserKey::of_session)
    }
}

/// A variant for somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The experiment.
    pub experiment: Arc<str>,
    /// Its variant.
    pub variant: Arc<str>,
    /// The variant's position, 0 for the control.
    #[serde(skip)]
    pub arm: Arm,
    /// Whom the experiment divides: a user, or the key of a session.
    #[serde(skip, default = "nobody")]
    pub unit: UserKey,
    /// How it came to be.
    pub how: How,
}

/// Whoever it was is not written down.
fn nobody() -> UserKey {
    "".into()
}

/// How a variant was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By the place of the user's hash.
    Hashed,
    /// It is the one that they had before.
    Kept,
    /// An override says so; counts for nothing.
    Overridden,
}

/// Remembers which variants users had, so that they keep them although weights change or they tell their name.
pub trait Memory {
    /// The variant that a user had, or a visitor by the key of their session.
    fn variant(&self, experiment: &str, unit: &UserKey) -> Option<Arc<str>>;
}

/// Remembers nothing: assignments follow from hashes alone.
#[derive(Clone, Copy, Debug)]
pub struct NoMemory;

impl Memory for NoMemory {
    fn variant(&self, _: &str, _: &UserKey) -> Option<Arc<str>> {
        None
    }
}

/// All experiments that go on at a time.
///
/// ```
/// use reco_core::experiment::{Experiments, NoMemory, Subject};
/// use reco_core::request::Surface;
///
/// let experiments: Experiments = serde_json::from_str::<std::collections::BTreeMap<_, _>>(
///     r#"{"exp_123": {"variants": [{"name": "A"}, {"name": "B"}]}}"#,
/// )
/// .map(|configs| Experiments::new(configs, Default::default()))?
/// .expect("nothing is wrong with it");
/// let (user, attributes) = ("ann".into(), Default::default());
/// let subject = Subject { user: &user, session: None, attributes: &attributes };
/// let assigned = experiments.assign(subject, &Surface::Home, &NoMemory);
/// assert_eq!(Experiments::header(&assigned).as_deref(), Some("exp_123_A"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Experiments {
    all: Arc<[Ready]>,
    holdouts: Arc<[(String, Holdout)]>,
}

/// An experiment, ready to be asked.
#[derive(Debug)]
struct Ready {
    name: Arc<str>,
    config: ExperimentConfig,
    variants: Vec<Arc<str>>,
    ranges: Vec<Range<f64>>,
    seed: Arc<str>,
}

impl Experiments {
    /// Experiments and holdouts by name.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, one line each, with the path of the field.
    pub fn new(
        configs: BTreeMap<String, ExperimentConfig>,
        holdouts: BTreeMap<String, Holdout>,
    ) -> Result<Self, Vec<String>> {
        let problems = problems(&configs, &holdouts);
        if !problems.is_empty() {
            return Err(problems);
        }
        let all = configs.into_iter().map(|(name, config)| Ready::new(name.into(), config));
        Ok(Self { all: all.collect(), holdouts: holdouts.into_iter().collect() })
    }

    /// Whether nobody can take part in anything.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Experiments by name, in the order of the names.
    pub fn configs(&self) -> impl Iterator<Item = (&Arc<str>, &ExperimentConfig)> {
        self.all.iter().map(|ready| (&ready.name, &ready.config))
    }

    /// One experiment.
    pub fn config(&self, name: &str) -> Option<&ExperimentConfig> {
        self.all.iter().find(|ready| &*ready.name == name).map(|ready| &ready.config)
    }

    /// The variants for somebody on a surface, in the order of the experiments' names. Depends on nothing but its arguments.
    pub fn assign(&self, subject: Subject<'_>, surface: &Surface, memory: &dyn Memory) -> Vec<Assignment> {
        let asked = self.all.iter().filter(|ready| ready.is_on(surface));
        asked.filter_map(|ready| self.assign_one(ready, subject, memory)).collect()
    }

    fn assign_one(&self, ready: &Ready, subject: Subject<'_>, memory: &dyn Memory) -> Option<Assignment> {
        let unit = subject.unit(ready.config.by)?;
        if let Some(variant) = ready.overridden(subject) {
            return Some(ready.assignment(variant, unit, How::Overridden));
        }
        let takes_part = ready.config.state == State::Running
            && !self.is_held_out(&ready.name, &unit)
            && ready.config.only.as_ref().is_none_or(|only| only.matches_attributes(subject.attributes));
        if !takes_part {
            return None;
        }
        if let Some(variant) = ready.kept(&unit, subject, memory) {
            return Some(ready.assignment(variant, unit, How::Kept));
        }
        let variant = ready.hashed(unit.as_str())?;
        Some(ready.assignment(variant, unit, How::Hashed))
    }

    fn is_held_out(&self, experiment: &str, unit: &UserKey) -> bool {
        let concerns =
            |holdout: &Holdout| holdout.from.is_empty() || holdout.from.iter().any(|name| name == experiment);
        self.holdouts.iter().any(|(name, holdout)| concerns(holdout) && holdout.holds(name, unit.as_str()))
    }

    /// The window of an experiment that holds a moment, in which a user counts as exposed once.
    pub(super) fn window(&self, experiment: &str, at: Timestamp) -> Option<i64> {
        let hours = self.config(experiment)?.exposure_hours;
        Some((at.millis() as f64 / (hours * 3_600_000.0)).floor() as i64)
    }

    /// Assignments as the header `X-Experiment` names them, `exp_123_A`, divided by commas; nothing without any.
    pub fn header(assigned: &[Assignment]) -> Option<String> {
        let names: Vec<String> =
            assigned.iter().map(|of| format!("{}_{}", of.experiment, of.variant)).collect();
        (!names.is_empty()).then(|| names.join(","))
    }
}

impl Ready {
    fn new(name: Arc<str>, config: ExperimentConfig) -> Self {
        Self {
            variants: config.variants.iter().map(|variant| variant.name.as_str().into()).collect(),
            ranges: config.ranges(),
            seed: config.seed.as_deref().map_or_else(|| Arc::clone(&name), Arc::from),
            name,
            config,
        }
    }

    fn is_on(&self, surface: &Surface) -> bool {
        let surfaces = &self.config.surfaces;
        surfaces.is_empty() || surfaces.iter().any(|name| name == surface.name())
    }

    fn overridden(&self, subject: Subject<'_>) -> Option<usize> {
        let names = [Some(subject.user.as_str()), subject.session];
        let variant = names.into_iter().flatten().find_map(|name| self.config.overrides.get(name))?;
        self.config.variant(variant).filter(|_| self.config.state != State::Stopped)
    }

    /// The variant that they had before; that of the visitor, if they have none under their name. Who left the layer's part or
    /// was never in it keeps what they had, too.
    fn kept(&self, unit: &UserKey, subject: Subject<'_>, memory: &dyn Memory) -> Option<usize> {
        let visitor = || subject.visitor().filter(|visitor| self.config.by == Unit::User && visitor != unit);
        let name = memory.variant(&self.name, unit).or_else(|| memory.variant(&self.name, &visitor()?))?;
        self.variants.iter().position(|variant| *variant == name)
    }

    fn hashed(&self, unit: &str) -> Option<usize> {
        let is_inside = self.config.layer.as_ref().is_none_or(|layer| layer.holds(unit));
        let place = || self.config.hash_version.place(&self.seed, unit);
        is_inside.then(place).and_then(|place| choose_variation(place, &self.ranges))
    }

    fn assignment(&self, variant: usize, unit: UserKey, how: How) -> Assignment {
        Assignment {
            experiment: Arc::clone(&self.name),
            variant: Arc::clone(&self.variants[variant]),
            // There are at most 256.
            arm: Arm(variant as u8),
            unit,
            how,
        }
    }
}

/// Everything that is wrong with experiments, by themselves and together.
fn problems(
    configs: &BTreeMap<String, ExperimentConfig>,
    holdouts: &BTreeMap<String, Holdout>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, config) in configs {
        problems.extend(name_problem(name).map(|problem| format!("experiments: a name {problem}")));
        problems.extend(config.problems().into_iter().map(|line| format!("experiments.{name}.{line}")));
    }
    for (name, holdout) in holdouts {
        if !(0.0..=1.0).contains(&holdout.share) {
            problems.push(format!("holdouts.{name}.share is {}, must be 0 to 1", holdout.share));
        }
        let unknown = holdout.from.iter().filter(|from| !configs.contains_key(*from));
        problems.extend(unknown.map(|from| format!("holdouts.{name}.from: there is no experiment `{from}`")));
    }
    for (n, (name, config)) in configs.iter().enumerate() {
        for (other, another) in configs.iter().skip(n + 1) {
            problems.extend(collision(name, config, other, another));
        }
    }
    problems
}

/// Why two experiments cannot go on beside each other: users may be in both, and both change the same.
fn collision(
    name: &str,
    config: &ExperimentConfig,
    other: &str,
    another: &ExperimentConfig,
) -> Option<String> {
    if [config, another].iter().any(|of| of.state == State::Stopped) || are_apart(config, another) {
        return None;
    }
    if let (Some(layer), Some(its)) = (&config.layer, &another.layer)
        && layer.name == its.name
    {
        return Some(format!(
            "experiments {name} and {other} overlap in the layer `{}`: {} to {}, and {} to {}",
            layer.name, layer.from, layer.to, its.from, its.to
        ));
    }
    let (changed, its) = (changed(config), changed(another));
    let same = changed.iter().find(|path| its.iter().any(|other| nested(path, other)))?;
    Some(format!(
        "experiments {name} and {other} both change {same}: give them parts of one layer that do not overlap"
    ))
}

/// Whether they can have no user in common.
pub(crate) fn are_apart(config: &ExperimentConfig, another: &ExperimentConfig) -> bool {
    let in_one_layer = |(a, b): (&super::Layer, &super::Layer)| {
        a.name == b.name && config.by == another.by && (a.to <= b.from || b.to <= a.from)
    };
    let surfaces: BTreeSet<_> = config.surfaces.iter().collect();
    let never_meet = !config.surfaces.is_empty()
        && !another.surfaces.is_empty()
        && another.surfaces.iter().all(|surface| !surfaces.contains(surface));
    never_meet || config.layer.as_ref().zip(another.layer.as_ref()).is_some_and(in_one_layer)
}

/// Whether one setting is the other, or within it.
fn nested(path: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    within(path, other) || within(other, path)
}

/// The settings that variants of an experiment change, by path.
fn changed(config: &ExperimentConfig) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for variant in &config.variants {
        if variant.version.is_some() {
            paths.insert("version".to_owned());
        }
        leaves("pipeline", &variant.pipeline, &mut paths);
    }
    paths
}

fn leaves(path: &str, table: &Map<String, Value>, paths: &mut BTreeSet<String>) {
    for (name, value) in table {
        let path = format!("{path}.{name}");
        match value {
            Value::Object(inner) if !inner.is_empty() => leaves(&path, inner, paths),
            _ => {
                paths.insert(path);
            }
        }
    }
}
