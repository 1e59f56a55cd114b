//! What `reco replay` is told.

use super::ModelArgs;
use clap::Args;

#[derive(Debug, Args)]
#[command(
    after_help = "Pages are those that a server wrote down (pages.keep = \"all\", or \"explored\"), with the events that it keeps. Unless \
told otherwise each is made by the settings and, from the registry, the version that made it: it must be the same byte for byte, and the \
exit status says whether all are. With --current or --version pages are made by something else, and what differs is told.\n\n\
Examples:\n  \
reco replay --last 1000\n  \
reco replay 0198c5a2-7f1e-7d3c-9a51-3f0c6f1c2b7e\n  \
reco replay --current --set pipeline.rerank.per_category=2"
)]
pub(crate) struct ReplayArgs {
    /// The page of this request_id, place by place [default: all pages, in numbers].
    pub(crate) id: Option<String>,
    /// Only so many pages, the latest.
    #[arg(long, value_name = "N", conflicts_with = "id")]
    pub(crate) last: Option<usize>,
    /// Makes the pages by the settings in effect instead of those that made them.
    #[arg(long)]
    pub(crate) current: bool,
    /// Prints the answer as the server gave it, for this one page.
    #[arg(long, requires = "id")]
    pub(crate) body: bool,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}
