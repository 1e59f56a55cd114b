//! Items by the dense vectors of their texts: which are alike, those included that came a moment ago.

use super::{TextEmbedder, sentences};
use crate::candidate::top_k;
use crate::catalog::Catalog;
use crate::error::Fault;
use crate::id::ItemId;
use crate::linalg::{Matrix, dot, scan};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The vectors of items by their texts, one for each in the order of their ids; all zero for those of which nothing is known.
///
/// Cheap to clone: what was [embedded](Self::of) at first is shared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextVectors {
    embedder: Arc<str>,
    fitted: Arc<Matrix>,
    /// One behind the other, after those.
    #[serde(skip)]
    added: Vec<f32>,
}

impl TextVectors {
    /// The snapshot's name for them.
    pub const NAME: &'static str = "text_vectors";

    /// Texts that are embedded at a time, between calls of `progress`.
    const BATCH: usize = 256;

    /// Of all items of a catalogue; `progress` hears of every so many items.
    ///
    /// # Errors
    ///
    /// The embedder's [`Fault`].
    pub fn of(
        catalog: &Catalog,
        embedder: &dyn TextEmbedder,
        mut progress: impl FnMut(usize),
    ) -> Result<Self, Fault> {
        let dimension = embedder.dimension();
        let mut fitted = Matrix::zeros(catalog.len(), dimension);
        let texts: Vec<String> = catalog.ids().map(|id| sentences(catalog, id)).collect();
        // Texts of about the same length go together: a batch takes as long as its longest.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&row| (texts[row].len(), row));
        for rows in order.chunks(Self::BATCH) {
            let batch: Vec<&str> = rows.iter().map(|&row| texts[row].as_str()).collect();
            let vectors = embedder.embed(&batch)?;
            rows.iter()
                .zip(vectors.rows())
                .for_each(|(&row, vector)| fitted.row_mut(row).copy_from_slice(vector));
            progress(rows.len());
        }
        Ok(Self { embedder: embedder.name().into(), fitted: Arc::new(fitted), added: Vec::new() })
    }

    /// The [name](TextEmbedder::name) of what made them.
    pub fn embedder(&self) -> &str {
        &self.embedder
    }

    /// Numbers in a vector.
    pub fn dimension(&self) -> usize {
        self.fitted.n_columns()
    }

    /// Those of the items that were embedded at first, one row each.
    pub fn matrix(&self) -> &Matrix {
        &self.fitted
    }

    /// How many items they are of.
    pub fn n_items(&self) -> usize {
        self.fitted.n_rows() + self.added.len() / self.dimension().max(1)
    }

    /// The vector of an item; none for one that they do not know.
    pub fn get(&self, id: ItemId) -> Option<&[f32]> {
        let (n_fitted, dimension) = (self.fitted.n_rows(), self.dimension().max(1));
        match id.index().checked_sub(n_fitted) {
            None => Some(self.fitted.row(id.index())),
            Some(place) => self.added.chunks_exact(dimension).nth(place),
        }
    }

    /// The next item's vector, which must be as long as the others; a shorter one is filled up with zeros.
    pub fn push(&mut self, vector: &[f32]) {
        let end = self.added.len() + self.dimension();
        self.added.extend(vector.iter().take(self.dimension()));
        self.added.resize(end, 0.0);
    }

    /// The items whose vectors are nearest to one by cosine, nearest first; none that points away from it.
    pub fn nearest(&self, vector: &[f32], limit: usize) -> Vec<(f32, ItemId)> {
        if vector.len() != self.dimension() {
            return Vec::new();
        }
        let mut cosines = vec![0.0; self.fitted.n_rows()];
        scan(&*self.fitted, vector, &mut cosines);
        cosines.extend(self.added.chunks_exact(vector.len().max(1)).map(|other| dot(vector, other)));
        let mut rows: Vec<(f32, ItemId)> = cosines.into_iter().zip((0..).map(ItemId::new)).collect();
        rows.retain(|(cosine, _)| *cosine > 0.0);
        top_k(&mut rows, limit);
        rows
    }
}
