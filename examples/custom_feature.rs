//! A feature of one's own, which a learned ranker reads in training and in serving: whether an item is as organic
//! as what the customer usually takes.
//!
//! A group of features sees the request, its snapshot and the candidates, and nothing else. That is why the rows that
//! the ranker learns from know only what was known when their question was asked: they come from the same code, asked
//! over a snapshot of earlier data.
//!
//! `cargo run --release --example custom_feature`

mod shop;

use reco::candidate::Candidates;
use reco::catalog::Catalog;
use reco::error::Fault;
use reco::event::{Action, ActionWeights};
use reco::features::{Block, Feature, FeatureGroup, FeatureKind, FeatureSchema, MISSING};
use reco::filter::SeenPolicy;
use reco::id::ItemId;
use reco::pipeline::PipelineConfig;
use reco::query::Query;
use reco::rank::trees::Boosted;
use reco::rank::{DenseModel, LearnedRanker};
use reco::request::Request;
use reco::snapshot::Snapshot;
use reco::time::Timestamp;
use reco::train::data::Dataset;
use reco::train::fit::boosted::{self, BoostedParams};
use reco::train::fit::rankers::examples;
use reco::train::fit::rehearsal::Cuts;
use reco::train::fit::snapshot::{Plan, fit};
use reco::train::progress::Silent;
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;

const NAME: &str = "cross.organic_match";

/// 1 where an item is what the customer always takes, organic or not; 0 where it never is.
#[derive(Debug)]
struct OrganicMatch;

impl FeatureGroup for OrganicMatch {
    fn name(&self) -> &'static str {
        "organic_match"
    }

    fn features(&self, _: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        vec![Feature::new(
            NAME,
            FeatureKind::Cross,
            "share of the user's items that are as organic as this one",
        )]
    }

    fn fill(&self, query: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        let catalog = &query.snapshot.catalog;
        let taken = query.history().iter().filter(|touch| !touch.rejected);
        let (organic, all) = taken.fold((0.0, 0.0), |(organic, all), touch| {
            (organic + f32::from(u8::from(is_organic(catalog, touch.item))), all + 1.0)
        });
        for (row, &id) in block.rows().zip(set.ids()) {
            let share = if is_organic(catalog, id) { organic / all } else { 1.0 - organic / all };
            // Of somebody new nothing is known, which is not the same as 0.
            row[0] = if all > 0.0 { share } else { MISSING };
        }
        Ok(())
    }
}

fn is_organic(catalog: &Catalog, item: ItemId) -> bool {
    let tags = catalog.tags();
    tags.codes(item).iter().any(|&code| tags.name(code) == "organic")
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Trains with the feature, serves with it, and writes what came of it to `out`.
pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let dataset = regulars()?;
    // Without a blend to begin with, the ranker learns from the features alone.
    let plan = Plan { blend: None, ..Plan::default() };
    let weights = ActionWeights::default();
    // These customers take the same things again and again.
    let pipeline = PipelineConfig { seen: SeenPolicy::Never, ..shop::pipeline() };
    let schema = FeatureSchema::default().with(OrganicMatch);

    // Training: what the pipeline proposed at an earlier moment, told by the schema, and what was then taken.
    let cuts = Cuts { held_out: 0.3, count: 1 };
    let rows = examples(&dataset, &plan, &pipeline, &schema, cuts, &weights, &Silent)?;
    let rows = rows.ok_or("too few customers came back to learn from")?;
    let params = BoostedParams { rows: 20, ..BoostedParams::default() };
    let ranker = boosted::fit(&rows, &plan.features, &params, &Silent)?.ok_or("too few lists")?.ranker;
    let reads_it = ranker.features().iter().any(|feature| &**feature == NAME);
    writeln!(out, "trained on {} candidates; the ranker reads {NAME}: {reads_it}", rows.items.len())?;

    // Serving: the ranker goes into the snapshot, and the pipeline tells it the features of the same schema.
    let mut snapshot = fit(dataset, &plan, &pipeline, &weights, "v1", &Silent)?;
    snapshot.models.insert(Boosted::NAME, ranker);
    let learned = LearnedRanker::boosted().schema(schema);
    let recommender = pipeline.builder(snapshot)?.ranker_first(learned).build()?;
    for user in ["organic-0", "other-0"] {
        let page = recommender.recommend_now(Request::for_user(user).count(6))?;
        let catalog = &recommender.snapshot().catalog;
        let organic = page.items.iter().filter(|item| is_organic(catalog, item.id)).count();
        let rung = page.rung;
        writeln!(out, "{user}: {organic} of {} organic, ranked by rung {rung:?}", page.items.len())?;
    }
    Ok(())
}

/// The shop's items, and 160 customers who come every other day; half of them take little but organic things.
fn regulars() -> Result<Dataset, Box<dyn Error>> {
    let catalog = shop::dataset()?.catalog;
    let (organic, other): (Vec<ItemId>, Vec<ItemId>) =
        catalog.ids().partition(|&id| is_organic(&catalog, id));
    let mut dataset = Dataset { catalog, ..Dataset::default() };
    for day in 0..12 {
        for customer in 0..160 {
            let (name, liked, rest) =
                if customer % 2 == 0 { ("organic", &organic, &other) } else { ("other", &other, &organic) };
            let shelf = if (day + customer) % 6 == 5 { rest } else { liked };
            let item = shelf[(customer * 7 + day * 5) % shelf.len()];
            let user = dataset.log.users.intern(&format!("{name}-{}", customer / 2));
            let at = 1_700_000_000 + (day * 2 * 86_400 + customer * 60) as i64;
            dataset.log.push(user, item, &Action::Purchase, None, Timestamp::from_secs(at));
        }
    }
    Ok(dataset)
}
