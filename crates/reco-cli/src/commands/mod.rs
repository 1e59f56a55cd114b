//! One module per command.

pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod evaluate;
pub(crate) mod events;
pub(crate) mod experiment;
pub(crate) mod features;
pub(crate) mod import;
pub(crate) mod models;
pub(crate) mod off_policy;
pub(crate) mod page;
pub(crate) mod precompute;
pub(crate) mod rebuild;
pub(crate) mod replay;
pub(crate) mod rollout;
pub(crate) mod runs;
pub(crate) mod score;
pub(crate) mod serve;
pub(crate) mod stats;
pub(crate) mod train;
pub(crate) mod tune;
