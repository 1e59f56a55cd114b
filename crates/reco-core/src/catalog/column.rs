//! Column types of the catalogue.

use super::Value;
use super::rows::{Lookup, Rows};
use crate::id::ItemId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One label per item, dictionary coded; an item may have none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    codes: Rows<u32>,
    dictionary: Dictionary,
}

impl Labels {
    const NONE: u32 = u32::MAX;

    pub(super) fn share(&mut self) {
        self.codes.share();
        self.dictionary.share();
    }

    /// Appends the next item's label.
    pub fn push(&mut self, label: Option<&str>) {
        let code = label.map_or(Self::NONE, |label| self.dictionary.code_or_insert(label));
        self.codes.push(code);
    }

    /// Dictionary code of the item's label; codes are dense from 0.
    pub fn code(&self, id: ItemId) -> Option<u32> {
        Some(self.codes[id.index()]).filter(|&code| code != Self::NONE)
    }

    /// The item's label.
    pub fn get(&self, id: ItemId) -> Option<&str> {
        self.code(id).map(|code| self.name(code))
    }

    /// The label behind a code.
    ///
    /// # Panics
    ///
    /// Panics when no item has that code.
    pub fn name(&self, code: u32) -> &str {
        &self.dictionary.names[code as usize]
    }

    /// The code of a label, if any item has it.
    pub fn find(&self, label: &str) -> Option<u32> {
        self.dictionary.codes.get(label).copied()
    }

    /// All labels, by code.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.dictionary.names.iter().map(|name| &**name)
    }

    /// Number of distinct labels.
    pub fn cardinality(&self) -> usize {
        self.dictionary.names.len()
    }
}

/// Any number of labels per item, dictionary coded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagSets {
    offsets: Rows<u32>,
    codes: Rows<u32>,
    dictionary: Dictionary,
}

impl Default for TagSets {
    fn default() -> Self {
        Self { offsets: vec![0].into(), codes: Rows::default(), dictionary: Dictionary::default() }
    }
}

impl TagSets {
    pub(super) fn share(&mut self) {
        self.offsets.share();
        self.codes.share();
        self.dictionary.share();
    }

    /// Appends the next item's labels.
    pub fn push<'a>(&mut self, tags: impl IntoIterator<Item = &'a str>) {
        for tag in tags {
            let code = self.dictionary.code_or_insert(tag);
            self.codes.push(code);
        }
        self.offsets.push(self.codes.len() as u32);
    }

    /// Dictionary codes of the item's labels, in the order given.
    pub fn codes(&self, id: ItemId) -> &[u32] {
        self.codes.slice(self.offsets[id.index()] as usize..self.offsets[id.index() + 1] as usize)
    }

    /// The item's labels, in the order given.
    pub fn get(&self, id: ItemId) -> impl Iterator<Item = &str> {
        self.codes(id).iter().map(|&code| self.name(code))
    }

    /// The label behind a code.
    ///
    /// # Panics
    ///
    /// Panics when no item has that code.
    pub fn name(&self, code: u32) -> &str {
        &self.dictionary.names[code as usize]
    }

    /// The code of a label, if any item has it.
    pub fn find(&self, tag: &str) -> Option<u32> {
        self.dictionary.codes.get(tag).copied()
    }

    /// All labels, by code.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.dictionary.names.iter().map(|name| &**name)
    }

    /// Number of distinct labels.
    pub fn cardinality(&self) -> usize {
        self.dictionary.names.len()
    }
}

/// Any column of a catalogue, one cell per item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Column {
    /// One label or none.
    Labels(Labels),
    /// A set of labels.
    Tags(TagSets),
    /// A number; NaN is missing.
    Numbers(Vec<f64>),
    /// Yes, no or unknown.
    Flags(Vec<Option<bool>>),
    /// A moment or none.
    Times(Vec<Option<Timestamp>>),
}

impl Column {
    /// Number of cells.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Labels(labels) => labels.codes.len(),
            Self::Tags(tags) => tags.offsets.len() - 1,
            Self::Numbers(numbers) => numbers.len(),
            Self::Flags(flags) => flags.len(),
            Self::Times(times) => times.len(),
        }
    }

    /// Appends the next item's cell, which knows nothing if the value is of another type.
    pub(super) fn push(&mut self, value: Option<Value>) {
        match (self, value) {
            (Self::Labels(labels), value) => labels.push(value.map(Value::into_label).as_deref()),
            (Self::Tags(tags), Some(Value::List(list))) => tags.push(list.iter().map(String::as_str)),
            (Self::Tags(tags), _) => tags.push([]),
            (Self::Numbers(numbers), Some(Value::Number(number))) => numbers.push(number),
            (Self::Numbers(numbers), _) => numbers.push(f64::NAN),
            (Self::Flags(flags), Some(Value::Flag(flag))) => flags.push(Some(flag)),
            (Self::Flags(flags), _) => flags.push(None),
            (Self::Times(times), _) => times.push(None),
        }
    }

    /// Shares what can be shared with whoever is cloned from this.
    pub(super) fn share(&mut self) {
        match self {
            Self::Labels(labels) => labels.share(),
            Self::Tags(tags) => tags.share(),
            Self::Numbers(_) | Self::Flags(_) | Self::Times(_) => {}
        }
    }

    /// The column with rows appended that know nothing, until there are `n_rows`.
    #[must_use]
    pub fn padded(mut self, n_rows: usize) -> Self {
        match &mut self {
            Self::Labels(labels) => (labels.codes.len()..n_rows).for_each(|_| labels.push(None)),
            Self::Tags(tags) => (tags.offsets.len()..=n_rows).for_each(|_| tags.push([])),
            Self::Numbers(numbers) => numbers.resize(n_rows.max(numbers.len()), f64::NAN),
            Self::Flags(flags) => flags.resize(n_rows.max(flags.len()), None),
            Self::Times(times) => times.resize(n_rows.max(times.len()), None),
        }
        self
    }

    /// The cells at these positions, in that order.
    ///
    /// # Panics
    ///
    /// Panics at a position that the column does not have.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        fn pick<T: Copy>(cells: &[T], rows: &[u32]) -> Vec<T> {
            rows.iter().map(|&row| cells[row as usize]).collect()
        }
        let ids = rows.iter().map(|&row| ItemId::new(row));
        match self {
            Self::Labels(labels) => {
                let mut some = Labels::default();
                ids.for_each(|id| some.push(labels.get(id)));
                Self::Labels(some)
            }
            Self::Tags(tags) => {
                let mut some = TagSets::default();
                ids.for_each(|id| some.push(tags.get(id)));
                Self::Tags(some)
            }
            Self::Numbers(numbers) => Self::Numbers(pick(numbers, rows)),
            Self::Flags(flags) => Self::Flags(pick(flags, rows)),
            Self::Times(times) => Self::Times(pick(times, rows)),
        }
    }
}

/// Distinct strings, coded in order of first sight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Dictionary {
    names: Rows<Arc<str>>,
    codes: Lookup<Arc<str>, u32>,
}

impl Dictionary {
    fn share(&mut self) {
        self.names.share();
        self.codes.share();
    }

    fn code_or_insert(&mut self, name: &str) -> u32 {
        if let Some(&code) = self.codes.get(name) {
            return code;
        }
        let (code, name) = (self.names.len() as u32, Arc::<str>::from(name));
        self.names.push(Arc::clone(&name));
        self.codes.insert(name, code);
        code
    }
}
