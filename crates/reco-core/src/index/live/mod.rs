//! An index that changes while it is searched.

mod compactor;
mod state;
mod stored;
#[cfg(test)]
mod tests;

use super::scratch::Pool;
use super::{Allow, IndexError, Metric, VectorIndex};
use crate::candidate::Hits;
use crate::id::ItemId;
use crate::linalg::Matrix;
use compactor::Alarm;
pub use compactor::Compactor;
use parking_lot::{Mutex, RwLock};
use state::{Built, Scratch, State};

/// Vectors that come, change and go, with searches from other threads all the while.
///
/// Most vectors are in an index that never changes, [`ExactIndex`](super::ExactIndex) or
/// [`HnswIndex`](super::HnswIndex) by their number; what came since is scanned, and what went is
/// filtered out. A change is seen by the next search. [`compact`](Self::compact) builds a new index of
/// all, beside the searches and the changes; a [`Compactor`] does so whenever it [is due](Self::is_due).
/// Answers then are those of a fresh build.
///
/// Unlike in the other indexes, an item's id is whatever the caller gives it.
///
/// ```
/// use reco_core::id::ItemId;
/// use reco_core::index::{LiveIndex, Metric, VectorIndexExt};
///
/// let index = LiveIndex::new(2, Metric::Cosine);
/// index.insert(ItemId::new(7), &[1.0, 0.0])?;
/// index.insert(ItemId::new(9), &[0.0, 1.0])?;
/// assert_eq!(index.find(&[0.1, 2.0], 1, None)?.ids, [ItemId::new(9)]);
/// assert!(index.remove(ItemId::new(9)));
/// assert_eq!(index.find(&[0.1, 2.0], 1, None)?.ids, [ItemId::new(7)]);
/// # Ok::<(), reco_core::index::IndexError>(())
/// ```
#[derive(Debug)]
pub struct LiveIndex {
    dim: usize,
    metric: Metric,
    state: RwLock<State>,
    /// Held while compacting.
    compacting: Mutex<()>,
    /// Rings when a compaction is due.
    alarm: Alarm,
    idle: Pool<Scratch>,
}

/// A compaction is due when this many vectors are scanned one by one
const DUE_RECENT: usize = 2_000;
/// and they are this share of those built,
const DUE_RECENT_SHARE: f64 = 0.01;
/// or when this share of those built is gone.
const DUE_GONE: f64 = 0.2;

impl LiveIndex {
    /// Without items.
    pub fn new(dim: usize, metric: Metric) -> Self {
        Self::with(State::new(Built::empty(dim, metric)))
    }

    /// With the rows of `vectors`; row i is item i.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for a row that is not finite, too long or, under the cosine metric, zero.
    pub fn build(vectors: Matrix, metric: Metric) -> Result<Self, IndexError> {
        let items = (0..vectors.n_rows() as u32).map(ItemId::new).collect();
        Ok(Self::with(State::new(Built::new(vectors, items, metric)?)))
    }

    fn with(state: State) -> Self {
        let (dim, metric) = state.shape();
        let (compacting, alarm, idle) = (Mutex::new(()), Alarm::default(), Pool::default());
        Self { dim, metric, state: RwLock::new(state), compacting, alarm, idle }
    }

    /// Adds an item.
    ///
    /// # Errors
    ///
    /// [`IndexError::Duplicate`] for an item that is there, and those of [`set`](Self::set).
    pub fn insert(&self, item: ItemId, vector: &[f32]) -> Result<(), IndexError> {
        self.change(|state| {
            if state.contains(item) {
                return Err(IndexError::Duplicate { item });
            }
            state.set(item, vector)
        })
    }

    /// Adds an item or replaces its vector.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for a vector of another length, one that is not finite, too long or (cosine)
    /// zero; nothing changes then.
    pub fn set(&self, item: ItemId, vector: &[f32]) -> Result<(), IndexError> {
        self.change(|state| state.set(item, vector))
    }

    /// Takes an item out; false where it is not there.
    pub fn remove(&self, item: ItemId) -> bool {
        self.change(|state| state.remove(item))
    }

    /// Whether there is such an item.
    pub fn contains(&self, item: ItemId) -> bool {
        self.state.read().contains(item)
    }

    /// Whether enough has changed for [`compact`](Self::compact) to be worth its time.
    pub fn is_due(&self) -> bool {
        is_due(&self.state.read())
    }

    /// Builds a new index of all items. Searches and changes go on meanwhile, except for a moment at the
    /// end; of two compactions at the same time, one waits for the other.
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build), for vectors that only an index over all can refuse.
    pub fn compact(&self) -> Result<(), IndexError> {
        let _alone = self.compacting.lock();
        let frozen = self.state.write().begin_compaction();
        let (vectors, items) = frozen.gather();
        let next = match Built::new(vectors, items, self.metric) {
            Ok(built) => State::new(built),
            Err(error) => {
                self.state.write().cancel_compaction();
                return Err(error);
            }
        };
        let old = self.state.write().finish_compaction(next, frozen.n_recent());
        // Not under the lock, which was let go with the statement before.
        drop(old);
        Ok(())
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.write();
        let result = change(&mut state);
        let due = is_due(&state);
        drop(state);
        if due {
            self.alarm.ring();
        }
        result
    }
}

fn is_due(state: &State) -> bool {
    let n_built = state.n_built() as f64;
    let recent = (DUE_RECENT_SHARE * n_built).max(DUE_RECENT as f64);
    state.n_recent() as f64 >= recent || state.n_gone() as f64 > DUE_GONE * n_built
}

impl VectorIndex for LiveIndex {
    fn dim(&self) -> usize {
        self.dim
    }

    fn len(&self) -> usize {
        self.state.read().len()
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
        self.idle.with(|scratch| self.state.read().search(vector, k, allow, scratch, out))
    }
}
