//! reco: recommendations inside your own process.
//!
//! This crate re-exports the engine ([`reco_core`]) and, with the feature `train` (on by default), the offline
//! side as [`train`]: reading data, fitting models, evaluation.
//!
//! ```
//! use reco::catalog::{Catalog, ItemRecord};
//! use reco::event::{Action, ActionWeights};
//! use reco::pipeline::PipelineConfig;
//! use reco::request::Request;
//! use reco::time::Timestamp;
//! use reco::train::{data::Dataset, fit::snapshot, progress::Silent};
//!
//! // What is known: items, and who took what when. `reco::train::data::read` gets it from files.
//! let mut catalog = Catalog::builder();
//! let mut dataset = Dataset::default();
//! for (key, category) in [("tea", "drinks"), ("coffee", "drinks"), ("bread", "bakery")] {
//!     catalog.push(ItemRecord { category: Some(category.into()), ..ItemRecord::new(key) })?;
//! }
//! dataset.catalog = catalog.build();
//! for (user, item) in [("ann", "tea"), ("ann", "bread"), ("bob", "tea"), ("bob", "coffee")] {
//!     let (user, item) = (dataset.log.users.intern(user), dataset.catalog.id(item).ok_or("unknown item")?);
//!     dataset.log.push(user, item, &Action::Purchase, None, Timestamp::from_secs(1_700_000_000));
//! }
//!
//! // Fit every model, assemble the usual pipeline, ask for a page.
//! let (plan, pipeline) = (snapshot::Plan::default(), PipelineConfig::default());
//! let fitted = snapshot::fit(dataset, &plan, &pipeline, &ActionWeights::default(), "v1", &Silent)?;
//! let recommender = pipeline.builder(fitted)?.build()?;
//! let page = recommender.recommend_now(Request::for_user("ann").count(3))?;
//! assert_eq!(page.items.len(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use reco_core::*;

#[cfg(feature = "train")]
pub use reco_train as train;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
