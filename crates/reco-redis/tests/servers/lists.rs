//! Lists computed in advance.

use crate::rig::cluster::Cluster;
use crate::rig::{Server, age, present};
use reco_core::conformance;
use reco_core::error::FaultKind;
use reco_core::id::UserKey;
use reco_core::retrieve::StoredList;
use reco_core::time::{Budget, Clock, SystemClock, Timestamp};
use reco_redis::PrecomputedLists;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn list(n: u16, computed_at: Timestamp) -> StoredList {
    let items = (0..n).map(|place| {
        let why = if place % 2 == 0 { format!("because of \"{place}\" é") } else { String::new() };
        (format!("item {place}").into(), 1.0 / f32::from(place + 1), why)
    });
    StoredList::new(computed_at, computed_at.plus_days(1.0), items)
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_as_they_were_written() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let lists = PrecomputedLists::new(&server.client(), "nightly");
    let (ann, now) = (UserKey::from("ann"), SystemClock.wall());
    assert_eq!(lists.read(&ann, 10).await.unwrap(), None);
    for n in [1_000, 0, 250] {
        let written = list(n, now);
        lists.write(&[(&ann, written.clone())]).await.unwrap();
        for count in [0, 1, 99, 100, 101, 1_000, 5_000] {
            let read = lists.read(&ann, count).await.unwrap().unwrap();
            let items = &written.items[..count.min(written.items.len())];
            assert_eq!((read.items.as_slice(), read.n_items), (items, usize::from(n)), "{count} of {n}");
            assert_eq!((read.computed_at, read.expires_at), (now, now.plus_days(1.0)));
        }
    }
    let other = PrecomputedLists::new(&server.client(), "hourly");
    assert_eq!(other.read(&ann, 10).await.unwrap(), None, "types are kept apart");
    let fields: Vec<String> = redis::cmd("HMGET")
        .arg("reco:list:{ann}:nightly")
        .arg(&["type", "n_items"])
        .query(&mut server.direct())
        .unwrap();
    assert_eq!(fields, ["nightly", "250"], "others can read it");
    age(server.port, Duration::from_hours(25));
    assert_eq!(lists.read(&ann, 10).await.unwrap(), None, "a list expires");
    lists.write(&[(&ann, list(3, now.plus_days(-2.0)))]).await.unwrap();
    assert_eq!(lists.read(&ann, 10).await.unwrap(), None, "an old list is not written to be read");
    lists.write(&[(&ann, list(3, now))]).await.unwrap();
    lists.remove(&ann).await.unwrap();
    assert_eq!(lists.read(&ann, 10).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_list_is_named() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let lists = PrecomputedLists::new(&server.client(), "nightly");
    let (ann, now) = (UserKey::from("ann"), SystemClock.wall());
    let mut wrong = list(3, now);
    wrong.items[2].rank = 7;
    let mut infinite = list(3, now);
    infinite.items[1].score = f32::INFINITY;
    for (list, said) in [
        (list(1_001, now), "1001 items"),
        (wrong, "rank of `item 2` is 7, must be 3"),
        (infinite, "score of `item 1` is inf"),
    ] {
        let fault = lists.write(&[(&ann, list)]).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Invalid);
        assert!(fault.message().contains(said) && fault.message().contains("ann"), "{}", fault.message());
    }
    for (field, value) in [("items:0", "[{"), ("n_items", "many"), ("expires_at", "soon")] {
        lists.write(&[(&ann, list(3, now))]).await.unwrap();
        let key = "reco:list:{ann}:nightly";
        redis::cmd("HSET").arg(key).arg(field).arg(value).exec(&mut server.direct()).unwrap();
        let fault = lists.read(&ann, 10).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Internal);
        assert!(fault.message().contains(key), "{}", fault.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_s_lists_are_written_in_few_round_trips() {
    if !present() {
        return;
    }
    let cluster = Cluster::start();
    let lists = PrecomputedLists::new(&cluster.client(), "nightly");
    let now = SystemClock.wall();
    let users: Vec<UserKey> = (0..500).map(|user| format!("user {user}").into()).collect();
    let all: Vec<(&UserKey, StoredList)> = users.iter().map(|user| (user, list(1_000, now))).collect();
    let begun = Instant::now();
    lists.write(&all).await.unwrap();
    eprintln!("500 lists of 1000 items into a cluster in {:?}", begun.elapsed());
    for (user, list) in all.iter().step_by(83) {
        assert_eq!(lists.read(user, 1_000).await.unwrap().as_ref(), Some(list));
    }
    let budget = Budget::start(Arc::new(SystemClock), Duration::from_mins(1));
    conformance::remote_generator(&lists, &users[7], &budget).await;
}
