//! Item-to-item: precomputed neighbours, summed over what the page rests on.

use super::{CandidateGenerator, Support};
use crate::candidate::{Hits, top_k};
use crate::error::{Fault, FaultKind};
use crate::id::ItemId;
use crate::query::Query;
use crate::request::Surface;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// For every item the items nearest to it, nearest first, with similarities; by regression the weights
/// that are largest by amount, below 0 for items that speak against one another.
///
/// [More](Self::add) can be added to what was fitted, which is shared then.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Neighbors {
    fitted: Arc<Lists>,
    /// Behind those that were fitted.
    #[serde(skip)]
    added: FxHashMap<ItemId, Vec<(ItemId, f32)>>,
}

/// One list per item, one behind the other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Lists {
    offsets: Vec<u32>,
    items: Vec<ItemId>,
    similarities: Vec<f32>,
}

impl Neighbors {
    /// The snapshot's name for neighbours by what the same users took.
    pub const BY_USERS: &'static str = "item_item";
    /// The snapshot's name for weights by regression on all items, some of them below 0.
    pub const BY_REGRESSION: &'static str = "ease";
    /// The snapshot's name for what follows an item.
    pub const BY_SEQUENCE: &'static str = "sequence";
    /// The snapshot's name for neighbours by text and attributes.
    pub const BY_CONTENT: &'static str = "content";
    /// The snapshot's name for neighbours by the cosine of the items' factors.
    pub const BY_VECTOR: &'static str = "vector";

    /// One list per item, in the order of their ids.
    pub fn new(lists: impl IntoIterator<Item = Vec<(f32, ItemId)>>) -> Self {
        let mut neighbors = Lists { offsets: vec![0], ..Lists::default() };
        for list in lists {
            neighbors.similarities.extend(list.iter().map(|row| row.0));
            neighbors.items.extend(list.iter().map(|row| row.1));
            neighbors.offsets.push(neighbors.items.len() as u32);
        }
        Self { fitted: Arc::new(neighbors), added: FxHashMap::default() }
    }

    /// Adds an item beside those that it is near to: it has them in its list, and each of them has it.
    pub fn add(&mut self, item: ItemId, near: &[(f32, ItemId)]) {
        self.added.entry(item).or_default().extend(near.iter().map(|(similarity, id)| (*id, *similarity)));
        for (similarity, other) in near {
            self.added.entry(*other).or_default().push((item, *similarity));
        }
    }

    /// The neighbours of an item with their similarities, nearest first, and then those that were added.
    pub fn of(&self, item: ItemId) -> impl Iterator<Item = (ItemId, f32)> + '_ {
        let Lists { offsets, items, similarities } = &*self.fitted;
        let bounds = (offsets.get(item.index()), offsets.get(item.index() + 1));
        let range = match bounds {
            (Some(&start), Some(&end)) => start as usize..end as usize,
            _ => 0..0,
        };
        let fitted = items[range.clone()].iter().copied().zip(similarities[range].iter().copied());
        // Most often nothing was added at all, which costs no look-up then.
        let added = if self.added.is_empty() { None } else { self.added.get(&item) };
        fitted.chain(added.into_iter().flatten().copied())
    }

    /// Hands the neighbours of all items of a basis to `add`, each with its similarity times the item's weight.
    pub fn each_near(
        &self,
        basis: impl IntoIterator<Item = (ItemId, f32)>,
        mut add: impl FnMut(ItemId, f32),
    ) {
        for (item, weight) in basis {
            self.of(item).for_each(|(near, similarity)| add(near, weight * similarity));
        }
    }

    /// The similarity of `to` in the list of `from`; 0 when it is not there.
    pub fn similarity(&self, from: ItemId, to: ItemId) -> f32 {
        self.of(from).find(|(item, _)| *item == to).map_or(0.0, |(_, similarity)| similarity)
    }
}

/// What of the user's a page rests on, and how much each counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Basis {
    /// The query's anchors, of which the one at place n counts 1 / sqrt(1 + n): the latest interest first.
    Latest,
    /// The query's anchors, each place counting 0.8 times the one before: what one is at just now.
    Now,
    /// The latest 200 items the user liked, all alike: their taste.
    Taste,
}

impl Basis {
    /// The weight of the item at `place`, 0 for the latest.
    pub fn weight(self, place: usize) -> f32 {
        match self {
            Self::Latest => 1.0 / (1.0 + place as f32).sqrt(),
            Self::Now => 0.8f32.powi(i32::try_from(place).unwrap_or(i32::MAX)),
            Self::Taste => 1.0,
        }
    }

    /// As many of a user's items, given newest first, as it looks at, with their weights.
    pub fn among(self, items: impl IntoIterator<Item = ItemId>) -> impl Iterator<Item = (ItemId, f32)> {
        let limit = match self {
            Self::Latest | Self::Now => Query::ANCHORS,
            Self::Taste => 200,
        };
        items.into_iter().take(limit).enumerate().map(move |(place, item)| (item, self.weight(place)))
    }

    /// The items of a page with their weights.
    fn of(self, query: &Query) -> Vec<(ItemId, f32)> {
        let similar = matches!(query.request.surface, Surface::Similar(_));
        if self == Self::Taste && !similar {
            return self.among(query.liked().into_iter().map(|(item, _)| item)).collect();
        }
        self.among(query.anchors().iter().copied()).collect()
    }
}

/// Proposes the neighbours of what the page rests on, by summed similarity.
#[derive(Clone, Debug)]
pub struct NeighborGenerator {
    model: &'static str,
    basis: Basis,
}

