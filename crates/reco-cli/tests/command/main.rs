//! The command as it is run, in folders of its own.

mod events;
mod experiments;
mod lists;
mod models;
mod runs;
mod stats;
mod support;
mod tune;
mod words;
