//! The offline side of reco: reading data, splitting, fitting models, evaluation.
//! Serving never needs it once a snapshot is built.

pub mod data;
pub mod evaluate;
pub mod fit;
pub mod progress;
