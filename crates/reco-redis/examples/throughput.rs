//! Reads of lists and of features a second, over one pool of connections: by many callers at a time, and in batches; and
//! events a second into features, with how long it takes until they can be read.
//!
//! `cargo run --release -p reco-redis --example throughput -- 127.0.0.1:6379`; `benches/redis/run.py` starts a server
//! for it and writes down what it measures. Prints a line of JSON for each figure.

use reco_core::consume::Consumer;
use reco_core::error::Fault;
use reco_core::event::{Action, Event, EventId};
use reco_core::features::FeatureRules;
use reco_core::id::UserKey;
use reco_core::retrieve::StoredList;
use reco_core::store::{Delivery, Place};
use reco_core::time::{Clock, SystemClock};
use reco_redis::{FeatureFeed, FeatureStore, PrecomputedLists, RedisClient, RedisConfig, Topology};
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const USERS: usize = 10_000;
const ITEMS: u8 = 3;
const MEASURED: Duration = Duration::from_secs(3);

/// Callers at a time, and hashes each reads in one call.
const WAYS: [(usize, usize); 5] = [(1, 1), (64, 1), (256, 1), (4, 100), (16, 100)];

/// Events in all that are fed, twenty of each user at the end, and how many at a time.
const FED: usize = 200_000;
const FED_AT_A_TIME: usize = 1_000;

/// Batches of how many events are timed one by one, and how many batches.
const TIMED: [(usize, usize); 2] = [(1, 2_000), (10, 1_000)];

/// What is read.
#[derive(Clone)]
enum Kept {
    Lists(PrecomputedLists),
    Features(FeatureStore),
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6379".to_owned());
    let prefix = "reco-throughput".to_owned();
    let (topology, documents_prefix) = (Topology::Single { address }, prefix.clone());
    let config = RedisConfig { topology, documents_prefix, prefix, ..RedisConfig::default() };
    let pool = config.pool;
    let client = RedisClient::new(config, Arc::new(SystemClock), 7)?;
    let lists = PrecomputedLists::new(&client, "throughput");
    let store = FeatureStore::new(&client, FeatureStore::TTL)?;
    let users: Arc<[UserKey]> = (0..USERS).map(|user| format!("user {user}").into()).collect();
    write_all(&lists, &users).await?;
    feed(&store, &users).await?;
    for (what, kept) in [("lists", Kept::Lists(lists)), ("features", Kept::Features(store))] {
        for (callers, batch) in WAYS {
            let rate = measure(&kept, &users, callers, batch).await?;
            let line = serde_json::json!({
                "what": what, "callers": callers, "batch": batch, "pool": pool, "per_second": rate,
            });
            writeln!(io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

async fn write_all(lists: &PrecomputedLists, users: &[UserKey]) -> Result<(), Box<dyn Error>> {
    let now = SystemClock.wall();
    let items =
        || (0..ITEMS).map(|place| (format!("item {place}").into(), f32::from(ITEMS - place), String::new()));
    let list = || StoredList::new(now, now.plus_days(0.1), items());
    lists.write(&users.iter().map(|user| (user, list())).collect::<Vec<_>>()).await?;
    Ok(())
}

/// Feeds events of all users, and prints how fast that goes.
async fn feed(store: &FeatureStore, users: &[UserKey]) -> Result<(), Box<dyn Error>> {
    for user in users {
        store.forget(user).await?;
    }
    let mut feed =
        FeatureFeed::new(store, FeatureRules::default(), |item| item.as_str().get(..6).map(Into::into));
    let timed = TIMED.iter().map(|(size, count)| size * count).sum::<usize>();
    let log: Vec<Delivery> = (0..FED + timed).map(|offset| delivery(offset, users)).collect();
    let (fed, mut rest) = log.split_at(FED);
    let begun = Instant::now();
    for batch in fed.chunks(FED_AT_A_TIME) {
        feed.take(batch).await?;
    }
    let rate = FED as f64 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    feed.flush().await?;
    let flush = begun.elapsed();
    let line = serde_json::json!({
        "what": "feed", "batch": FED_AT_A_TIME, "per_second": rate, "flush_ms": flush.as_secs_f64() * 1e3,
    });
    writeln!(io::stdout(), "{line}")?;
    for (size, count) in TIMED {
        let (some, others) = rest.split_at(size * count);
        let mut times = Vec::with_capacity(count);
        for batch in some.chunks(size) {
            let begun = Instant::now();
            feed.take(batch).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let (p50, p99) = (times[count / 2], times[count * 99 / 100]);
        let line = serde_json::json!({ "what": "take", "batch": size, "p50_ms": p50, "p99_ms": p99 });
        writeln!(io::stdout(), "{line}")?;
        rest = others;
    }
    Ok(())
}

/// Users in no order that batches would follow.
fn delivery(offset: usize, users: &[UserKey]) -> Delivery {
    let event = Event {
        id: EventId(offset as u128),
        user: users[offset * 7_919 % users.len()].clone(),
        item: format!("item {}", offset % 5_003).into(),
        action: if offset.is_multiple_of(5) { Action::Purchase } else { Action::View },
        value: None,
        at: SystemClock.wall().plus_days(-(offset as f64 / 1e6)),
        details: None,
    };
    Delivery { place: Place { partition: 0, offset: offset as u64 }, event }
}

impl Kept {
    /// How many of some users' were found.
    async fn read(&self, users: &[&UserKey]) -> Result<usize, Fault> {
        Ok(match self {
            Self::Lists(lists) => lists.read_many(users, usize::from(ITEMS)).await?.iter().flatten().count(),
            Self::Features(store) => store.read_many(users).await?.iter().flatten().count(),
        })
    }
}

/// Hashes read a second.
async fn measure(
    kept: &Kept,
    users: &Arc<[UserKey]>,
    callers: usize,
    batch: usize,
) -> Result<f64, Box<dyn Error>> {
    let (done, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reading: Vec<_> = (0..callers)
        .map(|caller| {
            let (kept, users) = (kept.clone(), Arc::clone(users));
            let (done, read) = (Arc::clone(&done), Arc::clone(&read));
            tokio::spawn(async move {
                let mut place = caller * 7_919;
                while !done.load(Ordering::Relaxed) {
                    let asked: Vec<&UserKey> = (0..batch).map(|n| &users[(place + n) % USERS]).collect();
                    let found = kept.read(&asked).await?;
                    assert_eq!(found, batch, "all have been written");
                    read.fetch_add(found as u64, Ordering::Relaxed);
                    place += batch;
                }
                Ok::<(), Fault>(())
            })
        })
        .collect();
    let begun = Instant::now();
    tokio::time::sleep(MEASURED).await;
    done.store(true, Ordering::Relaxed);
    let rate = read.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    for task in reading {
        task.await??;
    }
    Ok(rate)
}
