//! Two processes of one service share what they know: a cache, who asked how often, which events came, what trends,
//! lists computed at night, and what is known of users and items.
//!
//! `redis-server --port 6379`, then `cargo run -p reco-redis --example fleet -- 127.0.0.1:6379`

use reco_core::cache::Cache;
use reco_core::consume::Consumer;
use reco_core::event::{Action, Event, EventId};
use reco_core::features::FeatureRules;
use reco_core::id::{ItemKey, UserKey};
use reco_core::retrieve::StoredList;
use reco_core::store::{Delivery, Place};
use reco_core::time::{Clock, SystemClock};
use reco_redis::{FeatureFeed, FeatureStore, ItemDocuments, Sighting, Trending, UserEmbeddings};
use reco_redis::{PrecomputedLists, RateLimit, RedisCache, RedisClient, RedisConfig, SeenIds, Topology};
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6379".to_owned());
    let (one, other) = (process(&address, 1)?, process(&address, 2)?);
    share(&one, &other, &mut io::stdout()).await
}

/// One process: each has a client and a seed of its own.
fn process(address: &str, seed: u64) -> Result<RedisClient, Box<dyn Error>> {
    let topology = Topology::Single { address: address.to_owned() };
    let prefix = "fleet-example".to_owned();
    let config = RedisConfig { topology, documents_prefix: prefix.clone(), prefix, ..RedisConfig::default() };
    Ok(RedisClient::new(config, Arc::new(SystemClock), seed)?)
}

/// Writes to `out` what the second process finds of what the first did.
pub(crate) async fn share(
    one: &RedisClient,
    other: &RedisClient,
    out: &mut (dyn Write + Send),
) -> Result<(), Box<dyn Error>> {
    let (ann, now) = (UserKey::from("ann"), SystemClock.wall());

    RedisCache::new(one).put("recs:ann", "[\"tea\"]".into(), Duration::from_mins(1)).await?;
    let page = RedisCache::new(other).get("recs:ann").await?.unwrap_or_default();
    writeln!(out, "cached        {}", String::from_utf8_lossy(&page))?;

    let minute = Duration::from_mins(1);
    RateLimit::new(one, "pages", 100, minute)?.take("ann", 1).await?;
    let decision = RateLimit::new(other, "pages", 100, minute)?.take("ann", 1).await?;
    writeln!(out, "rate limit    {} left this minute", decision.remaining)?;

    let day = Duration::from_hours(24);
    let event = (&ann, EventId::v7(now, u128::from(std::process::id())));
    let first = SeenIds::new(one, day)?.mark(&[event]).await?;
    let again = SeenIds::new(other, day)?.mark(&[event]).await?;
    writeln!(out, "event         new {:?}, sent again {:?}", first[0], again[0])?;

    let taken = ["tea", "jam", "tea"].map(|item| Sighting { item: item.into(), weight: 1.0, at: now });
    Trending::new(one, "day", 1.0, 10_000)?.add("all", &taken).await?;
    let top = Trending::new(other, "day", 1.0, 10_000)?.top(&["all"], 1, now).await?;
    writeln!(out, "trending      {}", top[0].item)?;

    let items = [("tea".into(), 0.9, "you bought honey".to_owned()), ("jam".into(), 0.7, String::new())];
    let list = StoredList::new(now, now.plus_days(1.0), items);
    PrecomputedLists::new(one, "nightly").write(&[(&ann, list)]).await?;
    if let Some(list) = PrecomputedLists::new(other, "nightly").read(&ann, 1).await? {
        writeln!(out, "list          {} ({})", list.items[0].item, list.items[0].explanation)?;
    }
    documents(one, other, out).await
}

/// What is known of users and items, in a form that programs in other languages read, too.
async fn documents(
    one: &RedisClient,
    other: &RedisClient,
    out: &mut (dyn Write + Send),
) -> Result<(), Box<dyn Error>> {
    let (ann, tea, now) = (UserKey::from("ann"), ItemKey::from("tea"), SystemClock.wall());
    let store = FeatureStore::new(one, FeatureStore::TTL)?;
    store.forget(&ann).await?;
    let mut feed = FeatureFeed::new(&store, FeatureRules::default(), |_| Some("drinks".into()));
    // What `consume` would bring from a log.
    let id = EventId::v7(now, u128::from(std::process::id()));
    let (user, item, action) = (ann.clone(), tea.clone(), Action::View);
    let event = Event { id, user, item, action, value: None, at: now, details: None };
    let delivery = Delivery { place: Place { partition: 0, offset: 7 }, event };
    feed.take(&[delivery.clone(), delivery]).await?;
    feed.flush().await?;
    let known = FeatureStore::new(other, FeatureStore::TTL)?.read_many(&[&ann]).await?;
    let count = known.iter().flatten().map(|features| features.interactions()).sum::<u64>();
    writeln!(out, "features      {count} event, though it came twice")?;

    let week = Duration::from_hours(7 * 24);
    let fields = [("content.category", "drinks"), ("popularity.views", "1")];
    ItemDocuments::new(one, week)?.write_many(&[(&tea, &fields)]).await?;
    if let Some(Some(item)) = ItemDocuments::new(other, week)?.read_many(&[&tea]).await?.first() {
        writeln!(out, "item          {:?}", item.fields.get("content.category"))?;
    }
    UserEmbeddings::new(one, week)?.write_many(&[(&ann, &[0.5, -1.0])]).await?;
    if let Some(Some(embedding)) = UserEmbeddings::new(other, week)?.read_many(&[&ann]).await?.first() {
        writeln!(out, "vector        {:?}", embedding.vector)?;
    }
    Ok(())
}
