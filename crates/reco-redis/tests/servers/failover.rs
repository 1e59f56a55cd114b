//! The primary dies, or is cut off and comes back: what was acknowledged stays, what cannot be done is said.

use crate::rig::sentinel::{Watched, info};
use crate::rig::{client, eventually, eventually_async, present, random};
use parking_lot::Mutex;
use reco_core::cache::Cache;
use reco_core::time::{ManualClock, Timestamp};
use reco_redis::{RedisCache, RedisClient, RedisConfig, RetryConfig, Topology, Trouble};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const HOUR: Duration = Duration::from_hours(1);

/// Constant writes and reads until told to end.
struct Traffic {
    done: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Vec<Write>>>,
    readers: Vec<JoinHandle<()>>,
    reads: Arc<AtomicU32>,
    answered_locally: Arc<AtomicU32>,
}

/// A write that was acknowledged.
#[derive(Debug)]
struct Write {
    key: String,
    value: String,
    begun: Instant,
    acknowledged: Instant,
}

impl Traffic {
    fn start(client: &RedisClient) -> Self {
        let cache = Arc::new(RedisCache::new(client));
        let (done, reads, answered_locally) = <(Arc<AtomicBool>, Arc<AtomicU32>, Arc<AtomicU32>)>::default();
        let writers = (0..4).map(|writer| tokio::spawn(write(Arc::clone(&cache), Arc::clone(&done), writer)));
        let readers = (0..4).map(|_| {
            tokio::spawn(read(
                Arc::clone(&cache),
                Arc::clone(&done),
                Arc::clone(&reads),
                Arc::clone(&answered_locally),
            ))
        });
        let (writers, readers) = (writers.collect(), readers.collect());
        Self { done, writers, readers, reads, answered_locally }
    }

    /// The writes that were acknowledged.
    async fn end(self) -> Vec<Write> {
        self.done.store(true, Ordering::Relaxed);
        let mut writes = Vec::new();
        for writer in self.writers {
            writes.extend(writer.await.expect("a writer ends"));
        }
        for reader in self.readers {
            reader.await.expect("a reader ends");
        }
        writes
    }
}

async fn write(cache: Arc<RedisCache>, done: Arc<AtomicBool>, writer: u32) -> Vec<Write> {
    let mut writes = Vec::new();
    for round in 0u32.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let (key, value, begun) = (format!("{writer}:{}", round % 100), round.to_string(), Instant::now());
        if cache.put(&key, value.clone().into(), HOUR).await.is_ok() {
            writes.push(Write { key, value, begun, acknowledged: Instant::now() });
        }
        tokio::task::yield_now().await;
    }
    writes
}

