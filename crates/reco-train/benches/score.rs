//! How many users a second are scored against a whole catalogue.
//!
//! `cargo bench -p reco-train --bench score`; docs/benchmarks.md has figures. Factors are made up when it starts:
//! 20,000 users who had fifty items each, 50,000 items, 128 factors; the thousand best items of each user are written
//! as Parquet.
#![allow(missing_docs, reason = "a benchmark")]

use divan::Bencher;
use divan::counter::ItemsCount;
use rand::distr::{Distribution, Uniform};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use reco_core::catalog::{Catalog, ItemRecord};
use reco_core::event::{Action, ActionWeights};
use reco_core::filter::SeenPolicy;
use reco_core::id::ItemId;
use reco_core::interactions::{Histories, InteractionLog};
use reco_core::linalg::Matrix;
use reco_core::retrieve::als::{AlsLoss, AlsModel};
use reco_core::snapshot::Snapshot;
use reco_core::time::Timestamp;
use reco_train::batch::{self, BatchOptions};
use reco_train::progress::Silent;
use std::sync::LazyLock;

const USERS: usize = 20_000;
const ITEMS: usize = 50_000;
const FACTORS: usize = 128;

fn main() {
    divan::main();
}

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let mut rng = Pcg64::seed_from_u64(7);
    let mut catalog = Catalog::builder();
    for item in 0..ITEMS {
        catalog.push(ItemRecord::new(format!("item-{item:07}"))).expect("keys differ");
    }
    let mut log = InteractionLog::default();
    for user in 0..USERS {
        let row = log.users.intern(&format!("user-{user:07}"));
        for _ in 0..50 {
            let item = ItemId::new(rng.random_range(0..ITEMS as u32));
            log.push(row, item, &Action::Purchase, None, Timestamp::from_secs(1));
        }
    }
    let uniform = Uniform::new(-0.1f32, 0.1).expect("the bounds are in order");
    let mut factors = |n_rows| {
        let values = (0..n_rows * FACTORS).map(|_| uniform.sample(&mut rng)).collect();
        Matrix::from_vec(n_rows, FACTORS, values)
    };
    let loss = AlsLoss { unobserved_weight: 0.5, regularization: 0.005, frequency_exponent: 1.0 };
    let (users, items) = (factors(USERS), factors(ITEMS));
    let mut snapshot =
        Snapshot { version: "made up".into(), catalog: catalog.build(), ..Snapshot::default() };
    snapshot.histories = Histories::from_log(&log, &ActionWeights::default());
    snapshot.users = log.users;
    snapshot.models.insert(AlsModel::NAME, AlsModel::new(users, items, loss));
    snapshot
});

#[divan::bench(sample_count = 5, sample_size = 1)]
fn score_users(bencher: Bencher<'_, '_>) {
    let snapshot = &*SNAPSHOT;
    let options = BatchOptions { seen: SeenPolicy::Always, ..BatchOptions::default() };
    bencher
        .counter(ItemsCount::new(USERS))
        .with_inputs(|| tempfile::tempdir().expect("there is room"))
        .bench_local_values(|folder| {
            batch::run(snapshot, None, &options, &folder.path().join("lists"), &Silent)
                .expect("lists are written");
            folder
        });
}
