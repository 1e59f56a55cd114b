//! How the cost of a computed page grows with the catalogue, the user's history and the candidates.
//!
//! `cargo bench --bench request`; docs/benchmarks.md has figures.
#![allow(missing_docs, reason = "a benchmark")]

use divan::Bencher;
use reco::catalog::{Catalog, ItemRecord};
use reco::event::{Action, ActionWeights};
use reco::pipeline::{PipelineConfig, Recommender};
use reco::request::Request;
use reco::time::Timestamp;
use reco::train::data::Dataset;
use reco::train::fit::als::AlsParams;
use reco::train::fit::snapshot::{Plan, fit};
use reco::train::progress::Silent;

fn main() {
    divan::main();
}

/// A shop of `n_items` in forty categories, where 300 users bought `history` items each.
fn recommender(n_items: u32, history: u32, quota: usize) -> Recommender {
    let mut builder = Catalog::builder();
    for item in 0..n_items {
        let category = Some(format!("category{}", item % 40));
        let record = ItemRecord {
            category,
            title: Some(format!("thing {}", item % 97)),
            ..ItemRecord::new(item.to_string())
        };
        builder.push(record).expect("keys are unique");
    }
    let mut dataset = Dataset { catalog: builder.build(), ..Dataset::default() };
    for user in 0..300u32 {
        let row = dataset.log.users.intern(&format!("user{user}"));
        for turn in 0..history {
            // A fixed scatter with popular items at the front.
            let draw = user.wrapping_mul(2_654_435_761).wrapping_add(turn.wrapping_mul(40_503)) >> 8;
            let item = (draw % n_items).min((draw / 7) % n_items);
            let at = Timestamp::from_secs(1_700_000_000 + i64::from(turn) * 3_600);
            dataset.log.push(row, reco::id::ItemId::new(item), &Action::Purchase, None, at);
        }
    }
    let plan = Plan { als: Some(AlsParams { iterations: 2, ..AlsParams::default() }), ..Plan::default() };
    let snapshot =
        fit(dataset, &plan, &ActionWeights::default(), "bench", &Silent).expect("the data is sound");
    let mut config = PipelineConfig::default();
    for source in config.sources.values_mut().filter(|source| source.quota > 0) {
        source.quota = quota;
    }
    config
        .builder(snapshot)
        .and_then(reco::pipeline::RecommenderBuilder::build)
        .expect("the configuration is sound")
}

fn pages(bencher: Bencher<'_, '_>, recommender: &Recommender) {
    let mut user = 0;
    bencher.bench_local(|| {
        user = (user + 1) % 300;
        recommender.recommend_now(Request::for_user(format!("user{user}"))).expect("always an answer")
    });
}

#[divan::bench(args = [1_000, 5_000, 20_000, 50_000])]
fn by_catalogue(bencher: Bencher<'_, '_>, n_items: u32) {
    pages(bencher, &recommender(n_items, 100, 50));
}

#[divan::bench(args = [10, 100, 500, 1_000])]
fn by_history(bencher: Bencher<'_, '_>, history: u32) {
    pages(bencher, &recommender(5_000, history, 50));
}

#[divan::bench(args = [20, 50, 200, 500])]
fn by_candidates_per_source(bencher: Bencher<'_, '_>, quota: usize) {
    pages(bencher, &recommender(5_000, 100, quota));
}
