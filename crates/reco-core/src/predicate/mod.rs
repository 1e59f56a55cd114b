//! A boolean language over catalogue columns: `category in ("tea", "coffee") and price < 20`.

use crate::catalog::Catalog;
use crate::id::ItemId;
use std::str::FromStr;

/// A parsed expression, not yet tied to a catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    source: String,
}

/// A parsed expression tied to one catalogue's columns.
#[derive(Debug)]
pub struct BoundPredicate {}

/// Why a text is no predicate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct PredicateError {
    message: String,
}

impl FromStr for Predicate {
    type Err = PredicateError;
    fn from_str(text: &str) -> Result<Self, PredicateError> {
        Ok(Self { source: text.to_owned() })
    }
}

impl Predicate {
    /// The text it was parsed from.
    pub fn source(&self) -> &str {
        &self.source
    }
    /// Looks the names up.
    ///
    /// # Errors
    ///
    /// Names a column the catalogue lacks or a comparison that makes no sense for it.
    pub fn bind(&self, _catalog: &Catalog) -> Result<BoundPredicate, PredicateError> {
        Ok(BoundPredicate {})
    }
}

impl BoundPredicate {
    /// Whether an item matches.
    pub fn matches(&self, _catalog: &Catalog, _item: ItemId) -> bool {
        true
    }
}
