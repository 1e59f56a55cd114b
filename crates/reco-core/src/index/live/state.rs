//! What a live index holds: an index of most vectors, those that came since, and what went.

use super::super::vectors::{Vectors, score};
use super::super::{Allow, AnyIndex, ExactIndex, IndexError, Metric, VectorIndex};
use crate::candidate::{Hits, top_k};
use crate::id::ItemId;
use crate::linalg::Matrix;
use rustc_hash::FxHashMap;
use std::mem;
use std::sync::Arc;

/// An index that does not change.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) index: AnyIndex,
    /// The item of every row, ascending, so that rows order like items.
    pub(super) items: Vec<ItemId>,
}

/// All of it; searched under a shared lock.
#[derive(Debug)]
pub(super) struct State {
    built: Arc<Built>,
    /// Per row of `built`: whether its item went or has another vector.
    gone: Vec<bool>,
    n_gone: usize,
    recent: Recent,
    /// Where in `recent` items are.
    places: FxHashMap<ItemId, u32>,
    /// Items that changed since a compaction began; None while there is none.
    touched: Option<Vec<ItemId>>,
}

/// Vectors that came since the index was built.
#[derive(Clone, Debug, Default)]
struct Recent {
    /// One after the other, as they are compared.
    values: Vec<f32>,
    /// None where the item went or has another vector.
    items: Vec<Option<ItemId>>,
}

/// What a search works in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    query: Vec<f32>,
    ranked: Vec<(f32, ItemId)>,
}

/// All items as they were at some time, such as when a compaction began.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) built: Arc<Built>,
    pub(super) gone: Vec<bool>,
    recent: Recent,
}

impl Built {
    pub(super) fn new(vectors: Matrix, items: Vec<ItemId>, metric: Metric) -> Result<Self, IndexError> {
        Ok(Self { index: AnyIndex::build(vectors, metric)?, items })
    }

    pub(super) fn empty(dim: usize, metric: Metric) -> Self {
        Self { index: ExactIndex::empty(dim, metric).into(), items: Vec::new() }
    }

    fn vectors(&self) -> &Vectors {
        self.index.vectors()
    }

    fn row_of(&self, item: ItemId) -> Option<usize> {
        self.items.binary_search(&item).ok()
    }
}

impl State {
    pub(super) fn new(built: Built) -> Self {
        let gone = vec![false; built.items.len()];
        let (recent, places) = (Recent::default(), FxHashMap::default());
        Self { built: Arc::new(built), gone, n_gone: 0, recent, places, touched: None }
    }

    /// What there was: rows of `built` that are gone and, as [`recent`](Frozen::recent) gave them, the vectors
    /// that came since. None where an item would be there twice.
    pub(super) fn stored(
        built: Built,
        gone: Vec<bool>,
        items: Vec<ItemId>,
        values: Vec<f32>,
    ) -> Option<Self> {
        let n_gone = gone.iter().filter(|&&gone| gone).count();
        let twice = |item| built.row_of(item).is_some_and(|row| !gone[row]);
        let places: FxHashMap<ItemId, u32> = items.iter().copied().zip(0..).collect();
        if places.len() < items.len() || items.iter().any(|&item| twice(item)) {
            return None;
        }
        let recent = Recent { values, items: items.into_iter().map(Some).collect() };
        Some(Self { built: Arc::new(built), gone, n_gone, recent, places, touched: None })
    }

    pub(super) fn len(&self) -> usize {
        self.n_built() - self.n_gone + self.places.len()
    }

    /// Dimensions and metric.
    pub(super) fn shape(&self) -> (usize, Metric) {
        (self.built.index.dim(), self.built.index.metric())
    }

    pub(super) fn n_built(&self) -> usize {
        self.built.items.len()
    }

    pub(super) fn n_gone(&self) -> usize {
        self.n_gone
    }

    pub(super) fn n_recent(&self) -> usize {
        self.recent.items.len()
    }

    pub(super) fn contains(&self, item: ItemId) -> bool {
        self.places.contains_key(&item) || self.built.row_of(item).is_some_and(|row| !self.gone[row])
    }

    pub(super) fn set(&mut self, item: ItemId, vector: &[f32]) -> Result<(), IndexError> {
        let mut compared = Vec::new();
        let what = || format!("the vector of item {}", item.raw());
        self.built.vectors().prepare_as(vector, &mut compared, what)?;
        self.remove(item);
        self.places.insert(item, self.n_recent() as u32);
        self.recent.values.append(&mut compared);
        self.recent.items.push(Some(item));
        // What was not there before was not noted as removed.
        self.touched.iter_mut().for_each(|touched| touched.push(item));
        Ok(())
    }

