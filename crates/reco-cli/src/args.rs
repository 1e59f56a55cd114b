//! The command line, as clap sees it and as `--help` teaches it.

mod bench;
mod events;
mod experiment;
mod line;
mod models;
mod replay;
mod rollout;
mod runs;
mod stats;
mod train;
mod tune;

#[cfg(test)]
pub(crate) use bench::MetricName;
pub(crate) use bench::{
    Bench, BenchArgs, CacheArgs, ExperimentsArgs, IndexArgs, IndexKind, IngestArgs, LaunchArgs,
    NewcomersArgs, RankArgs, RestartArgs,
};
pub(crate) use events::{Events, EventsArgs, RebuildArgs};
pub(crate) use experiment::{AssignArgs, Experiment, ExperimentArgs, LogArgs, PlanArgs};
pub(crate) use models::{Models, ModelsArgs, Role};
pub(crate) use replay::ReplayArgs;
pub(crate) use rollout::{RolloutArgs, RolloutCommand};
pub(crate) use runs::{Runs, RunsArgs};
pub(crate) use stats::StatsArgs;
pub(crate) use train::TrainArgs;
pub(crate) use tune::TuneArgs;

use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use reco_core::time::Timestamp;
use std::ffi::OsString;
use std::path::PathBuf;

/// Recommendations in one process: from events to a personal, filtered, explained page.
///
/// Without a command, `reco` serves the shipped grocery data on 127.0.0.1:8080; it takes the flags of `serve`, too.
#[derive(Debug, Parser)]
#[command(name = "reco", version, arg_required_else_help = false)]
#[command(after_help = "Configuration: defaults, then reco.toml (or --config FILE), then RECO_… variables \
(RECO_HTTP__LISTEN=127.0.0.1:9000), then flags. `reco config` prints what is in effect.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

impl Cli {
    /// Reads a command line; the flags of `serve` are understood without the word.
    ///
    /// # Errors
    ///
    /// What clap says: also help and version, which are no mistakes.
    pub(crate) fn read(line: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let line = line::with_sets_last(line.collect());
        let as_it_is = Self::try_parse_from(&line);
        if !as_it_is.as_ref().is_err_and(is_unknown) {
            return as_it_is;
        }
        let (program, rest) = line.split_at(line.len().min(1));
        match Self::try_parse_from([program, &["serve".into()], rest].concat()) {
            // No flag of `serve` either, or of another command.
            Err(error) if is_unknown(&error) => as_it_is,
            as_serve => as_serve,
        }
    }
}

fn is_unknown(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::UnknownArgument
}

/// Heading of the flags every command takes.
const GENERAL: &str = "General";

