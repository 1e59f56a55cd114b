//! The parts against real servers, which the tests start themselves: one server, with and without passwords and
//! encryption; a primary with a replica and three sentinels; a cluster of three, with and without replicas; and a proxy that loses answers.
//!
//! `redis-server` must be on the PATH; without it the tests say that they did not run.
#![allow(clippy::print_stderr, reason = "tests that do not run, and what they measure, must be said")]

mod cluster;
mod documents;
mod example;
mod exposures;
mod failover;
mod features;
mod features_kept;
mod limits;
mod lists;
mod rig;
mod seen;
mod single;
mod trends;
