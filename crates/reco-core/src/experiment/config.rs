//! Experiments as configuration.

use super::{DecisionRules, HashVersion, bucket_ranges, in_namespace};
use crate::predicate::Predicate;
use crate::request::Surface;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// One experiment: who takes part, and what its variants change. The first variant is the control.
///
/// ```
/// use reco_core::experiment::ExperimentConfig;
///
/// let experiment: ExperimentConfig = serde_json::from_str(
///     r#"{"coverage": 0.1, "only": "country = \"AT\"", "variants": [
///         {"name": "A"},
///         {"name": "B", "pipeline": {"rerank": {"per_category": 2}}}]}"#,
/// )?;
/// assert_eq!(experiment.ranges(), [0.0..0.05, 0.5..0.55]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExperimentConfig {
    /// Whether anybody takes part.
    pub state: State,
    /// What is hashed with a user; the experiment's name unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// Which hash, 1 or 2.
    pub hash_version: HashVersion,
    /// Whom it divides.
    pub by: Unit,
    /// The share of those for whom it is who take part, 0 to 1. Raising it moves nobody who takes part.
    pub coverage: f64,
    /// How the weights of variants are meant.
    pub split: Split,
    /// What is compared, at least one; the first is the control.
    pub variants: Vec<VariantConfig>,
    /// The part of a layer that is its own: experiments in parts that do not overlap have no user in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// Only for those whose attributes match.
    #[serde(with = "crate::switch")]
    pub only: Option<Predicate>,
    /// Only on these surfaces, by name; on all if empty.
    pub surfaces: Vec<String>,
    /// Variants of single users or sessions, for those who look whether it works. They count for no metric.
    pub overrides: BTreeMap<String, String>,
    /// Hours for which a user counts as exposed once, above 0.
    pub exposure_hours: f64,
    /// Attributes by whose values the report divides users, at most [`MOST_SEGMENTS`](Self::MOST_SEGMENTS), and
    /// [`SURFACE`](Self::SURFACE) for where they were exposed. They are noted with an exposure, no others are.
    pub segments: Vec<String>,
    /// When it may end.
    pub decide: DecisionRules,
}

/// Whether anybody takes part in an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Only those whom an override names.
    Draft,
    /// Those who are chosen.
    #[default]
    Running,
    /// Nobody.
    Stopped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draft => "draft",
            Self::Running => "running",
            Self::Stopped => "stopped",
        })
    }
}

/// Whom an experiment divides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Users; a visitor without a name by their session, and on after they logged in.
    #[default]
    User,
    /// Sessions, whoever is in them.
    Session,
}

/// How the weights of variants are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// As shares of their sum; each variant takes in the first `coverage` of its part.
    #[default]
    Weights,
    /// As hundredths of all, laid out from bucket 0 on in the order of the variants, as in "0-4 A, 5-9 B, rest control": a
    /// user's bucket is their place times 100, rounded down. The variant without a weight gets the rest.
    Percent,
}

/// One variant of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VariantConfig {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Its share of users, as `split` says; the same as others' unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// What it changes of how pages are made: any settings of the pipeline.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub pipeline: Map<String, Value>,
    /// The version of the model that it serves; the one that serves everybody unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// A part of a layer; all of it unless said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layer {
    /// Which layer.
    pub name: String,
    /// Where the part begins, 0 to 1.
    pub from: f64,
    /// Where it ends, 0 to 1.
    pub to: f64,
}

/// Users who take part in no experiment, so that what all of them together change can be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Holdout {
    /// Their share, 0 to 1.
    pub share: f64,
    /// The experiments from which they are kept; all if empty.
    pub from: Vec<String>,
}

impl Default for ExperimentConfig {
    fn default() -> Self {
        Self {
            state: State::default(),
            seed: None,
            hash_version: HashVersion::default(),
            by: Unit::default(),
            coverage: 1.0,
            split: Split::default(),
            variants: Vec::new(),
            layer: None,
            only: None,
            surfaces: Vec::new(),
            overrides: BTreeMap::new(),
            exposure_hours: 24.0,
            segments: vec![Self::SURFACE.to_owned(), "device".to_owned()],
            decide: DecisionRules::default(),
        }
    }
}

impl Default for Layer {
    fn default() -> Self {
        Self { name: String::new(), from: 0.0, to: 1.0 }
    }
}

