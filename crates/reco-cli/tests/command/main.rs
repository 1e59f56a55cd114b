//! The command as it is run, in folders of its own.

mod events;
mod models;
mod runs;
mod support;
mod tune;
mod words;
