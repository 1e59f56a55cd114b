//! What `reco experiment` is told.

use clap::{Args, Subcommand};
use reco_core::time::Timestamp;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    #[command(subcommand)]
    pub(crate) what: Experiment,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Experiment {
    /// Prints the bucket of a value, and its variant.
    Assign(AssignArgs),
    /// Lists the configured experiments with what is known of them, and what to do.
    Status(LogArgs),
    /// Prints what is known of an experiment: users, metrics of each arm beside the control, and a decision with its reasons.
    Report {
        /// Its name in the configuration.
        experiment: String,
        #[command(flatten)]
        log: LogArgs,
    },
}

/// Which events experiments are judged by.
#[derive(Debug, Args)]
#[command(
    after_help = "The log is read from its beginning; a server may be writing to it. Its own numbers, at GET \
/experiments/{experiment}, are the same."
)]
pub(crate) struct LogArgs {
    /// The folder of the log [default: events.path].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) path: Option<PathBuf>,
    /// Moment it is judged at, as 2017-06-01T14:30 or in milliseconds since 1970 [default: that of the latest event].
    #[arg(long, value_name = "MOMENT")]
    pub(crate) at: Option<Timestamp>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
reco experiment assign --seed my-test --value user-17\n  \
reco experiment assign --experiment ranker --value user-17 --attributes '{\"country\":\"AT\"}'\n\n\
Buckets are those of GrowthBook's SDKs, so that a web front end with one of them agrees. Experiments are configured as \
[experiments.NAME]; see docs/experiments.md.")]
pub(crate) struct AssignArgs {
    /// What is hashed: the id of a user, or of a session where the experiment divides those.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) value: String,
    /// What is hashed with it [default: that of the experiment, or nothing].
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) seed: Option<String>,
    /// Which hash, 1 or 2 [default: that of the experiment, or 2].
    #[arg(long, value_name = "N")]
    pub(crate) hash_version: Option<u8>,
    /// An experiment of the configuration, or one as JSON: '{"variants": [{"name": "A"}, {"name": "B"}]}'.
    #[arg(long, value_name = "NAME|JSON")]
    pub(crate) experiment: Option<String>,
    /// What is known of the user, for experiments that are only for some: a JSON object.
    #[arg(long, value_name = "JSON", requires = "experiment")]
    pub(crate) attributes: Option<String>,
}
