//! `reco bench index`: what an index costs and finds, over a sweep of its parameters, on one thread.

use super::usage::{cpu_seconds, resident_bytes};
use crate::args::{IndexArgs, IndexKind};
use crate::{Failure, Session, npy, output};
use reco_core::candidate::Hits;
use reco_core::id::ItemId;
use reco_core::index::{
    AnyIndex, ExactIndex, HnswIndex, HnswParams, IndexError, IvfIndex, IvfParams, LiveIndex, Metric,
    VectorIndex, VectorIndexExt, file,
};
use reco_core::linalg::Matrix;
use serde::Serialize;
use std::ops::RangeInclusive;
use std::time::Instant;

mod filtered;
#[cfg(test)]
mod tests;

use filtered::{Filtered, filtered};

/// Everything measured on one set of vectors.
#[derive(Debug, Serialize)]
struct Report {
    vectors: usize,
    dim: usize,
    queries: usize,
    metric: Metric,
    indexes: Vec<Measured>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    churn: Vec<Churn>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filtered: Vec<Filtered>,
}

/// What a live index finds after half of its vectors were replaced by others.
#[derive(Debug, Serialize)]
struct Churn {
    k: usize,
    /// Of an index built over the vectors as they are in the end.
    fresh_recall: f64,
    /// While what is new is scanned, and what went is filtered out.
    recall: f64,
    compacted_recall: f64,
}

/// One index, built once.
#[derive(Debug, Serialize)]
struct Measured {
    index: String,
    build_cpu_s: f64,
    /// What the index holds, the vectors included.
    memory_mb: f64,
    /// What the process grew by; None where the system does not tell, or the allocator hides it.
    resident_mb: Option<f64>,
    /// Vectors that a search for themselves over a beam of 64 does not find.
    not_found_themselves: Option<usize>,
    file: FileCosts,
    sweep: Vec<Point>,
}

/// What the index costs as a file, whose pages are in memory.
#[derive(Debug, Serialize)]
struct FileCosts {
    mb: f64,
    save_ms: f64,
    open_ms: f64,
    verify_ms: f64,
}

/// One point of the sweep.
#[derive(Debug, Serialize)]
struct Point {
    k: usize,
    /// Points kept by a search, or lists probed.
    width: usize,
    recall: f64,
    queries_per_s: f64,
    /// Of single searches: half of them take at most so long,
    p50_us: f64,
    /// and 99 of 100.
    p99_us: f64,
}

/// Every point of the sweep is measured this often; the fastest counts, as others may use the machine.
const REPEATS: usize = 5;
/// Each time for so long at least: the system counts CPU time in steps of some milliseconds.
const SECONDS: f64 = 0.2;
/// Width of the searches for the vectors themselves.
const SELF_WIDTH: usize = 64;

/// Neighbours, lists and points of a beam: no search that is worth measuring goes over more.
const MOST: usize = 1_000_000;

/// Every number that is out of its range.
pub(super) fn slips(args: &IndexArgs) -> Vec<String> {
    let outside = |flag: &str, range: RangeInclusive<usize>, values: &[usize]| -> Vec<String> {
        let (least, most) = (range.start(), range.end());
        let wrong = values.iter().filter(|value| !range.contains(value));
        wrong.map(|value| format!("{flag} is {value}, must be {least} to {most}")).collect()
    };
    // The least for a number of links that is itself out of range would only confuse.
    let least_width = if HnswParams::LINKS.contains(&args.links) { args.links } else { 1 };
    [
        outside("--k", 1..=MOST, &args.k),
        outside("--lists", 1..=MOST, &[args.lists]),
        outside("--links", HnswParams::LINKS, &[args.links]),
        outside("--build-width", least_width..=MOST, &[args.build_width]),
        outside("--width", 1..=MOST, &args.width),
    ]
    .concat()
}

pub(super) fn run(session: &Session, args: &IndexArgs) -> Result<(), Failure> {
    // What is built on the one thread of this pool is built on one thread.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let report = pool.install(|| measure(args))?;
    session.output.result(&report, rendered)
}

