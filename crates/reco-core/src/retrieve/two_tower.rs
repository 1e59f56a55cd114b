//! Two towers: a network of the user beside one of the item, which meet in an inner product.

use super::{CandidateGenerator, Support, taste};
use crate::candidate::Hits;
use crate::error::{Fault, FaultKind};
use crate::id::ItemId;
use crate::linalg::{Matrix, axpy, dot, scan};
use crate::query::Query;
use serde::{Deserialize, Serialize};

/// Two towers (Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016; Yi et al.,
/// "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019): what is known of a
/// user's items goes through the user's tower, what is known of an item through the item's, and the inner product of
/// both vectors orders the items.
///
/// Nothing is kept of single users: their tower is computed from the items they have now, so a new one is known after
/// the first event. The item's tower was computed in training, one vector an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct TwoTowerModel {
    parts: Parts,
}

/// What a [`TwoTowerModel`] consists of; all matrices of as many columns as a tower is wide, unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// What an item brings to its owner's tower, one row per item of the snapshot.
    pub embeddings: Matrix,
    /// The item's tower, one row per item, of length 1; zero for items of which nothing is known.
    pub items: Matrix,
    /// The user's rectified layer, one row per unit: a column per dimension, then one for how many items there are.
    pub hidden: Matrix,
    /// What is added in it, one per unit.
    pub bias: Vec<f32>,
    /// What its units add to the mean of the user's embeddings, one row per dimension and a column per unit.
    pub output: Matrix,
}

