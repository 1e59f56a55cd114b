//! The arguments of `reco tune`.

use super::{DataArgs, Target};
use clap::{Args, ValueEnum};
use reco_train::tune::{self, Bytes, Metric};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
reco tune --interactions data/ --trials 40\n  \
reco tune --interactions data/ --space space.toml --metric recall@20 --memory 4GB\n  \
reco tune --interactions data/ --model ials --method halving --trials 81\n  \
reco train --config tune/best.toml\n\n\
A space names settings of the configuration with the values to try, in FILE or under [tune.space]:\n  \
\"train.als.factors\" = { min = 16, max = 256, log = true }   # whole numbers, for both ends are\n  \
\"train.als.regularization\" = { min = 0.001, max = 0.1, log = true }\n  \
\"pipeline.ranker\" = [\"blend\", \"boosted\"]\n  \
\"train.sequence\" = [true, false]                            # what is off has no settings to try\n\n\
The latest tenth of the interactions is the test part: no trial sees it. Of what comes before, the latest tenth judges \
the trials. At the end the best trial and the configuration as it stands are judged on the test part, once.\n\n\
DIR holds trials.jsonl, a line a trial; best.toml, a configuration; report.html and its plots. After an \
interruption of any kind the same command goes on; more --trials go on, too (but with halving). For a seed the trials \
and the leaderboard are the same, whatever --parallel.")]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Settings to search over, as TOML [default: tune.space; without it, what matters most to the model].
    #[arg(long, value_name = "FILE")]
    pub(crate) space: Option<PathBuf>,
    /// What to make better: `pipeline`, or one of the models of `reco evaluate`.
    #[arg(long, default_value = "pipeline", value_name = "NAME")]
    pub(crate) model: String,
    /// Metric of `reco evaluate` that says what is better.
    #[arg(long, default_value = "ndcg@10", value_name = "NAME@K")]
    pub(crate) metric: Metric,
    /// What to ask: all items, or only items new to the user.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) target: Target,
    /// How trials are chosen.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) method: Method,
    /// Trials in all, the first of them the configuration as it stands.
    #[arg(long, short = 'n', default_value_t = 40, value_parser = above_0, allow_negative_numbers = true)]
    pub(crate) trials: usize,
    /// Seed of the search, of training and of the intervals.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Share of the interactions, the latest, that no trial sees.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    pub(crate) test_share: f64,
    /// Share of the interactions before, the latest, that trials are judged on.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    pub(crate) validation_share: f64,
    /// Trials at once [default: one per core, as far as memory allows].
    #[arg(long, value_name = "N", value_parser = above_0, allow_negative_numbers = true)]
    pub(crate) parallel: Option<usize>,
    /// Memory for all of them, as 4GB: a trial that would not fit is not begun [default: most of what is free].
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Bytes>,
    /// With tpe: a trial is chosen knowing all but the latest N - 1 before it; at most N go on at once.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = above_0, allow_negative_numbers = true)]
    pub(crate) lag: usize,
    /// Folder for journal, best configuration and report; one search each.
    #[arg(long, short, default_value = "tune", value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// How trials are chosen.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Method {
    /// By what went well before (tree-structured Parzen estimator), after ten random ones.
    #[default]
    Tpe,
    /// Drawn at random.
    Random,
    /// All on a ninth of the users, the best third on a third, the best third of these on all.
    Halving,
}

impl From<Method> for tune::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Tpe => Self::Tpe,
            Method::Random => Self::Random,
            Method::Halving => Self::Halving,
        }
    }
}

fn above_0(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|n| *n > 0).ok_or("must be a whole number above 0")
}
