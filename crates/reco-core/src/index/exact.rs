//! Exact search: every vector is looked at.

use super::{Allow, IndexError, Metric, VectorIndex, check_vector};
use crate::candidate::Hits;
use crate::linalg::{Matrix, dot, scan, top_scores};

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
    /// |v|² per vector, for L2 only.
    squares: Vec<f32>,
}

impl ExactIndex {
    /// Indexes the rows of `vectors`; row i is item i.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for a row that is not finite or, under the cosine metric, zero.
    pub fn build(mut vectors: Matrix, metric: Metric) -> Result<Self, IndexError> {
        for row in 0..vectors.n_rows() {
            let norm = check_vector(vectors.row(row), metric, || format!("the vector of item {row}"))?;
            if metric == Metric::Cosine {
                vectors.row_mut(row).iter_mut().for_each(|value| *value /= norm);
            }
        }
        let squares =
            if metric == Metric::L2 { vectors.rows().map(|row| dot(row, row)).collect() } else { Vec::new() };
        Ok(Self { vectors, metric, squares })
    }

    /// Refuses a query the metric cannot compare and returns its norm.
    pub(super) fn check_query(&self, vector: &[f32]) -> Result<f32, IndexError> {
        super::check_dimension(vector, self.dim(), || "the query".to_owned())?;
        check_vector(vector, self.metric, || "the query".to_owned())
    }

    /// The vectors as compared: normalised under the cosine metric.
    #[cfg(feature = "ann")]
    pub(super) fn vectors(&self) -> &Matrix {
        &self.vectors
    }

    /// The score of one item for a checked query of length `norm`.
    #[cfg(feature = "ann")]
    pub(super) fn score(&self, vector: &[f32], norm: f32, id: crate::id::ItemId) -> f32 {
        let product = dot(self.vectors.row(id.index()), vector);
        match self.metric {
            Metric::InnerProduct => product,
            Metric::Cosine => product / norm,
            Metric::L2 => -(self.squares[id.index()] - 2.0 * product + norm * norm).max(0.0),
        }
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
        let norm = self.check_query(vector)?;
        let mut scores = vec![0.0; self.len()];
        scan(&self.vectors, vector, &mut scores);
        match self.metric {
            Metric::InnerProduct => {}
            Metric::Cosine => scores.iter_mut().for_each(|score| *score /= norm),
            Metric::L2 => {
                let square = dot(vector, vector);
                let distances = scores.iter_mut().zip(&self.squares);
                distances.for_each(|(score, own)| *score = -(own - 2.0 * *score + square).max(0.0));
            }
        }
        let best = top_scores(&scores, k, |id| allow.is_none_or(|allow| allow.allows(id)));
        best.into_iter().for_each(|(score, id)| out.push(id, score));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[test]
    fn conforms() {
        conformance::vector_index(&|vectors, metric| Ok(Box::new(ExactIndex::build(vectors, metric)?)));
    }
}
