//! Features of users outlive the server that took them: what a fail-over loses is made again before the log moves on.

use crate::features::{deliveries, expected, feed, store, stored};
use crate::rig::cluster::Cluster;
use crate::rig::sentinel::{Watched, info};
use crate::rig::{Server, client, eventually, present, random};
use reco_core::consume::{Consumer, Pace, Progress, consume};
use reco_core::error::{Fault, FaultKind};
use reco_core::event::Event;
use reco_core::id::UserKey;
use reco_core::store::{Delivery, EventSink, MemoryLog, Place};
use reco_core::time::SystemClock;
use reco_redis::{FeatureFeed, RedisConfig};
use std::sync::Arc;
use std::time::{Duration, Instant};

const READY: Duration = Duration::from_mins(1);

/// Tries until it works, as whoever feeds a consumer does.
async fn take(feed: &mut FeatureFeed, deliveries: &[Delivery]) {
    let begun = Instant::now();
    while let Err(fault) = feed.take(deliveries).await {
        tried(begun, &fault).await;
    }
}

async fn flush(feed: &mut FeatureFeed) {
    let begun = Instant::now();
    while let Err(fault) = feed.flush().await {
        tried(begun, &fault).await;
    }
}

async fn tried(begun: Instant, fault: &Fault) {
    assert!(matches!(fault.kind, FaultKind::Unavailable | FaultKind::Timeout), "{}", fault.message());
    assert!(begun.elapsed() < READY, "{}", fault.message());
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// The replica hears of nothing any more, so that what comes is lost with the primary.
fn cut_off(primary: &Server, replica: &Server) {
    replica.process.stop();
    let mut direct = primary.direct();
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("replica").exec(&mut direct).expect("it hangs up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fail_over_loses_is_made_again() {
    if !present() {
        return;
    }
    let seed = random();
    let mut watched = Watched::start();
    let log = deliveries(4_000, 300, seed);
    let cut = 1_000 + (seed % 2_000) as usize;
    let mut feed = feed(&client(watched.config()));
    let (before, after) = log.split_at(cut);
    let (sent, lost) = before.split_at(cut - 500);
    for some in sent.chunks(300) {
        take(&mut feed, some).await;
    }
    flush(&mut feed).await;
    cut_off(&watched.primary, &watched.replica);
    for some in lost.chunks(100) {
        take(&mut feed, some).await;
    }
    watched.primary.process.kill();
    watched.replica.process.go_on();
    watched.await_promotion();
    eventually("the replica is the primary", || info(&watched.replica, "role") == "master");
    let left = stored(&mut [watched.replica.direct()]);
    assert!(left != expected(before), "seed {seed}: something was lost");
    for some in after.chunks(300) {
        take(&mut feed, some).await;
    }
    flush(&mut feed).await;
    assert_eq!(feed.n_unflushed(), 0);
    assert!(stored(&mut [watched.replica.direct()]) == expected(&log), "seed {seed}: each event counts once");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_flushed_that_no_replica_confirms() {
    if !present() {
        return;
    }
    let watched = Watched::start();
    let client = client(watched.config());
    let mut sure = feed(&client);
    take(&mut sure, &deliveries(50, 5, 1)).await;
    watched.replica.process.stop();
    let begun = Instant::now();
    take(&mut sure, &deliveries(100, 5, 1)).await;
    let fault = sure.flush().await.unwrap_err();
    // Half a second by the constant; the rest is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(fault.message().contains("0 of 1 replicas confirmed"), "{}", fault.message());
    watched.replica.process.go_on();
    flush(&mut sure).await;
    let server = Server::start(&[]);
    let mut alone = feed(&server.client());
    take(&mut alone, &deliveries(50, 5, 1)).await;
    alone.flush().await.unwrap();
    let mut wanting = feed(&server.client()).with_replicas(1);
    take(&mut wanting, &deliveries(50, 5, 2)).await;
    let fault = wanting.flush().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable, "{}", fault.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_through_a_fail_over() {
    if !present() {
        return;
    }
    let seed = random();
    let mut watched = Watched::start();
    let log = MemoryLog::default();
    let events: Vec<Event> = deliveries(20_000, 500, seed).into_iter().map(|it| it.event).collect();
    log.append(&events).await.unwrap();
    let progress = Arc::new(Progress::default());
    let pace = Pace {
        batch: 50,
        flush_after: Duration::from_millis(200),
        flush_events: 2_000,
        pause: Duration::from_millis(50),
    };
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let feeding = tokio::spawn(consume(
        log.reader(FeatureFeed::NAME),
        feed(&client(watched.config())),
        pace,
        Arc::clone(&progress),
        Arc::new(SystemClock),
        async {
            let _ = ended.await;
        },
    ));
    let at_least = async |what: &str, n: u64, of: fn(&Progress) -> u64| {
        let begun = Instant::now();
        while of(&progress) < n {
            assert!(begun.elapsed() < READY, "seed {seed}, {what}: {:?}", progress.stage());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    at_least("some is taken", 1_000 + seed % 10_000, |progress| progress.stage().taken).await;
    watched.primary.process.kill();
    at_least("all is flushed", events.len() as u64, |progress| progress.stage().flushed).await;
    end.send(()).unwrap();
    feeding.await.unwrap();
    let place = |offset| Place { partition: 0, offset };
    let kept: Vec<Delivery> =
        (0..).zip(events).map(|(offset, event)| Delivery { place: place(offset), event }).collect();
    assert!(stored(&mut [watched.replica.direct()]) == expected(&kept), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_features_while_slots_move() {
    if !present() {
        return;
    }
    let cluster = Arc::new(Cluster::start());
    let log = deliveries(6_000, 1_000, 11);
    let mut feed = feed(&cluster.client());
    let moving = Arc::clone(&cluster);
    // That of `user 7`, wherever it is.
    let slot: u16 = redis::cmd("CLUSTER")
        .arg("KEYSLOT")
        .arg("user_features:{user 7}")
        .query(&mut cluster.nodes[0].direct())
        .unwrap();
    let home = (0..3).rev().find(|place| Cluster::first_slot(*place) <= slot).unwrap();
    let moving = tokio::task::spawn_blocking(move || {
        for _ in 0..3 {
            for step in 0..3 {
                moving.migrate(slot, (home + step) % 3, (home + step + 1) % 3);
            }
        }
    });
    for some in log.chunks(100) {
        take(&mut feed, some).await;
        flush(&mut feed).await;
    }
    moving.await.unwrap();
    let mut servers: Vec<_> = cluster.nodes.iter().map(Server::direct).collect();
    assert!(stored(&mut servers) == expected(&log), "each event counts once");
    assert!(cluster.nodes.iter().all(|node| stored(&mut [node.direct()]).len() > 100), "all nodes have some");
    let users: Vec<UserKey> = (0..1_000).map(|user| format!("user {user}").into()).collect();
    let known = store(&cluster.client()).read_many(&users.iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(known.iter().flatten().count(), expected(&log).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_makes_features_again_when_a_primary_dies() {
    if !present() {
        return;
    }
    let mut cluster = Cluster::with_replicas();
    let config = RedisConfig { answer_ms: 500, call_ms: 2_000, ..cluster.config() };
    let log = deliveries(3_000, 300, 13);
    let mut feed = feed(&client(config)).with_replicas(1);
    take(&mut feed, &log[..1_000]).await;
    flush(&mut feed).await;
    let lost = 1;
    cut_off(&cluster.nodes[lost], &cluster.replicas[lost]);
    take(&mut feed, &log[1_000..1_500]).await;
    cluster.nodes[lost].process.kill();
    cluster.replicas[lost].process.go_on();
    cluster.await_promotion(lost);
    let mut servers = [&cluster.nodes[0], &cluster.replicas[lost], &cluster.nodes[2]].map(Server::direct);
    assert!(stored(&mut servers) != expected(&log[..1_500]), "something was lost");
    for some in log[1_500..].chunks(300) {
        take(&mut feed, some).await;
    }
    let fault = feed.flush().await.unwrap_err();
    assert!(fault.message().contains("0 of 1 replicas"), "the new primary has none: {}", fault.message());
    let mut feed = feed.with_replicas(0);
    flush(&mut feed).await;
    assert!(stored(&mut servers) == expected(&log), "each event counts once");
}
