//! A cluster: the cache's promises, slots that move under way, a node that dies.

use crate::rig::cluster::Cluster;
use crate::rig::{age, client, present, random};
use reco_core::cache::Cache;
use reco_core::conformance;
use reco_core::error::FaultKind;
use reco_core::event::EventId;
use reco_core::id::UserKey;
use reco_redis::{RedisCache, RedisConfig, SeenIds, Trouble};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_keeps_its_promises_in_a_cluster() {
    if !present() {
        return;
    }
    let cluster = Cluster::start();
    let ports: Vec<u16> = cluster.nodes.iter().map(|node| node.port).collect();
    let advance = move |by| ports.iter().for_each(|port| age(*port, by));
    conformance::cache(&RedisCache::new(&cluster.client()), &advance).await;
    let config = RedisConfig { prefix: "boxed".into(), ..cluster.config() };
    let boxed: Box<dyn Cache> = Box::new(RedisCache::new(&client(config)));
    conformance::cache(&boxed, &advance).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_to_all_nodes() {
    if !present() {
        return;
    }
    let cluster = Cluster::start();
    let seen = SeenIds::new(&cluster.client(), HOUR).unwrap();
    let users: Vec<UserKey> = (0..200).map(|user| format!("user {user}").into()).collect();
    let batch: Vec<(&UserKey, EventId)> =
        users.iter().zip(0..).map(|(user, id)| (user, EventId(id))).collect();
    assert_eq!(seen.mark(&batch).await.unwrap(), [true; 200]);
    assert_eq!(seen.mark(&batch).await.unwrap(), [false; 200]);
    for node in &cluster.nodes {
        let keys: usize = redis::cmd("DBSIZE").query(&mut node.direct()).unwrap();
        assert!(keys > 30, "all nodes have some: {keys}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_slots_move() {
    if !present() {
        return;
    }
    let cluster = Arc::new(Cluster::start());
    let cache = Arc::new(RedisCache::new(&cluster.client()));
    let done = Arc::new(AtomicBool::new(false));
    let traffic: Vec<_> = (0..4)
        .map(|writer| {
            let (cache, done) = (Arc::clone(&cache), Arc::clone(&done));
            tokio::spawn(async move {
                let mut rounds = 0u32;
                while !done.load(Ordering::Relaxed) {
                    // All in one slot, which is the one that moves.
                    let (key, value) = (format!("{{foo}}:{writer}:{}", rounds % 50), rounds.to_string());
                    cache.put(&key, value.clone().into(), HOUR).await.unwrap();
                    assert_eq!(cache.get(&key).await.unwrap().as_deref(), Some(value.as_bytes()));
                    rounds += 1;
                }
                rounds
            })
        })
        .collect();
    let moving = Arc::clone(&cluster);
    // The slot of `foo` is 12,182, the last node's.
    tokio::task::spawn_blocking(move || {
        for _ in 0..10 {
            for (from, to) in [(2, 0), (0, 1), (1, 2)] {
                moving.migrate(12_182, from, to);
            }
        }
    })
    .await
    .unwrap();
    done.store(true, Ordering::Relaxed);
    let mut rounds = 0;
    for task in traffic {
        rounds += task.await.unwrap();
    }
    assert!(rounds > 0);
    eprintln!("{rounds} writes and reads while their slot moved thirty times, none failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_costs_its_own_keys_in_bounded_time() {
    if !present() {
        return;
    }
    let mut cluster = Cluster::start();
    let cluster_config = RedisConfig { answer_ms: 500, call_ms: 1_500, ..cluster.config() };
    let cache = RedisCache::new(&client(cluster_config));
    // By the specification of the cluster: `foo` is in slot 12,182, the last node's; `bar` in 5,061, the first's.
    for key in ["{foo}", "{bar}"] {
        cache.put(key, "v".into(), HOUR).await.unwrap();
    }
    cluster.nodes[2].process.kill();
    let begun = Instant::now();
    let fault = cache.put("{foo}", "w".into(), HOUR).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Unavailable | FaultKind::Timeout), "{}", fault.message());
    // A second and a half by the configuration; the rest is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_permissions_are_enough() {
    if !present() {
        return;
    }
    let docs = include_str!("../../../../docs/redis.md");
    let rules = docs.split_once("ACL SETUSER reco on >PASSWORD ").expect("the rules are documented").1;
    let rules = rules.split_once("```").expect("the rules end").0;
    let cluster = Cluster::start();
    let password = format!("{:x}", random());
    for node in &cluster.nodes {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg("reco").arg("on").arg(format!(">{password}"));
        command.arg(rules.split_whitespace().collect::<Vec<_>>());
        command.exec(&mut node.direct()).unwrap();
    }
    let known = RedisConfig { user: "reco".into(), password: password.as_str().into(), ..cluster.config() };
    let client = client(known.clone());
    crate::example::share(&client, &client).await;
    let cache = RedisCache::new(&client);
    cache.put("k", "v".into(), Duration::ZERO).await.unwrap();
    let stranger = RedisConfig { password: "wrong".into(), ..known };
    let refused = crate::rig::client(stranger).ping().await.unwrap_err();
    assert_eq!(refused.trouble, Trouble::NotAuthenticated, "{refused}");
    assert!(!refused.to_string().contains("wrong"), "{refused}");
}