impl Layer {
    pub(super) fn holds(&self, unit: &str) -> bool {
        in_namespace(unit, &self.name, &self.range())
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl Holdout {
    /// Whether a unit is kept from experiments. `name` is that of the holdout.
    pub(super) fn holds(&self, name: &str, unit: &str) -> bool {
        HashVersion::V2.place(&format!("holdout:{name}"), unit) < self.share
    }
}

impl ExperimentConfig {
    /// What users may be divided by that is no attribute: the surface on which they were exposed first.
    pub const SURFACE: &str = "surface";
    /// Most [`segments`](Self::segments).
    pub const MOST_SEGMENTS: usize = 8;
    /// Most bytes of the name of one.
    const LONGEST_SEGMENT: usize = 32;

    /// The part of 0..1 that belongs to each variant.
    pub fn ranges(&self) -> Vec<Range<f64>> {
        match self.split {
            Split::Weights => bucket_ranges(self.variants.len(), self.coverage, Some(&self.shares())),
            Split::Percent => self.percent(),
        }
    }

    /// Weights as shares of their sum; as they are, if that is about 1, which is how GrowthBook's SDKs take them.
    fn shares(&self) -> Vec<f64> {
        let weights = self.variants.iter().map(|variant| variant.weight.unwrap_or(1.0));
        let total: f64 = weights.clone().sum();
        let unit = if (0.99..=1.01).contains(&total) { 1.0 } else { total };
        weights.map(|weight| weight / unit).collect()
    }

    fn percent(&self) -> Vec<Range<f64>> {
        let taken: f64 = self.variants.iter().filter_map(|variant| variant.weight).sum();
        let mut start = 0.0;
        let mut next = |width: f64| {
            let range = start / 100.0..(start + width * self.coverage) / 100.0;
            start += width;
            range
        };
        let mut ranges: Vec<_> = self.variants.iter().map(|variant| variant.weight.map(&mut next)).collect();
        ranges.iter_mut().filter(|range| range.is_none()).for_each(|rest| *rest = Some(next(100.0 - taken)));
        ranges.into_iter().flatten().collect()
    }

    /// What is wrong with it, one line each, with the path of the field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.variant_problems();
        if !(0.0..=1.0).contains(&self.coverage) {
            problems.push(format!("coverage is {}, must be 0 to 1", self.coverage));
        }
        if !(self.exposure_hours.is_finite() && self.exposure_hours > 0.0) {
            problems.push(format!("exposure_hours is {}, must be above 0", self.exposure_hours));
        }
        if self.layer.as_ref().is_some_and(|layer| layer.name.is_empty()) {
            problems.push("layer.name is empty, must be the name of a layer".to_owned());
        }
        problems.extend(self.decide.problems().into_iter().map(|line| format!("decide.{line}")));
        if let Some(Layer { name, from, to }) = &self.layer
            && !(0.0 <= *from && from <= to && *to <= 1.0)
        {
            problems.push(format!("layer `{name}` is from {from} to {to}, must be a part of 0 to 1"));
        }
        if let Some(Err(error)) = self.only.as_ref().map(Predicate::check_attributes) {
            problems.push(format!("only: {error}"));
        }
        for surface in self.surfaces.iter().filter(|name| !Surface::NAMES.contains(&name.as_str())) {
            problems
                .push(format!("surfaces: there is no `{surface}`; there are {}", Surface::NAMES.join(", ")));
        }
        problems.extend(self.segment_problems());
        for (who, variant) in self.overrides.iter().filter(|(_, variant)| self.variant(variant).is_none()) {
            problems.push(format!("overrides.{who}: there is no variant `{variant}`"));
        }
        problems
    }

    fn segment_problems(&self) -> Vec<String> {
        let (names, mut problems) = (&self.segments, Vec::new());
        if names.len() > Self::MOST_SEGMENTS {
            problems.push(format!("segments are {}, must be at most {}", names.len(), Self::MOST_SEGMENTS));
        }
        for (place, name) in names.iter().enumerate() {
            if name.is_empty() || name.len() > Self::LONGEST_SEGMENT {
                let longest = Self::LONGEST_SEGMENT;
                problems.push(format!("segments has {name:?}, must be names of 1 to {longest} bytes"));
            } else if names[..place].contains(name) {
                problems.push(format!("segments has {name:?} twice"));
            }
        }
        problems
    }

    /// Whether its variants change nothing, as of a test of the experiment itself (A/A).
    pub fn is_aa(&self) -> bool {
        let first = self.variants.first();
        self.variants.len() > 1
            && first.is_some_and(|first| {
                let is_same =
                    |of: &VariantConfig| of.pipeline == first.pipeline && of.version == first.version;
                self.variants.iter().all(is_same)
            })
    }

    fn variant_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(1..=256).contains(&self.variants.len()) {
            problems.push(format!("variants are {}, must be 1 to 256", self.variants.len()));
        }
        for (n, variant) in self.variants.iter().enumerate() {
            if let Some(problem) = name_problem(&variant.name) {
                problems.push(format!("variants[{n}].name {problem}"));
            }
            if self.variant(&variant.name) != Some(n) {
                problems.push(format!("variants[{n}].name is `{}`, as another's", variant.name));
            }
            if let Some(weight) = variant.weight.filter(|weight| !(weight.is_finite() && *weight >= 0.0)) {
                problems.push(format!("variants[{n}].weight is {weight}, must be at least 0"));
            }
        }
        problems.extend(self.split_problem());
        problems
    }

    /// What is wrong with the weights together.
    fn split_problem(&self) -> Option<String> {
        let total: f64 = self.variants.iter().filter_map(|variant| variant.weight).sum();
        let open = self.variants.iter().filter(|variant| variant.weight.is_none()).count();
        match self.split {
            Split::Weights if open == 0 && total <= 0.0 && !self.variants.is_empty() => {
                Some("variants: their weights are 0, must be more in sum".to_owned())
            }
            Split::Percent if total > 100.0 => {
                Some(format!("variants: their weights are {total} in sum, must be at most 100 percent"))
            }
            Split::Percent if open > 1 => {
                Some(format!("variants: {open} have no weight, only one can get the rest of 100 percent"))
            }
            Split::Weights | Split::Percent => None,
        }
    }

    /// The position of a variant.
    pub fn variant(&self, name: &str) -> Option<usize> {
        self.variants.iter().position(|variant| variant.name == name)
    }
}

/// Why a text cannot name an experiment or a variant: both are parts of a header, `experiment_variant`, of which commas
/// divide several.
pub(super) fn name_problem(name: &str) -> Option<String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if name.is_empty() {
        return Some("is empty".to_owned());
    }
    let odd = name.chars().find(|letter| !fits(*letter))?;
    Some(format!("is `{name}`, has {odd:?}; must be letters, digits, `-` and `_`"))
}
