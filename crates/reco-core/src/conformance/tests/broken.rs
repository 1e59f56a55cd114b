//! A suite is worth what it finds: each implementation here breaks one promise, and the suite must
//! name that one.

use super::*;
use crate::error::FaultKind;
use crate::event::Event;
use crate::experiment::Arm;
use crate::features::UserFeatures;
use crate::id::UserKey;
use crate::registry::{Change, RegistryError, Rollout};
use crate::retrieve::RemoteHit;
use crate::store::{Appended, Delivery, EventSource, MemoryReader};
use crate::time::Timestamp;
use async_trait::async_trait;
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};

/// Runs a check that must fail, and compares the promise it names.
fn check(broken: impl std::fmt::Debug, promise: &str, suite: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(suite)));
    let panic = outcome.expect_err("the suite finds it out");
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(text.contains(promise), "{broken:?} was found out as: {text}");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum CacheFlaw {
    Eternal,
    LivesASecondAtLeast,
    FoldsCase,
    EmptyIsAbsent,
    Truncates,
    AbsentIsAFault,
}

#[derive(Debug)]
struct BrokenCache(MemoryCache, CacheFlaw);

impl BrokenCache {
    fn key(&self, key: &str) -> String {
        if self.1 == CacheFlaw::FoldsCase { key.to_lowercase() } else { key.to_owned() }
    }
}

#[async_trait]
impl Cache for BrokenCache {
    fn name(&self) -> &'static str {
        "broken"
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, Fault> {
        let value = self.0.get(&self.key(key)).await?;
        Ok(value.filter(|value| self.1 != CacheFlaw::EmptyIsAbsent || !value.is_empty()))
    }

    async fn put(&self, key: &str, mut value: Bytes, ttl: Duration) -> Result<(), Fault> {
        let ttl = match self.1 {
            CacheFlaw::Eternal => Duration::MAX,
            CacheFlaw::LivesASecondAtLeast => ttl.max(Duration::from_secs(1)),
            _ => ttl,
        };
        if self.1 == CacheFlaw::Truncates {
            value.truncate(0xffff);
        }
        self.0.put(&self.key(key), value, ttl).await
    }

    async fn remove(&self, key: &str) -> Result<(), Fault> {
        if self.1 == CacheFlaw::AbsentIsAFault && self.get(key).await?.is_none() {
            return Err(Fault::new("broken", FaultKind::NotFound));
        }
        self.0.remove(&self.key(key)).await
    }
}

#[test]
fn caches() {
    let flaws = [
        (CacheFlaw::Eternal, "no time to live is no life"),
        (CacheFlaw::LivesASecondAtLeast, "no time to live is no life"),
        (CacheFlaw::FoldsCase, "any text is a key of its own"),
        (CacheFlaw::EmptyIsAbsent, "an empty one is not an absent one"),
        (CacheFlaw::Truncates, "read back byte by byte"),
        (CacheFlaw::AbsentIsAFault, "removing works when it is absent already"),
    ];
    for (flaw, promise) in flaws {
        let clock = ManualClock::starting_at(Timestamp::from_secs(0));
        let broken = BrokenCache(MemoryCache::new(16 << 20, Arc::new(clock.clone())), flaw);
        check(flaw, promise, cache(&broken, &|by| clock.advance(by)));
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum LogFlaw {
    ForgetsDuplicates,
    RefusesKnownEvents,
    Misplaces,
    Reverses,
    NeverCommits,
    IgnoresMax,
    ReturnsWithoutEvents,
}

#[derive(Debug)]
struct BrokenSink(Arc<MemoryLog>, LogFlaw);

#[async_trait]
impl EventSink for BrokenSink {
    fn name(&self) -> &'static str {
        "broken"
    }

    async fn append(&self, events: &[Event]) -> Result<Appended, Fault> {
        let mut events = events.to_vec();
        if self.1 == LogFlaw::Reverses {
            events.reverse();
        }
        let mut appended = self.0.append(&events).await?;
        if self.1 == LogFlaw::RefusesKnownEvents && appended.duplicates().next().is_some() {
            return Err(Fault::new("broken", FaultKind::Invalid));
        }
        match self.1 {
            LogFlaw::ForgetsDuplicates => appended.places.retain(Option::is_some),
            LogFlaw::Misplaces => appended.places.iter_mut().flatten().for_each(|place| place.offset += 1),
            _ => {}
        }
        Ok(appended)
    }
}

#[derive(Debug)]
struct BrokenReader(MemoryReader, LogFlaw);

#[async_trait]
impl EventSource for BrokenReader {
    fn name(&self) -> &'static str {
        "broken"
    }

    async fn poll(&mut self, max: usize) -> Result<Vec<Delivery>, Fault> {
        match self.1 {
            LogFlaw::ReturnsWithoutEvents => Ok(Vec::new()),
            LogFlaw::IgnoresMax => self.0.poll(100).await,
            _ => self.0.poll(max).await,
        }
    }

    async fn commit(&mut self) -> Result<(), Fault> {
        if self.1 == LogFlaw::NeverCommits { Ok(()) } else { self.0.commit().await }
    }
}

