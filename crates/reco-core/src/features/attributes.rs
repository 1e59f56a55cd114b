//! What a snapshot knows of users themselves: their own columns, and what those who are alike by them take.

use super::{Block, Feature, FeatureGroup, FeatureKind, MISSING};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::linalg::Matrix;
use crate::query::Query;
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Features of users that no event tells, such as an age or a country, made by training from the users' own columns.
///
/// Columns that tell the days since something happened hold them as of the snapshot's end, as those of an
/// [`ItemTable`](super::ItemTable) do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UserAttributes {
    features: Vec<Feature>,
    /// Columns that grow by a day each day.
    ages: Vec<u32>,
    /// One row per user.
    values: Matrix,
    tastes: Vec<Taste>,
}

/// What users with the same value of a column take.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Taste {
    feature: Feature,
    /// The value of each user as a row of `lifts`; [`NO_VALUE`] where it is not known or too rare.
    value_of: Vec<u32>,
    /// How much they prefer each category, by its code in the catalogue.
    lifts: Matrix,
}

const NO_VALUE: u32 = u32::MAX;

impl UserAttributes {
    /// The snapshot's name for them.
    pub const NAME: &'static str = "user_attributes";

    /// Attributes of `n_users` users without columns.
    pub fn builder(n_users: usize) -> UserAttributesBuilder {
        UserAttributesBuilder { n_users, attributes: Self::default(), columns: Vec::new() }
    }

    /// The declarations of its columns, those of tastes last.
    pub fn features(&self) -> impl Iterator<Item = &Feature> {
        self.features.iter().chain(self.tastes.iter().map(|taste| &taste.feature))
    }

    /// The values of a user as of the snapshot's end, without those of tastes; `None` for one it lacks.
    pub fn row(&self, user: u32) -> Option<&[f32]> {
        let user = user as usize;
        (user < self.values.n_rows()).then(|| self.values.row(user))
    }

    fn of(snapshot: &Snapshot) -> Option<&Self> {
        snapshot.models.get(Self::NAME)
    }
}

impl Taste {
    /// What those like the user make of each category; `None` for a user of no known value.
    fn of(&self, user: u32) -> Option<&[f32]> {
        let value = *self.value_of.get(user as usize)? as usize;
        (value < self.lifts.n_rows()).then(|| self.lifts.row(value))
    }
}

/// The columns of users while they are gathered.
#[derive(Debug)]
pub struct UserAttributesBuilder {
    n_users: usize,
    attributes: UserAttributes,
    columns: Vec<Vec<f32>>,
}

impl UserAttributesBuilder {
    /// Adds a column `user.own.{name}` with a value per user; a value that is not finite counts as not known.
    ///
    /// # Panics
    ///
    /// Panics when there is not one value per user.
    #[must_use]
    pub fn column(mut self, name: &str, about: &str, values: impl IntoIterator<Item = f32>) -> Self {
        let known = values.into_iter().map(|value| if value.is_finite() { value } else { MISSING });
        let values: Vec<f32> = known.collect();
        assert_eq!(values.len(), self.n_users, "a value per user");
        let feature = Feature::new(format!("user.own.{name}"), FeatureKind::User, about);
        self.attributes.features.push(feature);
        self.columns.push(values);
        self
    }

    /// Adds a column with the days since something, as of the snapshot's end. What is still to come is not known.
    ///
    /// # Panics
    ///
    /// Panics when there is not one value per user.
    #[must_use]
    pub fn age(mut self, name: &str, about: &str, days: impl IntoIterator<Item = f32>) -> Self {
        self.attributes.ages.push(self.columns.len() as u32);
        self.column(name, about, days)
    }

    /// Adds a feature `cross.own.{name}`: what the users of the same value make of the item's category. `value_of`
    /// holds the value of each user as a row of `lifts`, which has a column per code of a category.
    ///
    /// # Panics
    ///
    /// Panics when there is not one value, or none, per user.
    #[must_use]
    pub fn taste(mut self, name: &str, about: &str, value_of: &[Option<u32>], lifts: Matrix) -> Self {
        assert_eq!(value_of.len(), self.n_users, "a value per user");
        let feature = Feature::new(format!("cross.own.{name}"), FeatureKind::Cross, about);
        let value_of = value_of.iter().map(|value| value.unwrap_or(NO_VALUE)).collect();
        self.attributes.tastes.push(Taste { feature, value_of, lifts });
        self
    }

    /// The attributes.
    pub fn build(mut self) -> UserAttributes {
        let mut values = Matrix::zeros(self.n_users, self.columns.len());
        for (column, cells) in self.columns.iter().enumerate() {
            cells.iter().enumerate().for_each(|(user, &cell)| values.row_mut(user)[column] = cell);
        }
        self.attributes.values = values;
        self.attributes
    }
}

/// The user's own columns, brought up to the moment of the request.
#[derive(Debug)]
pub(super) struct OwnColumns;

impl FeatureGroup for OwnColumns {
    fn name(&self) -> &'static str {
        "user-columns"
    }

    fn features(&self, snapshot: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        UserAttributes::of(snapshot).map_or_else(Vec::new, |attributes| attributes.features.clone())
    }

    fn fill(&self, query: &Query, _: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        let attributes = UserAttributes::of(&query.snapshot);
        let known = attributes.zip(query.user_row());
        let Some((attributes, row)) = known.and_then(|(known, user)| Some((known, known.row(user)?))) else {
            return Ok(());
        };
        let passed = query.now.days_since(query.snapshot.data_until) as f32;
        let mut values = row.to_vec();
        for &column in &attributes.ages {
            let days = values[column as usize] + passed;
            values[column as usize] = if days >= 0.0 { days.ln_1p() } else { MISSING };
        }
        block.fill(&values);
        Ok(())
    }
}

/// What users who are alike by a column make of the item's category.
#[derive(Debug)]
pub(super) struct Tastes;

impl FeatureGroup for Tastes {
    fn name(&self) -> &'static str {
        "tastes"
    }

    fn features(&self, snapshot: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        let tastes = UserAttributes::of(snapshot).into_iter().flat_map(|attributes| &attributes.tastes);
        tastes.map(|taste| taste.feature.clone()).collect()
    }

    fn fill(&self, query: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        let Some((attributes, user)) = UserAttributes::of(&query.snapshot).zip(query.user_row()) else {
            return Ok(());
        };
        let lifts: Vec<Option<&[f32]>> = attributes.tastes.iter().map(|taste| taste.of(user)).collect();
        let categories = query.snapshot.catalog.category();
        for (row, &id) in block.rows().zip(set.ids()) {
            let Some(category) = categories.code(id) else { continue };
            for (cell, lifts) in row.iter_mut().zip(&lifts) {
                let lift = lifts.and_then(|lifts| lifts.get(category as usize));
                *cell = lift.copied().unwrap_or(MISSING);
            }
        }
        Ok(())
    }
}
