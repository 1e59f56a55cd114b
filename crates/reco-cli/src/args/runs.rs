//! `reco runs`: the log of training runs.

use clap::{Args, Subcommand};
use reco_train::track::RunId;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Folder of the run log [default: runs.path, else that of the registry, else `runs`].
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) runs: Option<PathBuf>,
    /// Folder of the registry whose runs are meant [default: registry.path].
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) registry: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) what: Runs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// Lists all runs with what they found on test; damaged ones are named.
    List,
    /// Prints what is known about a run.
    Show {
        /// Its id, or the end of it [default: the latest].
        run: Option<RunId>,
    },
}