fn measure(args: &IndexArgs) -> Result<Report, Failure> {
    let metric = args.metric.into();
    let queries = npy::read(&args.queries)?;
    let truth = truth(args, metric, &queries)?;
    let mut indexes = Vec::new();
    for &kind in &args.index {
        indexes.push(match kind {
            IndexKind::Exact => exact(args, metric, &queries, &truth)?,
            IndexKind::Ivf => ivf(args, metric, &queries, &truth)?,
            IndexKind::Hnsw => hnsw(args, metric, &queries, &truth)?,
        });
    }
    let churn = if args.churn { churn(args, metric, &queries, &truth)? } else { Vec::new() };
    let filtered = if args.filtered { filtered(args, metric, &queries)? } else { Vec::new() };
    let (vectors, dim) = (truth.n_vectors, queries.n_columns());
    Ok(Report { vectors, dim, queries: queries.n_rows(), metric, indexes, churn, filtered })
}

/// What exact search finds.
struct Truth {
    n_vectors: usize,
    /// Per k, per query.
    ids: Vec<Vec<Vec<ItemId>>>,
}

/// Refuses by file and row what no index can hold or be asked for.
fn truth(args: &IndexArgs, metric: Metric, queries: &Matrix) -> Result<Truth, Failure> {
    let of_vectors = |error| format!("{}: {error}", args.vectors.display());
    let exact = ExactIndex::build(npy::read(&args.vectors)?, metric).map_err(of_vectors)?;
    if queries.n_rows() == 0 {
        return Err(format!("{} holds no queries", args.queries.display()).into());
    }
    let find = |(row, query): (usize, &[f32]), k| match exact.find(query, k, None) {
        Ok(hits) => Ok(hits.ids),
        Err(error @ (IndexError::Empty | IndexError::TooMany { .. })) => Err(of_vectors(error)),
        Err(error) => Err(format!("{}, row {row}: {error}", args.queries.display())),
    };
    let find_all = |&k: &usize| queries.rows().enumerate().map(|query| find(query, k)).collect();
    let ids = args.k.iter().map(find_all).collect::<Result<_, String>>()?;
    Ok(Truth { n_vectors: exact.len(), ids })
}

fn exact(args: &IndexArgs, metric: Metric, queries: &Matrix, truth: &Truth) -> Result<Measured, Failure> {
    let built = Built::new(args, |vectors| ExactIndex::build(vectors, metric))?;
    let search = |query: &[f32], k, _, out: &mut Hits| built.index.search(query, k, None, out);
    let sweep = sweep(args, &[truth.n_vectors], queries, truth, search)?;
    built.measured("exact".to_owned(), None, sweep)
}

fn hnsw(args: &IndexArgs, metric: Metric, queries: &Matrix, truth: &Truth) -> Result<Measured, Failure> {
    let (links, build_width) = (args.links, args.build_width);
    let params = HnswParams { links, build_width, ..HnswParams::default() };
    let built = Built::new(args, |vectors| HnswIndex::build(vectors, metric, params))?;
    let search =
        |query: &[f32], k, width, out: &mut Hits| built.index.search_wide(query, k, width, None, out);
    let sweep = sweep(args, &args.width, queries, truth, search)?;
    let (vectors, mut hits, mut missed) = (npy::read(&args.vectors)?, Hits::default(), 0);
    for (vector, row) in vectors.rows().zip(0..) {
        search(vector, 1, SELF_WIDTH, &mut hits)?;
        missed += usize::from(hits.ids.first() != Some(&ItemId::new(row)));
    }
    built.measured(format!("hnsw, {links} links, build width {build_width}"), Some(missed), sweep)
}

fn ivf(args: &IndexArgs, metric: Metric, queries: &Matrix, truth: &Truth) -> Result<Measured, Failure> {
    let params = IvfParams { lists: args.lists, ..IvfParams::default() };
    let built = Built::new(args, |vectors| IvfIndex::build(vectors, metric, params))?;
    let search =
        |query: &[f32], k, width, out: &mut Hits| built.index.search_lists(query, k, width, None, out);
    let sweep = sweep(args, &args.width, queries, truth, search)?;
    let lists = args.lists.min(truth.n_vectors);
    built.measured(format!("ivf, {lists} lists"), None, sweep)
}

