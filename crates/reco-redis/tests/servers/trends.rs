//! Boards: the sums that reco's own trends have, each event once.

use crate::rig::cluster::Cluster;
use crate::rig::toxiproxy::Toxiproxy;
use crate::rig::{Server, client, eventually_async, present};
use reco_core::conformance;
use reco_core::error::FaultKind;
use reco_core::retrieve::RemoteHit;
use reco_core::time::{Budget, Clock, SystemClock, Timestamp};
use reco_core::trend::Trend;
use reco_redis::{Sighting, Trending, TrendingGenerator};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Sightings over some weeks, the same each time.
fn sightings(n: u32) -> Vec<Sighting> {
    let base = Timestamp::from_secs(1_700_000_000);
    let sighting = |place: u32| {
        let (item, weight) = (place * place % 17, 0.5 + (place % 7) as f32);
        // Out of order: events come when they come.
        let at = base.plus_days(f64::from(place * 7_919 % 3_001) / 100.0);
        Sighting { item: format!("item {item}").into(), weight, at }
    };
    (0..n).map(sighting).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_has_the_sums_of_reco_s_trends() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let boards = Trending::new(&server.client(), "week", 7.0, 1_000).unwrap();
    let all = sightings(1_300);
    let (one, other) = all.split_at(650);
    let (first, second) = tokio::join!(boards.add("all", one), boards.add("all", other));
    first.unwrap();
    second.unwrap();
    let mut sums: BTreeMap<&str, Trend> = BTreeMap::new();
    for Sighting { item, weight, at } in &all {
        let sum = sums.entry(item.as_str()).or_default();
        *sum = sum.plus(Trend::of_event(*weight, *at, 7.0));
    }
    let now = Timestamp::from_secs(1_700_000_000).plus_days(40.0);
    let top = boards.top(&["all"], 100, now).await.unwrap();
    assert_eq!(top.len(), sums.len());
    assert!(top.is_sorted_by(|a, b| a.score >= b.score));
    for RemoteHit { item, score } in &top {
        let expected = sums[item.as_str()].at(now, 7.0);
        assert!((score / expected - 1.0).abs() < 1e-4, "{item}: {score}, not {expected}");
    }
    assert_eq!(boards.top(&["all"], 3, now).await.unwrap(), top[..3]);
    assert_eq!(boards.top(&["all"], 0, now).await.unwrap(), []);
    assert_eq!(boards.top(&["nothing"], 3, now).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn boards_are_bounded_and_scopes_unite() {
    if !present() {
        return;
    }
    let cluster = Cluster::start();
    let boards = Trending::new(&cluster.client(), "day", 1.0, 3).unwrap();
    let now = Timestamp::from_secs(1_700_000_000);
    let seen = |item: &str, weight: f32| Sighting { item: item.into(), weight, at: now };
    let teas = [seen("green", 4.0), seen("black", 3.0), seen("white", 2.0), seen("red", 1.0)];
    boards.add("tea", &teas).await.unwrap();
    boards.add("new", &[seen("green", 1.0), seen("jam", 3.5)]).await.unwrap();
    boards.add("", &[]).await.unwrap();
    let top = boards.top(&["tea", "new", ""], 10, now).await.unwrap();
    let names: Vec<(&str, f32)> = top.iter().map(|hit| (hit.item.as_str(), hit.score)).collect();
    assert_eq!(names, [("green", 4.0), ("jam", 3.5), ("black", 3.0), ("white", 2.0)]);
    let later = boards.top(&["tea"], 1, now.plus_days(2.0)).await.unwrap();
    assert!((later[0].score - 1.0).abs() < 1e-4, "half after each day: {later:?}");
    let fault = boards.add("tea", &[seen("odd", 0.0)]).await.unwrap_err();
    assert!(fault.kind == FaultKind::Invalid && fault.message().contains("weight of `odd` is 0"));
    let wrong = Trending::new(&cluster.client(), "never", 0.0, 0).unwrap_err().to_string();
    assert!(wrong.contains("half_life_days of `never` is 0") && wrong.contains("kept of `never`"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_is_a_remote_generator() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let boards = Trending::new(&server.client(), "day", 1.0, 1_000).unwrap();
    let now = SystemClock.wall();
    let seen = |(place, item): (u8, &str)| Sighting { item: item.into(), weight: f32::from(place), at: now };
    let sightings: Vec<Sighting> = (1..).zip(["tea", "jam", "bread"]).map(seen).collect();
    boards.add("all", &sightings).await.unwrap();
    let generator = TrendingGenerator::new(boards, ["all"]);
    let budget = Budget::start(Arc::new(SystemClock), Duration::from_mins(1));
    conformance::remote_generator(&generator, &"ann".into(), &budget).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_does_not_count_twice() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let Some(proxy) = Toxiproxy::before(server.port) else { return };
    let boards = Trending::new(&client(proxy.config()), "day", 1.0, 1_000).unwrap();
    let now = Timestamp::from_secs(1_700_000_000);
    let sighting = Sighting { item: "tea".into(), weight: 1.0, at: now };
    boards.add("all", std::slice::from_ref(&sighting)).await.unwrap();
    proxy.lose_answers();
    let adding = tokio::spawn({
        let (boards, sighting) = (boards.clone(), sighting.clone());
        async move { boards.add("all", &[sighting]).await }
    });
    let second = Trending::new(&server.client(), "day", 1.0, 1_000).unwrap();
    let second = &second;
    let score = || async move { second.top(&["all"], 1, now).await.unwrap()[0].score };
    eventually_async("the server has added what it could not confirm", || async move { score().await > 1.5 })
        .await;
    proxy.mend();
    adding.await.unwrap().unwrap();
    assert!((score().await - 2.0).abs() < 1e-4, "two events, not {}", score().await);
}
