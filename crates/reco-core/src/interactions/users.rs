//! The users of one snapshot, interned to dense rows.

use crate::id::UserKey;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Two-way map between user keys and dense rows. Cheap to clone once built.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UserTable(Arc<Inner>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Inner {
    keys: Vec<UserKey>,
    rows: FxHashMap<UserKey, u32>,
}

impl UserTable {
    /// The row of `key`, issuing the next one when it is new.
    ///
    /// # Panics
    ///
    /// Panics at the 2^32nd user.
    pub fn intern(&mut self, key: &str) -> u32 {
        if let Some(&row) = self.0.rows.get(key) {
            return row;
        }
        let inner = Arc::make_mut(&mut self.0);
        let row = u32::try_from(inner.keys.len()).expect("a snapshot holds fewer than 2^32 users");
        let key = UserKey::from(key);
        inner.keys.push(key.clone());
        inner.rows.insert(key, row);
        row
    }

    /// The row of `key`, if it is known.
    pub fn row(&self, key: &str) -> Option<u32> {
        self.0.rows.get(key).copied()
    }

    /// All keys in order of their rows.
    pub fn keys(&self) -> &[UserKey] {
        &self.0.keys
    }

    /// Number of users.
    pub fn len(&self) -> usize {
        self.0.keys.len()
    }

    /// True without users.
    pub fn is_empty(&self) -> bool {
        self.0.keys.is_empty()
    }
}
