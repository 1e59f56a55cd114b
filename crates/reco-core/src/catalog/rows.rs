//! Cells and maps of which catalogues share the most: one that grows by a few items copies those alone.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Borrow;
use std::hash::Hash;
use std::ops::{Index, Range};
use std::sync::Arc;

/// The cells of a column: those that are shared, then the catalogue's own. In files there is no telling them apart.
#[derive(Clone, Debug)]
pub(super) struct Rows<T> {
    shared: Arc<[T]>,
    own: Vec<T>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { shared: Arc::default(), own: Vec::new() }
    }
}

impl<T> From<Vec<T>> for Rows<T> {
    fn from(cells: Vec<T>) -> Self {
        Self { shared: cells.into(), own: Vec::new() }
    }
}

impl<T> Rows<T> {
    pub(super) fn len(&self) -> usize {
        self.shared.len() + self.own.len()
    }

    pub(super) fn n_shared(&self) -> usize {
        self.shared.len()
    }

    pub(super) fn push(&mut self, cell: T) {
        self.own.push(cell);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.shared.iter().chain(&self.own)
    }

    /// Cells that were appended together, and so are all shared or all the catalogue's own.
    pub(super) fn slice(&self, range: Range<usize>) -> &[T] {
        match range.start.checked_sub(self.shared.len()) {
            Some(start) => &self.own[start..start + range.len()],
            None => &self.shared[range],
        }
    }

    /// Shares all cells with whoever is cloned from this.
    pub(super) fn share(&mut self)
    where
        T: Clone,
    {
        if self.shared.is_empty() {
            self.shared = std::mem::take(&mut self.own).into();
        } else if !self.own.is_empty() {
            self.shared = self.shared.iter().cloned().chain(self.own.drain(..)).collect();
        }
    }
}

impl<T> Index<usize> for Rows<T> {
    type Output = T;

    fn index(&self, row: usize) -> &T {
        match row.checked_sub(self.shared.len()) {
            Some(row) => &self.own[row],
            None => &self.shared[row],
        }
    }
}

impl<T: PartialEq> PartialEq for Rows<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<T: Serialize> Serialize for Rows<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rows<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

/// A map that grows likewise.
#[derive(Clone, Debug)]
pub(super) struct Lookup<K, V> {
    shared: Arc<FxHashMap<K, V>>,
    own: FxHashMap<K, V>,
}

impl<K, V> Default for Lookup<K, V> {
    fn default() -> Self {
        Self { shared: Arc::default(), own: FxHashMap::default() }
    }
}

impl<K: Eq + Hash, V> Lookup<K, V> {
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shared.get(key).or_else(|| self.own.get(key))
    }

    /// Adds a key that is not there yet.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.own.insert(key, value);
    }

    /// Shares all with whoever is cloned from this.
    pub(super) fn share(&mut self)
    where
        K: Clone,
        V: Clone,
    {
        if self.shared.is_empty() {
            self.shared = Arc::new(std::mem::take(&mut self.own));
        } else if !self.own.is_empty() {
            Arc::make_mut(&mut self.shared).extend(self.own.drain());
        }
    }
}

impl<K: Eq + Hash, V: PartialEq> PartialEq for Lookup<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let all = |of: &Self| of.shared.len() + of.own.len();
        all(self) == all(other)
            && self.shared.iter().chain(&self.own).all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<K: Serialize, V: Serialize> Serialize for Lookup<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Of a map that does not grow, the order is that of the map.
        serializer.collect_map(self.shared.iter().chain(&self.own))
    }
}

impl<'de, K: Deserialize<'de> + Eq + Hash, V: Deserialize<'de>> Deserialize<'de> for Lookup<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shared = FxHashMap::deserialize(deserializer)?;
        Ok(Self { shared: Arc::new(shared), own: FxHashMap::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_tells_where_it_was_shared(cells in prop::collection::vec(0u16..50, 0..40), shares in prop::collection::vec(any::<bool>(), 40)) {
            let (mut rows, mut lookup) = (Rows::default(), Lookup::default());
            for (place, (&cell, &shares)) in cells.iter().zip(&shares).enumerate() {
                rows.push(cell);
                if lookup.get(&cell).is_none() {
                    lookup.insert(cell, place);
                }
                if shares {
                    rows.share();
                    lookup.share();
                }
            }
            let plain = Rows::from(cells.clone());
            prop_assert!(rows == plain && rows.iter().eq(&cells));
            prop_assert!((0..cells.len()).all(|row| rows[row] == cells[row]));
            prop_assert_eq!(postcard::to_stdvec(&rows).unwrap(), postcard::to_stdvec(&cells).unwrap());
            let read: Rows<u16> = postcard::from_bytes(&postcard::to_stdvec(&rows).unwrap()).unwrap();
            prop_assert!(read == plain && read.n_shared() == cells.len());
            let read: Lookup<u16, usize> = postcard::from_bytes(&postcard::to_stdvec(&lookup).unwrap()).unwrap();
            prop_assert!(read == lookup);
            prop_assert!(cells.iter().all(|cell| lookup.get(cell) == cells.iter().position(|other| other == cell).as_ref()));
        }
    }
}
