//! A ranker of one's own that reads features: what goes with the customer's things first, the dearer the less.
//!
//! The built-in features are computed for all candidates of a request at once; a ranker picks those it wants by name
//! (`reco features` lists them). Rankers that fail give way to the next, here to the blend.
//!
//! `cargo run --example custom_ranker`

mod shop;

use reco::candidate::Candidates;
use reco::conformance;
use reco::error::{Fault, FaultKind};
use reco::features::FeatureSchema;
use reco::pipeline::Recommender;
use reco::query::Query;
use reco::rank::Ranker;
use reco::request::Request;
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;

/// A weighted sum of a few features; what is missing adds nothing.
#[derive(Debug)]
struct Thrifty {
    schema: FeatureSchema,
    features: Vec<Arc<str>>,
    weights: Vec<f32>,
}

impl Thrifty {
    fn new() -> Self {
        let weighted = [("cross.together_sum", 1.0), ("cross.tag_overlap", 0.2), ("item.price_rank", -0.5)];
        let (features, weights) = weighted.into_iter().map(|(name, weight)| (name.into(), weight)).unzip();
        Self { schema: FeatureSchema::default(), features, weights }
    }
}

impl Ranker for Thrifty {
    fn name(&self) -> &'static str {
        "thrifty"
    }

    fn score(&self, query: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
        let rows = self.schema.matrix(query, set)?.chosen(&self.features).map_err(|name| {
            Fault::new(self.name(), FaultKind::Invalid).because(format!("there is no feature `{name}`"))
        })?;
        for (score, row) in scores.iter_mut().zip(rows.chunks_exact(self.features.len())) {
            let known = row.iter().zip(&self.weights).filter(|(value, _)| !value.is_nan());
            *score = known.map(|(value, weight)| value * weight).sum();
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Checks the ranker, then writes the same customer's pages without and with it to `out`.
pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let usual = shop::pipeline().builder(shop::snapshot()?)?.build()?;
    // In your project these lines are a test; the suite panics at the first broken promise and names it.
    for user in ["ben", "a stranger"] {
        let (query, candidates) = usual.candidates_now(Request::for_user(user))?;
        conformance::ranker(&Thrifty::new(), &query, &candidates);
    }
    writeln!(out, "thrifty keeps every promise of a ranker")?;

    // Before the rankers of the configuration, which stay to step in.
    let thrifty = shop::pipeline().builder(shop::snapshot()?)?.ranker_first(Thrifty::new()).build()?;
    writeln!(out, "as usual: {}", page(&usual)?)?;
    writeln!(out, "thrifty:  {}", page(&thrifty)?)?;
    Ok(())
}

/// What a customer who likes matcha sees, with prices.
fn page(recommender: &Recommender) -> Result<String, Box<dyn Error>> {
    let page = recommender.recommend_now(Request::for_user("fay").count(5))?;
    let catalog = &recommender.snapshot().catalog;
    let priced = page
        .items
        .iter()
        .map(|item| format!("{} {:.2}", item.key, catalog.price(item.id).unwrap_or_default()));
    Ok(priced.collect::<Vec<_>>().join(", "))
}
