//! The catalogue: items interned to dense ids, their attributes as columns.

mod builder;
mod column;
mod rows;

pub use builder::{CatalogBuilder, CatalogError, ItemProblem, ItemRecord, Value};
pub use column::{Column, Labels, TagSets};

use crate::id::{ItemId, ItemKey};
use crate::time::Timestamp;
use rows::{Lookup, Rows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Items and their attributes, one row per [`ItemId`]. Immutable: a new
/// catalogue belongs to a new snapshot. One with some items [more](Self::with) shares the rest.
///
/// The attributes every stage knows have accessors; anything else that came
/// with the data is an extra column, reachable by name like the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Catalog {
    keys: Rows<ItemKey>,
    ids: Lookup<ItemKey, ItemId>,
    title: Rows<Box<str>>,
    text: Rows<Box<str>>,
    category: Labels,
    subcategory: Labels,
    brand: Labels,
    tags: TagSets,
    price: Rows<f32>,
    margin: Rows<f32>,
    stock: Rows<f32>,
    active: Rows<bool>,
    created_at: Rows<Option<Timestamp>>,
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
        self.len() == 0
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ItemId> + use<> {
        (0..self.keys.len() as u32).map(ItemId::new)
    }

    /// This catalogue with more items behind those that it has. It takes no longer than those that were added since it was
    /// built, but for extra attributes, whose columns are copied.
    ///
    /// # Errors
    ///
    /// The first item that cannot be there.
    pub fn with(&self, items: impl IntoIterator<Item = ItemRecord>) -> Result<Self, CatalogError> {
        let mut builder = CatalogBuilder::from(self.clone());
        items.into_iter().try_for_each(|item| builder.push(item).map(drop))?;
        Ok(builder.grown())
    }

    /// Whether an item was [added](Self::with) to what was built.
    pub fn is_added(&self, id: ItemId) -> bool {
        id.index() >= self.keys.n_shared()
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

    /// The category of the item with this key, if the catalogue has it and it has one.
    pub fn category_of(&self, key: &str) -> Option<&str> {
        self.category.get(self.id(key)?)
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

impl Catalog {
    /// Shares everything with whoever is cloned from this.
    fn share(&mut self) {
        self.keys.share();
        self.ids.share();
        self.title.share();
        self.text.share();
        [&mut self.category, &mut self.subcategory, &mut self.brand].into_iter().for_each(Labels::share);
        self.tags.share();
        [&mut self.price, &mut self.margin, &mut self.stock].into_iter().for_each(Rows::share);
        self.active.share();
        self.created_at.share();
        self.extra.values_mut().for_each(Column::share);
    }
}

/// A missing number is stored as NaN.
fn known(value: f32) -> Option<f32> {
    (!value.is_nan()).then_some(value)
}
