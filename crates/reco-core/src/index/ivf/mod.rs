//! Approximate search over lists of vectors that lie together.

mod means;
mod stored;
#[cfg(test)]
mod tests;

use super::array::Array;
use super::codes::{Codes, QueryCode};
use super::equal_length::lengthened;
use super::scan::Sieve;
use super::scratch::Pool;
use super::shape::shape_of;
use super::share::{is_well_within, share};
use super::vectors::{Comparing, Vectors};
use super::{Allow, IndexError, Metric, VectorIndex};
use crate::candidate::Hits;
use crate::id::ItemId;
use crate::linalg::Matrix;
use means::{Means, cluster};
use std::ops::Range;
use stored::centres_metric;

/// IVF-Flat (Sivic & Zisserman, ICCV 2003; Jégou et al., TPAMI 2011): vectors are listed by the nearest of
/// some centres, and a search scans the lists of the centres nearest to the query. Built in a fraction
/// of [`HnswIndex`](super::HnswIndex)'s time and without its links, but slower where much must be found.
///
/// Lists are scanned as bytes; what rounding lets be among the nearest is compared as it is.
///
/// Without a filter, a search scans the lists asked, by default 10 of 1,000: over 100,000 word vectors they hold
/// 80 % of the nearest 10, where 60 lists hold 96 % (`docs/benchmarks/index.md`). Under a filter it begins with
/// as many more lists as items are filtered out, and goes on with twice as many until they bring little that is
/// new: recall is above 0.95 there, however few items are allowed and wherever they lie, and all of them are
/// scanned where they are few (`docs/benchmarks/index-filtered.md`).
///
/// ```
/// use reco_core::candidate::Hits;
/// use reco_core::index::{IvfIndex, IvfParams, Metric, VectorIndex};
/// use reco_core::linalg::Matrix;
///
/// let angle = |i: usize| (i as f32 * 0.001).sin_cos();
/// let circle = (0..5_000).flat_map(|i| <[f32; 2]>::from(angle(i))).collect();
/// let params = IvfParams { lists: 50, probes: 3, ..IvfParams::default() };
/// let index = IvfIndex::build(Matrix::from_vec(5_000, 2, circle), Metric::L2, params)?;
/// let mut hits = Hits::default();
/// index.search(&<[f32; 2]>::from(angle(700)), 3, None, &mut hits)?;
/// assert_eq!(hits.ids[0].index(), 700);
/// # Ok::<(), reco_core::index::IndexError>(())
/// ```
#[derive(Debug)]
pub struct IvfIndex {
    /// In the order of the items.
    vectors: Vectors,
    /// The same as bytes, list by list.
    codes: Codes,
    /// The item of every row of `codes`.
    items: Array<u32>,
    /// Where lists begin in `codes`, and its end.
    starts: Array<u32>,
    centres: Vectors,
    params: IvfParams,
    idle: Pool<Scratch>,
}

/// How an [`IvfIndex`] is cut into lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IvfParams {
    /// Number of lists, at least 1; of more than there are vectors, one per vector is made.
    pub lists: usize,
    /// Lists scanned by a search without a filter, at least 1.
    pub probes: usize,
    /// Rounds of k-means.
    pub rounds: usize,
}

impl Default for IvfParams {
    fn default() -> Self {
        Self { lists: 1_000, probes: 10, rounds: 10 }
    }
}

impl IvfParams {
    fn check(self) -> Result<(), IndexError> {
        for (name, value) in [("lists", self.lists), ("probes", self.probes)] {
            if value == 0 {
                return Err(IndexError::Params(format!("{name} is 0, must be at least 1")));
            }
        }
        Ok(())
    }
}

/// What a search works in.
#[derive(Debug, Default)]
struct Scratch {
    query: Vec<f32>,
    code: QueryCode,
    probed: Hits,
    sieve: Sieve,
    /// What may be among the nearest,
    rows: Vec<u32>,
    /// and what was before the last lists.
    before: Vec<u32>,
    comparing: Comparing,
}

/// What lists held.
struct Scanned {
    met: usize,
    allowed: usize,
    /// Rows that may be among the nearest and were not met before.
    new: usize,
}

/// Lists suffice when twice as many bring at most one in so many of the nearest (measured over word vectors:
/// recall@10 is then 0.97 where all are allowed, and more where fewer are).
const NEW: usize = 10;

