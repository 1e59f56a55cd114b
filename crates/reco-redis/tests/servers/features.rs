//! Features of users: each event counts once, others can read them, what is damaged is named.

use crate::rig::{Server, client, present, random};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use reco_core::conformance;
use reco_core::consume::Consumer;
use reco_core::error::FaultKind;
use reco_core::event::{Action, Event, EventId};
use reco_core::features::{FeatureRules, UserRecord};
use reco_core::id::{ItemKey, UserKey};
use reco_core::store::{Delivery, Place};
use reco_core::time::{Budget, ManualClock, SystemClock, Timestamp};
use reco_redis::{FeatureFeed, FeatureStore, RedisClient};
use redis::ConnectionLike;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn store(client: &RedisClient) -> FeatureStore {
    FeatureStore::new(client, FeatureStore::TTL).expect("a sound time")
}

pub(crate) fn feed(client: &RedisClient) -> FeatureFeed {
    FeatureFeed::new(&store(client), FeatureRules::default(), category)
}

fn category(item: &ItemKey) -> Option<Arc<str>> {
    item.as_str().split_once(' ').map(|(category, _)| category.into())
}

/// Events of some users, a few of them part of no history, in the order of a log.
pub(crate) fn deliveries(n: u64, n_users: u64, seed: u64) -> Vec<Delivery> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let actions = [Action::View, Action::Purchase, Action::Impression, Action::Hide, "tasted".into()];
    let delivery = |offset: u64| {
        let event = Event {
            id: EventId(u128::from(seed) << 64 | u128::from(offset)),
            user: format!("user {}", random.random_range(0..n_users)).into(),
            item: format!("tea {}", random.random_range(0..50)).into(),
            action: actions[random.random_range(0..actions.len())].clone(),
            value: random.random_bool(0.3).then_some(2.5),
            at: Timestamp::from_secs(1_700_000_000 + random.random_range(0..3_000_000)),
            details: None,
        };
        Delivery { place: Place { partition: 0, offset: offset * 3 }, event }
    };
    (0..n).map(delivery).collect()
}

/// State and places, as they are stored.
type Stored = BTreeMap<String, (Vec<u8>, Vec<u8>)>;

/// What should be stored, by the records alone.
pub(crate) fn expected(deliveries: &[Delivery]) -> Stored {
    let mut records: HashMap<&UserKey, UserRecord> = HashMap::new();
    let rules = FeatureRules::default();
    for Delivery { place, event } in deliveries {
        let mut record = records.remove(&event.user).unwrap_or_default();
        let is_new = record.take(*place, event, category(&event.item).as_deref(), &rules);
        if is_new || record != UserRecord::default() {
            records.insert(&event.user, record);
        }
    }
    let stored = |record: &UserRecord| (record.features().encode(), record.taken().encode());
    records.iter().map(|(user, record)| (format!("user_features:{{{user}}}"), stored(record))).collect()
}

/// What is stored, read without our code.
pub(crate) fn stored(servers: &mut [redis::Connection]) -> Stored {
    let mut all = Stored::new();
    for server in servers {
        let keys: Vec<String> = redis::cmd("KEYS").arg("user_features:*").query(server).expect("keys");
        for key in keys {
            let fields = redis::cmd("HMGET").arg(&key).arg("state").arg("taken").query(server);
            all.insert(key, fields.expect("two fields"));
        }
    }
    all
}

fn fields(server: &mut impl ConnectionLike, key: &str) -> HashMap<String, String> {
    let fields: HashMap<String, Vec<u8>> = redis::cmd("HGETALL").arg(key).query(server).expect("a hash");
    let text = |(name, value): (String, Vec<u8>)| Some((name, String::from_utf8(value).ok()?));
    fields.into_iter().filter_map(text).collect()
}