    pub(super) fn remove(&mut self, item: ItemId) -> bool {
        if let Some(row) = self.places.remove(&item) {
            self.recent.items[row as usize] = None;
        } else if let Some(row) = self.built.row_of(item).filter(|&row| !self.gone[row]) {
            self.gone[row] = true;
            self.n_gone += 1;
        } else {
            return false;
        }
        self.touched.iter_mut().for_each(|touched| touched.push(item));
        true
    }

    pub(super) fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        Scratch { query, ranked }: &mut Scratch,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        let Built { items, .. } = &*self.built;
        let allows = |item| allow.is_none_or(|allow| allow.allows(item));
        let here = |row: ItemId| !self.gone[row.index()] && allows(items[row.index()]);
        let filter: Option<&dyn Allow> = if self.n_gone == 0 && allow.is_none() { None } else { Some(&here) };
        self.built.index.search(vector, k, filter, out)?;
        out.ids.iter_mut().for_each(|row| *row = items[row.index()]);
        if self.places.is_empty() {
            return Ok(());
        }
        let vectors = self.built.vectors();
        vectors.prepare(vector, query)?;
        ranked.clear();
        ranked.extend(out.iter().map(|(item, score)| (score, item)));
        for (row, item) in self.recent.items.iter().enumerate() {
            if let Some(item) = item.filter(|&item| allows(item)) {
                ranked.push((score(vectors.metric(), query, self.recent.row(row, query.len())), item));
            }
        }
        top_k(ranked, k);
        out.clear();
        ranked.iter().for_each(|&(score, item)| out.push(item, score));
        Ok(())
    }

    /// All items as they are; changes are noted from here on.
    pub(super) fn begin_compaction(&mut self) -> Frozen {
        self.touched = Some(Vec::new());
        self.freeze()
    }

    /// All items as they are.
    pub(super) fn freeze(&self) -> Frozen {
        Frozen { built: Arc::clone(&self.built), gone: self.gone.clone(), recent: self.recent.clone() }
    }

    /// Ends a compaction that failed.
    pub(super) fn cancel_compaction(&mut self) {
        self.touched = None;
    }

    /// Goes over to the state `next` of the new index, with what changed since: the recent rows from
    /// `seen` on, and what went. Returns the old state, which takes its time to be dropped.
    pub(super) fn finish_compaction(&mut self, mut next: Self, seen: usize) -> Self {
        for item in self.touched.take().into_iter().flatten() {
            next.remove(item);
        }
        let dim = self.built.vectors().dim();
        next.recent.values.extend_from_slice(&self.recent.values[seen * dim..]);
        next.recent.items.extend_from_slice(&self.recent.items[seen..]);
        let rows = next.recent.items.iter().zip(0..);
        next.places = rows.filter_map(|(item, row)| Some(((*item)?, row))).collect();
        mem::replace(self, next)
    }
}

impl Recent {
    fn row(&self, row: usize, dim: usize) -> &[f32] {
        &self.values[row * dim..][..dim]
    }
}

impl Frozen {
    /// Recent rows there were.
    pub(super) fn n_recent(&self) -> usize {
        self.recent.items.len()
    }

    /// The vectors that came since the index was built and are still there, with their items.
    pub(super) fn recent(&self) -> impl Iterator<Item = (ItemId, &[f32])> {
        let (rows, dim) = (self.recent.items.iter().enumerate(), self.built.index.dim());
        rows.filter_map(move |(row, item)| Some(((*item)?, self.recent.row(row, dim))))
    }

    /// All vectors with their items, in the order of the items.
    pub(super) fn gather(&self) -> (Matrix, Vec<ItemId>) {
        let vectors = self.built.vectors().rows();
        let kept = self.built.items.iter().enumerate().filter(|(row, _)| !self.gone[*row]);
        let mut all: Vec<(ItemId, &[f32])> = kept.map(|(row, &item)| (item, vectors.row(row))).collect();
        let dim = vectors.n_columns();
        all.extend(self.recent());
        all.sort_unstable_by_key(|(item, _)| *item);
        let mut values = Vec::with_capacity(all.len() * dim);
        all.iter().for_each(|(_, vector)| values.extend_from_slice(vector));
        (Matrix::from_vec(all.len(), dim, values), all.iter().map(|(item, _)| *item).collect())
    }
}
