//! The ranker over a schema's features.

use super::WideDeep;
use crate::candidate::Candidates;
use crate::error::{Fault, FaultKind};
use crate::features::{Feature, FeatureConfig, FeatureSchema};
use crate::query::Query;
use crate::rank::Ranker;
use serde::{Deserialize, Serialize};

/// A learned ranker as a snapshot keeps it: the network and how its features were declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankerModel {
    /// What it scores by.
    pub network: WideDeep,
    /// The declaration of its features.
    pub features: FeatureConfig,
}

impl RankerModel {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "wide_deep";
}

/// Scores by the snapshot's [`RankerModel`]: the probability, 0..1, that the item is taken.
///
/// It fails where the snapshot has none, where the schema lacks a feature that the model was trained with, and where
/// a score is no number; the next ranker then takes its place.
#[derive(Clone, Debug, Default)]
pub struct LearnedRanker {
    schema: FeatureSchema,
}

impl LearnedRanker {
    /// With the schema that the model was trained with.
    pub fn new(schema: FeatureSchema) -> Self {
        Self { schema }
    }
}

impl Ranker for LearnedRanker {
    fn name(&self) -> &'static str {
        RankerModel::NAME
    }

    fn score(&self, query: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
        let fault = |kind| Fault::new(RankerModel::NAME, kind);
        let model = query.snapshot.models.get::<RankerModel>(RankerModel::NAME);
        let model =
            model.ok_or_else(|| fault(FaultKind::NotFound).because("the snapshot has no learned ranker"))?;
        let matrix = self.schema.matrix(&model.features, query, set)?;
        let inputs = model.network.weights().inputs.iter().map(|input| &*input.name);
        let columns = columns(matrix.features(), inputs).map_err(|name| {
            fault(FaultKind::Invalid)
                .because(format!("the ranker was trained with `{name}`, which is not there"))
        })?;
        let mut rows = Vec::with_capacity(set.len() * columns.len());
        for row in 0..set.len() {
            let row = matrix.row(row);
            rows.extend(columns.iter().map(|&column| row[column]));
        }
        model.network.predict(&rows, scores);
        if scores.iter().all(|score| score.is_finite()) {
            return Ok(());
        }
        Err(fault(FaultKind::Internal).because("a score is no number"))
    }
}

/// The columns of the features named, or the first name that is not there. Both mostly have the same order.
fn columns<'a>(features: &[Feature], names: impl Iterator<Item = &'a str>) -> Result<Vec<usize>, &'a str> {
    let mut next = 0;
    let place = |name: &'a str| {
        let is_it = |column: &usize| features.get(*column).is_some_and(|feature| &*feature.name == name);
        let found = (next..features.len()).chain(0..next).find(is_it).ok_or(name)?;
        next = found + 1;
        Ok(found)
    };
    names.map(place).collect()
}
