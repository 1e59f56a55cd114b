//! The implementations of this crate keep every promise: as values, in a box and in an arc. Broken
//! ones, in `broken`, are found out.

mod broken;

use super::*;
use crate::cache::{Cache, MemoryCache};
use crate::experiment::{Experiment, HashSplit};
use crate::features::FeatureSource;
use crate::launch::{ExposureLedger, FileLedger, MemoryLedger};
use crate::live::Live;
use crate::registry::{MemoryRegistry, ModelRegistry};
use crate::retrieve::RemoteGenerator;
use crate::retrieve::curated::CuratedLists;
use crate::store::{EventSink, MemoryLog};
use crate::time::{Budget, ManualClock, SystemClock, Timestamp};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

fn budget() -> Budget {
    Budget::start(Arc::new(SystemClock), Duration::from_mins(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_cache() {
    async fn check<C: Cache>(wrap: impl Fn(MemoryCache) -> C) {
        let clock = ManualClock::starting_at(Timestamp::from_secs(0));
        let made = wrap(MemoryCache::new(16 << 20, Arc::new(clock.clone())));
        cache(&made, &|by| clock.advance(by)).await;
    }
    check(|cache| cache).await;
    check(|cache| Box::new(cache) as Box<dyn Cache>).await;
    check(|cache| Arc::new(cache) as Arc<dyn Cache>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_log() {
    async fn check<S: EventSink>(wrap: impl Fn(Arc<MemoryLog>) -> S) {
        let log = Arc::new(MemoryLog::default());
        event_log(&wrap(Arc::clone(&log)), &|group| Box::new(log.reader(group))).await;
        let log = Arc::new(MemoryLog::default());
        deduplicating_log(&wrap(Arc::clone(&log)), &|group| Box::new(Box::new(log.reader(group)))).await;
    }
    check(|log| log).await;
    check(|log| Box::new(log) as Box<dyn EventSink>).await;
    check(|log| log as Arc<dyn EventSink>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_registry() {
    model_registry(&MemoryRegistry::default()).await;
    model_registry(&(Box::new(MemoryRegistry::default()) as Box<dyn ModelRegistry>)).await;
    model_registry(&(Arc::new(MemoryRegistry::default()) as Arc<dyn ModelRegistry>)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live() {
    async fn check<F: FeatureSource>(wrap: impl Fn(Arc<Live>) -> F) {
        let live = Arc::new(Live::default());
        let feed = |event| -> futures_util::future::BoxFuture<'_, ()> {
            live.apply(&event);
            Box::pin(ready(()))
        };
        feature_source(&wrap(Arc::clone(&live)), &feed, &budget()).await;
    }
    check(|live| live).await;
    check(|live| Box::new(live) as Box<dyn FeatureSource>).await;
    check(|live| live as Arc<dyn FeatureSource>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curated_lists() {
    let lists = || {
        let lists = CuratedLists::new("editors", 10);
        lists.set_for_everyone((0..20).map(|i| format!("item{i}").into()));
        lists
    };
    let user = "ann".into();
    remote_generator(&lists(), &user, &budget()).await;
    remote_generator(&(Box::new(lists()) as Box<dyn RemoteGenerator>), &user, &budget()).await;
    remote_generator(&(Arc::new(lists()) as Arc<dyn RemoteGenerator>), &user, &budget()).await;
}

#[test]
fn hash_split() {
    let split = |weights: &[f64], coverage| HashSplit::new("colours", weights, coverage).unwrap();
    experiment(&split(&[1.0, 1.0, 2.0], 1.0), &[0.25, 0.25, 0.5]);
    experiment(&split(&[1.0], 0.5), &[0.5]);
    experiment(&split(&[1.0, 0.0], 1.0), &[1.0, 0.0]);
    experiment(&(Box::new(split(&[1.0, 3.0], 0.2)) as Box<dyn Experiment>), &[0.05, 0.15]);
    experiment(&(Arc::new(split(&[1.0, 3.0], 0.2)) as Arc<dyn Experiment>), &[0.05, 0.15]);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_ledger() {
    async fn check<L: ExposureLedger>(wrap: impl Fn(MemoryLedger) -> L) {
        exposure_ledger(&wrap(MemoryLedger::default())).await;
    }
    check(|ledger| ledger).await;
    check(|ledger| Box::new(ledger) as Box<dyn ExposureLedger>).await;
    check(|ledger| Arc::new(ledger) as Arc<dyn ExposureLedger>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exposures.json");
    exposure_ledger(&FileLedger::open(&path).unwrap()).await;
    let again = FileLedger::open(&path).unwrap();
    assert_eq!(again.granted(&"tea".into()).await.unwrap(), 12, "what was granted stays so");
}
