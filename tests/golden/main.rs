//! Pages over the shipped data, compared with files that people have read and approved.
//!
//! `pages/*.txt` hold one page each: rank, title, score, reasons, and the sources, moves and missing items behind
//! them. When a change to the engine or the models is meant to change pages, `UPDATE_GOLDEN=1 cargo test --test
//! golden` writes them anew, and the diff of these files shows a reviewer what users will see differently.

mod diff;
mod page;

use reco::event::ActionWeights;
use reco::pipeline::{PipelineConfig, Recommender};
use reco::request::{Context, Request, Surface};
use reco::snapshot::Snapshot;
use reco::time::ManualClock;
use reco::train::data::Dataset;
use reco::train::fit::snapshot::{Plan, fit};
use reco::train::progress::Silent;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// File name, what the page is, and the request for it.
type Case = (&'static str, &'static str, fn() -> Request);

const CASES: [Case; 7] = [
    ("heavy_user", "Home of the household that bought most often: 965 purchases", || {
        Request::for_user("230")
    }),
    ("light_user", "Home of the household that bought least often: 9 purchases", || Request::for_user("16")),
    ("stranger", "Home of somebody nobody knows", || Request::for_user("a stranger")),
    ("session", "Home of a stranger who looked at strawberries, then at donuts", || {
        let session_items = ["1127831", "866227"].map(Into::into).into();
        Request::for_user("a stranger").context(Context { session_items, ..Context::default() })
    }),
    ("similar", "Beside bananas", || Request::similar_to("1082185")),
    ("category", "Produce for household 230; why not others", || {
        Request::for_user("230")
            .surface(Surface::Category("Produce".into()))
            .why_not(["878996", "961554", "1029743"])
    }),
    (
        "filter",
        "Cheap things that are neither groceries nor produce for household 230; why not others",
        || {
            let filter = "price < 3 and category not in (\"Grocery\", \"Produce\")";
            let filter = filter.parse().expect("the language takes this");
            Request::for_user("230").filter(filter).why_not(["1082185", "986912", "nothing"])
        },
    ),
];

/// A snapshot with the shipped defaults.
fn fitted(threads: usize) -> Snapshot {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let dataset = Dataset::load(&demo).expect("the shipped data can be read");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    let (plan, pipeline, weights) = (Plan::default(), PipelineConfig::default(), ActionWeights::default());
    let fit = || fit(dataset, &plan, &pipeline, &weights, "golden", &Silent);
    pool.install(fit).expect("the shipped data can be learned from")
}

/// The usual pipeline at the moment the data ends. The clock stands still, so no deadline passes.
fn recommender(threads: usize) -> Recommender {
    let snapshot = fitted(threads);
    let clock = ManualClock::starting_at(snapshot.data_until);
    let config = PipelineConfig { threads, ..PipelineConfig::default() };
    let builder = config.builder(snapshot).expect("the defaults are sound");
    builder.clock(Arc::new(clock)).build().expect("the defaults are sound")
}

fn pages(recommender: &Recommender) -> Vec<String> {
    let page = |&(_, about, request): &Case| page::text(recommender, about, request());
    CASES.iter().map(page).collect()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/pages/{name}.txt"))
}

#[test]
fn pages_are_the_approved_ones_whatever_the_number_of_threads() {
    let (one, two) = (pages(&recommender(1)), pages(&recommender(2)));
    for ((name, ..), (one, two)) in CASES.iter().zip(one.iter().zip(&two)) {
        assert!(one == two, "{name} depends on the number of threads:\n{}", diff::lines(one, two));
    }
    if env::var_os("UPDATE_GOLDEN").is_some() {
        for ((name, ..), page) in CASES.iter().zip(&one) {
            fs::write(file(name), page).expect("the folder of the test can be written");
        }
        return;
    }
    let changed: Vec<String> = (CASES.iter().zip(&one))
        .filter_map(|((name, ..), page)| {
            let approved = fs::read_to_string(file(name)).unwrap_or_default();
            (approved != *page).then(|| format!("--- {name}\n{}", diff::lines(&approved, page)))
        })
        .collect();
    assert!(
        changed.is_empty(),
        "{} of {} pages changed; if they should, run UPDATE_GOLDEN=1 cargo test --test golden\n{}",
        changed.len(),
        CASES.len(),
        changed.join("\n")
    );
}
