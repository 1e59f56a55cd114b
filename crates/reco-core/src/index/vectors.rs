//! The vectors of an index, as its metric compares them.

use super::array::Array;
use super::file::{Incoming, Outgoing, Problem};
use super::{Allow, IndexError, Metric, check_dimension, check_vector, normalize};
use crate::candidate::{Hits, top_k};
use crate::id::ItemId;
use crate::linalg::{
    Matrix, MatrixView, dot, prefetch, scan, scan_distances, squared_distance, top_scores_into,
};

/// Row i belongs to item i; normalised under the cosine metric.
#[derive(Clone, Debug)]
pub(super) struct Vectors {
    values: Array<f32>,
    n_rows: usize,
    dim: usize,
    metric: Metric,
}

/// What comparing vectors works in.
#[derive(Debug, Default)]
pub(super) struct Comparing {
    scores: Vec<f32>,
    ranked: Vec<(f32, ItemId)>,
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
        let (n_rows, dim) = (rows.n_rows(), rows.n_columns());
        Ok(Self { values: rows.into_vec().into(), n_rows, dim, metric })
    }

    pub(super) fn empty(dim: usize, metric: Metric) -> Self {
        Self { values: Vec::new().into(), n_rows: 0, dim, metric }
    }

    /// What was [`new`](Self::new) before; None where `values` are not `n_rows * dim`.
    pub(super) fn stored(values: Array<f32>, n_rows: usize, dim: usize, metric: Metric) -> Option<Self> {
        (n_rows.checked_mul(dim) == Some(values.len())).then_some(Self { values, n_rows, dim, metric })
    }

    /// Adds its section to a file.
    pub(super) fn write<'a>(&'a self, parts: &mut Outgoing<'a>) {
        parts.add("vectors", &self.values);
    }

    /// Reads its section.
    pub(super) fn read(parts: &Incoming) -> Result<Self, Problem> {
        Self::stored(parts.array("vectors")?, parts.n_vectors(), parts.dim(), parts.metric())
            .ok_or_else(|| Problem::section("vectors"))
    }

    pub(super) fn rows(&self) -> MatrixView<'_> {
        MatrixView::new(self.n_rows, self.dim, &self.values)
    }

    pub(super) fn metric(&self) -> Metric {
        self.metric
    }

    pub(super) fn len(&self) -> usize {
        self.n_rows
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.values.memory()
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

    /// The `k` of `items` nearest to a prepared query, nearest first.
    pub(super) fn rank(
        &self,
        query: &[f32],
        items: impl Iterator<Item = ItemId> + Clone,
        k: usize,
        Comparing { ranked, .. }: &mut Comparing,
        out: &mut Hits,
    ) {
        let rows = self.rows();
        items.clone().for_each(|item| prefetch(rows.row(item.index())));
        ranked.clear();
        ranked.extend(items.map(|item| (score(self.metric, rows.row(item.index()), query), item)));
        top_k(ranked, k);
        ranked.iter().for_each(|&(score, item)| out.push(item, score));
    }

    /// The `k` items nearest to a prepared query among all that are allowed.
    pub(super) fn scan(
        &self,
        query: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        Comparing { scores, ranked }: &mut Comparing,
        out: &mut Hits,
    ) {
        scores.resize(self.len(), 0.0);
        match self.metric {
            Metric::InnerProduct | Metric::Cosine => scan(self.rows(), query, scores),
            Metric::L2 => {
                scan_distances(self.rows(), query, scores);
                scores.iter_mut().for_each(|score| *score = -*score);
            }
        }
        top_scores_into(scores, k, |item| allow.is_none_or(|allow| allow.allows(item)), ranked);
        ranked.iter().for_each(|&(score, item)| out.push(item, score));
    }
}

/// The score of two vectors as compared.
pub(super) fn score(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    match metric {
        Metric::InnerProduct | Metric::Cosine => dot(a, b),
        Metric::L2 => -squared_distance(a, b),
    }
}
