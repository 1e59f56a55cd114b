//! Filling a catalogue row by row.

use super::{Catalog, Column, Labels, TagSets};
use crate::id::{ItemId, ItemKey};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One item as it enters the catalogue. Only the key is required.
///
/// ```
/// use reco_core::catalog::{Catalog, ItemRecord};
///
/// let mut builder = Catalog::builder();
/// let tea = ItemRecord { category: Some("drinks".into()), price: Some(3.2), ..ItemRecord::new("tea") };
/// let id = builder.push(tea)?;
/// let catalog = builder.build();
/// assert_eq!(catalog.category().get(id), Some("drinks"));
/// # Ok::<(), reco_core::catalog::CatalogError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ItemRecord {
    /// External key; must be unique and not empty.
    pub key: String,
    /// What people call it.
    pub title: Option<String>,
    /// Free text that describes it.
    pub text: Option<String>,
    /// Top-level category.
    pub category: Option<String>,
    /// Category below that.
    pub subcategory: Option<String>,
    /// Brand or maker.
    pub brand: Option<String>,
    /// Any number of labels.
    pub tags: Vec<String>,
    /// Price in the shop's currency, not negative.
    pub price: Option<f32>,
    /// Margin as a share of the price (0.25 = 25 %).
    pub margin: Option<f32>,
    /// Units in stock; `None` when stock is not tracked.
    pub stock: Option<f32>,
    /// `Some(false)` takes it off every page.
    pub active: Option<bool>,
    /// When it entered the catalogue.
    pub created_at: Option<Timestamp>,
    /// Everything else that is known about it.
    pub extra: BTreeMap<String, Value>,
}

impl ItemRecord {
    /// An item of which only the key is known.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), ..Self::default() }
    }
}

/// What is wrong with one field of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemProblem {
    /// The field.
    pub field: Cow<'static, str>,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl ItemRecord {
    /// Longest key, title, label or tag, in bytes.
    const LONGEST_NAME: usize = 256;

    /// Longest text that describes it, in bytes.
    const LONGEST_TEXT: usize = 65_536;

    /// Most tags, and most extra attributes.
    const MOST: usize = 256;

    /// Everything that is wrong with one that comes while serving.
    pub fn problems(&self) -> Vec<ItemProblem> {
        let mut problems = Vec::new();
        let mut check = |field, fine: bool, problem: String| {
            if !fine {
                problems.push(ItemProblem { field: Cow::Borrowed(field), problem });
            }
        };
        let long = |text: &str, most: usize| {
            (text.len() <= most, format!("has {} bytes, at most {most} are allowed", text.len()))
        };
        check("item_id", !self.key.is_empty(), "is empty".to_owned());
        let names = [
            ("item_id", Some(&self.key)),
            ("title", self.title.as_ref()),
            ("category", self.category.as_ref()),
            ("subcategory", self.subcategory.as_ref()),
            ("brand", self.brand.as_ref()),
        ];
        let tags = self.tags.iter().map(|tag| ("tags", Some(tag)));
        for (field, text) in names.into_iter().chain(tags) {
            let (fine, problem) = long(text.map_or("", String::as_str), Self::LONGEST_NAME);
            check(field, fine, problem);
        }
        let (fine, problem) = long(self.text.as_deref().unwrap_or_default(), Self::LONGEST_TEXT);
        check("text", fine, problem);
        for (field, n) in [("tags", self.tags.len()), ("extra", self.extra.len())] {
            check(field, n <= Self::MOST, format!("are {n}, at most {} are allowed", Self::MOST));
        }
        for (field, value, least) in
            [("price", self.price, 0.0), ("stock", self.stock, 0.0), ("margin", self.margin, f32::MIN)]
        {
            let bound = if least == 0.0 { " not below 0" } else { "" };
            let value = value.unwrap_or(0.0);
            check(
                field,
                value.is_finite() && value >= least,
                format!("is {value}, must be a finite number{bound}"),
            );
        }
        problems
    }
}

/// A value of an extra attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A label.
    Text(String),
    /// A set of labels.
    List(Vec<String>),
}