/// Reads as a service would that keeps what it read last: a fault is answered from there.
async fn read(
    cache: Arc<RedisCache>,
    done: Arc<AtomicBool>,
    reads: Arc<AtomicU32>,
    answered_locally: Arc<AtomicU32>,
) {
    let local = Mutex::new(HashMap::new());
    for round in 0u32.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("{}:{}", round % 4, round % 100);
        match cache.get(&key).await {
            Ok(value) => {
                local.lock().insert(key, value);
            }
            Err(_) => {
                answered_locally.fetch_add(1, Ordering::Relaxed);
            }
        }
        reads.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

async fn after_some_traffic(traffic: &Traffic) {
    let from = traffic.reads.load(Ordering::Relaxed);
    eventually_async("there is traffic", || async { traffic.reads.load(Ordering::Relaxed) > from + 2_000 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_after_the_primary_was_killed() {
    if !present() {
        return;
    }
    let mut watched = Watched::start();
    let client = client(watched.config());
    let traffic = Traffic::start(&client);
    after_some_traffic(&traffic).await;
    let killed = Instant::now();
    watched.primary.process.kill();
    let probe = RedisCache::new(&client);
    let probe = &probe;
    eventually_async("writes go on", || async move { probe.put("probe", "x".into(), HOUR).await.is_ok() })
        .await;
    after_some_traffic(&traffic).await;
    let (reads, locally) = (Arc::clone(&traffic.reads), Arc::clone(&traffic.answered_locally));
    let writes = traffic.end().await;
    let resumed = writes.iter().filter(|write| write.begun > killed).map(|write| write.acknowledged).min();
    let gap = resumed.expect("writes went on") - killed;
    eprintln!(
        "fail-over: writes went on after {gap:?}; {} of {} reads had to be answered from a local copy",
        locally.load(Ordering::Relaxed),
        reads.load(Ordering::Relaxed),
    );
    assert!(gap < Duration::from_secs(10), "{gap:?}");
    eventually("the replica is the primary", || info(&watched.replica, "role") == "master");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_sentinels_is_told() {
    if !present() {
        return;
    }
    let watched = Watched::start();
    let retry = RetryConfig { attempts: 2, base_ms: 0, cap_ms: 0 };
    let config = RedisConfig { retry, ..watched.config() };
    let Topology::Sentinel { addresses, password, .. } = config.topology.clone() else {
        panic!("there are sentinels")
    };
    for (service, password, said) in [
        ("nobody", password.clone(), "it does not watch `nobody`"),
        ("shop", "wrong".into(), "does not know this user and password"),
    ] {
        let (addresses, service, user) = (addresses.clone(), service.to_owned(), String::new());
        let topology = Topology::Sentinel { addresses, service, user, password };
        let error = client(RedisConfig { topology, ..config.clone() }).ping().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::NoPrimary);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sentinels_the_primary_is_used_on() {
    if !present() {
        return;
    }
    let mut watched = Watched::start();
    let busy = RedisCache::new(&client(watched.config()));
    // One to which a second passes between any two calls, so that each answer has to be confirmed.
    let clock = ManualClock::starting_at(Timestamp::from_secs(0));
    let idle = RedisClient::new(watched.config(), Arc::new(clock.clone()), random()).unwrap();
    let idle = RedisCache::new(&idle);
    let write = async || {
        for round in 0..200 {
            busy.put("busy", round.to_string().into(), HOUR).await.unwrap();
        }
        for round in 0..3 {
            clock.advance(Duration::from_secs(1));
            idle.put("idle", round.to_string().into(), HOUR).await.unwrap();
        }
    };
    write().await;
    watched.sentinels[0].0.kill();
    write().await;
    watched.sentinels[1].0.stop();
    write().await;
    watched.sentinels[2].0.stop();
    write().await;
    let late = RedisCache::new(&client(watched.config()));
    let fault = late.get("k").await.unwrap_err();
    assert!(fault.message().contains("sentinel"), "{}", fault.message());
    watched.sentinels[1].0.go_on();
    watched.sentinels[2].0.go_on();
    let late = &late;
    eventually_async("sentinels are asked again", || async move { late.get("k").await.is_ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_goes_to_a_primary_that_was_replaced() {
    if !present() {
        return;
    }
    let watched = Watched::start();
    let busy = client(watched.config());
    // One that has a connection to the old primary and does nothing while it is replaced.
    let idle = RedisCache::new(&client(watched.config()));
    idle.put("idle", "before".into(), HOUR).await.unwrap();
    let traffic = Traffic::start(&busy);
    after_some_traffic(&traffic).await;

    watched.primary.process.stop();
    let stopped = Instant::now();
    watched.await_promotion();
    let replaced = Instant::now();
    watched.primary.process.go_on();
    // At once, while the old primary still takes itself for the primary.
    idle.put("idle", "after".into(), HOUR).await.unwrap();
    after_some_traffic(&traffic).await;
    let writes = traffic.end().await;

    assert!(replaced > stopped);
    eventually("the old primary follows the new one", || info(&watched.primary, "role") == "slave");
    let mut last: HashMap<&str, &Write> = HashMap::new();
    for write in &writes {
        last.insert(&write.key, write);
    }
    let survivor = RedisCache::new(&busy);
    let mut checked = 0;
    for write in last.into_values().filter(|write| write.begun > stopped) {
        let kept = survivor.get(&write.key).await.unwrap();
        assert_eq!(kept.as_deref(), Some(write.value.as_bytes()), "{write:?}");
        checked += 1;
    }
    assert!(checked > 100, "{checked} keys were written after the old primary stopped");
    assert_eq!(survivor.get("idle").await.unwrap().as_deref(), Some(&b"after"[..]));
    eprintln!("old primary: {checked} keys written after it stopped, all with the new one");
}
