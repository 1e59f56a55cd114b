//! The command as it is run, in folders of its own.

mod events;
mod experiments;
mod lists;
mod models;
mod pages;
mod runs;
mod stats;
mod support;
mod tune;
mod words;
