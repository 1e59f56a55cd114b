//! Exact search: every vector is looked at.

use super::codes::{Codes, QueryCode};
use super::file::{Filed, Incoming, Outgoing, Problem};
use super::scan::Sieve;
use super::scratch::Pool;
use super::shape::shape_of;
use super::vectors::{Comparing, Vectors};
use super::{Allow, IndexError, Metric, VectorIndex};
use crate::candidate::Hits;
use crate::id::ItemId;
use crate::linalg::Matrix;

/// Scans all vectors: the reference for every other index, and for few vectors also the fastest.
///
/// Many vectors are scanned as bytes first, which takes a third of the time; only those that rounding
/// lets be among the nearest are then compared as they are, so that none is missed.
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
#[derive(Debug)]
pub struct ExactIndex {
    vectors: Vectors,
    codes: Option<Codes>,
    idle: Pool<Scratch>,
}

/// What a search works in.
#[derive(Debug, Default)]
struct Scratch {
    query: Vec<f32>,
    code: QueryCode,
    sieve: Sieve,
    rows: Vec<u32>,
    comparing: Comparing,
}

/// From this many vectors on, bytes are scanned first (measured over 100 dimensions: half the time at
/// 5,000 vectors, a third at 100,000).
const BYTES_FROM: usize = 1_000;

impl ExactIndex {
    /// Indexes the rows of `vectors`; row i is item i.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for a row that is not finite, too long or, under the cosine metric, zero.
    pub fn build(vectors: Matrix, metric: Metric) -> Result<Self, IndexError> {
        let vectors = Vectors::new(vectors, metric)?;
        let order: Vec<u32> = (0..vectors.len() as u32).collect();
        // Vectors too wide for bytes are scanned as they are.
        let codes =
            if vectors.len() < BYTES_FROM { None } else { Codes::new(vectors.rows(), &order, metric).ok() };
        Ok(Self { vectors, codes, idle: Pool::default() })
    }

    /// Without vectors.
    pub(super) fn empty(dim: usize, metric: Metric) -> Self {
        Self { vectors: Vectors::empty(dim, metric), codes: None, idle: Pool::default() }
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.vectors.memory() + self.codes.as_ref().map_or(0, Codes::memory)
    }

    pub(super) fn vectors(&self) -> &Vectors {
        &self.vectors
    }

    fn scan_bytes(
        &self,
        codes: &Codes,
        k: usize,
        allow: Option<&dyn Allow>,
        scratch: &mut Scratch,
        out: &mut Hits,
    ) {
        let Scratch { query, code, sieve, rows, comparing } = scratch;
        codes.query(query, code);
        rows.clear();
        let all = 0..codes.len() as u32;
        match allow {
            None => sieve.scan(codes, code, k, all, rows),
            Some(allow) => {
                sieve.scan(codes, code, k, all.filter(|&row| allow.allows(ItemId::new(row))), rows)
            }
        }
        self.vectors.rank(query, rows.iter().map(|&row| ItemId::new(row)), k, comparing, out);
    }
}

impl Filed for ExactIndex {
    const KIND: u32 = 1;

    fn write<'a>(&'a self, parts: &mut Outgoing<'a>) {
        self.vectors.write(parts);
        if let Some(codes) = &self.codes {
            codes.write(parts);
        }
    }

    fn read(parts: &Incoming) -> Result<Self, Problem> {
        let vectors = Vectors::read(parts)?;
        let codes = if parts.has("codes") { Some(Codes::read(parts)?) } else { None };
        // Without bytes, nothing else would tell how many vectors without dimensions there are.
        if codes.is_none() && vectors.len() >= BYTES_FROM && !Codes::too_wide(vectors.dim()) {
            return Err(Problem::section("codes"));
        }
        Ok(Self { vectors, codes, idle: Pool::default() })
    }
}

impl VectorIndex for ExactIndex {
    shape_of!(self => self.vectors);

    fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        out.clear();
        self.idle.with(|scratch| {
            self.vectors.prepare(vector, &mut scratch.query)?;
            match &self.codes {
                // Where a good part of all is asked, little can be left out.
                Some(codes) if k.saturating_mul(8) < self.len() => {
                    self.scan_bytes(codes, k, allow, scratch, out);
                }
                _ => {
                    let Scratch { query, comparing, .. } = scratch;
                    self.vectors.scan(query, k, allow, comparing, out);
                }
            }
            Ok(())
        })
    }
}
