//! What `reco bench` is told.

use super::ModelArgs;
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
    /// Events per second over HTTP, each on the disk when it is accepted, and how soon they can be read.
    Ingest(IngestArgs),
    /// How soon a server that was stopped knows its users again, and how long writing that down takes.
    Restart(RestartArgs),
    /// Build time, memory, recall and queries per second of vector indexes, on one thread.
    Index(IndexArgs),
    /// Time of features and of the neural ranker for one request's candidates, on one thread.
    Rank(RankArgs),
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
