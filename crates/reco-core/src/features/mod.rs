//! What is known of a user, and what a ranker is told of every candidate.
//!
//! A [`FeatureSource`] brings what is stored of a user. A [`FeatureSchema`] turns that, the snapshot and the
//! candidates into a [`FeatureMatrix`]: training and serving build it by the same code from the same types, so
//! a feature cannot mean two things.

mod affinity;
mod attributes;
mod context;
mod feature;
mod item_table;
mod items;
mod matrix;
mod own;
mod profile;
mod schema;
mod sources;
#[cfg(test)]
mod tests;
mod user_features;
mod users;

pub use attributes::{UserAttributes, UserAttributesBuilder};
pub use feature::{Feature, FeatureGroup, FeatureKind, MISSING};
pub use item_table::{ItemTable, ItemTableBuilder};
pub use matrix::{Block, FeatureMatrix};
pub use schema::{FeatureConfig, FeatureSchema};
pub use sources::BLEND;
pub use user_features::{
    FeatureRules, FeatureSource, RecentEvent, Session, StoredError, TakenEvents, Tally, UserDocument,
    UserFeatures, UserRecord, Window,
};