fn churn(args: &IndexArgs, metric: Metric, queries: &Matrix, truth: &Truth) -> Result<Vec<Churn>, Failure> {
    let vectors = npy::read(&args.vectors)?;
    // Every second item has the vector of the one before at first.
    let mut first = vectors.clone();
    let changed = || (1..vectors.n_rows()).step_by(2);
    changed().for_each(|row| first.row_mut(row).copy_from_slice(vectors.row(row - 1)));
    let live = LiveIndex::build(first, metric)?;
    for row in changed() {
        live.set(ItemId::new(row as u32), vectors.row(row))?;
    }
    let scanned = recalls(&live, args, queries, truth)?;
    live.compact()?;
    let compacted = recalls(&live, args, queries, truth)?;
    let fresh = recalls(&AnyIndex::build(vectors, metric)?, args, queries, truth)?;
    let per_k = args.k.iter().zip(fresh).zip(scanned.into_iter().zip(compacted));
    let churn = |((&k, fresh_recall), (recall, compacted_recall)): ((&usize, f64), (f64, f64))| Churn {
        k,
        fresh_recall,
        recall,
        compacted_recall,
    };
    Ok(per_k.map(churn).collect())
}

/// Per k, by default parameters.
fn recalls(
    index: &dyn VectorIndex,
    args: &IndexArgs,
    queries: &Matrix,
    truth: &Truth,
) -> Result<Vec<f64>, IndexError> {
    let mut hits = Hits::default();
    let mut recall = |k: usize, truth: &[Vec<ItemId>]| -> Result<f64, IndexError> {
        let mut found = 0;
        for (query, near) in queries.rows().zip(truth) {
            index.search(query, k, None, &mut hits)?;
            found += hits.ids.iter().filter(|id| near.contains(id)).count();
        }
        Ok(found as f64 / (k * queries.n_rows()) as f64)
    };
    args.k.iter().zip(&truth.ids).map(|(&k, truth)| recall(k, truth)).collect()
}

/// An index and what building it took.
struct Built<I> {
    index: I,
    build_cpu_s: f64,
    resident_mb: Option<f64>,
}

impl<I: Into<AnyIndex>> Built<I> {
    fn new(args: &IndexArgs, build: impl FnOnce(Matrix) -> Result<I, IndexError>) -> Result<Self, Failure> {
        let before = resident_bytes();
        let vectors = npy::read(&args.vectors)?;
        let begun = cpu_seconds();
        let index = build(vectors)?;
        let build_cpu_s = cpu_seconds() - begun;
        let grown = resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
        Ok(Self { index, build_cpu_s, resident_mb: grown.map(|bytes| bytes as f64 / 1e6) })
    }

    fn measured(self, name: String, missed: Option<usize>, sweep: Vec<Point>) -> Result<Measured, Failure> {
        let Self { index, build_cpu_s, resident_mb } = self;
        let index = index.into();
        let (memory_mb, file) = (index.memory() as f64 / 1e6, file_costs(&index)?);
        Ok(Measured {
            index: name,
            build_cpu_s,
            memory_mb,
            resident_mb,
            not_found_themselves: missed,
            file,
            sweep,
        })
    }
}