/// Flags every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Configuration file [default: reco.toml, if there is one]; of several, the later ones count more.
    #[arg(long, short, global = true, help_heading = GENERAL, value_name = "FILE", env = "RECO_CONFIG")]
    pub(crate) config: Vec<PathBuf>,
    /// Sets one value, as `pipeline.deadline_ms=20`; may be repeated.
    #[arg(long = "set", global = true, help_heading = GENERAL, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Prints JSON for machines instead of tables for people. Standard error has one JSON object a line, too:
    /// {"error": {"kind", "message", "causes"}}, {"warning": "…"} or {"note": "…"}.
    #[arg(long, global = true, help_heading = GENERAL)]
    pub(crate) json: bool,
    /// Says nothing about progress.
    #[arg(long, short, global = true, help_heading = GENERAL)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Loads data, trains and serves pages over HTTP (what `reco` alone does).
    Serve(ServeArgs),
    /// Reads data in any supported format, checks it and writes it in reco's own.
    Import(ImportArgs),
    /// Fits all models and writes a snapshot that serve, recommend and similar can load.
    Train(TrainArgs),
    /// Writes the best items of many users at once as Parquet.
    Score(ScoreArgs),
    /// Computes long lists of all active users in advance, for servers to propose from.
    Precompute(PrecomputeArgs),
    /// Prints one user's page.
    Recommend(RecommendArgs),
    /// Prints items like one item.
    Similar(SimilarArgs),
    /// Lists, compares and promotes the versions in a registry.
    Models(ModelsArgs),
    /// Puts a version on trial with part of the users, says how that stands, and takes it back.
    Rollout(RolloutArgs),
    /// Lists training runs and shows what they found.
    Runs(RunsArgs),
    /// Lists what a learned ranker is told of every candidate, or writes the rows that it learns from.
    Features(FeaturesArgs),
    /// Measures models on held-out interactions.
    Evaluate(EvaluateArgs),
    /// Searches for the settings that make a metric best.
    Tune(TuneArgs),
    /// Shows the events that a server keeps, checks their files, and tries rejected ones again.
    Events(EventsArgs),
    /// Says who is put in which variant of an experiment, what came of it, and what to do about it.
    Experiment(ExperimentArgs),
    /// Makes pages again that a server wrote down, byte for byte, or by other settings or another version, and tells the difference.
    Replay(ReplayArgs),
    /// Makes anew what the server knows of users, trends and new items, from the events that it keeps.
    Rebuild(RebuildArgs),
    /// Checks the statistics of experiments against a table of numbers that others computed.
    Stats(StatsArgs),
    /// Measures speed: pages in process, a running server, events, rankers, or a vector index.
    Bench(BenchArgs),
    /// Prints the configuration in effect, or the defaults.
    Config(ConfigArgs),
}

/// Heading of what says where data comes from.
const DATA: &str = "Data (without any of these: the shipped grocery data)";

/// Where items, users and interactions come from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DataArgs {
    /// Interactions: Parquet, Arrow IPC, CSV, TSV or JSON Lines; or a folder that `reco import` wrote or whose
    /// layout is that of the preset.
    #[arg(long, help_heading = DATA, value_name = "FILE")]
    pub(crate) interactions: Option<PathBuf>,
    /// Items, with any attributes.
    #[arg(long, help_heading = DATA, value_name = "FILE")]
    pub(crate) items: Option<PathBuf>,
    /// Users, with any attributes.
    #[arg(long, help_heading = DATA, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// Layout of a well-known data set, e.g. movielens-100k, movielens-1m, movielens-csv, recbole, gorse.
    #[arg(long, help_heading = DATA, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Column that holds a field, as `item=sku` (interactions), `items.title=name` or `users.user=id`; may be repeated.
    #[arg(long = "column", help_heading = DATA, value_name = "FIELD=COLUMN")]
    pub(crate) columns: Vec<String>,
    /// Leaves out and reports up to this many rows that cannot be read, instead of refusing the file.
    #[arg(long, help_heading = DATA, value_name = "N")]
    pub(crate) skip_bad_rows: Option<usize>,
}

/// A trained snapshot instead of data.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ModelArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Loads a snapshot that `reco train` wrote instead of training now.
    #[arg(
        long,
        help_heading = DATA,
        value_name = "FILE",
        conflicts_with_all = ["interactions", "items", "users", "preset", "columns", "skip_bad_rows"]
    )]
    pub(crate) snapshot: Option<PathBuf>,
    /// Loads the champion of a registry that `reco train --registry` publishes to [default: registry.path].
    #[arg(
        long,
        help_heading = DATA,
        value_name = "DIR",
        conflicts_with_all = ["snapshot", "interactions", "items", "users", "preset", "columns", "skip_bad_rows"]
    )]
    pub(crate) registry: Option<PathBuf>,
    /// Loads this version of the registry, as v3, or challenger.
    #[arg(long, help_heading = DATA, value_name = "VERSION", conflicts_with = "snapshot")]
    pub(crate) version: Option<Role>,
}

