//! How the cost of a computed page grows with the catalogue, the user's history and the candidates.
//!
//! `cargo bench --bench request`; docs/benchmarks.md has figures. `cargo bench --bench growth` draws them.
#![allow(missing_docs, reason = "a benchmark")]

use divan::Bencher;
use reco::pipeline::Recommender;
use reco::request::Request;
use shop::{USERS, recommender};

mod shop;

fn main() {
    divan::main();
}

fn pages(bencher: Bencher<'_, '_>, recommender: &Recommender) {
    let mut user = 0;
    bencher.bench_local(|| {
        user = (user + 1) % USERS;
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
