//! One feature, and what computes several.

use super::Block;
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};
use std::sync::Arc;

/// The value of a feature that is not known. Trees send it their own way; the neural ranker takes it as the mean.
pub const MISSING: f32 = f32::NAN;

/// What a feature is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FeatureKind {
    /// The user alone; the same for all candidates of a request.
    User,
    /// The circumstances of the request; the same for all its candidates.
    Context,
    /// The item alone.
    Item,
    /// The user and the item together.
    Cross,
    /// How the generators placed the item.
    Source,
}

impl fmt::Display for FeatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Context => "context",
            Self::Item => "item",
            Self::Cross => "cross",
            Self::Source => "source",
        })
    }
}

/// The declaration of one feature: a number per candidate, [`MISSING`] where it is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Its name, such as `item.price`; unique within a schema.
    pub name: Arc<str>,
    /// What it is about.
    pub kind: FeatureKind,
    /// What it says, in words, with its unit.
    pub about: Arc<str>,
    /// What stands for a value that is not known; missing unless set.
    pub default: Option<f32>,
    /// Days after which a value kept in the snapshot is too old to be believed and counts as not known.
    pub ttl_days: Option<f32>,
}

impl Feature {
    /// A feature without default or age limit.
    pub fn new(name: impl Into<Arc<str>>, kind: FeatureKind, about: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), kind, about: about.into(), default: None, ttl_days: None }
    }
}

/// Computes several features for all candidates of a request at once.
///
/// It may read the query, its snapshot and the candidates, and nothing else: that is what makes a training row
/// know only what was known when its question was asked.
///
/// ```
/// use reco_core::candidate::Candidates;
/// use reco_core::error::Fault;
/// use reco_core::features::{Block, Feature, FeatureGroup, FeatureKind, MISSING};
/// use reco_core::query::Query;
/// use reco_core::snapshot::Snapshot;
/// use std::sync::Arc;
///
/// /// How much an item costs per word of its title.
/// #[derive(Debug)]
/// struct PerWord;
///
/// impl FeatureGroup for PerWord {
///     fn name(&self) -> &str {
///         "per_word"
///     }
///     fn features(&self, _: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
///         vec![Feature::new("item.price_per_word", FeatureKind::Item, "price by the words of the title")]
///     }
///     fn fill(&self, query: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
///         let catalog = &query.snapshot.catalog;
///         for (row, &id) in block.rows().zip(set.ids()) {
///             let n_words = catalog.title(id).split_whitespace().count().max(1);
///             row[0] = catalog.price(id).map_or(MISSING, |price| price / n_words as f32);
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait FeatureGroup: Debug + Send + Sync + 'static {
    /// Stable name, used in faults and configuration.
    fn name(&self) -> &str;

    /// The features it fills under this snapshot for candidates of these sources, in the order of its columns.
    fn features(&self, snapshot: &Snapshot, sources: &[Arc<str>]) -> Vec<Feature>;

    /// Fills one row per candidate; all values are [`MISSING`] before.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when it cannot; the ranker that asked fails with it.
    fn fill(&self, query: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault>;
}

/// The features of a table of names and meanings.
pub(super) fn declared(kind: FeatureKind, table: &[(&'static str, &'static str)]) -> Vec<Feature> {
    table.iter().map(|&(name, about)| Feature::new(format!("{kind}.{name}"), kind, about)).collect()
}
