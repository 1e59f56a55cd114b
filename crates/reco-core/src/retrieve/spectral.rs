//! A graph filter: what remains of the user's items when only the broad tastes are let through.

use super::{CandidateGenerator, Support, taste};
use crate::candidate::Hits;
use crate::error::{Fault, FaultKind};
use crate::id::ItemId;
use crate::linalg::{Matrix, axpy, scan};
use crate::query::Query;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The ideal low-pass filter of GF-CF (Shen et al., "How Powerful is Graph Convolution for
/// Recommendation?", CIKM 2021, section 4.2): the user's items, each scaled by 1 / sqrt(its users), are
/// projected onto the leading singular vectors of the normalised interactions and scaled back.
///
/// Nothing is learned about users, so a new one is known after the first event and no solve is needed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SpectralModel {
    encode: Matrix,
    decode: Matrix,
}

impl SpectralModel {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "spectral";

    /// From what an item adds to the user's vector and what it is compared with, both items x dimensions.
    ///
    /// # Panics
    ///
    /// Panics when the shapes differ.
    pub fn new(encode: Matrix, decode: Matrix) -> Self {
        let shape = |matrix: &Matrix| (matrix.n_rows(), matrix.n_columns());
        assert_eq!(shape(&encode), shape(&decode), "both matrices are items x dimensions");
        Self { encode, decode }
    }

    /// Items.
    pub fn n_items(&self) -> usize {
        self.decode.n_rows()
    }

    /// The vector of someone who has these items; all zero for nothing. Items the model lacks add nothing.
    pub fn user_vector(&self, items: impl IntoIterator<Item = ItemId>) -> Vec<f32> {
        let mut vector = vec![0.0; self.encode.n_columns()];
        for item in items.into_iter().filter(|item| item.index() < self.n_items()) {
            axpy(1.0, self.encode.row(item.index()), &mut vector);
        }
        vector
    }

    /// Scores all items, one per row of the model.
    ///
    /// # Panics
    ///
    /// Panics when `scores` is not as long as there are items.
    pub fn score_all(&self, vector: &[f32], scores: &mut [f32]) {
        scan(&self.decode, vector, scores);
    }
}

/// The vector of a request's user, kept for all who need it.
struct UserVector(Arc<[f32]>);

/// Items that the low-pass filter lets through.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpectralGenerator;

impl SpectralGenerator {
    fn model(query: &Query) -> Result<&SpectralModel, Fault> {
        query.snapshot.models.get::<SpectralModel>(SpectralModel::NAME).ok_or_else(|| {
            Fault::new(SpectralModel::NAME, FaultKind::NotFound).because("the snapshot has no spectral model")
        })
    }
}

fn user_vector(query: &Query, model: &SpectralModel) -> Arc<[f32]> {
    let vector = query
        .memo(|query| UserVector(model.user_vector(query.liked().into_iter().map(|(item, _)| item)).into()));
    Arc::clone(&vector.0)
}

impl CandidateGenerator for SpectralGenerator {
    fn name(&self) -> &'static str {
        SpectralModel::NAME
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let model = Self::model(query)?;
        if !taste::is_asked_for(query) {
            return Ok(());
        }
        let vector = user_vector(query, model);
        let mut scores = vec![0.0; model.n_items()];
        model.score_all(&vector, &mut scores);
        taste::propose(query, &scores, |score| score > 0.0, limit, out);
        Ok(())
    }

    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        let model = Self::model(query)?;
        if taste::is_asked_for(query) {
            taste::assess(&model.decode, &user_vector(query, model), items, scores);
        }
        Ok(())
    }

    fn support(&self, query: &Query, item: ItemId, out: &mut Vec<Support>) {
        let Ok(model) = Self::model(query) else { return };
        taste::support(query, (&model.encode, &model.decode), item, out);
    }
}
