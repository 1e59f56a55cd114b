//! `reco bench rank`: how long features and the neural ranker take.

use super::histogram::Latencies;
use crate::args::RankArgs;
use crate::config::Config;
use crate::{Failure, Session, model, npy, output};
use reco_core::candidate::Candidates;
use reco_core::features::{FeatureMatrix, FeatureSchema};
use reco_core::linalg::Matrix;
use reco_core::pipeline::Recommender;
use reco_core::query::Query;
use reco_core::rank::wide_deep::{Head, Hidden, Input, Weights};
use reco_core::rank::{DenseModel, WideDeep};
use reco_core::request::Request;
use serde::Serialize;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long each pass goes on being repeated.
const MEASURED: Duration = Duration::from_secs(1);

/// Inputs and hidden outputs of the network that is measured unless a file gives another.
const SHAPE: [usize; 3] = [100, 128, 64];

#[derive(Debug, Serialize)]
struct Report {
    candidates: usize,
    passes: Vec<Pass>,
    /// Of a network and rows from files.
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Scores>,
}

/// A score per row, in single precision and in bytes.
#[derive(Debug, Serialize)]
struct Scores {
    exact: Vec<f32>,
    quantized: Vec<f32>,
}

impl Scores {
    fn new(n_rows: usize) -> Self {
        Self { exact: vec![0.0; n_rows], quantized: vec![0.0; n_rows] }
    }
}

/// One thing done for all candidates, over and over on one thread.
#[derive(Debug, Serialize)]
struct Pass {
    what: String,
    columns: usize,
    repeats: u64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Pass {
    /// Times `once` over and over; what it needs anew each time is made by `ready`, untimed.
    fn measured<T>(
        what: &str,
        columns: usize,
        ready: impl Fn() -> Result<T, Failure>,
        mut once: impl FnMut(T) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let (mut latencies, begun) = (Latencies::new(), Instant::now());
        while begun.elapsed() < MEASURED {
            let made = ready()?;
            let start = Instant::now();
            once(made)?;
            latencies.record(start.elapsed());
        }
        let summary = latencies.summary(begun.elapsed(), 0);
        let (p50_ms, p99_ms) = (summary.p50_us / 1e3, summary.p99_us / 1e3);
        Ok(Self { what: what.to_owned(), columns, repeats: summary.requests, p50_ms, p99_ms })
    }
}

pub(super) fn run(session: &Session, args: &RankArgs) -> Result<(), Failure> {
    let report = match (&args.network, &args.rows) {
        (Some(network), Some(rows)) => of_files(network, rows)?,
        _ => of_pipeline(session, args)?,
    };
    session.output.result(&report, |report| {
        let mut table = output::table(["on one thread", "columns", "repeats", "p50 ms", "p99 ms"]);
        for Pass { what, columns, repeats, p50_ms, p99_ms } in &report.passes {
            let number = |value: &f64| format!("{value:.3}");
            table.add_row([
                what.clone(),
                columns.to_string(),
                repeats.to_string(),
                number(p50_ms),
                number(p99_ms),
            ]);
        }
        format!("{} candidates\n{table}", report.candidates)
    })
}

/// A network and the rows that it scores, from files.
fn of_files(network: &Path, rows: &Path) -> Result<Report, Failure> {
    let named = |problem: String| format!("{}: {problem}", network.display());
    let text = std::fs::read_to_string(network).map_err(|error| named(error.to_string()))?;
    let network: WideDeep = serde_json::from_str(&text).map_err(|error| named(error.to_string()))?;
    let rows = npy::read(rows)?;
    let mut scores = Scores::new(rows.n_rows());
    let passes = passes(&network, rows.as_slice(), &mut scores)?;
    Ok(Report { candidates: rows.n_rows(), passes, scores: Some(scores) })
}

/// What a pipeline over the data proposes, whose sources may propose far more than usual.
fn of_pipeline(session: &Session, args: &RankArgs) -> Result<Report, Failure> {
    let mut config: Config = session.config.clone();
    for name in ["als", "item_item", "again", "popular", "content"] {
        if let Some(source) = config.pipeline.sources.get_mut(name) {
            source.quota = args.candidates;
        }
    }
    let snapshot = model::snapshot(session, &args.model)?;
    let recommender = config.pipeline.builder(snapshot)?.build()?;
    let asked = most_candidates(&recommender, args.candidates)?;
    let schema = FeatureSchema::default();
    let matrix = schema.matrix(&asked.query, &asked.set)?;
    // What the parts of a request share is computed anew each time.
    let features = Pass::measured(
        "features",
        matrix.n_columns(),
        || asked.again(),
        |again| {
            black_box(schema.matrix(&again.query, &again.set)?);
            Ok(())
        },
    )?;
    let network = match asked.query.snapshot.models.get::<WideDeep>(WideDeep::NAME) {
        Some(network) => network.clone(),
        None => untrained(&matrix)?,
    };
    let rows = matrix.chosen(network.features()).map_err(|name| format!("there is no feature `{name}`"))?;
    let mut passes = passes(&network, &rows, &mut Scores::new(asked.set.len()))?;
    passes.insert(0, features);
    Ok(Report { candidates: asked.set.len(), passes, scores: None })
}

/// A request with many candidates.
struct Asked<'a> {
    recommender: &'a Recommender,
    request: Request,
    query: Arc<Query>,
    set: Candidates,
}

