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
    /// Says how many users it takes to find a change, and how many days.
    Plan(PlanArgs),
    /// Lets an experiment of the configuration go on, in a server that runs, too.
    Start {
        /// Its name in the configuration.
        experiment: String,
        /// Why, for the record.
        #[arg(long, value_name = "TEXT", default_value = "somebody asked for it")]
        why: String,
    },
    /// Ends an experiment of the configuration, in a server that runs, too: everybody gets what the others get.
    Stop {
        /// Its name in the configuration.
        experiment: String,
        /// Why, for the record.
        #[arg(long, value_name = "TEXT", default_value = "somebody asked for it")]
        why: String,
    },
    /// Prints the bucket of a value, and its variant.
    Assign(AssignArgs),
    /// Lists the configured experiments with what is known of them, and what to do.
    Status(LogArgs),
    /// Prints what is known of an experiment: users, metrics of each arm beside the control, and a decision with its reasons.
    Report {
        /// Its name in the configuration.
        experiment: String,
        /// Writes a page with plots of every metric day by day, too.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        #[command(flatten)]
        log: LogArgs,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
reco experiment plan --base 0.03 --change 10 --users-per-day 5000\n  \
reco experiment plan ranker --base 12.5 --deviation 30 --change 5 --users-per-day 5000\n\n\
Numbers hold for a look at the end; who looks every day and stops early, as `reco experiment status` allows, takes longer where \
the change is no larger than planned.")]
pub(crate) struct PlanArgs {
    /// An experiment of the configuration, whose arms, coverage and rules it takes.
    pub(crate) experiment: Option<String>,
    /// The number that decides, as it is now: a share of users between 0 and 1, or with --deviation a mean.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) base: f64,
    /// The least change that is to be found, in percent of that.
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true)]
    pub(crate) change: f64,
    /// Standard deviation of that number among users, where it is a mean per user.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) deviation: Option<f64>,
    /// Users who come for the first time on a day.
    #[arg(long, value_name = "N")]
    pub(crate) users_per_day: Option<f64>,
    /// The share of changes of that size that is to be found, between 0 and 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.8)]
    pub(crate) power: f64,
    /// Arms, the control included [default: those of the experiment, or 2].
    #[arg(long, value_name = "N")]
    pub(crate) arms: Option<usize>,
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
