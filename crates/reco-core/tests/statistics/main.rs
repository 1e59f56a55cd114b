//! The statistics of experiments: against other packages, by properties, and where numbers make no sense.
#![allow(clippy::float_cmp, reason = "what must be exact is compared exactly")]

mod interleave;
mod properties;
mod refusals;
mod simulated;
mod tables;