impl Asked<'_> {
    fn again(&self) -> Result<Self, Failure> {
        let (query, _) = self.recommender.candidates_now(self.request.clone())?;
        Ok(Self {
            query,
            set: self.set.clone(),
            request: self.request.clone(),
            recommender: self.recommender,
        })
    }
}

/// The request of a user to whom most is proposed, of the first few hundred; no more than `most` candidates.
fn most_candidates(recommender: &Recommender, most: usize) -> Result<Asked<'_>, Failure> {
    let snapshot = recommender.snapshot();
    let mut best: Option<Asked<'_>> = None;
    for user in snapshot.users.keys().iter().take(200) {
        let request = Request::for_user(user.clone()).explain(false);
        let (query, mut set) = recommender.candidates_now(request.clone())?;
        set.truncate(most);
        if best.as_ref().is_none_or(|best| best.set.len() < set.len()) {
            best = Some(Asked { recommender, request, query, set });
        }
    }
    best.ok_or_else(|| "the data has no users".into())
}

/// The network over all rows.
fn passes(network: &WideDeep, rows: &[f32], scores: &mut Scores) -> Result<Vec<Pass>, Failure> {
    let shape: Vec<String> =
        network.weights().hidden.iter().map(|layer| layer.bias.len().to_string()).collect();
    let n_inputs = network.features().len();
    let pass = |model: &dyn DenseModel, numbers: &str, scores: &mut [f32]| {
        let what = format!("wide & deep, {n_inputs}-{}-1, {numbers}", shape.join("-"));
        Pass::measured(&what, n_inputs, || Ok(()), |()| Ok(model.predict(black_box(rows), scores)?))
    };
    let in_bytes = pass(network.quantized(), "int8", &mut scores.quantized)?;
    Ok(vec![pass(network, "float32", &mut scores.exact)?, in_bytes])
}

/// A network of the usual shape that has learned nothing.
fn untrained(matrix: &FeatureMatrix) -> Result<WideDeep, Failure> {
    let features = matrix.features().iter().take(SHAPE[0]);
    let inputs: Vec<Input> =
        features.map(|feature| Input { name: Arc::clone(&feature.name), mean: 0.0, scale: 1.0 }).collect();
    let weights = |n_out: usize, n_in: usize| {
        let weights = (0..n_out * n_in).map(|at| ((at * 31 % 17) as f32 - 8.0) / 80.0).collect();
        Hidden { weights: Matrix::from_vec(n_out, n_in, weights), bias: vec![0.1; n_out] }
    };
    let head = Head {
        objective: "take".to_owned(),
        share: 1.0,
        wide: vec![0.1; inputs.len()],
        deep: vec![0.1; SHAPE[2]],
        bias: 0.0,
        judged: None,
    };
    let hidden = vec![weights(SHAPE[1], inputs.len()), weights(SHAPE[2], SHAPE[1])];
    Ok(WideDeep::try_from(Weights { inputs, hidden, heads: vec![head] })?)
}
