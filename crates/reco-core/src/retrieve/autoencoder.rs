//! An autoencoder: what a network that fills in missing items makes of the user's own.

use super::{CandidateGenerator, Support, taste};
use crate::candidate::Hits;
use crate::error::{Fault, FaultKind};
use crate::id::ItemId;
use crate::linalg::{Matrix, axpy, scan};
use crate::query::Query;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The denoising autoencoder with a multinomial likelihood, Mult-DAE (Liang et al., "Variational Autoencoders
/// for Collaborative Filtering", WWW 2018): one hidden layer of tanh between what a user has and the chances
/// of all items.
///
/// Nothing is learned about users, so a new one is known after the first event and no solve is needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AutoencoderModel {
    encode: Matrix,
    decode: Matrix,
}

impl AutoencoderModel {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "autoencoder";

    /// From the weights: `encode` is (items + 1) x width, its last row what is added for everybody; `decode` is
    /// items x (width + 1), its last column what an item has for everybody.
    ///
    /// # Panics
    ///
    /// Panics when the shapes do not fit together.
    pub fn new(encode: Matrix, decode: Matrix) -> Self {
        assert_eq!(encode.n_rows(), decode.n_rows() + 1, "a row for each item and one for everybody");
        assert_eq!(
            encode.n_columns() + 1,
            decode.n_columns(),
            "a column for each unit and one for everybody"
        );
        Self { encode, decode }
    }

    /// Items.
    pub fn n_items(&self) -> usize {
        self.decode.n_rows()
    }

    /// The hidden layer for someone who has these items, then 1. Items the model lacks add nothing.
    pub fn user_vector(&self, items: impl IntoIterator<Item = ItemId>) -> Vec<f32> {
        let width = self.encode.n_columns();
        let mut vector = vec![0.0; width];
        let mut n_known = 0.0f32;
        for item in items.into_iter().filter(|item| item.index() < self.n_items()) {
            axpy(1.0, self.encode.row(item.index()), &mut vector);
            n_known += 1.0;
        }
        let length = n_known.max(1.0).sqrt();
        let everybody = self.encode.row(self.n_items());
        vector.iter_mut().zip(everybody).for_each(|(x, base)| *x = (*x / length + base).tanh());
        vector.push(1.0);
        vector
    }

    /// Scores all items, one per row of the model: the logarithm of how many times likelier an item is to be
    /// taken than one drawn at random.
    ///
    /// # Panics
    ///
    /// Panics when `scores` is not as long as there are items.
    pub fn score_all(&self, vector: &[f32], scores: &mut [f32]) {
        scan(&self.decode, vector, scores);
        let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = scores.iter().map(|score| (score - top).exp()).sum();
        let mean = top + (sum / scores.len() as f32).ln();
        scores.iter_mut().for_each(|score| *score -= mean);
    }
}

/// Items that the network finds missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct AutoencoderGenerator;

impl AutoencoderGenerator {
    fn model(query: &Query) -> Result<&AutoencoderModel, Fault> {
        query.snapshot.models.get::<AutoencoderModel>(AutoencoderModel::NAME).ok_or_else(|| {
            Fault::new(AutoencoderModel::NAME, FaultKind::NotFound).because("the snapshot has no autoencoder")
        })
    }

    fn scores(query: &Query) -> Result<Arc<Scores>, Fault> {
        let model = Self::model(query)?;
        Ok(query.memo(|query| Scores::new(query, model)))
    }
}

/// The scores of all items for a request's user, where the page rests on them and anything is known: a share of
/// the odds is known of all items or of none.
struct Scores(Option<Vec<f32>>);

impl Scores {
    fn new(query: &Query, model: &AutoencoderModel) -> Self {
        let liked = query.liked();
        // Of somebody unknown, popularity says the same.
        if !taste::is_asked_for(query) || liked.is_empty() {
            return Self(None);
        }
        let vector = model.user_vector(liked.into_iter().map(|(item, _)| item));
        let mut scores = vec![0.0; model.n_items()];
        model.score_all(&vector, &mut scores);
        Self(Some(scores))
    }
}

impl CandidateGenerator for AutoencoderGenerator {
    fn name(&self) -> &'static str {
        AutoencoderModel::NAME
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        if let Some(scores) = &Self::scores(query)?.0 {
            taste::propose(query, scores, |score| score > 0.0, limit, out);
        }
        Ok(())
    }

    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        if let Some(all) = &Self::scores(query)?.0 {
            let known =
                items.iter().zip(scores).filter_map(|(id, score)| Some((score, all.get(id.index())?)));
            known.for_each(|(score, known)| *score = *known);
        }
        Ok(())
    }

    /// The user's items that push the hidden layer towards the item, were each of them alone.
    fn support(&self, query: &Query, item: ItemId, out: &mut Vec<Support>) {
        let Ok(model) = Self::model(query) else { return };
        taste::support(query, (&model.encode, &model.decode), item, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::request::Request;

    /// The row that stands for everybody comes after those of the items, where the catalogue may have one more.
    #[test]
    fn an_item_that_the_model_lacks_supports_nothing() {
        let mut snapshot = fixture::snapshot();
        let encode = Matrix::from_vec(6, 1, vec![1.0; 6]);
        let decode = Matrix::from_vec(5, 2, vec![1.0; 10]);
        snapshot.models.insert(AutoencoderModel::NAME, AutoencoderModel::new(encode, decode));
        // Ann had the items 1, 2 and 5, the last of which the model does not know.
        let query = fixture::query_of(Request::for_user("ann"), snapshot);
        let mut support = Vec::new();
        AutoencoderGenerator.support(&query, ItemId::new(0), &mut support);
        let mut items: Vec<u32> = support.iter().map(|support| support.item.raw()).collect();
        items.sort_unstable();
        assert_eq!(items, [1, 2]);
    }

    #[test]
    fn scores_are_the_networks_and_as_shares_sum_to_one() {
        // Two units, one per item pair; the last row and column stand for everybody.
        let encode = Matrix::from_vec(4, 2, vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.5, -0.5]);
        let decode = Matrix::from_vec(3, 3, vec![2.0, 0.0, 0.1, 2.0, 0.0, 0.0, 0.0, 2.0, -0.3]);
        let model = AutoencoderModel::new(encode, decode);
        let vector = model.user_vector([0, 1, 9].map(ItemId::new));
        let hidden = [(2.0 / 2f32.sqrt() + 0.5).tanh(), (-0.5f32).tanh(), 1.0];
        assert!(vector.iter().zip(hidden).all(|(a, b)| (a - b).abs() < 1e-6), "{vector:?}");
        let mut scores = [0.0; 3];
        model.score_all(&vector, &mut scores);
        assert!((scores[0] - scores[1] - 0.1).abs() < 1e-6, "{scores:?}");
        assert!((scores.map(|score| score.exp() / 3.0).iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
