//! Approximate search over a navigable small-world graph.

mod build;
mod graph;
mod params;
mod reach;
mod select;
mod stored;
#[cfg(test)]
pub(super) mod tests;
mod walk;

pub use params::HnswParams;

use super::array::Array;
use super::codes::Codes;
use super::scan::Sieve;
use super::scratch::Pool;
use super::shape::shape_of;
use super::share::{is_well_within, share};
use super::vectors::{Comparing, Vectors};
use super::{Allow, IndexError, Metric, VectorIndex};
use crate::candidate::Hits;
use crate::id::ItemId;
use crate::linalg::Matrix;
use graph::Graph;
use std::fmt;
use walk::Walk;

/// HNSW (Malkov & Yashunin, TPAMI 2020), served from contiguous memory: rows of links, vectors rounded
/// to bytes for walking the graph, and the vectors themselves for the final scores, which are exact.
///
/// By inner product, the links follow a distance that orders alike: vectors get one more coordinate that
/// makes them equally long (Bachrach et al., RecSys 2014). Links chosen by inner product itself (Morozov &
/// Babenko, NeurIPS 2018) all lead to the longest vectors: over the 64 factors that ALS fitted for 68,509
/// products, recall@50 by default parameters was 0.77 with them.
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
    /// In the order of the items.
    vectors: Vectors,
    /// The same as bytes, in the order of the points.
    codes: Codes,
    graph: Graph,
    /// The item of every point.
    items: Array<u32>,
    params: HnswParams,
    idle: Pool<Scratch>,
}

/// What a search works in.
#[derive(Debug, Default)]
struct Scratch {
    query: Vec<f32>,
    walk: Walk,
    sieve: Sieve,
    /// Points to score exactly.
    points: Vec<u32>,
    comparing: Comparing,
}

/// Costs of a search, measured: nanoseconds for walking per point of width,
const WALK_NS: f64 = 500.0;
/// for scoring a point in a scan,
const SCORE_NS: f64 = 4.0;
/// and for asking whether it is allowed.
const ALLOW_NS: f64 = 1.5;

impl HnswIndex {
    /// Indexes the rows of `vectors`; row i is item i.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for parameters out of range, for a row that is not finite, too long or, under the cosine
    /// metric, zero, and for rows of more than 65,000 dimensions.
    pub fn build(vectors: Matrix, metric: Metric, params: HnswParams) -> Result<Self, IndexError> {
        params.check()?;
        let vectors = Vectors::new(vectors, metric)?;
        let (items, counts) = graph::arrange(vectors.len(), params.links);
        let codes = Codes::new(vectors.rows(), &items, metric)?;
        let mut graph = build::build(&codes, &counts, &params);
        reach::mend(&codes, &mut graph);
        Ok(Self { vectors, codes, graph, items: items.into(), params, idle: Pool::default() })
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
        self.idle.with(|scratch| {
            self.vectors.prepare(vector, &mut scratch.query)?;
            match k {
                0 => {}
                // Where a good part of all is asked, bytes would leave little out.
                k if k.saturating_mul(8) >= self.len() => {
                    let Scratch { query, comparing, .. } = scratch;
                    self.vectors.scan(query, k, allow, comparing, out);
                }
                k => {
                    self.codes.query(&scratch.query, &mut scratch.walk.query);
                    if !self.walk_if_cheaper(scratch, k, width.max(k), allow) {
                        self.scan(scratch, k, allow);
                    }
                    self.rank(scratch, k, out);
                }
            }
            Ok(())
        })
    }

    /// Bytes of memory, without what searches work in.
    pub fn memory(&self) -> usize {
        self.vectors.memory() + self.codes.memory() + self.graph.memory() + self.items.memory()
    }

    pub(super) fn vectors(&self) -> &Vectors {
        &self.vectors
    }

    /// Walks the graph where that is cheaper than a scan; false where not all were found.
    fn walk_if_cheaper(
        &self,
        scratch: &mut Scratch,
        k: usize,
        width: usize,
        allow: Option<&dyn Allow>,
    ) -> bool {
        let share = allow.map_or(1.0, |allow| share(allow, self.len()));
        let asking = if allow.is_some() { ALLOW_NS } else { 0.0 };
        let (walk, scan) = (width as f64 / share * WALK_NS, asking + share * SCORE_NS);
        walk < self.len() as f64 * scan && self.walk(scratch, k, width, allow, share)
    }

    /// Walks the graph over a beam that keeps `width` allowed points, of which there is the given share;
    /// false where the beam met few of them.
    fn walk(
        &self,
        scratch: &mut Scratch,
        k: usize,
        width: usize,
        allow: Option<&dyn Allow>,
        share: f64,
    ) -> bool {
        let Scratch { walk, sieve, points, .. } = scratch;
        walk.search(&self.codes, &self.graph, (width as f64 / share) as usize);
        let allows = |point| allow.is_none_or(|allow| allow.allows(self.item(point)));
        let (mut n_allowed, kept) = (0, walk.beam.kept());
        let allowed = kept.iter().filter(|near| allows(near.point)).inspect(|_| n_allowed += 1);
        points.clear();
        let scored = allowed.map(|near| (near.point, near.score));
        sieve.sift_scored(&self.codes, &walk.query, k, scored, points);
        is_well_within(k, n_allowed, kept.len(), share)
    }

    /// Scores the bytes of all allowed points.
    fn scan(&self, scratch: &mut Scratch, k: usize, allow: Option<&dyn Allow>) {
        let Scratch { walk, sieve, points, .. } = scratch;
        let allowed = |&point: &u32| allow.is_none_or(|allow| allow.allows(self.item(point)));
        points.clear();
        sieve.scan(&self.codes, &walk.query, k, (0..self.items.len() as u32).filter(allowed), points);
    }

    /// The `k` best of the points found, by the vectors themselves.
    fn rank(&self, scratch: &mut Scratch, k: usize, out: &mut Hits) {
        let Scratch { query, points, comparing, .. } = scratch;
        self.vectors.rank(query, points.iter().map(|&point| self.item(point)), k, comparing, out);
    }

    fn item(&self, point: u32) -> ItemId {
        ItemId::new(self.items[point as usize])
    }
}

impl VectorIndex for HnswIndex {
    shape_of!(self => self.vectors);

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
