//! Several indexes searched as one.

use super::scratch::Pool;
use super::{Allow, AnyIndex, IndexError, Metric, VectorIndex};
use crate::candidate::{Hits, top_k};
use crate::id::ItemId;
use rayon::prelude::*;

/// Indexes over parts of all vectors, whose answers are merged: as one index would answer that searches
/// every part as these do. For more vectors than are built or replaced in one piece.
///
/// Item ids run on from shard to shard: the first item of a shard follows the last of the one before. Shards
/// are searched in parallel when the search runs in a rayon pool of more than one thread.
///
/// ```
/// use reco_core::index::{AnyIndex, Metric, ShardedIndex, VectorIndexExt};
/// use reco_core::linalg::Matrix;
///
/// let shard = |values: Vec<f32>| AnyIndex::build(Matrix::from_vec(values.len() / 2, 2, values), Metric::L2);
/// let index = ShardedIndex::new(vec![shard(vec![0.0, 0.0, 5.0, 5.0])?, shard(vec![1.0, 0.0])?])?;
/// let ids: Vec<u32> = index.find(&[0.9, 0.0], 2, None)?.ids.iter().map(|item| item.raw()).collect();
/// assert_eq!(ids, [2, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ShardedIndex {
    shards: Vec<Shard>,
    idle: Pool<Scratch>,
}

#[derive(Debug)]
struct Shard {
    index: AnyIndex,
    /// The item of its first vector.
    first: u32,
}

/// What a search works in: the answers of every shard and of all.
#[derive(Debug, Default)]
struct Scratch {
    answers: Vec<Answer>,
    ranked: Vec<(f32, ItemId)>,
}

#[derive(Debug)]
struct Answer {
    hits: Hits,
    result: Result<(), IndexError>,
}

/// Why indexes cannot be searched as one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardsError {
    /// There are none.
    #[error("an index needs at least one shard")]
    None,
    /// One differs from the first.
    #[error("shard {shard} has {got:?}, the first {want:?} (dimensions, metric)")]
    Different {
        /// Its number, from 0.
        shard: usize,
        /// Its dimensions and metric.
        got: (usize, Metric),
        /// Those of the first.
        want: (usize, Metric),
    },
    /// Ids have 32 bits.
    #[error("the shards hold {0} vectors, at most 4,294,967,295 are possible")]
    TooMany(usize),
}

impl ShardedIndex {
    /// Indexes the vectors of all `shards`.
    ///
    /// # Errors
    ///
    /// [`ShardsError`] without shards, for one of other dimensions or another metric than the first, and for
    /// more vectors than ids.
    pub fn new(shards: Vec<AnyIndex>) -> Result<Self, ShardsError> {
        let what = |index: &AnyIndex| (index.dim(), index.metric());
        let want = shards.first().map(what).ok_or(ShardsError::None)?;
        if let Some(shard) = shards.iter().position(|index| what(index) != want) {
            return Err(ShardsError::Different { shard, got: what(&shards[shard]), want });
        }
        let n_vectors = shards.iter().map(VectorIndex::len).sum();
        if u32::try_from(n_vectors).is_err() {
            return Err(ShardsError::TooMany(n_vectors));
        }
        let mut first = 0;
        let place = |index: AnyIndex| {
            let shard = Shard { index, first };
            first += shard.index.len() as u32;
            shard
        };
        Ok(Self { shards: shards.into_iter().map(place).collect(), idle: Pool::default() })
    }

    /// Number of shards.
    pub fn n_shards(&self) -> usize {
        self.shards.len()
    }
}

impl Shard {
    fn search(&self, vector: &[f32], k: usize, allow: Option<&dyn Allow>, answer: &mut Answer) {
        let here = |item: ItemId| allow.is_none_or(|allow| allow.allows(self.item(item)));
        let filter: Option<&dyn Allow> = if allow.is_some() { Some(&here) } else { None };
        answer.result = self.index.search(vector, k, filter, &mut answer.hits);
    }

    fn item(&self, row: ItemId) -> ItemId {
        ItemId::new(self.first + row.raw())
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self { hits: Hits::default(), result: Ok(()) }
    }
}

impl VectorIndex for ShardedIndex {
    fn dim(&self) -> usize {
        self.shards[0].index.dim()
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.index.len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn metric(&self) -> Metric {
        self.shards[0].index.metric()
    }

    fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        out.clear();
        self.idle.with(|Scratch { answers, ranked }| {
            answers.resize_with(self.shards.len(), Answer::default);
            let search = |(shard, answer): (&Shard, &mut Answer)| shard.search(vector, k, allow, answer);
            if rayon::current_thread_index().is_some() && rayon::current_num_threads() > 1 {
                self.shards.par_iter().zip(answers.par_iter_mut()).for_each(search);
            } else {
                self.shards.iter().zip(answers.iter_mut()).for_each(search);
            }
            ranked.clear();
            for (shard, answer) in self.shards.iter().zip(answers) {
                std::mem::replace(&mut answer.result, Ok(()))?;
                ranked.extend(answer.hits.iter().map(|(row, score)| (score, shard.item(row))));
            }
            top_k(ranked, k);
            ranked.iter().for_each(|&(score, item)| out.push(item, score));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::ExactIndex;
    use crate::linalg::Matrix;
    use proptest::prelude::*;

    fn exact(values: &[f32], metric: Metric) -> AnyIndex {
        let vectors = Matrix::from_vec(values.len() / 2, 2, values.to_vec());
        ExactIndex::build(vectors, metric).unwrap().into()
    }

    fn shards(values: &[f32], ends: &[usize]) -> ShardedIndex {
        let starts = [0].into_iter().chain(ends.iter().copied());
        let parts = starts.zip(ends.iter().copied().chain([values.len() / 2]));
        let shards = parts.map(|(start, end)| exact(&values[2 * start..2 * end], Metric::L2));
        ShardedIndex::new(shards.collect()).unwrap()
    }

    proptest! {
        #[test]
        fn shards_answer_like_one_index(
            // Coarse values, so that there are ties.
            values in prop::collection::vec((0u8..6).prop_map(f32::from), 60),
            mut ends in prop::collection::vec(0usize..=30, 0..4),
            k in 0usize..40,
            every in 1u32..4,
            parallel in any::<bool>(),
        ) {
            ends.sort_unstable();
            let (one, many) = (exact(&values, Metric::L2), shards(&values, &ends));
            prop_assert_eq!((many.len(), many.n_shards()), (30, ends.len() + 1));
            let allow = |item: ItemId| item.raw().is_multiple_of(every);
            let (mut want, mut got) = (Hits::default(), Hits::default());
            one.search(&[2.0, 3.0], k, Some(&allow), &mut want).unwrap();
            let mut search = || many.search(&[2.0, 3.0], k, Some(&allow), &mut got);
            if parallel {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
                pool.install(&mut search).unwrap();
            } else {
                search().unwrap();
            }
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn shards_that_differ_are_refused() {
        assert_eq!(ShardedIndex::new(Vec::new()).unwrap_err(), ShardsError::None);
        let metrics = [Metric::L2, Metric::Cosine];
        let error = ShardedIndex::new(metrics.map(|metric| exact(&[], metric)).into()).unwrap_err();
        let (got, want) = ((2, Metric::Cosine), (2, Metric::L2));
        assert_eq!(error, ShardsError::Different { shard: 1, got, want });
    }
}
