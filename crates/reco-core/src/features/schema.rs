//! Which features there are, declared once for training and serving.

use super::affinity::Affinity;
use super::attributes::{OwnColumns, Tastes};
use super::context::ContextGroup;
use super::items::Items;
use super::own::Own;
use super::sources::Sources;
use super::users::Users;
use super::{Feature, FeatureGroup, FeatureMatrix, ItemTable};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which features to compute and how; the built-in groups unless told otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureConfig {
    /// Windows before the data's end, in days, over which an item's events are counted; ascending, above 0.
    pub windows_days: Vec<f32>,
    /// Numbers and flags among the items' own columns that become features `item.own.…`. None by themselves: a
    /// column may well tell of times after the moment that a training row is asked about.
    pub own_columns: Vec<String>,
    /// Columns of the users' own that become features `user.own.…`: a number or a flag as it is, a moment as the days
    /// since, a text as a feature for each of its frequent values, with `cross.own.…` for what users of the same value
    /// take. None by themselves, for the same reason.
    pub user_columns: Vec<String>,
    /// Features that rankers are trained without, by name or, ending in `*`, by the beginning of their names
    /// (`source.*`).
    pub leave_out: Vec<String>,
    /// What stands for a value that is not known, by feature.
    pub defaults: BTreeMap<String, f32>,
    /// Days after which a value kept in the snapshot counts as not known, by feature; above 0.
    pub ttl_days: BTreeMap<String, f32>,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self {
            windows_days: vec![1.0, 7.0, 30.0, 90.0],
            own_columns: Vec::new(),
            user_columns: Vec::new(),
            leave_out: Vec::new(),
            defaults: BTreeMap::new(),
            ttl_days: BTreeMap::new(),
        }
    }
}

impl FeatureConfig {
    /// What is wrong with it, one line each, with the path of the field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let windows = &self.windows_days;
        let is_sound = |days: f32| days.is_finite() && days > 0.0;
        if !windows.iter().all(|&days| is_sound(days)) || !windows.is_sorted_by(|a, b| a < b) {
            problems.push(format!("windows_days is {windows:?}, must be ascending numbers above 0"));
        }
        for (name, value) in self.defaults.iter().filter(|(_, value)| !value.is_finite()) {
            problems.push(format!("defaults.{name} is {value}, must be a finite number"));
        }
        for (name, days) in self.ttl_days.iter().filter(|(_, days)| !is_sound(**days)) {
            problems.push(format!("ttl_days.{name} is {days}, must be above 0"));
        }
        problems
    }

    /// Whether a ranker is to be trained without the feature.
    pub fn leaves_out(&self, name: &str) -> bool {
        self.leave_out.iter().any(|pattern| matches(pattern, name))
    }
}

/// Whether a feature is meant by a name or by a beginning of names followed by `*`.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |start| name.starts_with(start))
}

/// How the features of a snapshot were declared when it was trained.
fn config(snapshot: &Snapshot) -> Option<&FeatureConfig> {
    snapshot.models.get::<ItemTable>(ItemTable::NAME).map(ItemTable::config)
}

/// The groups of features that a ranker reads: the built-in ones, and those of one's own beside them.
///
/// ```
/// use reco_core::features::FeatureSchema;
/// use reco_core::snapshot::Snapshot;
///
/// let schema = FeatureSchema::default();
/// let features = schema.features(&Snapshot::default(), &["als".into()]);
/// assert!(features.iter().any(|feature| &*feature.name == "source.als.share"));
/// ```
#[derive(Clone, Debug)]
pub struct FeatureSchema {
    groups: Vec<Arc<dyn FeatureGroup>>,
}

impl Default for FeatureSchema {
    fn default() -> Self {
        let groups: Vec<Arc<dyn FeatureGroup>> = vec![
            Arc::new(Users),
            Arc::new(OwnColumns),
            Arc::new(ContextGroup),
            Arc::new(Items),
            Arc::new(Own),
            Arc::new(Affinity),
            Arc::new(Tastes),
            Arc::new(Sources),
        ];
        Self { groups }
    }
}

impl FeatureSchema {
    /// With a group of one's own beside them.
    #[must_use]
    pub fn with(mut self, group: impl FeatureGroup) -> Self {
        self.groups.push(Arc::new(group));
        self
    }

    /// All features under a snapshot for candidates of these sources, in the order of a matrix' columns.
    pub fn features(&self, snapshot: &Snapshot, sources: &[Arc<str>]) -> Vec<Feature> {
        self.declared(snapshot, sources).0
    }

    /// All features and how many of them each group has.
    fn declared(&self, snapshot: &Snapshot, sources: &[Arc<str>]) -> (Vec<Feature>, Vec<usize>) {
        let (mut features, mut widths) = (Vec::new(), Vec::new());
        for group in &self.groups {
            let of_group = group.features(snapshot, sources);
            widths.push(of_group.len());
            features.extend(of_group);
        }
        let Some(FeatureConfig { defaults, ttl_days, .. }) = config(snapshot) else {
            return (features, widths);
        };
        if !(defaults.is_empty() && ttl_days.is_empty()) {
            for feature in &mut features {
                feature.default = defaults.get(&*feature.name).copied().or(feature.default);
                feature.ttl_days = ttl_days.get(&*feature.name).copied().or(feature.ttl_days);
            }
        }
        (features, widths)
    }

    /// What this schema cannot do under a snapshot, one line each: settings of features that there are not, and
    /// features of the same name.
    pub fn problems(&self, snapshot: &Snapshot, sources: &[Arc<str>]) -> Vec<String> {
        let Some(config) = config(snapshot) else { return Vec::new() };
        let mut problems = config.problems();
        let mut names = BTreeSet::new();
        for feature in self.features(snapshot, sources) {
            if !names.insert(Arc::clone(&feature.name)) {
                problems.push(format!("two groups have a feature `{}`", feature.name));
            }
        }
        let FeatureConfig { defaults, ttl_days, leave_out, .. } = config;
        let named = defaults.keys().map(|name| ("defaults", name));
        for (field, name) in named.chain(ttl_days.keys().map(|name| ("ttl_days", name))) {
            if !names.contains(name.as_str()) {
                problems.push(format!("{field}.{name}: there is no such feature"));
            }
        }
        for pattern in leave_out.iter().filter(|pattern| !names.iter().any(|name| matches(pattern, name))) {
            problems.push(format!("leave_out: no feature is named `{pattern}`"));
        }
        problems
    }

    /// The features of all candidates, those that a ranker is to leave out among them.
    ///
    /// # Errors
    ///
    /// The [`Fault`] of the first group that cannot fill its columns.
    pub fn matrix(&self, query: &Query, set: &Candidates) -> Result<FeatureMatrix, Fault> {
        let snapshot = &query.snapshot;
        let (features, widths) = self.declared(snapshot, set.sources());
        let mut matrix = FeatureMatrix::new(features, set.len());
        let mut first = 0;
        for (group, width) in self.groups.iter().zip(widths) {
            group.fill(query, set, &mut matrix.block(first, width))?;
            first += width;
        }
        matrix.settle(query.now.days_since(snapshot.data_until) as f32);
        Ok(matrix)
    }
}
