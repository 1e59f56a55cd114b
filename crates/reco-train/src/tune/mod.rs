//! Searching for the settings that make a metric best.
//!
//! A [`Space`] says what may change, a [`Schedule`] which trial comes when and what it may know, [`search`] runs the
//! trials within [`Limits`] and notes each in a [`Journal`], from which a killed search goes on. [`Parts`] judges
//! configurations on a validation part of the data, by time, and never shows them the test part.
//!
//! For a seed the trials and the [`leaderboard`] are the same on any number of threads, and wherever earlier runs ended.

mod estimate;
mod journal;
mod memory;
mod parts;
mod plot;
mod schedule;
mod space;
mod standing;
mod study;
#[cfg(test)]
mod tests;
mod tpe;
mod units;
mod usual;

pub use crate::evaluate::Metric;
pub use estimate::estimated_bytes;
pub use journal::{Journal, JournalError, Kept, Tested};
pub use memory::Bytes;
pub use parts::{Candidate, Parts, Question};
pub use plot::{PlotError, plot_settings, plot_trials};
pub use schedule::{Finished, Judgement, Method, Outcome, Schedule, Task};
pub use space::{Assignment, Domain, Parameter, Space};
pub use standing::{Standing, leaderboard};
pub use study::{Limits, Objective, Watch, search};
pub use usual::usual_space;
