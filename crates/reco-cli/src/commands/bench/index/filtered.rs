//! What indexes find by default where only some of the items may be returned.

use super::super::usage::cpu_seconds;
use super::SECONDS;
use crate::args::{IndexArgs, IndexKind};
use crate::output::Table;
use crate::{Failure, npy, output};
use reco_core::candidate::Hits;
use reco_core::id::ItemId;
use reco_core::index::{
    AnyIndex, ExactIndex, HnswIndex, HnswParams, IndexError, IvfIndex, IvfParams, Metric, VectorIndex,
    VectorIndexExt,
};
use reco_core::linalg::Matrix;
use serde::Serialize;

/// Searches under one filter, by default parameters.
#[derive(Debug, Serialize)]
pub(super) struct Filtered {
    pub(super) index: &'static str,
    pub(super) k: usize,
    /// The share of the items that is allowed.
    pub(super) share: f64,
    pub(super) allowed: Which,
    /// Of what exact search finds among them.
    pub(super) recall: f64,
    pub(super) queries_per_s: f64,
}

/// Which items are allowed.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Which {
    /// Every so many-th, whatever their vectors.
    Mixed,
    /// The nearest to one of them, like those of a category.
    Alike,
}

/// One bit per item.
struct Filter {
    share: f64,
    allowed: Which,
    bits: Vec<bool>,
}

/// Shares of the items that are allowed.
const SHARES: [f64; 5] = [1.0, 0.5, 0.1, 0.01, 0.001];

/// Every index asked for, per k, under every filter that allows k items.
pub(super) fn filtered(args: &IndexArgs, metric: Metric, queries: &Matrix) -> Result<Vec<Filtered>, Failure> {
    let vectors = npy::read(&args.vectors)?;
    let exact = ExactIndex::build(vectors.clone(), metric)?;
    let filters = filters(&exact, vectors.row(0))?;
    let mut rows = Vec::new();
    for &kind in &args.index {
        let (name, index) = build(args, metric, kind, vectors.clone())?;
        for &k in &args.k {
            for Filter { share, allowed, bits } in &filters {
                if bits.iter().filter(|bit| **bit).count() < k {
                    continue;
                }
                let (recall, queries_per_s) = measured(&index, &exact, queries, k, bits)?;
                rows.push(Filtered {
                    index: name,
                    k,
                    share: *share,
                    allowed: *allowed,
                    recall,
                    queries_per_s,
                });
            }
        }
    }
    Ok(rows)
}

fn build(
    args: &IndexArgs,
    metric: Metric,
    kind: IndexKind,
    vectors: Matrix,
) -> Result<(&'static str, AnyIndex), IndexError> {
    let (links, build_width) = (args.links, args.build_width);
    let graph = HnswParams { links, build_width, ..HnswParams::default() };
    let lists = IvfParams { lists: args.lists, ..IvfParams::default() };
    Ok(match kind {
        IndexKind::Exact => ("exact", ExactIndex::build(vectors, metric)?.into()),
        IndexKind::Hnsw => ("hnsw", HnswIndex::build(vectors, metric, graph)?.into()),
        IndexKind::Ivf => ("ivf", IvfIndex::build(vectors, metric, lists)?.into()),
    })
}

fn filters(exact: &ExactIndex, near: &[f32]) -> Result<Vec<Filter>, IndexError> {
    let n_items = exact.len();
    let ranked = exact.find(near, n_items, None)?.ids;
    let mut filters = Vec::new();
    for share in SHARES {
        // Multiplied by the golden ratio, numbers spread evenly (Knuth, vol. 3, 6.4).
        let spread = |item: usize| (item as f64 * 0.618_033_988_749_895).fract();
        let mixed = (0..n_items).map(|item| spread(item) < share).collect();
        filters.push(Filter { share, allowed: Which::Mixed, bits: mixed });
        let mut alike = vec![false; n_items];
        let n_alike = (n_items as f64 * share).ceil() as usize;
        ranked.iter().take(n_alike).for_each(|item| alike[item.index()] = true);
        filters.push(Filter { share, allowed: Which::Alike, bits: alike });
    }
    Ok(filters)
}

/// Recall and searches per CPU second.
fn measured(
    index: &AnyIndex,
    exact: &ExactIndex,
    queries: &Matrix,
    k: usize,
    bits: &[bool],
) -> Result<(f64, f64), IndexError> {
    let allow = |item: ItemId| bits[item.index()];
    let mut hits = Hits::default();
    let mut found = 0;
    for query in queries.rows() {
        let near = exact.find(query, k, Some(&allow))?;
        index.search(query, k, Some(&allow), &mut hits)?;
        found += hits.ids.iter().filter(|id| near.ids.contains(id)).count();
    }
    let (begun, mut n_searches, mut spent) = (cpu_seconds(), 0, 0.0);
    while spent < SECONDS {
        for query in queries.rows() {
            index.search(query, k, Some(&allow), &mut hits)?;
        }
        n_searches += queries.n_rows();
        spent = cpu_seconds() - begun;
    }
    Ok((found as f64 / (k * queries.n_rows()) as f64, n_searches as f64 / spent))
}

/// For reading.
pub(super) fn table(rows: &[Filtered]) -> Table {
    let mut table = output::table(["index", "k", "allowed", "which", "recall", "queries/s"]);
    for Filtered { index, k, share, allowed, recall, queries_per_s } in rows {
        let which = match allowed {
            Which::Mixed => "mixed",
            Which::Alike => "alike",
        };
        let (share, recall, speed) =
            (format!("{} %", share * 100.0), format!("{recall:.4}"), format!("{queries_per_s:.0}"));
        table.add_row([(*index).to_owned(), k.to_string(), share, which.to_owned(), recall, speed]);
    }
    table
}
