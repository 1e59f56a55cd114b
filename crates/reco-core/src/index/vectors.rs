//! The vectors of an index, as its metric compares them.

use super::{Allow, IndexError, Metric, check_dimension, check_vector, normalize};
use crate::candidate::{Hits, top_k};
use crate::id::ItemId;
use crate::linalg::{Matrix, dot, prefetch, scan, scan_distances, squared_distance, top_scores};

/// Row i belongs to item i; normalised under the cosine metric.
#[derive(Clone, Debug)]
pub(super) struct Vectors {
    rows: Matrix,
    metric: Metric,
}

impl Vectors {
    /// Refuses rows that the metric cannot compare.
    pub(super) fn new(mut rows: Matrix, metric: Metric) -> Result<Self, IndexError> {
        for row in 0..rows.n_rows() {
            let norm = check_vector(rows.row(row), metric, || format!("the vector of item {row}"))?;
            if metric == Metric::Cosine {
                normalize(rows.row_mut(row), norm);
            }
        }
        Ok(Self { rows, metric })
    }

    pub(super) fn empty(dim: usize, metric: Metric) -> Self {
        Self { rows: Matrix::zeros(0, dim), metric }
    }

    pub(super) fn rows(&self) -> &Matrix {
        &self.rows
    }

    pub(super) fn metric(&self) -> Metric {
        self.metric
    }

    pub(super) fn len(&self) -> usize {
        self.rows.n_rows()
    }

    pub(super) fn dim(&self) -> usize {
        self.rows.n_columns()
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        size_of_val(self.rows.as_slice())
    }

    /// Puts the query as compared into `query`; refuses what cannot be compared.
    pub(super) fn prepare(&self, vector: &[f32], query: &mut Vec<f32>) -> Result<(), IndexError> {
        self.prepare_as(vector, query, || "the query".to_owned())
    }

    /// The same for a vector that errors name otherwise.
    pub(super) fn prepare_as(
        &self,
        vector: &[f32],
        query: &mut Vec<f32>,
        what: impl Fn() -> String,
    ) -> Result<(), IndexError> {
        check_dimension(vector, self.dim(), &what)?;
        let norm = check_vector(vector, self.metric, &what)?;
        query.clear();
        query.extend_from_slice(vector);
        if self.metric == Metric::Cosine {
            normalize(query, norm);
        }
        Ok(())
    }

    /// The `k` of `items` nearest to a prepared query, nearest first; works in `ranked`.
    pub(super) fn rank(
        &self,
        query: &[f32],
        items: impl Iterator<Item = ItemId> + Clone,
        k: usize,
        ranked: &mut Vec<(f32, ItemId)>,
        out: &mut Hits,
    ) {
        items.clone().for_each(|item| prefetch(self.rows.row(item.index())));
        ranked.clear();
        ranked.extend(items.map(|item| (score(self.metric, self.rows.row(item.index()), query), item)));
        top_k(ranked, k);
        ranked.iter().for_each(|&(score, item)| out.push(item, score));
    }

    /// The `k` items nearest to a prepared query among all that are allowed.
    pub(super) fn scan(&self, query: &[f32], k: usize, allow: Option<&dyn Allow>, out: &mut Hits) {
        let mut scores = vec![0.0; self.len()];
        match self.metric {
            Metric::InnerProduct | Metric::Cosine => scan(&self.rows, query, &mut scores),
            Metric::L2 => {
                scan_distances(&self.rows, query, &mut scores);
                scores.iter_mut().for_each(|score| *score = -*score);
            }
        }
        let best = top_scores(&scores, k, |item| allow.is_none_or(|allow| allow.allows(item)));
        best.into_iter().for_each(|(score, item)| out.push(item, score));
    }
}

/// The score of two vectors as compared.
pub(super) fn score(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    match metric {
        Metric::InnerProduct | Metric::Cosine => dot(a, b),
        Metric::L2 => -squared_distance(a, b),
    }
}