fn event(id: u64, item: &str, at: Timestamp, value: Option<f32>) -> Delivery {
    let (user, item, action) = (UserKey::from("ann"), item.into(), Action::View);
    let event = Event { id: EventId(id.into()), user, item, action, value, at, details: None };
    Delivery { place: Place { partition: 0, offset: id }, event }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_features_keeps_its_promises() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let client = server.client();
    let feed = tokio::sync::Mutex::new((0, feed(&client)));
    let feed = &feed;
    let take = |event: Event| -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async move {
            let (offset, feed) = &mut *feed.lock().await;
            *offset += 1;
            let place = Place { partition: 0, offset: *offset };
            feed.take(&[Delivery { place, event }]).await.unwrap();
        })
    };
    let budget = Budget::start(Arc::new(SystemClock), Duration::from_mins(1));
    conformance::feature_source(&store(&client), &take, &budget).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_read_plain_fields_and_keep_their_own() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let mut direct = server.direct();
    let (key, begun) = ("user_features:{ann}", Timestamp::from_secs(1_700_000_000));
    let clock = ManualClock::starting_at(begun.plus_days(0.01));
    let client = RedisClient::new(server.config(), Arc::new(clock.clone()), random()).unwrap();
    redis::cmd("HSET").arg(key).arg("demographic.country").arg("NL").exec(&mut direct).unwrap();
    assert_eq!(store(&client).read_many(&[&"ann".into()]).await.unwrap(), [None], "nothing of ours is there");

    let mut feed = feed(&client);
    feed.take(&[event(1, "tea 1", begun, Some(0.5)), event(2, "jam 1", begun.plus_days(0.002), None)])
        .await
        .unwrap();
    let found = fields(&mut direct, key);
    let last = begun.plus_days(0.002).millis().to_string();
    for (name, value) in [
        ("behavioural.interactions", "2"),
        ("behavioural.actions.view", "2"),
        ("recency.actions.view", &*last),
        ("preference.categories.tea", "1"),
        ("recency.last_at", &last),
        ("recency.last_action", "view"),
        ("recency.last_items", r#"["jam 1","tea 1"]"#),
        ("windows.1d.events", "2"),
        ("windows.7d.mean_value", "0.5"),
        ("trend", "4.0"),
        ("session.started", &begun.millis().to_string()),
        ("session.items", r#"["jam 1","tea 1"]"#),
        ("version", "1"),
        ("updated_at", &begun.plus_days(0.01).millis().to_string()),
        ("demographic.country", "NL"),
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}: {found:#?}");
    }

    clock.advance(Duration::from_hours(60 * 24));
    feed.take(&[event(3, "jam 2", begun.plus_days(50.0), None)]).await.unwrap();
    let later = fields(&mut direct, key);
    let gone = ["windows.7d.mean_value", "windows.28d.mean_value", "session.started", "session.items"];
    assert!(gone.iter().all(|name| !later.contains_key(*name)), "{later:#?}");
    assert_eq!((&*later["version"], &*later["demographic.country"]), ("2", "NL"));
    let left: i64 = redis::cmd("PTTL").arg(key).query(&mut direct).unwrap();
    let ttl = FeatureStore::TTL.as_millis() as i64;
    assert!((ttl - 60_000..=ttl).contains(&left), "{left}");
    store(&client).forget(&"ann".into()).await.unwrap();
    assert!(fields(&mut direct, key).is_empty());
    let prefixed = reco_redis::RedisConfig { documents_prefix: "shop".into(), ..server.config() };
    self::feed(&crate::rig::client(prefixed)).take(&[event(4, "tea 1", begun, None)]).await.unwrap();
    assert_eq!(fields(&mut direct, "shop:user_features:{ann}")["version"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_is_not_written() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let (client, log) = (server.client(), deliveries(300, 20, 1));
    let mut feed = feed(&client);
    feed.take(&log).await.unwrap();
    feed.flush().await.unwrap();
    assert_eq!(feed.n_unflushed(), 0);
    let mut direct = server.direct();
    let keys: Vec<String> = redis::cmd("KEYS").arg("user_features:*").query(&mut direct).unwrap();
    let before: Vec<_> = keys.iter().map(|key| fields(&mut direct, key)).collect();
    feed.take(&log[50..]).await.unwrap();
    self::feed(&client).take(&log).await.unwrap();
    let after: Vec<_> = keys.iter().map(|key| fields(&mut direct, key)).collect();
    assert_eq!(before, after);
    let shown = Event { action: Action::Impression, user: "eve".into(), ..log[0].event.clone() };
    feed.take(&[Delivery { place: Place { partition: 9, offset: 1 }, event: shown }]).await.unwrap();
    assert!(fields(&mut direct, "user_features:{eve}").is_empty(), "what was shown is part of no history");
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_that_race_lose_and_repeat_nothing() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    // Few users, so that they meet all the time; fewer events of each than are known one by one.
    let log = Arc::new(deliveries(1_000, 8, 7));
    let racing: Vec<_> = (0..4u64)
        .map(|who| {
            let (log, mut feed) = (Arc::clone(&log), feed(&client(server.config())));
            tokio::spawn(async move {
                let mut random = Pcg64Mcg::seed_from_u64(who);
                let mut own: Vec<Delivery> = log.to_vec();
                // Out of order, and some twice.
                for place in (1..own.len()).rev() {
                    own.swap(place, random.random_range(0..=place));
                }
                own.extend_from_within(..200);
                let mut rest = &own[..];
                while !rest.is_empty() {
                    let (some, others) = rest.split_at(random.random_range(1..=rest.len().min(60)));
                    feed.take(some).await.unwrap();
                    rest = others;
                }
                feed.flush().await.unwrap();
            })
        })
        .collect();
    for task in racing {
        task.await.unwrap();
    }
    assert_eq!(stored(&mut [server.direct()]), expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_named_and_holds_up_nobody_else() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let (client, mut direct) = (server.client(), server.direct());
    let (store, now) = (store(&client), Timestamp::from_secs(1_700_000_000));
    let (key, ann) = ("user_features:{ann}", UserKey::from("ann"));
    let mut feed = feed(&client);
    for damage in [["state", "nonsense"], ["state", "\u{9}later"]] {
        feed.take(&[event(1, "tea 1", now, None)]).await.unwrap();
        redis::cmd("HSET").arg(key).arg(&damage).exec(&mut direct).unwrap();
        let fault = store.read_many(&[&ann]).await.unwrap_err();
        assert!(fault.kind == FaultKind::Invalid && fault.message().contains(key), "{}", fault.message());
        let fault = feed.take(&[event(2, "tea 1", now, None)]).await.unwrap_err();
        assert!(fault.kind == FaultKind::Invalid && fault.message().contains(key), "{}", fault.message());
        redis::cmd("HDEL").arg(key).arg("taken").exec(&mut direct).unwrap();
        feed.flush().await.unwrap();
        store.forget(&ann).await.unwrap();
    }
    feed.take(&[event(1, "tea 1", now, None)]).await.unwrap();
    store.forget(&ann).await.unwrap();
    redis::cmd("SET").arg(key).arg("something else").exec(&mut direct).unwrap();
    let fault = store.read_many(&[&ann]).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Invalid, "{}", fault.message());
    let fault = feed.take(&[event(2, "tea 1", now, None)]).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Invalid, "{}", fault.message());
    feed.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_flushed_is_bounded() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let log = deliveries(3_000, 1, 5);
    let mut feed = feed(&server.client());
    feed.take(&log).await.unwrap();
    assert!((1..=128).contains(&feed.n_unflushed()), "{}", feed.n_unflushed());
    assert_eq!(stored(&mut [server.direct()]), expected(&log));
}
