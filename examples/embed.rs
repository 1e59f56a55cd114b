//! The smallest complete program: items and purchases in memory, models, a page, and why each item is on it.
//!
//! `cargo run --example embed`

use reco::catalog::{Catalog, ItemRecord};
use reco::event::{Action, ActionWeights};
use reco::explain;
use reco::filter::SeenPolicy;
use reco::pipeline::PipelineConfig;
use reco::request::Request;
use reco::time::Timestamp;
use reco::train::data::Dataset;
use reco::train::fit::snapshot::{Plan, fit};
use reco::train::progress::Silent;
use std::error::Error;
use std::io::{self, Write};

const ITEMS: [(&str, &str); 6] = [
    ("tea", "drinks"),
    ("coffee", "drinks"),
    ("cocoa", "drinks"),
    ("bread", "bakery"),
    ("cake", "bakery"),
    ("honey", "pantry"),
];

const PURCHASES: [(&str, &[&str]); 4] = [
    ("ann", &["tea", "bread"]),
    ("bob", &["tea", "bread", "honey"]),
    ("cat", &["coffee", "cake"]),
    ("dan", &["tea", "honey", "coffee"]),
];

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Writes Ann's page to `out`.
pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    // Offline: from data to a snapshot, which is everything that serving needs. `reco::train::data::read` gets
    // the data from Parquet, CSV or JSON Lines, `fit::stored` keeps the snapshot in a file.
    // The pipeline, here the usual one without what a user has already, is what the blend learns to order.
    let (plan, weights) = (Plan::default(), ActionWeights::default());
    let config = PipelineConfig { seen: SeenPolicy::Always, ..PipelineConfig::default() };
    let snapshot = fit(dataset()?, &plan, &config, &weights, "v1", &Silent)?;

    // Serving: one recommender answers all threads.
    let recommender = config.builder(snapshot)?.build()?;
    let page = recommender.recommend_now(Request::for_user("ann").count(3))?;

    writeln!(out, "For Ann, who took tea and bread:")?;
    let catalog = &recommender.snapshot().catalog;
    for item in &page.items {
        writeln!(out, "{}. {} ({:.3})", item.rank, item.key, item.score)?;
        for reason in item.why.iter().flat_map(|why| explain::reasons(why, catalog)) {
            writeln!(out, "   {reason}")?;
        }
    }
    Ok(())
}

fn dataset() -> Result<Dataset, Box<dyn Error>> {
    let mut catalog = Catalog::builder();
    for (key, category) in ITEMS {
        catalog.push(ItemRecord { category: Some(category.into()), ..ItemRecord::new(key) })?;
    }
    let mut dataset = Dataset { catalog: catalog.build(), ..Dataset::default() };
    for (customer, basket) in PURCHASES {
        let user = dataset.log.users.intern(customer);
        for key in basket {
            let item = dataset.catalog.id(key).ok_or("no such item")?;
            dataset.log.push(user, item, &Action::Purchase, None, Timestamp::from_secs(1_700_000_000));
        }
    }
    Ok(dataset)
}
