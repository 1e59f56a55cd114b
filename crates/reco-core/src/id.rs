//! Typed ids: dense item numbers inside one snapshot, open-ended user keys.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Dense index of an item inside one [`Catalog`](crate::catalog::Catalog).
///
/// Four bytes, so a candidate list is a flat `Vec<u32>` and per-item side
/// tables are plain arrays. The number means nothing outside the catalogue
/// that issued it: events, files and responses carry the item's key instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[repr(transparent)]
pub struct ItemId(u32);

impl ItemId {
    /// Wraps a dense index.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Position in a per-item array.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The number itself.
    pub const fn raw(self) -> u32 {
        self.0
    }
}

/// Defines an owned, cheaply cloned external key.
macro_rules! key_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Borrows the external name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

key_type! {
    /// A user as the caller names it. Users are unbounded, so they are not
    /// interned globally; a snapshot keeps its own key -> row table.
    UserKey
}

key_type! {
    /// An item as the caller names it. Stable across snapshots, unlike [`ItemId`].
    ItemKey
}

impl UserKey {
    /// Of a visitor without a name: their session stands for them, in events and in requests alike.
    pub fn of_session(session: &str) -> Self {
        format!("session:{session}").into()
    }
}
