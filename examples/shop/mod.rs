//! A small tea shop that the examples share: sixteen items, a dozen customers, a winter of purchases.
#![allow(dead_code, reason = "no example needs all of the shop")]

use reco::catalog::{Catalog, ItemRecord};
use reco::event::{Action, ActionWeights};
use reco::filter::SeenPolicy;
use reco::pipeline::PipelineConfig;
use reco::snapshot::Snapshot;
use reco::time::Timestamp;
use reco::train::data::Dataset;
use reco::train::fit::snapshot::{Plan, fit};
use reco::train::progress::Silent;
use std::error::Error;

/// Key, title, category, brand, price and tags.
type Item = (&'static str, &'static str, &'static str, &'static str, f32, &'static [&'static str]);

const ITEMS: [Item; 16] = [
    ("sencha", "Sencha", "green tea", "Uji", 9.5, &["loose", "organic"]),
    ("genmaicha", "Genmaicha", "green tea", "Uji", 7.9, &["loose"]),
    ("matcha", "Matcha", "green tea", "Uji", 24.0, &["powder", "organic"]),
    ("jasmine", "Jasmine Pearls", "green tea", "Minnan", 14.5, &["loose"]),
    ("assam", "Assam", "black tea", "Brahma", 6.5, &["loose"]),
    ("earl-grey", "Earl Grey", "black tea", "Brahma", 5.9, &["bags"]),
    ("darjeeling", "Darjeeling First Flush", "black tea", "Kurseong", 18.0, &["loose", "organic"]),
    ("lapsang", "Lapsang Souchong", "black tea", "Minnan", 12.0, &["loose"]),
    ("mint", "Peppermint", "herbal", "Garden", 4.2, &["bags", "organic"]),
    ("rooibos", "Rooibos", "herbal", "Garden", 4.9, &["bags"]),
    ("whisk", "Bamboo Whisk", "ware", "Uji", 16.0, &[]),
    ("bowl", "Tea Bowl", "ware", "Uji", 28.0, &[]),
    ("pot", "Glass Pot", "ware", "Lauscha", 32.0, &[]),
    ("strainer", "Strainer", "ware", "Lauscha", 6.0, &[]),
    ("honey", "Forest Honey", "pantry", "Garden", 8.5, &["organic"]),
    ("shortbread", "Shortbread", "pantry", "Fife", 3.9, &[]),
];

const BASKETS: [(&str, &[&str]); 12] = [
    ("ann", &["sencha", "genmaicha", "strainer", "jasmine"]),
    ("ben", &["matcha", "whisk", "bowl", "sencha"]),
    ("cem", &["assam", "earl-grey", "shortbread", "honey"]),
    ("dia", &["darjeeling", "assam", "pot", "shortbread"]),
    ("eva", &["mint", "rooibos", "honey"]),
    ("fay", &["sencha", "matcha", "whisk"]),
    ("gil", &["earl-grey", "shortbread", "lapsang"]),
    ("hal", &["jasmine", "genmaicha", "pot"]),
    ("ida", &["mint", "honey", "strainer"]),
    ("jon", &["assam", "darjeeling", "lapsang", "pot"]),
    ("kim", &["matcha", "bowl", "genmaicha"]),
    ("lea", &["rooibos", "mint", "shortbread"]),
];

/// The usual pipeline, but what a customer bought does not come again: these are pages to discover things on.
/// And an example has time; a page of the default deadline, 50 ms, may go without a part on a busy machine.
pub(crate) fn pipeline() -> PipelineConfig {
    PipelineConfig { seen: SeenPolicy::Always, deadline_ms: 5_000, ..PipelineConfig::default() }
}

/// Everything a page is computed from: the catalogue, the histories and all models, fitted now.
pub(crate) fn snapshot() -> Result<Snapshot, Box<dyn Error>> {
    let dataset = dataset()?;
    Ok(fit(dataset, &Plan::default(), &pipeline(), &ActionWeights::default(), "winter", &Silent)?)
}

/// What is for sale and what was bought.
pub(crate) fn dataset() -> Result<Dataset, Box<dyn Error>> {
    let mut catalog = Catalog::builder();
    for (key, title, category, brand, price, tags) in ITEMS {
        catalog.push(ItemRecord {
            title: Some(title.into()),
            category: Some(category.into()),
            brand: Some(brand.into()),
            price: Some(price),
            tags: tags.iter().map(|&tag| tag.into()).collect(),
            ..ItemRecord::new(key)
        })?;
    }
    let mut dataset = Dataset { catalog: catalog.build(), ..Dataset::default() };
    for (customer, basket) in BASKETS {
        let user = dataset.log.users.intern(customer);
        for (day, key) in (0..).zip(basket) {
            let item = dataset.catalog.id(key).ok_or("the basket holds an item that is not for sale")?;
            let at = Timestamp::from_secs(1_700_000_000 + day * 86_400);
            dataset.log.push(user, item, &Action::Purchase, None, at);
        }
    }
    Ok(dataset)
}
