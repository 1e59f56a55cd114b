//! Promises of caches.

use super::healthy;
use super::together::at_once;
use crate::cache::{Cache, CacheExt};
use bytes::Bytes;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// Checks a fresh and empty cache with room for 4 MiB. `advance` lets the time pass by which it expires:
/// it moves a manual clock, or waits.
///
/// ```
/// use reco_core::cache::MemoryCache;
/// use reco_core::conformance;
/// use reco_core::time::{ManualClock, Timestamp};
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let clock = ManualClock::starting_at(Timestamp::from_secs(0));
/// let cache = MemoryCache::new(16 << 20, Arc::new(clock.clone()));
/// conformance::cache(&cache, &|by| clock.advance(by)).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn cache(cache: &dyn Cache, advance: &(dyn Fn(Duration) + Sync)) {
    assert!(!cache.name().is_empty(), "a cache has a name");
    values(cache).await;
    keys(cache).await;
    decoding(cache).await;
    removal(cache).await;
    expiry(cache, advance).await;
    writers(cache).await;
}

async fn get(cache: &dyn Cache, key: &str) -> Option<Bytes> {
    healthy("reading works", cache.get(key).await)
}

async fn put(cache: &dyn Cache, key: &str, value: impl Into<Bytes> + Send, ttl: Duration) {
    healthy("writing works", cache.put(key, value.into(), ttl).await);
}

async fn values(cache: &dyn Cache) {
    assert_eq!(get(cache, "value").await, None, "a fresh cache is empty");
    let all_bytes: Vec<u8> = (0..=255).collect();
    let long = all_bytes.repeat(1 << 12);
    for value in [b"1".as_slice(), b"", b"a longer value", &all_bytes, &long] {
        put(cache, "value", value.to_vec(), MINUTE).await;
        let read = get(cache, "value").await;
        assert!(
            read.is_some(),
            "a value of {} bytes is kept; an empty one is not an absent one",
            value.len()
        );
        assert!(read.as_deref() == Some(value), "the last value written is read back byte by byte");
    }
}

async fn keys(cache: &dyn Cache) {
    let long = "long".repeat(256);
    let keys =
        ["", " ", "with space", "käse:1", "日本語", "a\nb\r\n", "a:b", "a::b", "A:b", "*", "a\0b", &long];
    for (number, key) in keys.iter().enumerate() {
        put(cache, key, vec![number as u8], MINUTE).await;
    }
    for (number, key) in keys.iter().enumerate() {
        let read = get(cache, key).await;
        assert_eq!(read.as_deref(), Some(&[number as u8][..]), "any text is a key of its own: {key:?}");
    }
}

async fn decoding(cache: &dyn Cache) {
    put(cache, "decoded", "four", MINUTE).await;
    let length = cache.get_as("decoded", |bytes| Some(bytes.len())).await;
    assert_eq!(healthy("decoding works", length), Some(4), "what decodes is a hit");
    let refused = cache.get_as("decoded", |_| None::<u8>).await;
    assert_eq!(healthy("decoding works", refused), None, "what does not decode is a miss");
}

async fn removal(cache: &dyn Cache) {
    put(cache, "removed", "x", MINUTE).await;
    put(cache, "kept", "x", MINUTE).await;
    for time in ["once", "when it is absent already"] {
        healthy(&format!("removing works {time}"), cache.remove("removed").await);
        assert_eq!(get(cache, "removed").await, None, "what was removed is gone");
    }
    assert!(get(cache, "kept").await.is_some(), "removing one key leaves the others");
    put(cache, "removed", "y", MINUTE).await;
    assert!(get(cache, "removed").await.is_some(), "a removed key can be used again");
}

async fn expiry(cache: &dyn Cache, advance: &(dyn Fn(Duration) + Sync)) {
    let secs = Duration::from_secs;
    put(cache, "short", "x", secs(10)).await;
    put(cache, "long", "x", secs(1_000)).await;
    put(cache, "shortened", "x", secs(1_000)).await;
    put(cache, "shortened", "x", secs(10)).await;
    put(cache, "lengthened", "x", secs(10)).await;
    put(cache, "lengthened", "x", secs(1_000)).await;
    put(cache, "none", "old", secs(1_000)).await;
    put(cache, "none", "new", Duration::ZERO).await;
    assert_eq!(get(cache, "none").await, None, "no time to live is no life, and the old value is replaced");
    advance(secs(9));
    assert!(get(cache, "short").await.is_some(), "a value lives until its time is up");
    advance(secs(2));
    assert_eq!(get(cache, "short").await, None, "a value is gone once its time is up");
    assert!(get(cache, "long").await.is_some(), "each value has its own time");
    assert_eq!(get(cache, "shortened").await, None, "writing again sets the time again, to less");
    assert!(get(cache, "lengthened").await.is_some(), "writing again sets the time again, to more");
    put(cache, "short", "y", secs(10)).await;
    assert!(get(cache, "short").await.is_some(), "an expired key can be used again");
}

async fn writers(cache: &dyn Cache) {
    let written = at_once(16, |writer| async move {
        for round in 0..20 {
            let value = vec![writer as u8; 100 + writer];
            cache.put("shared", value.into(), MINUTE).await?;
            cache.put(&format!("own {writer}"), vec![round].into(), MINUTE).await?;
        }
        Ok(())
    });
    for outcome in written.await {
        healthy("writers at the same time all succeed", outcome);
    }
    let shared = get(cache, "shared").await.expect("one of the values written at the same time is there");
    let whole = shared.len() == 100 + usize::from(shared[0]) && shared.iter().all(|byte| *byte == shared[0]);
    assert!(whole, "values written at the same time are never mixed");
    for writer in 0..16 {
        let own = get(cache, &format!("own {writer}")).await;
        assert_eq!(own.as_deref(), Some(&[19][..]), "a writer's last value is not lost to the others");
    }
}