impl IvfIndex {
    /// Indexes the rows of `vectors`; row i is item i.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for parameters out of range, for a row that is not finite, too long or, under the cosine
    /// metric, zero, and for rows of more than 65,000 dimensions.
    pub fn build(vectors: Matrix, metric: Metric, params: IvfParams) -> Result<Self, IndexError> {
        params.check()?;
        let vectors = Vectors::new(vectors, metric)?;
        let Means { centres, cluster_of } = match metric {
            Metric::InnerProduct => {
                without_last(cluster(lengthened(vectors.rows()).view(), params.lists, params.rounds)?)
            }
            Metric::Cosine | Metric::L2 => cluster(vectors.rows(), params.lists, params.rounds)?,
        };
        let mut items: Vec<u32> = (0..vectors.len() as u32).collect();
        items.sort_unstable_by_key(|&item| (cluster_of[item as usize], item));
        let begins = |list| items.partition_point(|&item| cluster_of[item as usize] < list) as u32;
        let starts = (0..=centres.n_rows() as u32).map(begins).collect::<Vec<u32>>().into();
        let codes = Codes::new(vectors.rows(), &items, metric)?;
        let centres = Vectors::new(centres, centres_metric(metric))?;
        Ok(Self { vectors, codes, items: items.into(), starts, centres, params, idle: Pool::default() })
    }

    /// Like [`search`](VectorIndex::search) over `probes` lists, at least 1; over more under a filter.
    ///
    /// # Errors
    ///
    /// Those of [`search`](VectorIndex::search).
    pub fn search_lists(
        &self,
        vector: &[f32],
        k: usize,
        probes: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        out.clear();
        self.idle.with(|scratch| {
            self.vectors.prepare(vector, &mut scratch.query)?;
            self.codes.query(&scratch.query, &mut scratch.code);
            self.gather(scratch, k, probes.max(1), allow);
            let Scratch { query, rows, comparing, .. } = scratch;
            self.vectors.rank(query, rows.iter().map(|&row| self.item(row)), k, comparing, out);
            Ok(())
        })
    }

    /// Bytes of memory, without what searches work in.
    pub fn memory(&self) -> usize {
        let tables = self.items.memory() + self.starts.memory();
        self.vectors.memory() + self.codes.memory() + self.centres.memory() + tables
    }

    /// Leaves in `rows` what may be among the nearest: of `probes` lists without a filter; under one, at first
    /// of as many allowed items as are scanned without, then of twice as many lists again and again.
    fn gather(&self, scratch: &mut Scratch, k: usize, probes: usize, allow: Option<&dyn Allow>) {
        let share = allow.map_or(1.0, |allow| share(allow, self.len()));
        let (mut n_met, mut n_allowed, mut probed) = (0, 0, 0);
        let mut goal = (probes as f64 / share).ceil() as usize;
        loop {
            let scanned = self.scan(scratch, k, probed..goal, allow);
            (n_met, n_allowed) = (n_met + scanned.met, n_allowed + scanned.allowed);
            let settled = allow.is_none() || probed > 0 && scanned.new <= k / NEW;
            if goal >= self.centres.len() || settled && is_well_within(k, n_allowed, n_met, share) {
                break;
            }
            (probed, goal) = (goal, goal.saturating_mul(2));
        }
    }

    /// Scans the lists that are `which` nearest to the query, for what may be among the `k` nearest of their
    /// items and of what the lists before held.
    fn scan(
        &self,
        scratch: &mut Scratch,
        k: usize,
        which: Range<usize>,
        allow: Option<&dyn Allow>,
    ) -> Scanned {
        let Scratch { query, code, probed, sieve, rows, before, comparing } = scratch;
        if which.start == 0 {
            rows.clear();
        }
        probed.clear();
        self.centres.scan(query, which.end, None, comparing, probed);
        let lists = probed.ids.iter().skip(which.start);
        let lists = lists.map(|list| self.starts[list.index()]..self.starts[list.index() + 1]);
        let (mut n_allowed, n_met) = (0, lists.clone().map(|list| list.len()).sum());
        let allows = |row: &u32| allow.is_none_or(|allow| allow.allows(self.item(*row)));
        let allowed = lists.flatten().filter(allows).inspect(|_| n_allowed += 1);
        std::mem::swap(rows, before);
        before.sort_unstable();
        rows.clear();
        sieve.scan(&self.codes, code, k, before.iter().copied().chain(allowed), rows);
        let new = rows.iter().filter(|row| before.binary_search(row).is_err()).count();
        Scanned { met: n_met, allowed: n_allowed, new }
    }

    pub(super) fn vectors(&self) -> &Vectors {
        &self.vectors
    }

    fn item(&self, row: u32) -> ItemId {
        ItemId::new(self.items[row as usize])
    }
}

fn without_last(means: Means) -> Means {
    let (n_rows, dim) = (means.centres.n_rows(), means.centres.n_columns() - 1);
    let values = means.centres.rows().flat_map(|row| row[..dim].iter().copied());
    Means { centres: Matrix::from_vec(n_rows, dim, values.collect()), ..means }
}

impl VectorIndex for IvfIndex {
    shape_of!(self => self.vectors);

    fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        self.search_lists(vector, k, self.params.probes, allow, out)
    }
}
