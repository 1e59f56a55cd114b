//! What a live index holds: an index of most vectors, those that came since, and what went.

use super::super::vectors::{Vectors, score};
use super::super::{Allow, ExactIndex, HnswIndex, HnswParams, IndexError, Metric, VectorIndex, suits_exact};
use crate::candidate::{Hits, top_k};
use crate::id::ItemId;
use crate::linalg::Matrix;
use rustc_hash::{FxBuildHasher, FxHashMap};

/// An index that does not change.
#[derive(Debug)]
pub(super) struct Built {
    index: Kind,
    /// The item of every row, ascending, so that rows order like items.
    items: Vec<ItemId>,
}

#[derive(Debug)]
enum Kind {
    Exact(ExactIndex),
    Hnsw(Box<HnswIndex>),
}

/// All of it; searched under a shared lock.
#[derive(Debug)]
pub(super) struct State {
    built: Built,
    /// Per row of `built`: whether its item went or has another vector.
    gone: Vec<bool>,
    n_gone: usize,
    /// Vectors that came since, one after the other, as they are compared.
    recent: Vec<f32>,
    /// The items of `recent`; None where the item went or has another vector.
    recent_items: Vec<Option<ItemId>>,
    places: FxHashMap<ItemId, Place>,
    /// Items that changed since a compaction began.
    touched: Vec<ItemId>,
}

/// Where an item's vector is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Built(u32),
    Recent(u32),
}

impl Built {
    pub(super) fn new(vectors: Matrix, items: Vec<ItemId>, metric: Metric) -> Result<Self, IndexError> {
        let index = if suits_exact(vectors.n_rows()) {
            Kind::Exact(ExactIndex::build(vectors, metric)?)
        } else {
            Kind::Hnsw(Box::new(HnswIndex::build(vectors, metric, HnswParams::default())?))
        };
        Ok(Self { index, items })
    }

    pub(super) fn empty(dim: usize, metric: Metric) -> Self {
        Self { index: Kind::Exact(ExactIndex::empty(dim, metric)), items: Vec::new() }
    }

    fn index(&self) -> &dyn VectorIndex {
        match &self.index {
            Kind::Exact(index) => index,
            Kind::Hnsw(index) => &**index,
        }
    }

    fn vectors(&self) -> &Vectors {
        match &self.index {
            Kind::Exact(index) => index.vectors(),
            Kind::Hnsw(index) => index.vectors(),
        }
    }
}

impl State {
    pub(super) fn new(built: Built) -> Self {
        let mut places = FxHashMap::with_capacity_and_hasher(built.items.len(), FxBuildHasher);
        places.extend(built.items.iter().zip(0..).map(|(&item, row)| (item, Place::Built(row))));
        let gone = vec![false; built.items.len()];
        let (recent, recent_items, touched) = (Vec::new(), Vec::new(), Vec::new());
        Self { built, gone, n_gone: 0, recent, recent_items, places, touched }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn n_built(&self) -> usize {
        self.built.items.len()
    }

    pub(super) fn n_gone(&self) -> usize {
        self.n_gone
    }

    pub(super) fn n_recent(&self) -> usize {
        self.recent_items.len()
    }

    pub(super) fn contains(&self, item: ItemId) -> bool {
        self.places.contains_key(&item)
    }

    pub(super) fn set(&mut self, item: ItemId, vector: &[f32]) -> Result<(), IndexError> {
        let mut compared = Vec::new();
        let what = || format!("the vector of item {}", item.raw());
        self.built.vectors().prepare_as(vector, &mut compared, what)?;
        self.remove(item);
        self.places.insert(item, Place::Recent(self.recent_items.len() as u32));
        self.recent.append(&mut compared);
        self.recent_items.push(Some(item));
        self.touched.push(item);
        Ok(())
    }

    pub(super) fn remove(&mut self, item: ItemId) -> bool {
        match self.places.remove(&item) {
            None => return false,
            Some(Place::Recent(row)) => self.recent_items[row as usize] = None,
            Some(Place::Built(row)) => {
                self.gone[row as usize] = true;
                self.n_gone += 1;
            }
        }
        self.touched.push(item);
        true
    }

    pub(super) fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        let allows = |item| allow.is_none_or(|allow| allow.allows(item));
        let here = |row: ItemId| !self.gone[row.index()] && allows(self.built.items[row.index()]);
        let filter: Option<&dyn Allow> = if self.n_gone == 0 && allow.is_none() { None } else { Some(&here) };
        self.built.index().search(vector, k, filter, out)?;
        out.ids.iter_mut().for_each(|row| *row = self.built.items[row.index()]);
        if self.recent_items.is_empty() {
            return Ok(());
        }
        let mut query = Vec::new();
        self.built.vectors().prepare(vector, &mut query)?;
        let mut ranked: Vec<(f32, ItemId)> = out.iter().map(|(item, score)| (score, item)).collect();
        let metric = self.built.vectors().metric();
        for (row, item) in self.recent_items.iter().enumerate() {
            if let Some(item) = item.filter(|&item| allows(item)) {
                let vector = &self.recent[row * query.len()..][..query.len()];
                ranked.push((score(metric, &query, vector), item));
            }
        }
        top_k(&mut ranked, k);
        out.clear();
        ranked.into_iter().for_each(|(score, item)| out.push(item, score));
        Ok(())
    }

    /// All vectors with their items, in the order of the items, and the number of recent rows among
    /// them or gone; changes are noted from here on.
    pub(super) fn begin_compaction(&mut self) -> (Matrix, Vec<ItemId>, usize) {
        self.touched.clear();
        let dim = self.built.vectors().dim();
        let mut places: Vec<(ItemId, Place)> =
            self.places.iter().map(|(&item, &place)| (item, place)).collect();
        places.sort_unstable_by_key(|(item, _)| *item);
        let mut vectors = Matrix::zeros(places.len(), dim);
        for (row, (_, place)) in places.iter().enumerate() {
            vectors.row_mut(row).copy_from_slice(match *place {
                Place::Built(row) => self.built.vectors().rows().row(row as usize),
                Place::Recent(row) => &self.recent[row as usize * dim..][..dim],
            });
        }
        (vectors, places.into_iter().map(|(item, _)| item).collect(), self.recent_items.len())
    }

    /// Takes the new index with what changed since: the recent rows from `seen` on, and what went.
    pub(super) fn finish_compaction(&mut self, built: Built, seen: usize) {
        let dim = self.built.vectors().dim();
        let old = std::mem::replace(self, Self::new(built));
        for item in old.touched {
            self.remove(item);
        }
        self.touched.clear();
        self.recent = old.recent[seen * dim..].to_vec();
        self.recent_items = old.recent_items[seen..].to_vec();
        for (item, row) in self.recent_items.iter().zip(0..) {
            if let Some(item) = item {
                self.places.insert(*item, Place::Recent(row));
            }
        }
    }
}