impl NeighborGenerator {
    /// Neighbours by what the same users took.
    pub fn by_users() -> Self {
        Self { model: Neighbors::BY_USERS, basis: Basis::Latest }
    }

    /// Neighbours by text and attributes; reaches items that nobody took yet.
    pub fn by_content() -> Self {
        Self { model: Neighbors::BY_CONTENT, basis: Basis::Latest }
    }

    /// Neighbours by the cosine of the items' factors.
    pub fn by_vector() -> Self {
        Self { model: Neighbors::BY_VECTOR, basis: Basis::Latest }
    }

    /// What the user's whole taste speaks for, by regression.
    pub fn by_regression() -> Self {
        Self { model: Neighbors::BY_REGRESSION, basis: Basis::Taste }
    }

    /// What usually follows.
    pub fn by_sequence() -> Self {
        Self { model: Neighbors::BY_SEQUENCE, basis: Basis::Now }
    }

    fn neighbors<'a>(&self, query: &'a Query) -> Result<&'a Neighbors, Fault> {
        let model = query.snapshot.models.get(self.model);
        model.ok_or_else(|| {
            Fault::new(self.model, FaultKind::NotFound).because("the snapshot has no such neighbours")
        })
    }

    /// The neighbours' sums, computed once a request.
    fn sums(&self, query: &Query) -> Result<Arc<Sums>, Fault> {
        let neighbors = self.neighbors(query)?;
        let known = query.memo(|_| Known::default());
        let of_model =
            |known: &Known| known.0.lock().iter().find(|of| of.0 == self.model).map(|of| Arc::clone(&of.1));
        if let Some(sums) = of_model(&known) {
            return Ok(sums);
        }
        let mut sums = Sums::new(query.snapshot.catalog.len());
        neighbors.each_near(self.basis.of(query), |near, amount| sums.add(near, amount));
        let sums = Arc::new(sums);
        known.0.lock().push((self.model, Arc::clone(&sums)));
        Ok(sums)
    }
}

/// Sums of a request by the names of their models.
#[derive(Default)]
struct Known(Mutex<Vec<(&'static str, Arc<Sums>)>>);

/// Sums per item: in an array where that is small enough to clear for every request, else in a map.
enum Sums {
    Dense { sums: Vec<f32>, touched: Vec<ItemId> },
    Sparse(FxHashMap<ItemId, f32>),
}

impl Sums {
    /// Clearing 256 KiB costs less than hashing a few thousand items.
    const DENSE_UP_TO: usize = 65_536;

    fn new(n_items: usize) -> Self {
        if n_items <= Self::DENSE_UP_TO {
            return Self::Dense { sums: vec![0.0; n_items], touched: Vec::with_capacity(1_024) };
        }
        Self::Sparse(FxHashMap::with_capacity_and_hasher(1_024, rustc_hash::FxBuildHasher))
    }

    fn add(&mut self, item: ItemId, amount: f32) {
        match self {
            Self::Dense { sums, touched } => {
                // A model of another catalogue may name items that this one lacks.
                let Some(sum) = sums.get_mut(item.index()) else { return };
                if *sum == 0.0 {
                    touched.push(item);
                }
                *sum += amount;
            }
            Self::Sparse(sums) => *sums.entry(item).or_default() += amount,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Dense { touched, .. } => touched.is_empty(),
            Self::Sparse(sums) => sums.is_empty(),
        }
    }

    /// The sum of an item, 0 for one that nothing was added to.
    fn of(&self, item: ItemId) -> f32 {
        let sum = match self {
            Self::Dense { sums, .. } => sums.get(item.index()),
            Self::Sparse(sums) => sums.get(&item),
        };
        sum.copied().unwrap_or(0.0)
    }

    fn rows(&self) -> Vec<(f32, ItemId)> {
        match self {
            Self::Dense { sums, touched } => touched.iter().map(|&item| (sums[item.index()], item)).collect(),
            Self::Sparse(sums) => sums.iter().map(|(&item, &sum)| (sum, item)).collect(),
        }
    }
}

impl CandidateGenerator for NeighborGenerator {
    fn name(&self) -> &'static str {
        self.model
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let mut rows = self.sums(query)?.rows();
        rows.retain(|(sum, _)| *sum > 0.0);
        top_k(&mut rows, limit);
        rows.into_iter().for_each(|(score, item)| out.push(item, score));
        Ok(())
    }

    /// Of an item that nothing of the user's is near to, 0.
    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        let sums = self.sums(query)?;
        if !sums.is_empty() {
            items.iter().zip(scores).for_each(|(&item, score)| *score = sums.of(item));
        }
        Ok(())
    }

    fn support(&self, query: &Query, item: ItemId, out: &mut Vec<Support>) {
        let Ok(neighbors) = self.neighbors(query) else { return };
        for (own, weight) in self.basis.of(query) {
            let weight = weight * neighbors.similarity(own, item);
            if weight > 0.0 {
                out.push(Support { item: own, weight });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_item() {
        let near = |item, similarity| (similarity, ItemId::new(item));
        let neighbors = Neighbors::new([vec![near(2, 0.9), near(1, 0.5)], vec![], vec![near(0, 0.9)]]);
        assert_eq!(neighbors.of(ItemId::new(0)).map(|(item, _)| item.raw()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(neighbors.of(ItemId::new(1)).count(), 0);
        assert_eq!(neighbors.of(ItemId::new(9)).count(), 0);
        assert!((neighbors.similarity(ItemId::new(2), ItemId::new(0)) - 0.9).abs() < 1e-6);
    }
}
