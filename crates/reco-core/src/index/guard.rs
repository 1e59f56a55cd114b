//! A new index takes over only when it finds what it should.

use super::mix::mix;
use super::shape::shape_of;
use super::{Allow, IndexError, Metric, VectorIndex};
use crate::candidate::Hits;
use crate::id::ItemId;
use crate::linalg::Matrix;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// How an index is compared with exact search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecallGuard {
    /// Neighbours asked for per query; at most all there are count.
    pub k: usize,
    /// Queries drawn from those given; all where there are no more.
    pub n_queries: usize,
    /// The lowest recall@k that passes, 0 to 1.
    pub least: f64,
    /// Draws the queries.
    pub seed: u64,
}

impl Default for RecallGuard {
    fn default() -> Self {
        Self { k: 50, n_queries: 200, least: 0.95, seed: 0 }
    }
}

/// Why an index was not swapped in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SwapError {
    /// It finds too little.
    #[error("recall@{k} is {found:.4} over {n_queries} queries, must be at least {least}")]
    Recall {
        /// Neighbours asked for.
        k: usize,
        /// Queries asked.
        n_queries: usize,
        /// The share found of what exact search finds.
        found: f64,
        /// The least that passes.
        least: f64,
    },
    /// It holds other vectors than the index it was compared with.
    #[error("the index holds {got:?}, must hold {want:?} (vectors, dimensions, metric)")]
    Different {
        /// Its vectors, dimensions and metric.
        got: (usize, usize, Metric),
        /// Those of the exact index.
        want: (usize, usize, Metric),
    },
    /// There is nothing to compare it by.
    #[error("no queries to compare the index by")]
    NoQueries,
    /// It, or the exact index, refuses a query.
    #[error("a query was refused: {0}")]
    Index(#[from] IndexError),
}

impl RecallGuard {
    /// The recall of `candidate`: the share of what `exact` finds for queries drawn from the rows of
    /// `queries`. The same seed draws the same rows. What ties with the last that is found is as good as it.
    ///
    /// # Errors
    ///
    /// [`SwapError::Recall`] below the least that passes, [`SwapError::Different`] for an index over other
    /// vectors, [`SwapError::NoQueries`], and [`SwapError::Index`] for a query that is refused.
    pub fn check(
        &self,
        candidate: &dyn VectorIndex,
        exact: &dyn VectorIndex,
        queries: &Matrix,
    ) -> Result<f64, SwapError> {
        let [got, want] = [candidate, exact].map(|index| (index.len(), index.dim(), index.metric()));
        if got != want {
            return Err(SwapError::Different { got, want });
        }
        let drawn = self.draw(queries.n_rows());
        if drawn.is_empty() {
            return Err(SwapError::NoQueries);
        }
        let (mut near, mut hits, mut found, mut total) = (Hits::default(), Hits::default(), 0, 0);
        for &row in &drawn {
            exact.search(queries.row(row), self.k, None, &mut near)?;
            candidate.search(queries.row(row), self.k, None, &mut hits)?;
            found += n_found(&near, &hits);
            total += near.len();
        }
        // Nothing to find is all found.
        let found = if total == 0 { 1.0 } else { found as f64 / total as f64 };
        if found < self.least {
            let (k, n_queries, least) = (self.k, drawn.len(), self.least);
            return Err(SwapError::Recall { k, n_queries, found, least });
        }
        Ok(found)
    }

    /// Rows without repeats.
    fn draw(&self, n_rows: usize) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..n_rows).collect();
        let n_drawn = self.n_queries.min(n_rows);
        for at in 0..n_drawn {
            let from = at + (mix(self.seed ^ mix(at as u64)) % (n_rows - at) as u64) as usize;
            rows.swap(at, from);
        }
        rows.truncate(n_drawn);
        rows
    }
}

/// How much of what is nearest is among the `hits`. In the place of those that tie with the last of it any that tie will
/// do, for which of many equal vectors is found says nothing about an index.
fn n_found(near: &Hits, hits: &Hits) -> usize {
    let Some((_, last)) = near.iter().last() else { return 0 };
    let ties = |score: f32| (score - last).abs() <= 1e-6 * last.abs();
    let (tied, nearer): (Vec<_>, Vec<_>) = near.iter().partition(|&(_, score)| ties(score));
    let is_tied = |&(id, score): &(ItemId, f32)| ties(score) || tied.iter().any(|row| row.0 == id);
    let n_tied = hits.iter().filter(is_tied).count().min(tied.len());
    nearer.iter().filter(|row| hits.ids.contains(&row.0)).count() + n_tied
}

/// The index that serves, until a better one takes its place between two searches.
///
/// ```
/// use reco_core::index::{ExactIndex, Guarded, HnswIndex, HnswParams, Metric, RecallGuard, VectorIndexExt};
/// use reco_core::linalg::Matrix;
/// use std::sync::Arc;
///
/// let circle = |n: usize| {
///     let angles = (0..n).flat_map(|i| <[f32; 2]>::from((i as f32 * 0.001).sin_cos()));
///     Matrix::from_vec(n, 2, angles.collect())
/// };
/// let serving = Guarded::new(Arc::new(ExactIndex::build(circle(1_000), Metric::L2)?), RecallGuard::default());
///
/// let candidate = Arc::new(HnswIndex::build(circle(3_000), Metric::L2, HnswParams::default())?);
/// let exact = ExactIndex::build(circle(3_000), Metric::L2)?;
/// let recall = serving.swap(candidate, &exact, &circle(3_000))?;
/// assert!(recall > 0.95);
/// assert_eq!(serving.find(&[0.0, 1.0], 5, None)?.len(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Guarded {
    serving: ArcSwap<Arc<dyn VectorIndex>>,
    guard: RecallGuard,
}