impl Value {
    pub(super) fn into_label(self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
            Self::List(list) => list.join(", "),
        }
    }
}

/// Why an item could not enter the catalogue.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The key is the empty string.
    #[error("an item needs a key that is not empty")]
    EmptyKey,
    /// The key is already there.
    #[error("item `{key}` is already in the catalogue")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// A number makes no sense.
    #[error("item `{key}`: {field} is {value}, must be a finite number{bound}")]
    BadNumber {
        /// The key.
        key: String,
        /// The attribute.
        field: &'static str,
        /// What was given.
        value: f32,
        /// What is asked of it beyond being finite.
        bound: &'static str,
    },
}

/// Collects items; see [`ItemRecord`].
#[derive(Debug, Default)]
pub struct CatalogBuilder {
    catalog: Catalog,
    extra: BTreeMap<String, Vec<Option<Value>>>,
}

impl From<Catalog> for CatalogBuilder {
    /// Goes on from a catalogue.
    fn from(catalog: Catalog) -> Self {
        Self { catalog, extra: BTreeMap::new() }
    }
}

impl CatalogBuilder {
    /// Appends an item.
    ///
    /// # Errors
    ///
    /// Refuses an empty or known key and a number that makes no sense; the catalogue is unchanged then.
    pub fn push(&mut self, item: ItemRecord) -> Result<ItemId, CatalogError> {
        check(&item)?;
        if self.catalog.id(&item.key).is_some() {
            return Err(CatalogError::Duplicate { key: item.key });
        }
        Ok(self.append(item))
    }

    /// The id of `key`, appended as a bare item when it is new: for events that
    /// name an item the item table lacks.
    ///
    /// # Errors
    ///
    /// Refuses the empty key.
    pub fn intern(&mut self, key: &str) -> Result<ItemId, CatalogError> {
        match self.catalog.id(key) {
            Some(id) => Ok(id),
            None => self.push(ItemRecord::new(key)),
        }
    }

    /// The values of an extra attribute so far, in order of the items that have it.
    pub fn extra_mut(&mut self, name: &str) -> impl Iterator<Item = &mut Value> {
        self.extra.get_mut(name).into_iter().flatten().flatten()
    }

    /// Number of items so far.
    pub fn len(&self) -> usize {
        self.catalog.len()
    }

    /// True before the first item.
    pub fn is_empty(&self) -> bool {
        self.catalog.is_empty()
    }

    /// The finished catalogue. An extra attribute whose values are of one type becomes a column of
    /// that type; one with mixed types becomes labels.
    pub fn build(self) -> Catalog {
        let Self { mut catalog, extra } = self;
        let n_items = catalog.len();
        for (name, mut values) in extra {
            values.resize(n_items, None);
            catalog.extra.insert(name, column(values));
        }
        catalog.share();
        catalog
    }

    /// The catalogue that it began [from](Self::from), with what was added to it. A value that is not of its column's type is
    /// unknown, but for one that is a label.
    pub(super) fn grown(self) -> Catalog {
        let Self { mut catalog, mut extra } = self;
        let n_items = catalog.len();
        for (name, column) in &mut catalog.extra {
            let values = extra.remove(name).unwrap_or_default();
            let first = column.len();
            let added = values.into_iter().skip(first).take(n_items - first);
            added.for_each(|value| column.push(value));
            *column = std::mem::replace(column, Column::Flags(Vec::new())).padded(n_items);
        }
        for (name, mut values) in extra {
            values.resize(n_items, None);
            catalog.extra.insert(name, column(values));
        }
        catalog
    }

