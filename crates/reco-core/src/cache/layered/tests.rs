use super::*;
use crate::cache::{CacheCounts, MemoryCache};
use crate::time::ManualClock;
use futures_util::future::{Ready, join_all, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, Semaphore};

const LIFE: Life = Life {
    fresh: Duration::from_secs(100),
    stale: Duration::from_secs(50),
    absent: Duration::from_secs(10),
    policy: Stale::WhileMadeAnew,
};

const TEXT: Codec<String> =
    Codec { encode: |text| text.as_bytes().to_vec(), decode: |bytes| String::from_utf8(bytes.to_vec()).ok() };

const PATIENCE: Duration = Duration::from_secs(1);

fn clock() -> ManualClock {
    ManualClock::starting_at(Timestamp::from_secs(1_700_000_000))
}

fn cache(life: Life, clock: &ManualClock) -> Layered<String> {
    Layered::new("test", life, 1 << 20, String::len, Arc::new(clock.clone()))
}

fn shared(clock: &ManualClock) -> Arc<dyn Cache> {
    Arc::new(MemoryCache::new(1 << 20, Arc::new(clock.clone())))
}

fn kept(text: &str) -> Ready<Result<Made<String>, Fault>> {
    ready(Ok(Made::Kept(text.to_owned())))
}

fn broken() -> Ready<Result<Made<String>, Fault>> {
    ready(Err(Fault::new("source", FaultKind::Unavailable)))
}

async fn ask(cache: &Layered<String>, text: &'static str) -> (Option<String>, Layer) {
    let found = cache.get_or("key", || kept(text)).await.unwrap();
    (found.value, found.layer)
}

fn some(text: &str, layer: Layer) -> (Option<String>, Layer) {
    (Some(text.to_owned()), layer)
}

#[tokio::test]
async fn a_thousand_who_ask_at_once_get_what_is_made_once() {
    let cache = cache(LIFE, &clock());
    let (n_made, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let ask = || {
        let (n_made, gate) = (Arc::clone(&n_made), Arc::clone(&gate));
        cache.get_or("key", || async move {
            n_made.fetch_add(1, Ordering::Relaxed);
            let _open = gate.acquire().await.unwrap();
            kept("value").await
        })
    };
    let opens = async { gate.add_permits(1) };
    let (found, ()) = tokio::join!(join_all((0..1_000).map(|_| ask())), opens);
    assert!(found.iter().all(|found| found.as_ref().unwrap().value.as_deref() == Some("value")));
    assert_eq!(n_made.load(Ordering::Relaxed), 1);
    let counts = cache.counts();
    assert_eq!((counts.made, counts.joined, counts.near.misses), (1, 999, 1_000));
}

#[tokio::test]
async fn a_stale_value_is_handed_out_while_another_is_made() {
    let clock = clock();
    let cache = cache(LIFE, &clock);
    assert_eq!(ask(&cache, "one").await, some("one", Layer::Made));
    assert_eq!(ask(&cache, "two").await, some("one", Layer::Near));
    clock.advance(LIFE.fresh);
    let made = Arc::new(Notify::new());
    let tell = Arc::clone(&made);
    let stale = cache.get_or("key", || async move {
        tell.notify_one();
        kept("two").await
    });
    assert_eq!(stale.await.unwrap().layer, Layer::Stale);
    made.notified().await;
    assert_eq!(ask(&cache, "three").await, some("two", Layer::Near));
    clock.advance(LIFE.fresh + LIFE.stale);
    assert_eq!(ask(&cache, "three").await, some("three", Layer::Made), "too old for anybody");
}

#[tokio::test]
async fn a_stale_value_does_when_its_source_fails_and_says_so() {
    let clock = clock();
    let cache = cache(Life { policy: Stale::OnFault, ..LIFE }, &clock);
    assert!(cache.get_or("key", broken).await.is_err(), "there is none yet");
    ask(&cache, "one").await;
    clock.advance(LIFE.fresh);
    let found = cache.get_or("key", broken).await.unwrap();
    assert_eq!((found.value.as_deref(), found.layer), (Some("one"), Layer::Stale));
    assert_eq!(found.fault.unwrap().kind, FaultKind::Unavailable);
    assert_eq!(ask(&cache, "two").await, some("two", Layer::Made), "whoever can make it does");
    clock.advance(LIFE.fresh + LIFE.stale);
    assert!(cache.get_or("key", broken).await.is_err());
}

#[tokio::test]
async fn that_there_is_none_is_remembered_for_less_long() {
    let clock = clock();
    let cache = cache(LIFE, &clock).before(shared(&clock), TEXT, PATIENCE);
    let absent = cache.get_or("key", || async { Ok(Made::Absent) }).await.unwrap();
    assert_eq!((absent.value, absent.layer), (None, Layer::Made));
    assert_eq!(ask(&cache, "late").await, (None, Layer::Near));
    clock.advance(LIFE.absent);
    assert_eq!(ask(&cache, "late").await, some("late", Layer::Made));
}

#[tokio::test]
async fn what_one_process_makes_others_find() {
    let clock = clock();
    let far = shared(&clock);
    let [here, there] = [(); 2].map(|()| cache(LIFE, &clock).before(Arc::clone(&far), TEXT, PATIENCE));
    assert_eq!(ask(&here, "one").await, some("one", Layer::Made));
    // It is stored there while nobody waits.
    tokio::task::yield_now().await;
    clock.advance(LIFE.fresh / 2);
    assert_eq!(ask(&there, "two").await, some("one", Layer::Far));
    assert_eq!(ask(&there, "two").await, some("one", Layer::Near));
    // It expires as soon there as where it was made.
    clock.advance(LIFE.fresh / 2);
    assert_eq!(ask(&there, "two").await.1, Layer::Stale);
    let counts = there.counts();
    assert_eq!(counts.near, CacheCounts { hits: 1, misses: 1 });
    assert_eq!(counts.far.unwrap().hits, 1);
}

/// A shared cache that is down.
#[derive(Debug)]
struct Down;

#[async_trait::async_trait]
impl Cache for Down {
    fn name(&self) -> &'static str {
        "down"
    }
    async fn get(&self, _: &str) -> Result<Option<Bytes>, Fault> {
        Err(Fault::new("down", FaultKind::Unavailable))
    }
    async fn put(&self, _: &str, _: Bytes, _: Duration) -> Result<(), Fault> {
        Err(Fault::new("down", FaultKind::Unavailable))
    }
    async fn remove(&self, _: &str) -> Result<(), Fault> {
        Err(Fault::new("down", FaultKind::Unavailable))
    }
}

