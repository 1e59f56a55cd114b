//! Approximate search over a navigable small-world graph.

mod build;
mod graph;
mod params;
mod reach;
mod scan;
mod select;
#[cfg(test)]
mod tests;
mod walk;

pub use params::HnswParams;

use super::codes::Codes;
use super::scratch::Pool;
use super::{Allow, ExactIndex, IndexError, Metric, VectorIndex};
use crate::candidate::{Hits, top_k};
use crate::id::ItemId;
use crate::linalg::{Matrix, prefetch};
use graph::{Graph, mix};
use scan::Best;
use std::fmt;
use walk::{Near, Walk};

/// HNSW (Malkov & Yashunin, TPAMI 2020), served from contiguous memory: rows of links, vectors rounded
/// to bytes for walking the graph, and the vectors themselves for the final scores, which are exact.
///
/// Searches allocate nothing once warm, and may run from any number of threads. A search that would walk
/// over much of the graph, because many items are asked or few are allowed, scans the bytes instead.
/// The same vectors and parameters give the same index and the same answers, whatever the number of
/// threads and the CPU.
///
/// ```
/// use reco_core::candidate::Hits;
/// use reco_core::index::{HnswIndex, HnswParams, Metric, VectorIndex};
/// use reco_core::linalg::Matrix;
///
/// let angle = |i: usize| (i as f32 * 0.001).sin_cos();
/// let circle = (0..5_000).flat_map(|i| <[f32; 2]>::from(angle(i))).collect();
/// let index = HnswIndex::build(Matrix::from_vec(5_000, 2, circle), Metric::Cosine, HnswParams::default())?;
/// let mut hits = Hits::default();
/// index.search(&<[f32; 2]>::from(angle(700)), 3, None, &mut hits)?;
/// assert_eq!(hits.ids[0].index(), 700);
/// # Ok::<(), reco_core::index::IndexError>(())
/// ```
pub struct HnswIndex {
    /// The vectors in the order of the items.
    exact: ExactIndex,
    /// The same as bytes, in the order of the points.
    codes: Codes,
    graph: Graph,
    /// The item of every point.
    items: Vec<u32>,
    params: HnswParams,
    idle: Pool<Scratch>,
}

/// What a search works in.
#[derive(Debug, Default)]
struct Scratch {
    walk: Walk,
    best: Best,
    /// Points to score exactly.
    points: Vec<u32>,
    rows: Vec<(f32, ItemId)>,
}

/// Costs of a search, measured: nanoseconds for walking per point of width,
const WALK_NS: f64 = 450.0;
/// for scoring a point in a scan,
const SCORE_NS: f64 = 8.0;
/// and for asking whether it is allowed.
const ALLOW_NS: f64 = 1.5;

/// Points asked to estimate how many are allowed.
const SAMPLE: u64 = 512;

impl HnswIndex {
    /// Indexes the rows of `vectors`; row i is item i.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for a row that is not finite, too long or, under the cosine metric, zero, and for
    /// rows of more than 65,000 dimensions.
    pub fn build(vectors: Matrix, metric: Metric, params: HnswParams) -> Result<Self, IndexError> {
        let params = params.clamped();
        let exact = ExactIndex::build(vectors, metric)?;
        let (items, counts) = graph::arrange(exact.len(), params.links);
        let codes = Codes::new(exact.vectors(), &items, metric)?;
        let mut graph = build::build(&codes, &counts, &params);
        reach::mend(&codes, &mut graph);
        Ok(Self { exact, codes, graph, items, params, idle: Pool::default() })
    }