    fn append(&mut self, item: ItemRecord) -> ItemId {
        let id = ItemId::new(u32::try_from(self.len()).expect("a catalogue holds fewer than 2^32 items"));
        let catalog = &mut self.catalog;
        let key = ItemKey::from(item.key);
        catalog.ids.insert(key.clone(), id);
        catalog.keys.push(key);
        catalog.title.push(item.title.unwrap_or_default().into());
        catalog.text.push(item.text.unwrap_or_default().into());
        catalog.category.push(item.category.as_deref());
        catalog.subcategory.push(item.subcategory.as_deref());
        catalog.brand.push(item.brand.as_deref());
        catalog.tags.push(item.tags.iter().map(String::as_str));
        catalog.price.push(item.price.unwrap_or(f32::NAN));
        catalog.margin.push(item.margin.unwrap_or(f32::NAN));
        catalog.stock.push(item.stock.unwrap_or(f32::NAN));
        catalog.active.push(item.active.unwrap_or(true));
        catalog.created_at.push(item.created_at);
        for (name, value) in item.extra {
            let values = self.extra.entry(name).or_default();
            values.resize(id.index(), None);
            values.push(Some(value));
        }
        id
    }
}

fn check(item: &ItemRecord) -> Result<(), CatalogError> {
    if item.key.is_empty() {
        return Err(CatalogError::EmptyKey);
    }
    let bad =
        |field, value, bound| Err(CatalogError::BadNumber { key: item.key.clone(), field, value, bound });
    match item {
        ItemRecord { price: Some(price), .. } if !price.is_finite() || *price < 0.0 => {
            bad("price", *price, " not below 0")
        }
        ItemRecord { stock: Some(stock), .. } if !stock.is_finite() || *stock < 0.0 => {
            bad("stock", *stock, " not below 0")
        }
        ItemRecord { margin: Some(margin), .. } if !margin.is_finite() => bad("margin", *margin, ""),
        _ => Ok(()),
    }
}

fn column(values: Vec<Option<Value>>) -> Column {
    let all = |is: fn(&Value) -> bool| values.iter().flatten().all(is);
    if all(|value| matches!(value, Value::Number(_))) {
        let number = |value| if let Some(Value::Number(number)) = value { number } else { f64::NAN };
        Column::Numbers(values.into_iter().map(number).collect())
    } else if all(|value| matches!(value, Value::Flag(_))) {
        let flag = |value| if let Some(Value::Flag(flag)) = value { Some(flag) } else { None };
        Column::Flags(values.into_iter().map(flag).collect())
    } else if all(|value| matches!(value, Value::List(_))) {
        let mut tags = TagSets::default();
        for value in values {
            let list = if let Some(Value::List(list)) = value { list } else { Vec::new() };
            tags.push(list.iter().map(String::as_str));
        }
        Column::Tags(tags)
    } else {
        let mut labels = Labels::default();
        values.into_iter().for_each(|value| labels.push(value.map(Value::into_label).as_deref()));
        Column::Labels(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_attributes_find_their_type() {
        let mut builder = Catalog::builder();
        let with = |key: &str, extra: &[(&str, Value)]| ItemRecord {
            extra: extra.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            ..ItemRecord::new(key)
        };
        builder.push(with("a", &[("year", Value::Number(1995.0)), ("mixed", Value::Flag(true))])).unwrap();
        builder.push(with("b", &[("mixed", Value::Number(2.0))])).unwrap();
        let catalog = builder.build();
        let Column::Numbers(years) = &catalog.extra()["year"] else { panic!("year is a number column") };
        assert!(years[1].is_nan());
        let Column::Labels(mixed) = &catalog.extra()["mixed"] else { panic!("mixed falls back to labels") };
        assert_eq!((mixed.get(ItemId::new(0)), mixed.get(ItemId::new(1))), (Some("true"), Some("2")));
    }

    #[test]
    fn refused_items_leave_no_trace() {
        let mut builder = Catalog::builder();
        builder.push(ItemRecord::new("a")).unwrap();
        assert_eq!(builder.push(ItemRecord::new("")), Err(CatalogError::EmptyKey));
        assert_eq!(builder.push(ItemRecord::new("a")), Err(CatalogError::Duplicate { key: "a".into() }));
        let error = builder.push(ItemRecord { price: Some(-1.0), ..ItemRecord::new("b") }).unwrap_err();
        assert_eq!(error.to_string(), "item `b`: price is -1, must be a finite number not below 0");
        assert_eq!(builder.len(), 1);
        assert_eq!(builder.intern("a"), Ok(ItemId::new(0)));
    }
}
