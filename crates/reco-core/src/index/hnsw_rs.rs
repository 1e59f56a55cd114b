//! The graph of another library, to compare with.

use super::equal_length::lengthened;
use super::shape::shape_of;
use super::vectors::{Comparing, Vectors};
use super::{Allow, HnswParams, IndexError, Metric, VectorIndex};
use crate::candidate::Hits;
use crate::id::ItemId;
use crate::linalg::Matrix;
use hnsw_rs::prelude::{DistL2, Hnsw};
use std::fmt;

/// HNSW over a graph built and walked by hnsw_rs, with exact scores. [`HnswIndex`](super::HnswIndex)
/// builds in less time, answers faster and is smaller.
///
/// The graph lives in Euclidean space, where cosine and inner product become distances: vectors are
/// normalised for the former and get one more dimension for the latter, which makes them equally long
/// (Bachrach et al., RecSys 2014).
pub struct HnswRsIndex {
    /// Answers filtered and very long searches, and gives every hit its exact score.
    vectors: Vectors,
    graph: Hnsw<'static, f32, DistL2>,
}

impl HnswRsIndex {
    /// Layers the graph may have; enough for billions of points.
    const LAYERS: usize = 16;

    /// Indexes the rows of `vectors`; row i is item i. One thread inserts in order, so that the same
    /// vectors give the same graph.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for parameters out of range, and for a row that is not finite, too long or, under the cosine
    /// metric, zero.
    pub fn build(vectors: Matrix, metric: Metric, params: HnswParams) -> Result<Self, IndexError> {
        params.check()?;
        let vectors = Vectors::new(vectors, metric)?;
        let HnswParams { links, build_width: width, .. } = params;
        let graph = Hnsw::new(links, vectors.len().max(1), Self::LAYERS, width, DistL2 {});
        let insert = |(id, point)| graph.insert((point, id));
        match metric {
            Metric::InnerProduct => lengthened(vectors.rows()).rows().enumerate().for_each(insert),
            Metric::Cosine | Metric::L2 => vectors.rows().rows().enumerate().for_each(insert),
        }
        Ok(Self { vectors, graph })
    }
}

impl VectorIndex for HnswRsIndex {
    shape_of!(self => self.vectors);

    fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        out.clear();
        let mut query = Vec::new();
        self.vectors.prepare(vector, &mut query)?;
        // Wide searches visit most of the graph anyway; a scan is cheaper and never short.
        if k == 0 || k.saturating_mul(8) >= self.len() {
            self.vectors.scan(&query, k, allow, &mut Comparing::default(), out);
            return Ok(());
        }
        let wanted = if allow.is_some() { 4 * k } else { k };
        let width = (2 * wanted).max(64);
        let found = match self.metric() {
            Metric::InnerProduct => {
                let point = [&query[..], &[0.0]].concat();
                self.graph.search(&point, wanted, width)
            }
            Metric::Cosine | Metric::L2 => self.graph.search(&query, wanted, width),
        };
        let ids = found.into_iter().map(|hit| ItemId::new(hit.d_id as u32));
        let admitted: Vec<ItemId> = ids.filter(|&id| allow.is_none_or(|allow| allow.allows(id))).collect();
        if admitted.len() < k {
            self.vectors.scan(&query, k, allow, &mut Comparing::default(), out);
        } else {
            self.vectors.rank(&query, admitted.into_iter(), k, &mut Comparing::default(), out);
        }
        Ok(())
    }
}

impl fmt::Debug for HnswRsIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HnswRsIndex({} x {}, {:?})", self.len(), self.dim(), self.metric())
    }
}
