//! `reco train`: what it is told.

use super::DataArgs;
use clap::Args;
use std::path::PathBuf;

/// Heading of what makes a run.
const RUN: &str = "Run (with any of these, or a registry)";

#[derive(Debug, Args)]
#[command(
    after_help = "A run judges the configuration, and every --candidate, on later data (judge.valid_share), the best \
one once more on the latest (judge.test_share), fits it to everything and keeps a log of it all. The same command after \
a kill goes on where it was; after its end it does nothing anew. A candidate is a file such as\n\n  \
[train.als]\n  factors = 128\n\nof settings under `train` and `pipeline` that differ from the configuration."
)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// File to write the snapshot to [default: model.reco, with a registry none].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Publishes a version to this folder [default: registry.path].
    #[arg(long, value_name = "DIR")]
    pub(crate) registry: Option<PathBuf>,
    /// Goes on from the factors of an earlier snapshot, or of a version in the registry (v3, champion), in fewer
    /// passes (train.als.warm_iterations).
    #[arg(long, value_name = "FILE|VERSION")]
    pub(crate) warm_start: Option<PathBuf>,
    /// Folder of the run log [default: runs.path, else `runs` in the model's folder of the registry, else `runs`].
    #[arg(long, help_heading = RUN, value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
    /// Tries these settings, too; may be repeated.
    #[arg(long = "candidate", help_heading = RUN, value_name = "FILE")]
    pub(crate) candidates: Vec<PathBuf>,
    /// Judges what is trained, although neither a registry nor a run log is named.
    #[arg(long, help_heading = RUN)]
    pub(crate) judge: bool,
    /// Trains without judging and without a log, three times as fast.
    #[arg(long, help_heading = RUN, conflicts_with_all = ["judge", "runs", "candidates", "anew"])]
    pub(crate) no_judge: bool,
    /// Begins a new run, although one with the same data and settings was begun or finished before.
    #[arg(long, help_heading = RUN)]
    pub(crate) anew: bool,
}

impl TrainArgs {
    /// Whether a flag asks for a run.
    pub(crate) fn asks_for_a_run(&self) -> bool {
        self.judge || self.anew || self.runs.is_some() || !self.candidates.is_empty()
    }
}
