//! Promises of caches and registries.

use crate::cache::{Cache, CacheExt};
use crate::registry::{ModelRegistry, RegistryError, Rollout};
use bytes::Bytes;
use futures_util::future::join_all;
use std::time::Duration;

/// Checks a fresh and empty cache. `advance` moves the time that its expiry goes by.
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn cache(cache: &dyn Cache, advance: &(dyn Fn(Duration) + Sync)) {
    let minute = Duration::from_mins(1);
    assert!(!cache.name().is_empty(), "a cache has a name");
    assert_eq!(cache.get("k").await.expect("get"), None, "starts empty");
    for value in ["1", "", "a longer value"] {
        cache.put("k", value.into(), minute).await.expect("put");
        assert_eq!(
            cache.get("k").await.expect("get").as_deref(),
            Some(value.as_bytes()),
            "the last value is read"
        );
    }
    let len = cache.get_as("k", |bytes| Some(bytes.len())).await.expect("get_as");
    assert_eq!(len, Some(14), "get_as decodes");
    assert_eq!(
        cache.get_as("k", |_| None::<u8>).await.expect("get_as"),
        None,
        "what does not decode is a miss"
    );
    for key in ["with space", "käse:1", "a\nb", &"long".repeat(100)] {
        cache.put(key, Bytes::from(vec![0, 255, 7]), minute).await.expect("put under an odd key");
        assert_eq!(
            cache.get(key).await.expect("get").as_deref(),
            Some(&[0, 255, 7][..]),
            "bytes stay bytes: {key:?}"
        );
    }
    cache.remove("k").await.expect("remove");
    cache.remove("k").await.expect("removing what is absent is fine");
    assert_eq!(cache.get("k").await.expect("get"), None, "what was removed is gone");
    expiry(cache, advance).await;
    let writes = (0..50).map(|i| cache.put("shared", vec![i; 100].into(), minute));
    assert!(join_all(writes).await.iter().all(Result::is_ok), "writers at the same time all succeed");
    let value = cache.get("shared").await.expect("get").expect("one of them is there");
    assert!(value.len() == 100 && value.iter().all(|byte| *byte == value[0]), "values are never mixed");
}

async fn expiry(cache: &dyn Cache, advance: &(dyn Fn(Duration) + Sync)) {
    cache.put("short", "x".into(), Duration::from_secs(10)).await.expect("put");
    cache.put("long", "x".into(), Duration::from_secs(1_000)).await.expect("put");
    advance(Duration::from_secs(9));
    assert!(cache.get("short").await.expect("get").is_some(), "a value lives until its time is up");
    advance(Duration::from_secs(2));
    assert_eq!(cache.get("short").await.expect("get"), None, "a value is gone once its time is up");
    assert!(cache.get("long").await.expect("get").is_some(), "each value has its own time");
    cache.put("short", "y".into(), Duration::from_secs(10)).await.expect("put");
    assert!(cache.get("short").await.expect("get").is_some(), "an expired key can be used again");
}

/// Checks a fresh and empty registry.
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn model_registry(registry: &dyn ModelRegistry) {
    assert_eq!(registry.versions("m").await.expect("versions"), [0u64; 0], "starts empty");
    assert_eq!(registry.rollout("m").await.expect("rollout"), Rollout::default(), "nothing is live at first");
    let first = registry.publish("m", "one".into()).await.expect("publish");
    let second = registry.publish("m", "two".into()).await.expect("publish");
    registry.publish("other", "three".into()).await.expect("publish");
    assert_eq!(registry.versions("m").await.expect("versions"), [1, 2], "versions count from 1 per model");
    assert_eq!(registry.load("m", first).await.expect("load"), "one", "a version never changes");
    assert_eq!(registry.load("m", second).await.expect("load"), "two", "each version has its own bytes");
    for (model, version) in [("m", 0), ("m", 3), ("nope", 1)] {
        let missing = registry.load(model, version).await;
        assert!(matches!(missing, Err(RegistryError::NotFound { .. })), "{model} {version} is not found");
    }
    rollout(registry).await;
}

async fn rollout(registry: &dyn ModelRegistry) {
    let to = |version| Rollout { stable: Some(version), canary: None };
    let start = Rollout::default();
    let missing = registry.set_rollout("m", &start, &to(9)).await;
    assert!(
        matches!(missing, Err(RegistryError::NotFound { .. })),
        "a version that does not exist cannot go live"
    );
    let canary = Rollout { stable: Some(1), canary: Some((9, 100)) };
    let missing = registry.set_rollout("m", &start, &canary).await;
    assert!(matches!(missing, Err(RegistryError::NotFound { .. })), "nor can it be a canary");
    let race = join_all(
        (0..8).map(|i| async move { registry.set_rollout("m", &Rollout::default(), &to(1 + i % 2)).await }),
    );
    let outcomes = race.await;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        1,
        "one of many who expect the same wins"
    );
    let lost =
        outcomes.iter().filter(|outcome| matches!(outcome, Err(RegistryError::Conflict { .. }))).count();
    assert_eq!(lost, 7, "the others are told that it changed");
    let now = registry.rollout("m").await.expect("rollout");
    registry.set_rollout("m", &now, &to(2)).await.expect("who knows the state may change it");
    assert_eq!(registry.rollout("other").await.expect("rollout"), start, "models do not share a rollout");
}