    /// Like [`search`](VectorIndex::search) over a beam of `width` points (ef in the paper), or of `k`
    /// where that is more; wider is slower and finds more.
    ///
    /// # Errors
    ///
    /// Those of [`search`](VectorIndex::search).
    pub fn search_wide(
        &self,
        vector: &[f32],
        k: usize,
        width: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        out.clear();
        let query = self.exact.prepare(vector)?;
        if k.saturating_mul(8) >= self.len() {
            self.exact.nearest(&query, k, allow, out);
            return Ok(());
        }
        if k == 0 {
            return Ok(());
        }
        self.idle.with(|scratch| {
            self.codes.query(&query, &mut scratch.walk.query);
            let n_exact = k.saturating_mul(2).max(k + 16);
            if !self.walk(scratch, k, n_exact, width.max(k), allow) {
                // The allowed may lie far away and closely together, where rounding mixes up more of them.
                self.scan(scratch, n_exact.saturating_mul(2).max(64), allow);
            }
            self.score(scratch, &query, k, out);
        });
        Ok(())
    }

    /// Bytes of memory, without what searches work in.
    pub fn memory(&self) -> usize {
        let items = self.items.capacity() * size_of::<u32>();
        self.exact.memory() + self.codes.memory() + self.graph.memory() + items
    }

    /// Walks the graph; false where a scan is cheaper or the walk met fewer than `k` allowed items.
    fn walk(
        &self,
        scratch: &mut Scratch,
        k: usize,
        n_exact: usize,
        width: usize,
        allow: Option<&dyn Allow>,
    ) -> bool {
        let share = allow.map_or(1.0, |allow| self.share(allow));
        // As many allowed points are kept as without a filter.
        let width = width as f64 / share;
        let asking = if allow.is_some() { ALLOW_NS } else { 0.0 };
        if width * WALK_NS >= self.len() as f64 * (asking + share * SCORE_NS) {
            return false;
        }
        scratch.walk.search(&self.codes, &self.graph, width as usize);
        let kept = scratch.walk.beam.kept().iter().map(|near| near.point);
        let allowed = kept.filter(|&point| allow.is_none_or(|allow| allow.allows(self.item(point))));
        scratch.points.clear();
        scratch.points.extend(allowed.take(n_exact));
        scratch.points.len() >= k
    }

    /// Scores the bytes of all allowed points.
    fn scan(&self, scratch: &mut Scratch, n_exact: usize, allow: Option<&dyn Allow>) {
        let Scratch { walk, best, points, .. } = scratch;
        best.restart(n_exact);
        let allowed = |&point: &u32| allow.is_none_or(|allow| allow.allows(self.item(point)));
        walk.scan(&self.codes, (0..self.items.len() as u32).filter(allowed), best);
        points.clear();
        points.extend(best.finish().iter().map(|near: &Near| near.point));
    }

    /// The `k` best of the points found, by the vectors themselves.
    fn score(&self, scratch: &mut Scratch, query: &[f32], k: usize, out: &mut Hits) {
        let Scratch { points, rows, .. } = scratch;
        points.iter().for_each(|&point| prefetch(self.exact.vectors().row(self.item(point).index())));
        rows.clear();
        rows.extend(
            points.iter().map(|&point| (self.exact.score(query, self.item(point)), self.item(point))),
        );
        top_k(rows, k);
        rows.iter().for_each(|&(score, id)| out.push(id, score));
    }

    /// The share of items that are allowed, estimated, above 0.
    fn share(&self, allow: &dyn Allow) -> f64 {
        let n_items = self.len() as u64;
        let allowed = (0..SAMPLE).filter(|&draw| allow.allows(ItemId::new((mix(draw) % n_items) as u32)));
        (allowed.count() as f64).max(0.5) / SAMPLE as f64
    }

    fn item(&self, point: u32) -> ItemId {
        ItemId::new(self.items[point as usize])
    }
}

impl VectorIndex for HnswIndex {
    fn dim(&self) -> usize {
        self.exact.dim()
    }

    fn len(&self) -> usize {
        self.exact.len()
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty()
    }

    fn metric(&self) -> Metric {
        self.exact.metric()
    }

    fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        let width = self.params.search_width.saturating_add(k.saturating_mul(2));
        self.search_wide(vector, k, width, allow, out)
    }
}

impl fmt::Debug for HnswIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HnswIndex({} x {}, {:?})", self.len(), self.dim(), self.metric())
    }
}
