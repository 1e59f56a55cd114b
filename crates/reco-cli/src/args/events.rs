//! What `reco events` is told.

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
