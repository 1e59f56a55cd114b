//! What a snapshot knows of every item, as columns of features.

use super::{Feature, FeatureConfig, FeatureKind, MISSING};
use crate::id::ItemId;
use crate::linalg::Matrix;
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

/// Features of items as of the snapshot's end, made by training: counts over windows, prices, attributes.
///
/// Columns that tell the days since something happened hold them as of that end; when they are read, what has
/// passed since is added, and the logarithm of one plus the sum is the feature.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ItemTable {
    config: FeatureConfig,
    features: Vec<Feature>,
    /// Columns that grow by a day each day.
    ages: Vec<u32>,
    /// One row per item.
    values: Matrix,
}

/// The columns of an item table while they are gathered.
#[derive(Debug)]
pub struct ItemTableBuilder {
    config: FeatureConfig,
    n_items: usize,
    features: Vec<Feature>,
    ages: Vec<u32>,
    columns: Vec<Vec<f32>>,
}

impl ItemTable {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "item_table";

    /// A table of `n_items` items without columns, and how all features of the snapshot are declared.
    pub fn builder(n_items: usize, config: FeatureConfig) -> ItemTableBuilder {
        ItemTableBuilder { config, n_items, features: Vec::new(), ages: Vec::new(), columns: Vec::new() }
    }

    /// How the snapshot's features are declared.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// The declarations of its columns.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Numbers of the columns that tell the days since something.
    pub fn ages(&self) -> &[u32] {
        &self.ages
    }

    /// The values of an item as of the snapshot's end; `None` for one it lacks.
    pub fn row(&self, item: ItemId) -> Option<&[f32]> {
        (item.index() < self.values.n_rows()).then(|| self.values.row(item.index()))
    }

    /// ln(1 + users) of an item, as the column `users` has it; `None` where that is not known.
    pub(super) fn popularity(snapshot: &Snapshot) -> impl Fn(ItemId) -> Option<f32> + '_ {
        let table: Option<&Self> = snapshot.models.get(Self::NAME);
        let users = table.and_then(|table| Some((table, table.column("users")?)));
        move |item| {
            let (table, column) = users?;
            Some(table.row(item)?[column]).filter(|popularity| popularity.is_finite())
        }
    }

    /// The number of the column of that name, without `item.` before it.
    fn column(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|feature| feature.name.strip_prefix("item.") == Some(name))
    }
}

impl ItemTableBuilder {
    /// Adds a column with a value per item; a value that is not finite counts as not known.
    ///
    /// # Panics
    ///
    /// Panics when there is not one value per item.
    #[must_use]
    pub fn column(mut self, name: &str, about: &str, values: impl IntoIterator<Item = f32>) -> Self {
        let known = values.into_iter().map(|value| if value.is_finite() { value } else { MISSING });
        let values: Vec<f32> = known.collect();
        assert_eq!(values.len(), self.n_items, "a value per item");
        self.features.push(Feature::new(format!("item.{name}"), FeatureKind::Item, about));
        self.columns.push(values);
        self
    }

    /// Adds a column with the days since something, as of the snapshot's end.
    ///
    /// # Panics
    ///
    /// Panics when there is not one value per item.
    #[must_use]
    pub fn age(mut self, name: &str, about: &str, days: impl IntoIterator<Item = f32>) -> Self {
        self.ages.push(self.columns.len() as u32);
        self.column(name, about, days)
    }

    /// Says after how many days the latest column is too old to be believed.
    #[must_use]
    pub fn believed_for(mut self, days: f32) -> Self {
        if let Some(feature) = self.features.last_mut() {
            feature.ttl_days = Some(days);
        }
        self
    }

    /// The table.
    pub fn build(self) -> ItemTable {
        let mut values = Matrix::zeros(self.n_items, self.columns.len());
        for (column, cells) in self.columns.iter().enumerate() {
            cells.iter().enumerate().for_each(|(item, &cell)| values.row_mut(item)[column] = cell);
        }
        ItemTable { config: self.config, features: self.features, ages: self.ages, values }
    }
}
