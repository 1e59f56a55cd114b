//! A service of a fleet: events in Kafka, features of users and finished pages in Redis, pages over HTTP. Start as many as
//! you like; each knows what happened at the others.
//!
//! `scripts/stack run -- cargo run --example redis_kafka_http` brings up Redis with its sentinels, Kafka and this; or name
//! servers of your own in a file with the tables `[kafka]` and `[redis]`: `RECO_STACK_CONFIG=fleet.toml cargo run --example
//! redis_kafka_http`. Then open <http://127.0.0.1:8080/>, and another on `LISTEN=127.0.0.1:8081`.

mod shop;

use axum::Router;
use reco::cache::Life;
use reco::consume::{Consumer, Pace, Progress, consume};
use reco::features::FeatureRules;
use reco::id::ItemKey;
use reco::pipeline::{LiveFeed, PageCache, Recommender};
use reco::store::EventSource;
use reco::time::SystemClock;
use reco_http::{Api, HttpConfig, serve, shutdown_signal};
use reco_kafka::{KafkaConfig, KafkaSink, KafkaSource, topics};
use reco_redis::{FeatureFeed, FeatureStore, RedisCache, RedisClient, RedisConfig};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Where the servers are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stack {
    kafka: KafkaConfig,
    redis: RedisConfig,
}

impl Stack {
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(toml::from_str(&std::fs::read_to_string(path)?)?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stack = match std::env::var_os("RECO_STACK_CONFIG") {
        Some(path) => Stack::read(Path::new(&path))?,
        None => Stack::default(),
    };
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    serve(TcpListener::bind(listen).await?, service(stack).await?, shutdown_signal()).await?;
    Ok(())
}

/// The whole service, whose consumers run in the background from now on.
pub(crate) async fn service(stack: Stack) -> Result<Router, Box<dyn Error>> {
    let redis = RedisClient::new(stack.redis, Arc::new(SystemClock), u64::from(std::process::id()))?;
    redis.ping().await?;
    topics::prepare(&stack.kafka).await?;

    let store = FeatureStore::new(&redis, FeatureStore::TTL)?;
    let cache = Arc::new(RedisCache::new(&redis));
    let pages = PageCache::new(Life::LISTS, 64 << 20, Arc::new(SystemClock));
    let recommender = shop::pipeline()
        .builder(shop::snapshot()?)?
        .events(Arc::new(KafkaSink::open(&stack.kafka)?))
        // Every event reaches the live layer, so that a document may be some minutes old.
        .features_for(Arc::new(store.clone()), Life::FEATURES)
        .pages(pages.before(cache, Duration::from_millis(10), "redis_kafka_http"))
        .build()?;

    // Each process reads all events into its live layer, ...
    let all = KafkaSource::open_alone(&stack.kafka, LiveFeed::NAME, &BTreeMap::new()).await?;
    let checkpoint = std::env::temp_dir().join(format!("redis_kafka_http.{}", std::process::id()));
    feed(all, LiveFeed::new(recommender.clone(), checkpoint));
    // ... and one of them each into the documents of users.
    let shared = KafkaSource::open(&stack.kafka, FeatureFeed::NAME)?;
    feed(shared, FeatureFeed::new(&store, FeatureRules::default(), category(&recommender)));

    Ok(Api::new(recommender, HttpConfig::default()).router())
}

/// Feeds a consumer in the background for as long as the process lives.
fn feed(source: impl EventSource, consumer: impl Consumer) {
    let (pace, progress) = (Pace::default(), Arc::new(Progress::default()));
    tokio::spawn(consume(source, consumer, pace, progress, Arc::new(SystemClock), std::future::pending()));
}

/// The category of an item, by the catalogue of the moment.
fn category(recommender: &Recommender) -> impl Fn(&ItemKey) -> Option<Arc<str>> + Send + Sync + use<> {
    let recommender = recommender.clone();
    move |item| recommender.snapshot().catalog.category_of(item.as_str()).map(Arc::from)
}
