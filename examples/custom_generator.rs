//! A candidate generator of your own: items of the brands a user likes. It passes the conformance suite, joins
//! the built-in generators, and its items say why they are there.
//!
//! `cargo run --example custom_generator`
//!
//! Filters, rankers and re-rankers go the same way through `filter`, `ranker` and `reranker` of the builder.

mod shop;

use reco::candidate::Hits;
use reco::conformance;
use reco::error::Fault;
use reco::explain;
use reco::features::UserFeatures;
use reco::id::ItemId;
use reco::interactions::Touch;
use reco::pipeline::Quotas;
use reco::query::Query;
use reco::request::Request;
use reco::retrieve::{CandidateGenerator, Support};
use reco::snapshot::Snapshot;
use reco::time::{Budget, SystemClock};
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// Proposes what comes from the brands of the user's own items, more strongly the more of those there are.
#[derive(Debug)]
struct SameBrand;

impl CandidateGenerator for SameBrand {
    fn name(&self) -> &'static str {
        "same_brand"
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        for id in query.snapshot.catalog.ids() {
            let weight: f32 = of_its_brand(query, id).map(|touch| touch.weight).sum();
            if weight > 0.0 {
                out.push(id, weight);
            }
        }
        out.keep_top(limit);
        Ok(())
    }

    fn support(&self, query: &Query, item: ItemId, out: &mut Vec<Support>) {
        out.extend(of_its_brand(query, item).map(|touch| Support { item: touch.item, weight: touch.weight }));
    }
}

/// What the user took, other than the item itself, from the item's brand.
fn of_its_brand(query: &Query, item: ItemId) -> impl Iterator<Item = &Touch> {
    let brands = query.snapshot.catalog.brand();
    let brand = brands.get(item);
    let other = move |touch: &&Touch| touch.item != item && !touch.rejected;
    query
        .history()
        .iter()
        .filter(other)
        .filter(move |touch| brand.is_some() && brands.get(touch.item) == brand)
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Checks the generator, then writes a page it took part in to `out`.
pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    // In your project these two lines are a test; the suite panics at the first broken promise and names it.
    conformance::candidate_generator(&SameBrand, &query(shop::snapshot()?, "ben"));
    conformance::candidate_generator(&SameBrand, &query(shop::snapshot()?, "a stranger"));
    writeln!(out, "same_brand keeps every promise of a generator")?;

    // At most twenty candidates on every surface but the similar-items page, which is about an item, not a user.
    let recommender = shop::pipeline()
        .builder(shop::snapshot()?)?
        .generator(SameBrand, Quotas::everywhere(20).on("similar", 0))
        .build()?;
    let page = recommender.recommend_now(Request::for_user("ben").count(3))?;
    let catalog = &recommender.snapshot().catalog;
    for item in &page.items {
        let why = item.why.as_ref().ok_or("a page says why unless it is told not to")?;
        writeln!(out, "{}. {} by {}", item.rank, item.key, catalog.brand().get(item.id).unwrap_or("nobody"))?;
        for reason in explain::reasons(why, catalog) {
            writeln!(out, "   {reason}")?;
        }
    }
    Ok(())
}

/// A request as the parts of a pipeline see it.
fn query(snapshot: Snapshot, user: &str) -> Query {
    let budget = Budget::start(Arc::new(SystemClock), Duration::from_mins(1));
    let request = Arc::new(Request::for_user(user));
    Query::new(request, Arc::new(snapshot), Arc::default(), &UserFeatures::default(), budget)
}
