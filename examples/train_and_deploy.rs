//! From data to a new version that takes over while pages are served: fit, publish to a registry, promote, check, swap;
//! and a version that is refused because its pages got worse.
//!
//! `cargo run --example train_and_deploy`

mod shop;

use reco::error::RecommendError;
use reco::event::{Action, ActionWeights};
use reco::pipeline::{Recommender, SwapGuard};
use reco::registry::{Alias, FolderRegistry};
use reco::request::Request;
use reco::snapshot::Snapshot;
use reco::time::{Clock, SystemClock, Timestamp};
use reco::train::data::Dataset;
use reco::train::fit::snapshot::{Plan, fit};
use reco::train::progress::Silent;
use reco::train::publish::{self, DataFacts, Metadata};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fs, process, thread};

/// The name of the model in the registry.
const MODEL: &str = "home";

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Deploys two versions and tries a third; what happened goes to `out`.
pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let folder = env::temp_dir().join(format!("reco-train-and-deploy-{}", process::id()));
    let told = deployed(&FolderRegistry::new(&folder), out);
    fs::remove_dir_all(&folder)?;
    told
}

fn deployed(registry: &FolderRegistry, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    // The first version: trained, published whole or not at all, and promoted.
    let first = train(registry, shop::dataset()?)?;
    registry.promote(MODEL, first, Alias::Champion, "the nightly training")?;
    let recommender = shop::pipeline().builder(champion(registry)?)?.build()?;
    writeln!(out, "{} serves", recommender.snapshot().version)?;

    // A week later there are more purchases. Elsewhere a second version is trained and promoted; here it is
    // loaded beside the first, checked by replaying recent requests, and swapped in, while others are served.
    let mut later = shop::dataset()?;
    for customer in ["ann", "eva", "kim"] {
        buy(&mut later, customer, "darjeeling")?;
    }
    let second = train(registry, later)?;
    registry.promote(MODEL, second, Alias::Champion, "the nightly training")?;
    let guard = SwapGuard { golden_users: vec!["ann".into()], ..SwapGuard::default() };
    let (swapped, versions) =
        while_serving(&recommender, || Ok(recommender.swap_checked(champion(registry)?, &guard)?))?;
    writeln!(
        out,
        "{} serves, {:.0} % of the old pages kept",
        recommender.snapshot().version,
        swapped.overlap * 100.0
    )?;
    writeln!(
        out,
        "every request was answered, by {}",
        versions.into_iter().collect::<Vec<_>>().join(" and ")
    )?;

    // A version made of almost nothing: it does not know the golden user, so the second one goes on.
    let mut nothing = Dataset { catalog: shop::dataset()?.catalog, ..Dataset::default() };
    buy(&mut nothing, "nobody", "honey")?;
    let third = train(registry, nothing)?;
    registry.promote(MODEL, third, Alias::Champion, "the nightly training")?;
    if let Err(refused) = recommender.swap_checked(champion(registry)?, &guard) {
        let back = registry.roll_back(MODEL, "the nightly training")?;
        writeln!(out, "v{third} was refused: {refused}")?;
        writeln!(
            out,
            "{} goes on; champion is v{} again",
            recommender.snapshot().version,
            back.unwrap_or_default()
        )?;
    }
    Ok(())
}

/// Fits everything and publishes it with where it comes from; the version's number.
fn train(registry: &FolderRegistry, dataset: Dataset) -> Result<u64, Box<dyn Error>> {
    let facts = DataFacts::of(&dataset);
    let (plan, weights) = (Plan::default(), ActionWeights::default());
    let snapshot = fit(dataset, &plan, &shop::pipeline(), &weights, "example", &Silent)?;
    // Your configuration would stand here, for people who ask a year later.
    let configuration = Metadata::default().configuration;
    let metadata = Metadata::new(&snapshot, facts, None, configuration, SystemClock.wall());
    Ok(publish::publish(registry, MODEL, &snapshot, &metadata)?)
}

/// The promoted version, its checksums verified.
fn champion(registry: &FolderRegistry) -> Result<Snapshot, Box<dyn Error>> {
    let version = registry.read_rollout(MODEL)?.named(Alias::Champion).ok_or("there is no champion")?;
    Ok(publish::load(registry, MODEL, version)?)
}

fn buy(dataset: &mut Dataset, customer: &str, item: &str) -> Result<(), Box<dyn Error>> {
    let user = dataset.log.users.intern(customer);
    let item = dataset.catalog.id(item).ok_or("no such item")?;
    dataset.log.push(user, item, &Action::Purchase, None, Timestamp::from_secs(1_701_000_000));
    Ok(())
}

/// Does something while another thread asks for one page after the other; also says which versions made them.
fn while_serving<T>(
    recommender: &Recommender,
    act: impl FnOnce() -> Result<T, Box<dyn Error>>,
) -> Result<(T, BTreeSet<String>), Box<dyn Error>> {
    let is_over = AtomicBool::new(false);
    // Once before and once after, however fast it is.
    let ask =
        || recommender.recommend_now(Request::for_user("ann").count(4)).map(|page| page.snapshot.to_string());
    let mut versions = BTreeSet::from([ask()?]);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                versions.insert(ask()?);
            }
            versions.insert(ask()?);
            Ok::<_, RecommendError>(versions)
        });
        let done = act();
        is_over.store(true, Ordering::Release);
        let versions = asking.join().map_err(|_| "the asking thread panicked")??;
        Ok((done?, versions))
    })
}
