//! Promises of model registries.

use super::together::at_once;
use crate::registry::{Change, ModelRegistry, RegistryError, Rollout};
use crate::time::Timestamp;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::error::Error;

/// Checks a fresh and empty registry with room for 4 MiB.
///
/// ```
/// use reco_core::conformance;
/// use reco_core::registry::MemoryRegistry;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// conformance::model_registry(&MemoryRegistry::default()).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn model_registry(registry: &dyn ModelRegistry) {
    versions(registry).await;
    refusals(registry).await;
    swaps(registry).await;
    publishers(registry).await;
    rivals(registry).await;
}

fn healthy<T>(promise: &str, outcome: Result<T, RegistryError>) -> T {
    outcome.unwrap_or_else(|error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        panic!("{promise}, but: {error}{cause}")
    })
}

async fn publish(registry: &dyn ModelRegistry, model: &str, artifact: &[u8]) -> u64 {
    healthy("publishing works", registry.publish(model, Bytes::copy_from_slice(artifact)).await)
}

async fn listed(registry: &dyn ModelRegistry, model: &str) -> Vec<u64> {
    healthy("listing works", registry.versions(model).await)
}

async fn live(registry: &dyn ModelRegistry, model: &str) -> Rollout {
    healthy("reading the rollout works", registry.rollout(model).await)
}

fn stable(version: u64) -> Rollout {
    Rollout { stable: Some(version), canary: None }
}

fn change(rollout: &Rollout) -> Change {
    let at = Timestamp::from_secs(1_700_000_000);
    Change { at, by: "conformance".to_owned(), why: format!("tries {rollout:?}"), rollout: rollout.clone() }
}

/// Replaces the rollout of a model, if it still is what is expected.
async fn set(
    registry: &dyn ModelRegistry,
    model: &str,
    expected: &Rollout,
    next: &Rollout,
) -> Result<(), RegistryError> {
    registry.set_rollout(model, expected, change(next)).await
}

async fn on_record(registry: &dyn ModelRegistry, model: &str) -> Vec<Change> {
    healthy("reading the changes works", registry.changes(model).await)
}

fn is_missing(outcome: &Result<impl Sized, RegistryError>, model: &str, version: u64) -> bool {
    matches!(outcome, Err(RegistryError::NotFound { model: named, version: number })
        if named == model && *number == version)
}

async fn versions(registry: &dyn ModelRegistry) {
    assert_eq!(listed(registry, "m").await, [0u64; 0], "a model never published has no versions");
    assert_eq!(live(registry, "m").await, Rollout::default(), "nothing is live at first");
    let large: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let artifacts = [b"one".as_slice(), b"", &large];
    for (artifact, expected) in artifacts.iter().zip(1..) {
        assert_eq!(publish(registry, "m", artifact).await, expected, "versions count from 1");
    }
    assert_eq!(publish(registry, "other", b"three").await, 1, "each model has its own versions");
    assert_eq!(listed(registry, "m").await, [1, 2, 3], "versions are listed in ascending order");
    for (artifact, version) in artifacts.iter().zip(1..) {
        let loaded = healthy("loading works", registry.load("m", version).await);
        assert!(loaded == *artifact, "version {version} stays what it was when it was published");
    }
    assert_eq!(live(registry, "m").await, Rollout::default(), "publishing alone puts nothing live");
}

async fn refusals(registry: &dyn ModelRegistry) {
    for (model, version) in [("m", 0), ("m", 4), ("m", u64::MAX), ("nope", 1)] {
        let loaded = registry.load(model, version).await;
        assert!(is_missing(&loaded, model, version), "version {version} of `{model}` is reported as missing");
    }
    let start = Rollout::default();
    let absent = set(registry, "m", &start, &stable(9)).await;
    assert!(is_missing(&absent, "m", 9), "a version that does not exist cannot go live");
    let canary = Rollout { stable: Some(1), canary: Some((9, 100)) };
    let absent = set(registry, "m", &start, &canary).await;
    assert!(is_missing(&absent, "m", 9), "a version that does not exist cannot be a canary");
    let absent = set(registry, "nope", &start, &stable(1)).await;
    assert!(is_missing(&absent, "nope", 1), "a model never published cannot go live");
    assert_eq!(live(registry, "m").await, start, "a refused rollout changes nothing");
    for model in ["m", "nope"] {
        assert_eq!(on_record(registry, model).await, [], "a refused rollout is no change");
    }
}

async fn swaps(registry: &dyn ModelRegistry) {
    let start = Rollout::default();
    let canary = Rollout { stable: Some(1), canary: Some((2, 100)) };
    healthy("who knows the state may change it", set(registry, "m", &start, &canary).await);
    assert_eq!(live(registry, "m").await, canary, "what was set is live, canary and share included");
    let stale = set(registry, "m", &start, &stable(2)).await;
    assert!(matches!(stale, Err(RegistryError::Conflict { .. })), "who knows an old state is told so");
    assert_eq!(live(registry, "m").await, canary, "a conflict changes nothing");
    healthy("the rollout can be taken back", set(registry, "m", &canary, &start).await);
    assert_eq!(live(registry, "m").await, start, "the rollout was taken back");
    assert_eq!(live(registry, "other").await, start, "models do not share a rollout");
    let changes = [change(&canary), change(&start)];
    assert_eq!(on_record(registry, "m").await, changes, "what changed is on record, the latest last");
    assert_eq!(on_record(registry, "other").await, [], "models do not share their records");
}

async fn publishers(registry: &dyn ModelRegistry) {
    const EACH: usize = 10;
    let published = at_once(8, |publisher| async move {
        let mut numbers = Vec::new();
        for n in 0..EACH {
            let artifact = format!("{publisher} {n}");
            numbers.push((registry.publish("raced", artifact.clone().into()).await?, artifact));
        }
        Ok(numbers)
    });
    let published: Vec<Vec<(u64, String)>> = published
        .await
        .into_iter()
        .map(|outcome| healthy("publishers at the same time succeed", outcome))
        .collect();
    let numbers: BTreeSet<u64> = published.iter().flatten().map(|(version, _)| *version).collect();
    assert!(numbers.into_iter().eq(1..=8 * EACH as u64), "no number is given twice or left out");
    for (version, artifact) in published.into_iter().flatten() {
        let loaded = healthy("loading works", registry.load("raced", version).await);
        assert_eq!(loaded, artifact, "each publisher's number leads to its own bytes");
    }
}

async fn rivals(registry: &dyn ModelRegistry) {
    for _ in 0..10 {
        let before = live(registry, "raced").await;
        let outcomes = at_once(8, |rival| {
            let (before, next) = (before.clone(), stable(rival as u64 + 1 + before.stable.unwrap_or(0)));
            async move { set(registry, "raced", &before, &next).await.map(|()| next) }
        })
        .await;
        let n_lost =
            outcomes.iter().filter(|lost| matches!(lost, Err(RegistryError::Conflict { .. }))).count();
        let won: Vec<Rollout> = outcomes.into_iter().filter_map(Result::ok).collect();
        assert_eq!(
            (won.len(), n_lost),
            (1, 7),
            "of all who expect the same exactly one wins, the rest are told"
        );
        assert_eq!(live(registry, "raced").await, won[0], "what the winner set is live");
        let latest = on_record(registry, "raced").await.pop();
        assert_eq!(
            latest.map(|change| change.rollout).as_ref(),
            won.first(),
            "who lost changed nothing on record"
        );
    }
}
