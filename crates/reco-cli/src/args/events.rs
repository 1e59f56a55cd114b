//! What `reco events` is told.

use super::ModelArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// The folder [default: events.path].
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) path: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) what: Events,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The server writes down what it knows of users every few minutes (events.checkpoint_minutes), and reads \
from the log only what came later when it starts. This makes that anew of the whole log, as after a change of `weights`; stop the \
server first."
)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Only says whether what the server keeps is the same, byte for byte.
    #[arg(long)]
    pub(crate) check: bool,
    /// Does without events that have left the log.
    #[arg(long, conflicts_with = "check")]
    pub(crate) force: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Prints events with their positions, oldest first. A server may be running.
    List {
        /// Position of the first event to print.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Most events to print; 0 for all.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Only events of this user.
        #[arg(long)]
        user: Option<String>,
    },
    /// Reads every file whole and tells what is damaged. A server may be running.
    Check,
    /// Prints events that could not be used, and what was wrong with them. A server may be running.
    Rejected,
    /// Tries rejected events again. While a server runs, POST /interactions/rejected/replay does this.
    Replay,
    /// Prints what an event must be like, as a JSON Schema.
    Schema,
}