/// Saves an index beside other temporary files and opens it again.
fn file_costs(index: &AnyIndex) -> Result<FileCosts, Failure> {
    let path = std::env::temp_dir().join(format!("reco-bench-{}.index", std::process::id()));
    let measured = || {
        let begun = Instant::now();
        let bytes = file::save(index, &path)?;
        let save_ms = milliseconds(begun);
        let mut open_ms = f64::INFINITY;
        for _ in 0..REPEATS {
            let begun = Instant::now();
            let opened = file::open(&path)?;
            open_ms = open_ms.min(milliseconds(begun));
            drop(opened);
        }
        let (opened, begun) = (file::open(&path)?, Instant::now());
        opened.verify()?;
        Ok(FileCosts { mb: bytes as f64 / 1e6, save_ms, open_ms, verify_ms: milliseconds(begun) })
    };
    let costs = measured();
    // Best effort: what matters is the first error.
    let _ = std::fs::remove_file(&path);
    costs
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn sweep(
    args: &IndexArgs,
    widths: &[usize],
    queries: &Matrix,
    truth: &Truth,
    search: impl Fn(&[f32], usize, usize, &mut Hits) -> Result<(), IndexError>,
) -> Result<Vec<Point>, IndexError> {
    let mut points = Vec::new();
    let mut hits = Hits::default();
    for (&k, truth) in args.k.iter().zip(&truth.ids) {
        for &width in widths {
            let (mut fastest, mut found) = (f64::INFINITY, 0);
            for _ in 0..REPEATS {
                let (begun, mut rounds, mut spent) = (cpu_seconds(), 0, 0.0);
                while spent < SECONDS {
                    found = 0;
                    for (query, near) in queries.rows().zip(truth) {
                        search(query, k, width, &mut hits)?;
                        found += hits.ids.iter().filter(|id| near.contains(id)).count();
                    }
                    rounds += 1;
                    spent = cpu_seconds() - begun;
                }
                fastest = fastest.min(spent / f64::from(rounds));
            }
            let n_queries = queries.n_rows() as f64;
            let recall = found as f64 / (k as f64 * n_queries);
            let [p50_us, p99_us] = latencies(queries, |query| search(query, k, width, &mut hits))?;
            points.push(Point { k, width, recall, queries_per_s: n_queries / fastest, p50_us, p99_us });
        }
    }
    Ok(points)
}

/// The median and the 99th percentile over the queries, in microseconds; the fastest of several searches counts.
fn latencies(
    queries: &Matrix,
    mut search: impl FnMut(&[f32]) -> Result<(), IndexError>,
) -> Result<[f64; 2], IndexError> {
    let mut fastest = vec![f64::INFINITY; queries.n_rows()];
    for _ in 0..REPEATS {
        for (query, fastest) in queries.rows().zip(&mut fastest) {
            let begun = Instant::now();
            search(query)?;
            *fastest = fastest.min(begun.elapsed().as_secs_f64() * 1e6);
        }
    }
    fastest.sort_by(f64::total_cmp);
    let at = |share: f64| fastest[(((fastest.len() - 1) as f64) * share).round() as usize];
    Ok(if fastest.is_empty() { [0.0; 2] } else { [at(0.5), at(0.99)] })
}

fn rendered(report: &Report) -> String {
    let Report { vectors, dim, queries, .. } = report;
    let mut text = format!("{vectors} vectors of {dim}, {queries} queries, one thread\n");
    for index in &report.indexes {
        let resident = index.resident_mb.map_or(String::new(), |mb| format!(" ({mb:.0} MB resident)"));
        let missed = index.not_found_themselves;
        let missed = missed.map_or(String::new(), |n| format!("; {n} do not find themselves"));
        let (name, build, memory) = (&index.index, index.build_cpu_s, index.memory_mb);
        text.push_str(&format!("\n{name}: built in {build:.1} CPU s, {memory:.0} MB{resident}{missed}\n"));
        let FileCosts { mb, save_ms, open_ms, verify_ms } = index.file;
        text.push_str(&format!(
            "as a file: {mb:.0} MB, saved in {save_ms:.0} ms, opened in {open_ms:.1} ms, verified in {verify_ms:.0} ms\n"
        ));
        let mut table = output::table(["k", "width", "recall", "queries/s", "p50 us", "p99 us"]);
        for Point { k, width, recall, queries_per_s, p50_us, p99_us } in &index.sweep {
            let (recall, speed) = (format!("{recall:.4}"), format!("{queries_per_s:.0}"));
            let (p50, p99) = (format!("{p50_us:.0}"), format!("{p99_us:.0}"));
            table.add_row([k.to_string(), width.to_string(), recall, speed, p50, p99]);
        }
        text.push_str(&format!("{table}\n"));
    }
    for Churn { k, fresh_recall, recall, compacted_recall } in &report.churn {
        text.push_str(&format!(
            "\nlive, half replaced: recall@{k} {recall:.4}, compacted {compacted_recall:.4}, built anew {fresh_recall:.4}\n"
        ));
    }
    if !report.filtered.is_empty() {
        text.push_str(&format!("\n{}\n", filtered::table(&report.filtered)));
    }
    text
}
