//! What `reco rollout` is told.

use super::models::{RegistryArgs, Role};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(
    after_help = "A server with the registry gives a version on trial to its share of the users, by steps of \
[rollout], and takes it back where a guard breaks; see docs/rollout.md."
)]
pub(crate) struct RolloutArgs {
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(subcommand)]
    pub(crate) what: RolloutCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Puts a version on trial: the first share of users gets it.
    Start {
        /// As v3, or challenger.
        version: Role,
        /// Share of users to begin with [default: that of the first step].
        #[arg(long, value_name = "SHARE")]
        percent: Option<f64>,
        /// Why, for the record.
        #[arg(long, value_name = "TEXT", default_value = "somebody asked for it")]
        why: String,
    },
    /// Says which version serves, which is on trial and since when, and how that came to be.
    Status,
    /// Takes the version on trial back.
    Stop {
        /// Why, for the record.
        #[arg(long, value_name = "TEXT", default_value = "somebody asked for it")]
        why: String,
    },
}