#[tokio::test]
async fn a_shared_cache_that_fails_is_as_good_as_an_empty_one() {
    let cache = cache(LIFE, &clock()).before(Arc::new(Down), TEXT, PATIENCE);
    assert_eq!(ask(&cache, "one").await, some("one", Layer::Made));
    assert_eq!(ask(&cache, "two").await, some("one", Layer::Near));
    tokio::task::yield_now().await;
    assert_eq!(cache.counts().far_failed, 2, "reading, and writing while nobody waits");
}

#[tokio::test]
async fn bytes_that_are_no_value_are_none() {
    let clock = clock();
    let far = shared(&clock);
    for bytes in [&b""[..], b"short", b"12345678", b"12345678\x01\xff\xfe"] {
        far.put("key", Bytes::from_static(bytes), LIFE.fresh).await.unwrap();
        let cache = cache(LIFE, &clock).before(Arc::clone(&far), TEXT, PATIENCE);
        assert_eq!(ask(&cache, "one").await, some("one", Layer::Made));
    }
}

#[tokio::test]
async fn what_was_made_of_a_key_removed_meanwhile_is_not_kept() {
    let clock = clock();
    let far = shared(&clock);
    let cache = cache(LIFE, &clock).before(Arc::clone(&far), TEXT, PATIENCE);
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (opened, tell) = (Arc::clone(&gate), Arc::clone(&begun));
    let old = cache.get_or("key", || async move {
        tell.notify_one();
        let _open = opened.acquire().await.unwrap();
        kept("old").await
    });
    let removes = async {
        begun.notified().await;
        cache.remove("key").await.unwrap();
        gate.add_permits(1);
    };
    let (old, ()) = tokio::join!(old, removes);
    assert_eq!(old.unwrap().value.as_deref(), Some("old"), "who asked before gets it");
    assert_eq!(ask(&cache, "new").await, some("new", Layer::Made));
}

#[tokio::test]
async fn passing_values_and_failures_are_not_kept() {
    let cache = cache(LIFE, &clock());
    let passing = cache.get_or("key", || async { Ok(Made::Passing("poor".to_owned())) }).await.unwrap();
    assert_eq!(passing.value.as_deref(), Some("poor"));
    assert!(cache.get_or("key", broken).await.is_err());
    let panics = cache.get_or("key", || async { panic!("a bug") }).await.unwrap_err();
    assert_eq!(panics.message(), "test: internal error: making a value panicked");
    assert_eq!(ask(&cache, "good").await, some("good", Layer::Made));
}

#[tokio::test]
async fn what_was_made_together_does_not_expire_together() {
    let clock = clock();
    let cache = cache(LIFE, &clock);
    for key in 0..200 {
        cache.get_or(&key.to_string(), || kept("value")).await.unwrap();
    }
    clock.advance(LIFE.fresh.mul_f64(0.95));
    let found = join_all((0..200).map(|key| {
        let (key, cache) = (key.to_string(), &cache);
        async move { cache.get_or(&key, || kept("value")).await.unwrap().layer }
    }));
    let n_near = found.await.iter().filter(|layer| **layer == Layer::Near).count();
    assert!((50..150).contains(&n_near), "{n_near} of 200 are still fresh");
}

#[test]
fn it_works_without_a_runtime() {
    let cache = cache(LIFE, &clock());
    let made = cache.get_or("key", || kept("value")).now_or_never().unwrap().unwrap();
    assert_eq!(made.layer, Layer::Made);
    let found = cache.get_or("key", broken).now_or_never().unwrap().unwrap();
    assert_eq!(found.layer, Layer::Near);
}