/// The parts of a [`TwoTowerModel`] do not fit together, or are not finite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the towers have {0}")]
pub struct PartsError(&'static str);

impl Parts {
    fn check(&self) -> Result<(), PartsError> {
        let Self { embeddings, items, hidden, bias, output } = self;
        let width = embeddings.n_columns();
        let fits = (items.n_rows(), items.n_columns()) == (embeddings.n_rows(), width)
            && (hidden.n_rows(), hidden.n_columns()) == (bias.len(), width + 1)
            && (output.n_rows(), output.n_columns()) == (width, bias.len());
        if !fits {
            return Err(PartsError("parts of different shapes"));
        }
        let are_finite = [embeddings, items, hidden, output].iter().all(|matrix| matrix.is_finite());
        if are_finite && bias.iter().all(|bias| bias.is_finite()) {
            Ok(())
        } else {
            Err(PartsError("a weight that is not finite"))
        }
    }
}

impl TryFrom<Parts> for TwoTowerModel {
    type Error = PartsError;

    fn try_from(parts: Parts) -> Result<Self, PartsError> {
        parts.check().map(|()| Self { parts })
    }
}

impl From<TwoTowerModel> for Parts {
    fn from(model: TwoTowerModel) -> Self {
        model.parts
    }
}

impl TwoTowerModel {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "two_tower";

    /// Of a user's items so many are looked at, the latest.
    pub const LATEST: usize = 50;

    /// The item's tower, one row per item.
    pub fn items(&self) -> &Matrix {
        &self.parts.items
    }

    /// The user's tower for someone who has these items, the latest first: a vector of length 1, or zero for someone
    /// who has none that the model knows.
    pub fn user_vector(&self, items: impl IntoIterator<Item = ItemId>) -> Vec<f32> {
        let Parts { embeddings, hidden, bias, output, .. } = &self.parts;
        let mut input = vec![0.0; embeddings.n_columns()];
        let known = items.into_iter().filter(|item| item.index() < embeddings.n_rows());
        let mut n_items = 0.0f32;
        for item in known.take(Self::LATEST) {
            axpy(1.0, embeddings.row(item.index()), &mut input);
            n_items += 1.0;
        }
        if n_items == 0.0 {
            return input;
        }
        input.iter_mut().for_each(|x| *x /= n_items);
        input.push(Self::size(n_items));
        let units = hidden.rows().zip(bias).map(|(weights, bias)| (dot(weights, &input) + bias).max(0.0));
        let units: Vec<f32> = units.collect();
        input.pop();
        input.iter_mut().zip(output.rows()).for_each(|(x, weights)| *x += dot(weights, &units));
        normalize(&mut input);
        input
    }

    /// How many items there are, as the tower is told.
    pub fn size(n_items: f32) -> f32 {
        n_items.ln_1p() / 4.0
    }

    /// Scores all items, one per row of the model: cosines of the vectors, 0 for items of which nothing is known.
    ///
    /// # Panics
    ///
    /// Panics when `scores` is not as long as there are items.
    pub fn score_all(&self, vector: &[f32], scores: &mut [f32]) {
        scan(&self.parts.items, vector, scores);
    }
}

/// To length 1, unless it has none.
fn normalize(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

/// Items whose tower points where the user's does.
#[derive(Clone, Copy, Debug, Default)]
pub struct TwoTowerGenerator;

impl TwoTowerGenerator {
    fn model(query: &Query) -> Result<&TwoTowerModel, Fault> {
        query.snapshot.models.get::<TwoTowerModel>(TwoTowerModel::NAME).ok_or_else(|| {
            Fault::new(TwoTowerModel::NAME, FaultKind::NotFound).because("the snapshot has no two towers")
        })
    }
}

/// The vector of a request's user, kept for all who need it.
struct UserVector(Vec<f32>);

impl UserVector {
    fn new(query: &Query, model: &TwoTowerModel) -> Self {
        let liked = query.liked();
        // What the session adds stands behind the history and is the latest.
        let n_earlier = query.history().iter().filter(|touch| touch.is_liked()).count();
        let (earlier, session) = liked.split_at(n_earlier.min(liked.len()));
        let latest_first = session.iter().rev().chain(earlier).map(|&(item, _)| item);
        Self(model.user_vector(latest_first))
    }
}

impl CandidateGenerator for TwoTowerGenerator {
    fn name(&self) -> &'static str {
        TwoTowerModel::NAME
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let model = Self::model(query)?;
        if !taste::is_asked_for(query) {
            return Ok(());
        }
        let user = query.memo(|query| UserVector::new(query, model));
        let mut scores = vec![0.0; model.items().n_rows()];
        model.score_all(&user.0, &mut scores);
        taste::propose(query, &scores, |score| score != 0.0, limit, out);
        Ok(())
    }

    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        let model = Self::model(query)?;
        if taste::is_asked_for(query) {
            let user = query.memo(|query| UserVector::new(query, model));
            taste::assess(model.items(), &user.0, items, scores);
        }
        Ok(())
    }

    /// The user's items whose own vectors point the same way.
    fn support(&self, query: &Query, item: ItemId, out: &mut Vec<Support>) {
        let Ok(model) = Self::model(query) else { return };
        taste::support(query, (model.items(), model.items()), item, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two dimensions, one unit that fires where the first is above the second.
    fn parts() -> Parts {
        Parts {
            embeddings: Matrix::from_vec(3, 2, vec![1.0, 0.0, 0.0, 1.0, 2.0, 0.0]),
            items: Matrix::from_vec(3, 2, vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
            hidden: Matrix::from_vec(1, 3, vec![1.0, -1.0, 0.0]),
            bias: vec![0.5],
            output: Matrix::from_vec(2, 1, vec![0.0, 2.0]),
        }
    }

    #[test]
    fn a_user_is_the_mean_of_their_items_and_what_the_layer_adds() {
        let model = TwoTowerModel::try_from(parts()).unwrap();
        // The mean (1.5, 0) makes the unit 2, which adds 4 to the second dimension.
        let vector = model.user_vector([0, 2, 9].map(ItemId::new));
        let length = (1.5f32 * 1.5 + 16.0).sqrt();
        assert!((vector[0] - 1.5 / length).abs() < 1e-6 && (vector[1] - 4.0 / length).abs() < 1e-6);
        assert!(model.user_vector([ItemId::new(9)]).iter().all(|x| *x == 0.0), "of nothing known, nothing");
        let mut scores = [9.0; 3];
        model.score_all(&vector, &mut scores);
        assert!(scores[1] > scores[0] && scores[2] == 0.0, "{scores:?}");
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let refused = |damage: fn(&mut Parts)| {
            let mut damaged = parts();
            damage(&mut damaged);
            TwoTowerModel::try_from(damaged).unwrap_err().to_string()
        };
        assert!(refused(|parts| parts.bias.push(0.0)).contains("different shapes"));
        assert!(refused(|parts| parts.items = Matrix::zeros(2, 2)).contains("different shapes"));
        assert!(refused(|parts| parts.bias[0] = f32::NAN).contains("not finite"));
    }
}