#[derive(Debug, Default, Args)]
#[command(
    after_help = "With --json, standard error says {\"listening\": {\"address\", …}} once pages are served, and \
{\"stopped\": \"…\"} at the end. RUST_LOG sets how much is logged, as plain lines."
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Address to listen on.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Folder to write items.parquet, users.parquet and interactions.parquet to.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Every user with an event in the last lists.active_days days gets the lists.count best items with reasons, good for \
lists.ttl_hours hours; run it once a day. Lists go into the file lists.path or, for several machines, where lists.shared says (redis), \
and servers with the same setting propose from them what their filters let through. After an interruption the same command goes on from where it was."
)]
pub(crate) struct PrecomputeArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The file that says how far a run came that was interrupted.
    #[arg(long, value_name = "FILE", default_value = "reco-precompute.json")]
    pub(crate) state: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The folder holds part-00000.parquet and so on, one row per user: user, items (best first), \
scores. Until it is complete it is called DIR.unfinished; after an interruption the same command with the same --snapshot goes on \
from there.\n\n\
Which of their own items users get again is for `--set pipeline.seen=always` or the configuration to say."
)]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Folder to write, which must not exist.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Users to score, a text file with one per line [default: all that training knows].
    #[arg(long = "for", value_name = "FILE")]
    pub(crate) wanted: Option<PathBuf>,
    /// Items per user.
    #[arg(long, short = 'n', default_value_t = 1_000, value_parser = count, allow_negative_numbers = true)]
    pub(crate) count: usize,
    /// Users per file.
    #[arg(long, default_value_t = 2_048, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) part_users: usize,
}

/// What a page is asked with.
#[derive(Clone, Debug, Args)]
pub(crate) struct PageArgs {
    /// Number of items.
    #[arg(long, short = 'n', default_value_t = 10, value_parser = count, allow_negative_numbers = true)]
    pub(crate) count: usize,
    /// Only items that match, e.g. 'category in ("Produce", "Deli") and price < 5'.
    #[arg(long, value_name = "EXPRESSION", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) filter: Option<String>,
    /// Never these items, divided by commas; `\,` is a comma within a key.
    #[arg(long, value_name = "ITEM,…", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) exclude: Vec<String>,
    /// Items at hand in the running session, such as a cart, divided by commas: the page suits them.
    #[arg(long, value_name = "ITEM,…", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) session_items: Vec<String>,
    /// Says why every item is there: sources, the user's own items, rules.
    #[arg(long)]
    pub(crate) why: bool,
    /// Says why these items are not there.
    #[arg(long, value_name = "ITEM,…", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) why_not: Vec<String>,
    /// Moment the page is asked for, as 2017-06-01T14:30 or in milliseconds since 1970 [default: now; over data
    /// that ended long ago, its end].
    #[arg(long, value_name = "MOMENT")]
    pub(crate) time: Option<Timestamp>,
    /// Seed for parts of your own that draw at random; the built-in ones do not.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    /// Whose page; a user that the data does not know gets what a new user gets.
    #[arg(long, short, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) user: String,
    /// Only this category.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) category: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SimilarArgs {
    /// The item that the others are to be like.
    #[arg(long, short, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) item: String,
    /// A user whose rejected items stay out.
    #[arg(long, short, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// The question an evaluation asks.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Target {
    /// What next? Items the user had before may come again.
    #[default]
    All,
    /// What new? Only items the user did not have before.
    New,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
reco evaluate --off-policy --set pipeline.explore.epsilon=0.02\n  \
reco evaluate --interactions ratings.csv --split time --model ials,item-knn --k 10,20\n  \
reco evaluate --train train.parquet --test test.parquet --negatives negatives.parquet --model ials --json")]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// How interactions are split: `time` (the latest tenth tests, or --test-share), `last-one`
    /// (each user's last interaction tests) or a file of test interactions.
    #[arg(long, default_value = "time", conflicts_with = "test", value_name = "time|last-one|FILE")]
    pub(crate) split: String,
    /// Share of the interactions, the latest, that tests with --split time [default: 0.1].
    #[arg(long, value_name = "SHARE", conflicts_with = "test")]
    pub(crate) test_share: Option<f64>,
    /// Training interactions, already split; presets and columns hold for the test and the negatives, too.
    #[arg(long, value_name = "FILE", requires = "test", conflicts_with = "interactions")]
    pub(crate) train: Option<PathBuf>,
    /// Test interactions, already split.
    #[arg(long, value_name = "FILE", requires = "train")]
    pub(crate) test: Option<PathBuf>,
    /// Ranks each user's test items among these user, item pairs only.
    #[arg(long, value_name = "FILE")]
    pub(crate) negatives: Option<PathBuf>,
    /// What to ask: all items, or only items new to the user.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) target: Target,
    /// Models to measure; baselines always stand beside. `pipeline` is everything that serves, as configured;
    /// `pipeline:RANKER`, with votes, blend, boosted, wide_deep or file=MODEL, orders its pages by another ranker. What
    /// they need is fitted once for all of them.
    #[arg(long, value_delimiter = ',', default_value = "ials", value_name = "NAME")]
    pub(crate) model: Vec<String>,
    /// Lengths of the lists that are judged, as in NDCG@10.
    #[arg(long, value_delimiter = ',', default_value = "10", value_name = "K")]
    pub(crate) k: Vec<usize>,
    /// Tells what the settings in effect would have earned on the pages that a server wrote down, where chance filled places.
    #[arg(long, conflicts_with_all = ["train", "test", "negatives", "per_user"])]
    pub(crate) off_policy: bool,
    /// With --off-policy, the action that counts as a success, such as click or purchase.
    #[arg(long, default_value = "click", value_name = "ACTION", requires = "off_policy")]
    pub(crate) reward: String,
    /// With --off-policy, adds up the values of these events, such as prices, instead of counting places that had one.
    #[arg(long, requires = "off_policy")]
    pub(crate) reward_value: bool,
    /// With --off-policy, hours after a page in which an event counts for it.
    #[arg(long, default_value_t = 24.0, value_name = "HOURS", requires = "off_policy")]
    pub(crate) within_hours: f64,
    /// With --off-policy, judges this version of the registry, as v3, instead of those that made the pages.
    #[arg(long, value_name = "VERSION", requires = "off_policy")]
    pub(crate) version: Option<Role>,
    /// Parquet file to write every user's metrics to: model, user, `hr@10` and so on.
    #[arg(long, value_name = "FILE")]
    pub(crate) per_user: Option<PathBuf>,
    /// Seed of training and of the bootstrap.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
}

