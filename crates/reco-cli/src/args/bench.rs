//! What `reco bench` is told.

use super::{DataArgs, ModelArgs};
use clap::{Args, Subcommand, ValueEnum};
use reco_core::index::Metric;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) what: Bench,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Latency of computed pages in this process, on one core.
    Request {
        #[command(flatten)]
        model: ModelArgs,
        /// Pages to compute.
        #[arg(long, default_value_t = 20_000)]
        requests: usize,
    },
    /// Load on a server of this machine, with keep-alive connections that each wait for their answer.
    Http {
        /// Address of the server.
        #[arg(long, default_value = "127.0.0.1:8080")]
        address: std::net::SocketAddr,
        /// Connections at a time.
        #[arg(long, default_value_t = 16)]
        connections: usize,
        /// Seconds to measure, after one to warm up.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Items per page.
        #[arg(long, default_value_t = 10)]
        count: usize,
    },
    /// Latency of pages of which most were asked for before: in this process and, with cache.shared, from other processes.
    Cache(CacheArgs),
    /// Events per second over HTTP, each on the disk when it is accepted, and how soon they can be read.
    Ingest(IngestArgs),
    /// How soon a server that was stopped knows its users again, and how long writing that down takes.
    Restart(RestartArgs),
    /// Build time, memory, recall and queries per second of vector indexes, on one thread.
    Index(IndexArgs),
    /// What introducing new items costs until each is where it belongs, on users who are made up, beside other ways to do it.
    Launch(LaunchArgs),
    /// Time of features and of the neural ranker for one request's candidates, on one thread.
    Rank(RankArgs),
    /// What pages find for users who have just come, after so many items taken: popularity, factors folded in, and the
    /// whole pipeline, which is served all events in the order of their times.
    Newcomers(NewcomersArgs),
    /// How often tests tell of a difference between arms that do not differ, when they are looked at every day.
    Experiments(ExperimentsArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  reco bench experiments\n  reco bench experiments --lift 0.1 --days 14")]
pub(crate) struct ExperimentsArgs {
    /// Experiments to simulate.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) runs: usize,
    /// Days of each; a look on every one.
    #[arg(long, default_value_t = 28)]
    pub(crate) days: usize,
    /// New users of each arm on a day.
    #[arg(long, default_value_t = 1_000, value_name = "USERS")]
    pub(crate) users_per_day: u32,
    /// Share of the users who convert.
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub(crate) rate: f64,
    /// By how much more of the other arm's do, as a share of the rate; 0 for arms that do not differ.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", allow_negative_numbers = true)]
    pub(crate) lift: f64,
    /// Share of experiments without a difference that a test may tell of one.
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub(crate) alpha: f64,
    /// Seed of the users.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct LaunchArgs {
    /// Days, each ended by a training.
    #[arg(long, default_value_t = 14)]
    pub(crate) days: usize,
    /// Pages of a day.
    #[arg(long, default_value_t = 200_000)]
    pub(crate) pages: usize,
    /// Where chance begins.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Pages to find in this process, 10 to 10,000,000.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) requests: usize,
    /// Share of the requests that come again, 1 to 99.
    #[arg(long, default_value_t = 80)]
    pub(crate) percent: usize,
    /// Callers at a time, each of which waits for its answer, 1 to 1,000.
    #[arg(long, default_value_t = 4)]
    pub(crate) callers: usize,
}

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// A running server to send to; without it, one in this process.
    #[arg(long)]
    pub(crate) address: Option<std::net::SocketAddr>,
    /// Where the server in this process makes the folder that it keeps events in, and removes it.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Connections at a time.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Events in a request, 1 to `http.max_events`.
    #[arg(long, default_value_t = 100)]
    pub(crate) batch: usize,
    /// Seconds to measure, after one to warm up.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    /// Users that are known.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) users: usize,
    /// Latest events of each.
    #[arg(long, default_value_t = 10)]
    pub(crate) events: usize,
    /// Where the checkpoint is written, and removed again.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct NewcomersArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Share of the interactions, the latest, that training does not see; who comes then is new.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    pub(crate) test_share: f64,
    /// Numbers of items taken before which pages are asked for.
    #[arg(long, value_delimiter = ',', default_value = "0,1,3,5,10", value_name = "N")]
    pub(crate) after: Vec<usize>,
    /// Length of the pages, and of what users take next.
    #[arg(long, default_value_t = 10)]
    pub(crate) k: usize,
    /// SVG file to draw the curves into.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Seed of training and of the bootstrap.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RankArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Candidates, as far as the catalogue has them.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) candidates: usize,
    /// A network as JSON to measure instead of the snapshot's; needs --rows.
    #[arg(long, value_name = "FILE", requires = "rows")]
    pub(crate) network: Option<PathBuf>,
    /// Rows for it to score: a .npy file of float32, a column per input. With --json the scores are told.
    #[arg(long, value_name = "FILE", requires = "network")]
    pub(crate) rows: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// Vectors to index: a .npy file of float32, one row per vector.
    #[arg(long, value_name = "FILE")]
    pub(crate) vectors: PathBuf,
    /// Vectors to search for, likewise.
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: PathBuf,
    /// Neighbours asked for, 1 to 1,000,000 and at most as many as there are vectors.
    #[arg(long, value_delimiter = ',', default_value = "10", value_name = "K")]
    pub(crate) k: Vec<usize>,
    /// What near means.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) metric: MetricName,
    /// Indexes to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "hnsw")]
    pub(crate) index: Vec<IndexKind>,
    /// Lists of the IVF index, 1 to 1,000,000; of more than there are vectors, one per vector is made.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) lists: usize,
    /// Links per point of the graph (M), 2 to 256.
    #[arg(long, default_value_t = 16)]
    pub(crate) links: usize,
    /// Points kept while building the graph (efConstruction), at least as many as --links, at most 1,000,000.
    #[arg(long, default_value_t = 200)]
    pub(crate) build_width: usize,
    /// Also replaces half of the vectors of a live index, and says what it finds before and after compaction.
    #[arg(long)]
    pub(crate) churn: bool,
    /// Also searches by default parameters where only half of the items may be returned, a tenth, and fewer.
    #[arg(long)]
    pub(crate) filtered: bool,
    /// Points kept while searching (ef), or lists probed, to sweep over; 1 to 1,000,000.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "20,40,60,80,100,125,150,200,250,300,400,600",
        value_name = "N"
    )]
    pub(crate) width: Vec<usize>,
}

/// Metrics by name.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum MetricName {
    /// Inner product.
    #[default]
    InnerProduct,
    /// Cosine of the angle.
    Cosine,
    /// Euclidean distance.
    L2,
}

impl From<MetricName> for Metric {
    fn from(name: MetricName) -> Self {
        match name {
            MetricName::InnerProduct => Self::InnerProduct,
            MetricName::Cosine => Self::Cosine,
            MetricName::L2 => Self::L2,
        }
    }
}

/// Indexes by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum IndexKind {
    /// A scan of all vectors.
    Exact,
    /// A navigable small-world graph.
    Hnsw,
    /// Lists around cluster centres; the widths are lists probed.
    Ivf,
}
