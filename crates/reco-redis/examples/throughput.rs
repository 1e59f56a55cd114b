//! Reads of small hashes a second, over one pool of connections: by many callers at a time, and in batches.
//!
//! `cargo run --release -p reco-redis --example throughput -- 127.0.0.1:6379`; `benches/redis/run.py` starts a server
//! for it and writes down what it measures. Prints a line of JSON for each way of reading.

use reco_core::id::UserKey;
use reco_core::time::{Clock, SystemClock};
use reco_redis::{PrecomputedLists, RedisClient, RedisConfig, Topology};
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6379".to_owned());
    let config = RedisConfig {
        topology: Topology::Single { address },
        prefix: "reco-throughput".to_owned(),
        ..RedisConfig::default()
    };
    let pool = config.pool;
    let lists = PrecomputedLists::new(&RedisClient::new(config, Arc::new(SystemClock), 7)?, "throughput");
    let users: Arc<[UserKey]> = (0..USERS).map(|user| format!("user {user}").into()).collect();
    write_all(&lists, &users).await?;
    for (callers, batch) in WAYS {
        let rate = measure(&lists, &users, callers, batch).await?;
        let line =
            serde_json::json!({ "callers": callers, "batch": batch, "pool": pool, "per_second": rate });
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}

async fn write_all(lists: &PrecomputedLists, users: &[UserKey]) -> Result<(), Box<dyn Error>> {
    let now = SystemClock.wall();
    let items =
        || (0..ITEMS).map(|place| (format!("item {place}").into(), f32::from(ITEMS - place), String::new()));
    let list = || PrecomputedLists::list(now, now.plus_days(0.1), items());
    lists.write(&users.iter().map(|user| (user, list())).collect::<Vec<_>>()).await?;
    Ok(())
}

/// Hashes read a second.
async fn measure(
    lists: &PrecomputedLists,
    users: &Arc<[UserKey]>,
    callers: usize,
    batch: usize,
) -> Result<f64, Box<dyn Error>> {
    let (done, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reading: Vec<_> = (0..callers)
        .map(|caller| {
            let (lists, users) = (lists.clone(), Arc::clone(users));
            let (done, read) = (Arc::clone(&done), Arc::clone(&read));
            tokio::spawn(async move {
                let mut place = caller * 7_919;
                while !done.load(Ordering::Relaxed) {
                    let asked: Vec<&UserKey> = (0..batch).map(|n| &users[(place + n) % USERS]).collect();
                    let found = lists.read_many(&asked, usize::from(ITEMS)).await?;
                    assert!(found.iter().flatten().all(|list| list.items.len() == usize::from(ITEMS)));
                    read.fetch_add(found.iter().flatten().count() as u64, Ordering::Relaxed);
                    place += batch;
                }
                Ok::<(), reco_core::error::Fault>(())
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
