//! A made-up shop of any size, for benchmarks.

use reco::catalog::{Catalog, ItemRecord};
use reco::event::{Action, ActionWeights};
use reco::pipeline::{PipelineConfig, Recommender, RecommenderBuilder};
use reco::time::Timestamp;
use reco::train::data::Dataset;
use reco::train::fit::als::AlsParams;
use reco::train::fit::snapshot::{Plan, fit};
use reco::train::progress::Silent;

/// Users of the shop.
pub(crate) const USERS: u32 = 300;

/// A shop of `n_items` in forty categories, where [`USERS`] users bought `history` items each.
pub(crate) fn recommender(n_items: u32, history: u32, quota: usize) -> Recommender {
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
    for user in 0..USERS {
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
    let mut config = PipelineConfig::default();
    for source in config.sources.values_mut().filter(|source| source.quota > 0) {
        source.quota = quota;
    }
    let snapshot =
        fit(dataset, &plan, &config, &ActionWeights::default(), "bench", &Silent).expect("the data is sound");
    config.builder(snapshot).and_then(RecommenderBuilder::build).expect("the configuration is sound")
}