#[test]
fn logs() {
    let flaws = [
        (LogFlaw::ForgetsDuplicates, "a place for every event"),
        (LogFlaw::RefusesKnownEvents, "a batch with known events is no failure"),
        (LogFlaw::Misplaces, "where appending said"),
        (LogFlaw::Reverses, "in order"),
        (LogFlaw::NeverCommits, "comes again what was not committed"),
        (LogFlaw::IgnoresMax, "at most as many as asked"),
        (LogFlaw::ReturnsWithoutEvents, "a poll waits for an event"),
    ];
    for (flaw, promise) in flaws {
        let log = Arc::new(MemoryLog::default());
        let sink = BrokenSink(Arc::clone(&log), flaw);
        check(flaw, promise, event_log(&sink, &|group| Box::new(BrokenReader(log.reader(group), flaw))));
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum RegistryFlaw {
    CountsAllModels,
    LoadsTheLatest,
    LastWriterWins,
    ComparesThenSwaps,
    GoesLiveAtOnce,
    KeepsNoRecord,
}

#[derive(Debug)]
struct BrokenRegistry(MemoryRegistry, RegistryFlaw);

impl BrokenRegistry {
    /// One model for all where the flaw is to count them together.
    fn model<'a>(&self, model: &'a str) -> &'a str {
        if self.1 == RegistryFlaw::CountsAllModels { "all" } else { model }
    }
}

#[async_trait]
impl ModelRegistry for BrokenRegistry {
    async fn publish(&self, model: &str, artifact: Bytes) -> Result<u64, RegistryError> {
        let version = self.0.publish(self.model(model), artifact).await?;
        if self.1 == RegistryFlaw::GoesLiveAtOnce {
            let rollout = Rollout { stable: Some(version), canary: None };
            let (at, by, why) = (Timestamp::from_secs(0), String::new(), String::new());
            let change = Change { at, by, why, rollout };
            self.0.set_rollout(model, &self.0.rollout(model).await?, change).await?;
        }
        Ok(version)
    }

    async fn load(&self, model: &str, version: u64) -> Result<Bytes, RegistryError> {
        let latest = self.0.versions(model).await?.len() as u64;
        let version = if self.1 == RegistryFlaw::LoadsTheLatest { latest } else { version };
        self.0.load(self.model(model), version).await
    }

    async fn versions(&self, model: &str) -> Result<Vec<u64>, RegistryError> {
        self.0.versions(self.model(model)).await
    }

    async fn rollout(&self, model: &str) -> Result<Rollout, RegistryError> {
        self.0.rollout(self.model(model)).await
    }

    async fn set_rollout(
        &self,
        model: &str,
        expected: &Rollout,
        change: Change,
    ) -> Result<(), RegistryError> {
        let current = self.rollout(model).await?;
        if self.1 == RegistryFlaw::ComparesThenSwaps {
            if current != *expected {
                return Err(RegistryError::Conflict { model: model.to_owned() });
            }
            tokio::task::yield_now().await;
        }
        let blind = matches!(self.1, RegistryFlaw::LastWriterWins | RegistryFlaw::ComparesThenSwaps);
        let current = self.rollout(model).await?;
        self.0.set_rollout(model, if blind { &current } else { expected }, change).await
    }

    async fn changes(&self, model: &str) -> Result<Vec<Change>, RegistryError> {
        match self.1 {
            RegistryFlaw::KeepsNoRecord => Ok(Vec::new()),
            _ => self.0.changes(model).await,
        }
    }
}

