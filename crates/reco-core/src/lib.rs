//! The engine of reco: from a request to a personal, filtered, explained page, in one process.

pub mod cache;
pub mod candidate;
pub mod catalog;
#[cfg(any(test, doc, feature = "conformance"))]
pub mod conformance;
pub mod consume;
pub mod embed;
pub mod error;
pub mod event;
pub mod experiment;
pub mod explain;
pub mod features;
pub mod file;
pub mod filter;
#[cfg(test)]
pub(crate) mod fixture;
mod forward;
pub mod id;
pub mod index;
pub mod interactions;
pub mod launch;
pub mod linalg;
pub mod live;
pub mod onboarding;
pub mod page;
pub mod pipeline;
pub mod predicate;
pub mod query;
pub mod rank;
pub mod registry;
pub mod request;
pub mod rerank;
pub mod retrieve;
pub mod snapshot;
pub mod store;
pub mod switch;
pub mod time;
pub mod trend;