impl EvaluateArgs {
    /// The data to train on, split or to be split.
    pub(crate) fn to_train_on(&self) -> DataArgs {
        let interactions = self.train.as_ref().or(self.data.interactions.as_ref()).cloned();
        DataArgs { interactions, ..self.data.clone() }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "A Parquet file has a row per candidate: list, user, asker, item, taken, list_taken, list_seen, then \
a column per feature, null where it is missing. The models behind it know nothing of the interactions held out, the latest; \
candidates are what the pipeline proposes at that moment, `taken` are those that the user then took. Where list_seen is \
true, the candidates are cut down to what the user then took or was shown."
)]
pub(crate) struct FeaturesArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Parquet file to write examples to, as for a ranker trained with another tool.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Share of the interactions, the latest, that the examples are made of.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", requires = "export")]
    pub(crate) held_out: f64,
    /// How often: what one cut leaves is cut again. More cuts are more examples, and more time, for all models are
    /// fitted anew to what was known at each.
    #[arg(long, default_value_t = 1, value_name = "NUMBER", requires = "export")]
    pub(crate) cuts: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Prints the defaults instead of what is in effect.
    #[arg(long)]
    pub(crate) defaults: bool,
}

/// A number of things; where its bounds lie is for the command to say.
fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "must be a whole number above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// No flag of a command clashes with another, whichever are flattened into it.
    #[test]
    fn every_command_is_put_together_soundly() {
        Cli::command().debug_assert();
    }
}
