//! The offline side of reco: reading data, splitting, fitting models, evaluation, scoring many users at once.
//! Serving never needs it once a snapshot is built.

pub mod batch;
pub mod data;
pub mod evaluate;
pub mod fit;
pub mod flow;
mod fnv;
pub mod history;
pub mod launch;
pub mod off_policy;
pub mod progress;
pub mod publish;
pub mod report;
pub mod sessions;
pub mod track;
pub mod tune;