#[test]
fn registries() {
    let flaws = [
        (RegistryFlaw::CountsAllModels, "each model has its own versions"),
        (RegistryFlaw::LoadsTheLatest, "stays what it was when it was published"),
        (RegistryFlaw::LastWriterWins, "who knows an old state is told so"),
        (RegistryFlaw::ComparesThenSwaps, "exactly one wins"),
        (RegistryFlaw::GoesLiveAtOnce, "publishing alone puts nothing live"),
        (RegistryFlaw::KeepsNoRecord, "what changed is on record"),
    ];
    for (flaw, promise) in flaws {
        check(flaw, promise, model_registry(&BrokenRegistry(MemoryRegistry::default(), flaw)));
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum SplitFlaw {
    TakesTurns,
    FavoursTheFirst,
    NumbersFromOne,
}

#[derive(Debug)]
struct BrokenSplit(HashSplit, SplitFlaw, AtomicU8);

impl Experiment for BrokenSplit {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn n_arms(&self) -> usize {
        2
    }

    fn assign(&self, user: &UserKey) -> Option<Arm> {
        let arm = self.0.assign(user)?;
        Some(match self.1 {
            SplitFlaw::TakesTurns => Arm(self.2.fetch_add(1, Ordering::Relaxed) % 7 % 2),
            SplitFlaw::FavoursTheFirst if user.as_str().ends_with('7') => Arm(0),
            SplitFlaw::FavoursTheFirst => arm,
            SplitFlaw::NumbersFromOne => Arm(arm.0 + 1),
        })
    }
}

#[test]
fn experiments() {
    let flaws = [
        (SplitFlaw::TakesTurns, "the same user always gets the same arm"),
        (SplitFlaw::FavoursTheFirst, "arms get their shares"),
        (SplitFlaw::NumbersFromOne, "arms are numbered from 0"),
    ];
    for (flaw, promise) in flaws {
        let broken = BrokenSplit(HashSplit::new("x", &[1.0, 1.0], 1.0).unwrap(), flaw, AtomicU8::new(0));
        check(flaw, promise, async { experiment(&broken, &[0.5, 0.5]) });
    }
}

/// Live features, newest first.
#[derive(Debug)]
struct NewestFirst(Live);

#[async_trait]
impl FeatureSource for NewestFirst {
    fn name(&self) -> &'static str {
        "broken"
    }

    async fn user(&self, user: &UserKey, budget: &Budget) -> Result<Option<Arc<UserFeatures>>, Fault> {
        let mut features = FeatureSource::user(&self.0, user, budget).await?;
        features.iter_mut().for_each(|features| Arc::make_mut(features).recent.reverse());
        Ok(features)
    }
}

#[test]
fn feature_sources() {
    let broken = NewestFirst(Live::default());
    let budget = budget();
    let deaf = feature_source(&broken, &|_| Box::pin(ready(())), &budget);
    check("never fed", "can be read once fed", deaf);
    let feed = |event| -> futures_util::future::BoxFuture<'_, ()> {
        broken.0.apply(&event);
        Box::pin(ready(()))
    };
    check("newest first", "oldest first", feature_source(&broken, &feed, &budget));
}

#[derive(Clone, Copy, Debug)]
enum RemoteFlaw {
    IgnoresTheLimit,
    WorstFirst,
    Repeats,
    ScoresNan,
    KnowsOnlyAnn,
}

#[derive(Debug)]
struct BrokenRemote(RemoteFlaw);

#[async_trait]
impl RemoteGenerator for BrokenRemote {
    fn name(&self) -> &'static str {
        "broken"
    }

    async fn generate(&self, user: &UserKey, limit: usize, _: &Budget) -> Result<Vec<RemoteHit>, Fault> {
        let hit = |item: &str, score: f32| RemoteHit { item: item.into(), score };
        let mut hits = vec![hit("a", 3.0), hit("b", 2.0), hit("c", 1.0)];
        match self.0 {
            RemoteFlaw::IgnoresTheLimit => return Ok(hits),
            RemoteFlaw::WorstFirst => hits.reverse(),
            RemoteFlaw::Repeats => hits[1].item = "a".into(),
            RemoteFlaw::ScoresNan => hits[2].score = f32::NAN,
            RemoteFlaw::KnowsOnlyAnn if user.as_str() != "ann" => {
                return Err(Fault::new("broken", FaultKind::NotFound));
            }
            RemoteFlaw::KnowsOnlyAnn => {}
        }
        hits.truncate(limit);
        Ok(hits)
    }
}

#[test]
fn remote_generators() {
    let flaws = [
        (RemoteFlaw::IgnoresTheLimit, "a limit of 0 is kept"),
        (RemoteFlaw::WorstFirst, "the best come first"),
        (RemoteFlaw::Repeats, "no item comes twice"),
        (RemoteFlaw::ScoresNan, "scores are finite"),
        (RemoteFlaw::KnowsOnlyAnn, "for any user, known or not"),
    ];
    for (flaw, promise) in flaws {
        check(flaw, promise, remote_generator(&BrokenRemote(flaw), &"ann".into(), &budget()));
    }
}