impl Guarded {
    /// Serves `index`, unchecked.
    pub fn new(index: Arc<dyn VectorIndex>, guard: RecallGuard) -> Self {
        Self { serving: ArcSwap::from_pointee(index), guard }
    }

    /// The index that serves now, to be searched several times without another coming between.
    pub fn current(&self) -> Arc<dyn VectorIndex> {
        Arc::clone(&self.serving.load())
    }

    /// Lets `candidate` serve if it passes [`RecallGuard::check`] and returns its recall; searches
    /// under way end on the index they began on.
    ///
    /// # Errors
    ///
    /// Those of [`RecallGuard::check`]; the old index goes on serving then.
    pub fn swap(
        &self,
        candidate: Arc<dyn VectorIndex>,
        exact: &dyn VectorIndex,
        queries: &Matrix,
    ) -> Result<f64, SwapError> {
        let recall = self.guard.check(&*candidate, exact, queries)?;
        self.serving.store(Arc::new(candidate));
        Ok(recall)
    }
}

impl VectorIndex for Guarded {
    shape_of!(self => self.serving.load());

    fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        self.serving.load().search(vector, k, allow, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{AnyIndex, ExactIndex, HnswIndex, HnswParams, file};

    fn vectors(seed: usize) -> Matrix {
        let value = |cell: usize| ((cell + seed) as f32 * 0.61).sin() + 0.5 * (cell as f32 * 0.013).cos();
        Matrix::from_vec(3_000, 6, (0..18_000).map(value).collect())
    }

    fn exact(seed: usize) -> Arc<ExactIndex> {
        Arc::new(ExactIndex::build(vectors(seed), Metric::Cosine).unwrap())
    }

    fn check_refused(candidate: Arc<dyn VectorIndex>, queries: &Matrix, want: impl Fn(&SwapError) -> bool) {
        let guarded = Guarded::new(exact(0), RecallGuard::default());
        let before = guarded.current();
        let error = guarded.swap(candidate, &*exact(0), queries).unwrap_err();
        assert!(want(&error), "{error}");
        assert!(Arc::ptr_eq(&before, &guarded.current()), "the old index goes on serving");
    }

    #[test]
    fn a_good_index_takes_over() {
        let guarded = Guarded::new(exact(7), RecallGuard::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("an.index");
        let index = HnswIndex::build(vectors(0), Metric::Cosine, HnswParams::default()).unwrap();
        file::save(&AnyIndex::from(index), &path).unwrap();
        let candidate: Arc<dyn VectorIndex> = Arc::new(file::open(&path).unwrap().into_index());
        let recall = guarded.swap(Arc::clone(&candidate), &*exact(0), &vectors(3)).unwrap();
        assert!(recall >= 0.95);
        assert!(Arc::ptr_eq(&candidate, &guarded.current()));
    }

    #[test]
    fn a_broken_index_is_refused_with_its_recall() {
        // Right in size, but its vectors are those of other items.
        let wrong = HnswIndex::build(vectors(1), Metric::Cosine, HnswParams::default()).unwrap();
        check_refused(
            Arc::new(wrong),
            &vectors(3),
            |error| matches!(error, SwapError::Recall { k: 50, n_queries: 200, found, .. } if *found < 0.9),
        );
        // A graph so poor that it misses much.
        let params = HnswParams { links: 2, build_width: 2, search_width: 0 };
        let poor = HnswIndex::build(vectors(0), Metric::Cosine, params).unwrap();
        let guard = RecallGuard { k: 1, ..RecallGuard::default() };
        let error = guard.check(&poor, &*exact(0), &vectors(3)).unwrap_err();
        assert!(error.to_string().starts_with("recall@1 is 0."), "{error}");
    }

    #[test]
    fn which_of_equal_vectors_is_found_does_not_count() {
        let hits_of = |ids: &[u32]| Hits {
            ids: ids.iter().copied().map(ItemId::new).collect(),
            scores: ids.iter().map(|&id| if id < 2 { 0.9 } else { 0.5 }).collect(),
        };
        let found = |near: &[u32], hits: &[u32]| n_found(&hits_of(near), &hits_of(hits));
        assert_eq!(found(&[0, 1, 2], &[0, 1, 7]), 3, "one tie for another");
        assert_eq!(
            found(&[0, 1, 2], &[0, 7, 8]),
            2,
            "what ties with the last is no substitute for what is nearer"
        );
        assert_eq!(found(&[0, 1], &[0, 7]), 1);
        let mut boastful = Hits { ids: vec![ItemId::new(9)], scores: vec![2.0] };
        let near = Hits { ids: vec![ItemId::new(0)], scores: vec![0.9] };
        assert_eq!(n_found(&near, &boastful), 0, "no score is better than the best");
        boastful.scores = vec![0.9];
        assert_eq!(n_found(&near, &boastful), 1);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let small = ExactIndex::build(Matrix::zeros(1, 6), Metric::L2).unwrap();
        check_refused(Arc::new(small), &vectors(3), |error| matches!(error, SwapError::Different { .. }));
        check_refused(exact(0), &Matrix::zeros(0, 6), |error| *error == SwapError::NoQueries);
        let narrow = Matrix::from_vec(1, 2, vec![1.0, 1.0]);
        let reason = "a query was refused: the query has 2 dimensions, the index has 6";
        check_refused(exact(0), &narrow, |error| error.to_string() == reason);
    }

    #[test]
    fn a_seed_draws_the_same_rows() {
        let draw = |seed| RecallGuard { n_queries: 10, seed, ..RecallGuard::default() }.draw(50);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mut all = RecallGuard { n_queries: 90, ..RecallGuard::default() }.draw(50);
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>(), "each once");
    }
}
