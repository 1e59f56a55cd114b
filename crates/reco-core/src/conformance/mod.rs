//! What every implementation of a trait must do, as functions that anybody can run against their own.
//!
//! Enable the feature `conformance` in your dev-dependencies and call the function of your trait from a
//! test. It panics at the first broken promise with a message that names the promise. The implementations
//! of this crate pass the same functions, as values, in a `Box` and in an `Arc`.
//!
//! | trait | function | it must be given |
//! |---|---|---|
//! | [`Cache`](crate::cache::Cache) | [`cache`] | a fresh cache and a way to let time pass |
//! | [`EventSink`](crate::store::EventSink) with [`EventSource`](crate::store::EventSource) | [`event_log`] | a fresh log and a way to open readers |
//! | the same, when it tells duplicates as they come | [`deduplicating_log`], too | likewise |
//! | [`ModelRegistry`](crate::registry::ModelRegistry) | [`model_registry`] | a fresh registry |
//! | [`FeatureSource`](crate::features::FeatureSource) | [`feature_source`] | a way to feed it an event |
//! | [`RemoteGenerator`](crate::retrieve::RemoteGenerator) | [`remote_generator`] | a user it has items for |
//! | [`Experiment`](crate::experiment::Experiment) | [`experiment`] | the share of users each arm should get |
//! | [`ExposureLedger`](crate::launch::ExposureLedger) | [`exposure_ledger`] | a fresh ledger |
//! | [`CandidateGenerator`](crate::retrieve::CandidateGenerator) | [`candidate_generator`] | a query |
//! | [`Filter`](crate::filter::Filter), [`Ranker`](crate::rank::Ranker), [`Reranker`](crate::rerank::Reranker) | [`filter`], [`ranker`], [`reranker`] | a query and candidates |
//! | [`TextEmbedder`](crate::embed::TextEmbedder) | [`text_embedder`] | nothing |
//! | [`VectorIndex`](crate::index::VectorIndex) | [`vector_index`] | a function that builds one |
//!
//! The asynchronous ones run on any executor. On a multi-threaded tokio runtime, what is checked for
//! races runs on threads of its own, so prefer `#[tokio::test(flavor = "multi_thread")]` and call the
//! function from the test itself rather than from a spawned task. A step that does not end is reported
//! after half a minute by the machine's clock.
//!
//! ```
//! use reco_core::conformance;
//! use reco_core::registry::{MemoryRegistry, ModelRegistry};
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! conformance::model_registry(&MemoryRegistry::default()).await;
//!
//! let shared: Arc<dyn ModelRegistry> = Arc::new(MemoryRegistry::default());
//! conformance::model_registry(&shared).await;
//! # });
//! ```

mod cache;
mod embedder;
mod events;
mod experiment;
mod exposures;
mod features;
mod index;
mod parts;
mod registry;
mod remote;
#[cfg(test)]
mod tests;
mod together;

pub use cache::cache;
pub use embedder::text_embedder;
pub use events::{OpenReader, deduplicating_log, event_log};
pub use experiment::experiment;
pub use exposures::exposure_ledger;
pub use features::{Feed, feature_source};
pub use index::vector_index;
pub use parts::{candidate_generator, filter, ranker, reranker};
pub use registry::model_registry;
pub use remote::remote_generator;

use crate::error::Fault;

/// The outcome of a step that has no reason to fail; `promise` says what should have worked.
fn healthy<T>(promise: &str, outcome: Result<T, Fault>) -> T {
    outcome.unwrap_or_else(|fault| panic!("{promise}, but: {}", fault.message()))
}
