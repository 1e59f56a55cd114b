//! Ranking by a model over a schema's features.

use super::trees::Boosted;
use super::{DenseModel, Ranker, WideDeep};
use crate::candidate::Candidates;
use crate::error::{BoxError, Fault, FaultKind};
use crate::features::FeatureSchema;
use crate::query::Query;
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// Scores by a model over the features of every candidate: by the [`WideDeep`] or the [`Boosted`] trees that the snapshot
/// holds, or by a model of one's own, such as a [`TreeModel`](super::trees::TreeModel).
///
/// It fails where there is no model, where the schema lacks a feature that the model wants, and where a score is no
/// number; the next ranker then takes its place.
///
/// ```
/// use reco_core::pipeline::Recommender;
/// use reco_core::rank::trees::TreeModel;
/// use reco_core::rank::{LearnedRanker, VoteRanker};
/// use reco_core::snapshot::Snapshot;
///
/// # fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// let ranker = LearnedRanker::of(TreeModel::open("ranker.txt")?);
/// let builder = Recommender::builder(Snapshot::default()).ranker(ranker).ranker(VoteRanker::default());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct LearnedRanker {
    schema: FeatureSchema,
    model: Which,
    is_quantized: bool,
}

/// The model that scores.
#[derive(Clone, Debug, Default)]
enum Which {
    /// The snapshot's network.
    #[default]
    WideDeep,
    /// The snapshot's trees.
    Boosted,
    Own(Arc<dyn DenseModel>),
}

impl LearnedRanker {
    /// By a model of one's own; what its file calls its features must be names of the schema.
    pub fn of(model: impl DenseModel) -> Self {
        Self { model: Which::Own(Arc::new(model)), ..Self::default() }
    }

    /// By the snapshot's [`Boosted`] trees.
    pub fn boosted() -> Self {
        Self { model: Which::Boosted, ..Self::default() }
    }

    /// With the schema that the model was trained with, where that is not the built-in one.
    #[must_use]
    pub fn schema(self, schema: FeatureSchema) -> Self {
        Self { schema, ..self }
    }

    /// Whether the snapshot's network is computed in bytes: several times as fast, and nearly the same scores.
    #[must_use]
    pub fn quantized(self, is_quantized: bool) -> Self {
        Self { is_quantized, ..self }
    }

    /// Features that its model wants and that there are not under this snapshot, for candidates of these sources.
    pub fn missing(&self, snapshot: &Snapshot, sources: &[Arc<str>]) -> Vec<Arc<str>> {
        let features = self.schema.features(snapshot, sources);
        let is_there = |name: &Arc<str>| features.iter().any(|feature| feature.name == *name);
        let wanted = self.model(snapshot).map_or(&[][..], DenseModel::features);
        wanted.iter().filter(|name| !is_there(name)).cloned().collect()
    }

    fn model<'a>(&'a self, snapshot: &'a Snapshot) -> Option<&'a dyn DenseModel> {
        match &self.model {
            Which::Own(model) => Some(&**model),
            Which::Boosted => Some(snapshot.models.get::<Boosted>(Boosted::NAME)?),
            Which::WideDeep => {
                let network = snapshot.models.get::<WideDeep>(WideDeep::NAME)?;
                Some(if self.is_quantized { network.quantized() } else { network })
            }
        }
    }

    fn fault(&self, kind: FaultKind, why: impl Into<BoxError>) -> Fault {
        Fault::new(self.name(), kind).because(why)
    }
}

impl Ranker for LearnedRanker {
    fn name(&self) -> &str {
        match &self.model {
            Which::WideDeep => WideDeep::NAME,
            Which::Boosted => Boosted::NAME,
            Which::Own(model) => model.kind(),
        }
    }

    fn score(&self, query: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
        let model = self.model(&query.snapshot);
        let model =
            model.ok_or_else(|| self.fault(FaultKind::NotFound, "the snapshot has no learned ranker"))?;
        let rows = self.schema.matrix(query, set)?.chosen(model.features()).map_err(|name| {
            self.fault(FaultKind::Invalid, format!("it wants the feature `{name}`, which is not there"))
        })?;
        model.predict(&rows, scores).map_err(|error| self.fault(FaultKind::Internal, error))?;
        if scores.iter().all(|score| score.is_finite()) {
            return Ok(());
        }
        Err(self.fault(FaultKind::Internal, "a score is no number"))
    }
}
