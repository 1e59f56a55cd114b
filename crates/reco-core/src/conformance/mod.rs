//! What every implementation of a trait must do; adapters run these against the real thing.
//!
//! Each function panics at the first broken promise with a message that names it. Asynchronous ones
//! need no particular runtime.
//!
//! ```
//! use reco_core::conformance;
//! use reco_core::registry::MemoryRegistry;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! conformance::model_registry(&MemoryRegistry::default()).await;
//! # });
//! ```

mod events;
mod parts;
mod stores;

pub use events::event_log;
pub use parts::{
    candidate_generator, experiment, feature_source, filter, ranker, remote_generator, reranker, vector_index,
};
pub use stores::{cache, model_registry};
