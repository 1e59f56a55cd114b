//! Exact search: every vector is looked at.

use super::{Allow, IndexError, Metric, VectorIndex, check_vector, normalize};
use crate::candidate::Hits;
use crate::linalg::{Matrix, scan, scan_distances, top_scores};
use std::borrow::Cow;

/// Scans all vectors. The reference for every other index, and below some twenty thousand
/// vectors also the fastest.
///
/// ```
/// use reco_core::candidate::Hits;
/// use reco_core::id::ItemId;
/// use reco_core::index::{ExactIndex, Metric, VectorIndex};
/// use reco_core::linalg::Matrix;
///
/// let index = ExactIndex::build(Matrix::from_vec(3, 2, vec![1., 0., 0., 1., 1., 1.]), Metric::Cosine)?;
/// let mut hits = Hits::default();
/// index.search(&[2.0, 0.1], 2, None, &mut hits)?;
/// assert_eq!(hits.ids, [0, 2].map(ItemId::new));
/// # Ok::<(), reco_core::index::IndexError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExactIndex {
    /// As given; normalised under the cosine metric.
    vectors: Matrix,
    metric: Metric,
}

impl ExactIndex {
    /// Indexes the rows of `vectors`; row i is item i.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for a row that is not finite, too long or, under the cosine metric, zero.
    pub fn build(mut vectors: Matrix, metric: Metric) -> Result<Self, IndexError> {
        for row in 0..vectors.n_rows() {
            let norm = check_vector(vectors.row(row), metric, || format!("the vector of item {row}"))?;
            if metric == Metric::Cosine {
                normalize(vectors.row_mut(row), norm);
            }
        }
        Ok(Self { vectors, metric })
    }

    /// The query as compared: normalised under the cosine metric. Refuses what cannot be compared.
    pub(super) fn prepare<'a>(&self, vector: &'a [f32]) -> Result<Cow<'a, [f32]>, IndexError> {
        super::check_dimension(vector, self.dim(), || "the query".to_owned())?;
        let norm = check_vector(vector, self.metric, || "the query".to_owned())?;
        let mut query = Cow::Borrowed(vector);
        if self.metric == Metric::Cosine {
            normalize(query.to_mut(), norm);
        }
        Ok(query)
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        size_of_val(self.vectors.as_slice())
    }

    /// The vectors as compared: normalised under the cosine metric.
    pub(super) fn vectors(&self) -> &Matrix {
        &self.vectors
    }

    /// The score of one item for a prepared query.
    pub(super) fn score(&self, query: &[f32], id: crate::id::ItemId) -> f32 {
        let row = self.vectors.row(id.index());
        match self.metric {
            Metric::InnerProduct | Metric::Cosine => crate::linalg::dot(row, query),
            Metric::L2 => -crate::linalg::squared_distance(row, query),
        }
    }

    /// What is nearest to a prepared query.
    pub(super) fn nearest(&self, query: &[f32], k: usize, allow: Option<&dyn Allow>, out: &mut Hits) {
        let mut scores = vec![0.0; self.len()];
        match self.metric {
            Metric::InnerProduct | Metric::Cosine => scan(&self.vectors, query, &mut scores),
            Metric::L2 => {
                scan_distances(&self.vectors, query, &mut scores);
                scores.iter_mut().for_each(|score| *score = -*score);
            }
        }
        let best = top_scores(&scores, k, |id| allow.is_none_or(|allow| allow.allows(id)));
        best.into_iter().for_each(|(score, id)| out.push(id, score));
    }
}

impl VectorIndex for ExactIndex {
    fn dim(&self) -> usize {
        self.vectors.n_columns()
    }

    fn len(&self) -> usize {
        self.vectors.n_rows()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn metric(&self) -> Metric {
        self.metric
    }

    fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        out.clear();
        let query = self.prepare(vector)?;
        self.nearest(&query, k, allow, out);
        Ok(())
    }
}
