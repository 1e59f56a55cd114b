//! What is known about a version when it is published.

use crate::data::Dataset;
use crate::data::clean::Cleaned;
use crate::data::moments::written;
use crate::flow::{Ranking, Trained};
use crate::fnv::Fnv;
use crate::track::RunId;
use reco_core::rank::trees::Boosted;
use reco_core::rank::{DenseModel, WideDeep};
use reco_core::snapshot::Snapshot;
use reco_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where a version comes from and what it consists of, for people and for any tool that reads JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// When it was published, as 2026-01-31T12:00:00Z.
    pub created: String,
    /// The reco that trained it.
    pub code_version: String,
    /// What the snapshot was called when it was trained.
    pub snapshot: String,
    /// The version, or the snapshot, from whose factors training went on.
    pub trained_from: Option<String>,
    /// What it was trained on.
    pub data: DataFacts,
    /// The models in it.
    pub models: Vec<String>,
    /// The features that the learned rankers read, by name; empty without one.
    pub features: Vec<String>,
    /// Every seed of the configuration, by its path.
    pub seeds: BTreeMap<String, u64>,
    /// The training run that made it, where there was one.
    pub run: Option<String>,
    /// What was left out of the data.
    pub cleaned: Cleaned,
    /// Metrics by name, of the same configuration fitted to earlier data and judged on the latest; empty where
    /// nothing was judged, or where something else ordered the pages then.
    pub metrics: BTreeMap<String, f64>,
    /// The 95 % intervals of these.
    pub intervals: BTreeMap<String, (f64, f64)>,
    /// What orders pages, in the fits that were judged and in this version; none without a run.
    pub ranked_by: Option<Ranking>,
    /// The metrics of the run, where something else ordered the pages that were judged: they are not this version's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged_in_another_order: Option<OtherOrder>,
    /// What to know about the version and its metrics.
    pub remarks: Vec<String>,
    /// The configuration in effect.
    pub configuration: Value,
}

/// Figures of pages that something else ordered than what was published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OtherOrder {
    /// What ordered them.
    pub ranked_by: String,
    /// Metrics by name.
    pub metrics: BTreeMap<String, f64>,
    /// The 95 % intervals of these.
    pub intervals: BTreeMap<String, (f64, f64)>,
}

/// The data in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataFacts {
    /// Interactions.
    pub rows: usize,
    /// Distinct users.
    pub users: usize,
    /// Items of the catalogue.
    pub items: usize,
    /// The first interaction; none for data without times.
    pub from: Option<String>,
    /// The last.
    pub until: Option<String>,
    /// The same for the same interactions, in whatever order they come: the sum of the 64-bit FNV-1a hashes of
    /// user, item, action, value and time of every row, in hexadecimal.
    pub fingerprint: String,
    /// The same for the same items and users with the same attributes in the same order: the FNV-1a hash of their
    /// encoding.
    pub attributes: String,
}

impl DataFacts {
    /// Those of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        let log = &dataset.log;
        let actions: Vec<String> = log.actions.iter().map(ToString::to_string).collect();
        let mut attributes = Fnv::default();
        // Both encode without an error whatever they hold.
        for part in [postcard::to_stdvec(&dataset.catalog), postcard::to_stdvec(&dataset.users)] {
            attributes.bytes(&part.unwrap_or_default());
        }
        let span = log.has_times().then(|| log.span()).flatten();
        let mut sum = 0u64;
        for row in 0..log.len() {
            let mut hash = Fnv::default();
            hash.text(log.users.keys()[log.user[row] as usize].as_str());
            hash.text(dataset.catalog.key(log.item[row]).as_str());
            hash.text(&actions[usize::from(log.action[row])]);
            hash.bytes(&log.value[row].to_bits().to_le_bytes());
            hash.bytes(&log.at[row].millis().to_le_bytes());
            sum = sum.wrapping_add(hash.0);
        }
        Self {
            rows: log.len(),
            users: log.users.len(),
            items: dataset.catalog.len(),
            from: span.map(|(first, _)| written(first)),
            until: span.map(|(_, last)| written(last)),
            fingerprint: format!("{sum:016x}"),
            attributes: format!("{:016x}", attributes.0),
        }
    }
}

/// How the learned rankers of a snapshot did on what training kept from them, by name.
pub fn learned(snapshot: &Snapshot) -> BTreeMap<String, f64> {
    let network = snapshot.models.get::<WideDeep>(WideDeep::NAME).map(WideDeep::metrics);
    let trees = snapshot.models.get::<Boosted>(Boosted::NAME).map(Boosted::metrics);
    network.into_iter().chain(trees).flatten().collect()
}

impl Metadata {
    /// What a snapshot says of itself, beside what is known of its data, its origin and its configuration.
    pub fn new(
        snapshot: &Snapshot,
        data: DataFacts,
        trained_from: Option<String>,
        configuration: Value,
        now: Timestamp,
    ) -> Self {
        let network = snapshot.models.get::<WideDeep>(WideDeep::NAME);
        let trees = snapshot.models.get::<Boosted>(Boosted::NAME);
        let of_both = network.map(DenseModel::features).into_iter().chain(trees.map(DenseModel::features));
        let features: BTreeSet<&Arc<str>> = of_both.flatten().collect();
        let mut seeds = BTreeMap::new();
        collect_seeds("", &configuration, &mut seeds);
        Self {
            created: written(now),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            snapshot: snapshot.version.to_string(),
            trained_from,
            data,
            models: snapshot.models.names().map(ToString::to_string).collect(),
            features: features.into_iter().map(ToString::to_string).collect(),
            seeds,
            run: None,
            cleaned: Cleaned::default(),
            metrics: learned(snapshot),
            intervals: BTreeMap::new(),
            ranked_by: None,
            judged_in_another_order: None,
            remarks: Vec::new(),
            configuration,
        }
    }
}

impl Metadata {
    /// The same with what a run found: its id, and the figures of the pipeline where it was judged.
    #[must_use]
    pub fn of_run(mut self, run: &RunId, cleaned: Cleaned, trained: &Trained) -> Self {
        self.run = Some(run.to_string());
        self.cleaned = cleaned;
        self.remarks = trained.remarks();
        let (mut metrics, mut intervals) = (BTreeMap::new(), BTreeMap::new());
        let pipeline = trained.test.judgement().and_then(|judgement| judgement.models.first());
        for (name, figure) in pipeline.iter().flat_map(|model| &model.figures) {
            metrics.extend(figure.value.map(|value| (name.clone(), value)));
            intervals.extend(figure.interval.map(|interval| (name.clone(), interval)));
        }
        if trained.ranking.is_as_tested() {
            self.metrics.extend(metrics);
            self.intervals.extend(intervals);
        } else {
            let ranked_by = trained.ranking.test.clone().unwrap_or_default();
            self.judged_in_another_order = Some(OtherOrder { ranked_by, metrics, intervals });
        }
        self.ranked_by = Some(trained.ranking.clone());
        self
    }
}

fn collect_seeds(path: &str, value: &Value, seeds: &mut BTreeMap<String, u64>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value.as_u64() {
            Some(seed) if name == "seed" => {
                seeds.insert(path, seed);
            }
            _ => collect_seeds(&path, value, seeds),
        }
    }
}
