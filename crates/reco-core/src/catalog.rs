//! The catalogue: items interned to dense ids, their attributes as columns.

mod builder;
mod column;

pub use builder::{CatalogBuilder, CatalogError, ItemRecord, Value};
pub use column::{Column, Labels, TagSets};

use crate::id::{ItemId, ItemKey};
use crate::time::Timestamp;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Items and their attributes, one row per [`ItemId`]. Immutable: a new
/// catalogue belongs to a new snapshot.
///
/// The attributes every stage knows have accessors; anything else that came
/// with the data is an extra column, reachable by name like the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Catalog {
    keys: Vec<ItemKey>,
    ids: FxHashMap<ItemKey, ItemId>,
    title: Vec<Box<str>>,
    text: Vec<Box<str>>,
    category: Labels,
    subcategory: Labels,
    brand: Labels,
    tags: TagSets,
    price: Vec<f32>,
    margin: Vec<f32>,
    stock: Vec<f32>,
    active: Vec<bool>,
    created_at: Vec<Option<Timestamp>>,
    extra: BTreeMap<String, Column>,
}

impl Catalog {
    /// Starts an empty catalogue.
    pub fn builder() -> CatalogBuilder {
        CatalogBuilder::default()
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True without items.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ItemId> + use<> {
        (0..self.keys.len() as u32).map(ItemId::new)
    }

    /// The id of `key`, if the catalogue has it.
    pub fn id(&self, key: &str) -> Option<ItemId> {
        self.ids.get(key).copied()
    }

    /// The external key of `id`.
    ///
    /// # Panics
    ///
    /// Panics, like every accessor below, when another catalogue issued `id`.
    pub fn key(&self, id: ItemId) -> &ItemKey {
        &self.keys[id.index()]
    }

    /// What people call it; the key where no title is known.
    pub fn title(&self, id: ItemId) -> &str {
        match &*self.title[id.index()] {
            "" => self.key(id).as_str(),
            title => title,
        }
    }

    /// Free text that describes it; may be empty.
    pub fn text(&self, id: ItemId) -> &str {
        &self.text[id.index()]
    }

    /// Category column.
    pub fn category(&self) -> &Labels {
        &self.category
    }

    /// Subcategory column.
    pub fn subcategory(&self) -> &Labels {
        &self.subcategory
    }

    /// Brand column.
    pub fn brand(&self) -> &Labels {
        &self.brand
    }

    /// Tag column.
    pub fn tags(&self) -> &TagSets {
        &self.tags
    }

    /// Price in the shop's currency, if known.
    pub fn price(&self, id: ItemId) -> Option<f32> {
        known(self.price[id.index()])
    }

    /// Margin as a share of the price (0.25 = 25 %), if known.
    pub fn margin(&self, id: ItemId) -> Option<f32> {
        known(self.margin[id.index()])
    }

    /// Units in stock, if tracked; an item that is not tracked is in stock.
    pub fn stock(&self, id: ItemId) -> Option<f32> {
        known(self.stock[id.index()])
    }

    /// Whether the item may be shown at all.
    pub fn is_active(&self, id: ItemId) -> bool {
        self.active[id.index()]
    }

    /// When it entered the catalogue, if known.
    pub fn created_at(&self, id: ItemId) -> Option<Timestamp> {
        self.created_at[id.index()]
    }

    /// Names and columns beyond the well-known ones, in order of name.
    pub fn extra(&self) -> &BTreeMap<String, Column> {
        &self.extra
    }
}

/// A missing number is stored as NaN.
fn known(value: f32) -> Option<f32> {
    (!value.is_nan()).then_some(value)
}
