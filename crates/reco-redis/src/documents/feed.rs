//! The consumer that keeps features of users up to date.
//!
//! An event counts once because a document and which events are in it change in one step, and only if nobody else changed
//! it meanwhile. It is not lost because a position in the log is passed only when its document is on all replicas:
//! [`flush`](FeatureFeed::flush) looks on one connection to the primary whether everything taken in is still there, takes in
//! again what a fail-over lost, and has replicas confirm on the same connection what it saw.

use super::FeatureStore;
use super::features::Stored;
use crate::client::Witness;
use crate::error::{CallError, Trouble};
use async_trait::async_trait;
use reco_core::consume::Consumer;
use reco_core::error::{Fault, FaultKind};
use reco_core::event::Event;
use reco_core::features::{FeatureRules, TakenEvents};
use reco_core::id::{ItemKey, UserKey};
use reco_core::store::{Delivery, Place};
use reco_core::time::Budget;
use redis::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Brings events from the log into a [`FeatureStore`], each once in effect. Several may feed the same users.
///
/// ```no_run
/// use reco_core::consume::{Pace, Progress, consume};
/// use reco_core::features::FeatureRules;
/// use reco_core::store::EventSource;
/// use reco_core::time::SystemClock;
/// use reco_redis::{FeatureFeed, FeatureStore, RedisClient};
/// use std::sync::Arc;
///
/// # async fn run(client: RedisClient, source: impl EventSource) -> Result<(), Box<dyn std::error::Error>> {
/// let store = FeatureStore::new(&client, FeatureStore::TTL)?;
/// let category = |item: &reco_core::id::ItemKey| item.as_str().starts_with("tea").then(|| "drinks".into());
/// let feed = FeatureFeed::new(&store, FeatureRules::default(), category).with_replicas(1);
/// let (pace, progress) = (Pace::default(), Arc::new(Progress::default()));
/// consume(source, feed, pace, progress, Arc::new(SystemClock), std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
pub struct FeatureFeed {
    store: FeatureStore,
    rules: FeatureRules,
    category: Box<Category>,
    replicas: usize,
    unflushed: Unflushed,
}

/// Events by user, each once.
type ByUser = BTreeMap<UserKey, BTreeMap<Place, Event>>;

/// The category of an item.
type Category = dyn Fn(&ItemKey) -> Option<Arc<str>> + Send + Sync;

/// What may be lost with a primary.
#[derive(Default)]
struct Unflushed {
    users: ByUser,
    n_events: usize,
}

impl FeatureFeed {
    /// The name of its group in the log.
    pub const NAME: &str = "features";

    /// Events kept until they are flushed; with one more it flushes by itself.
    pub const MOST_UNFLUSHED: usize = 200_000;

    /// The same of one user. Half of what a document knows one by one, so that what was lost never counts as known
    /// because of what came after.
    const MOST_OF_USER: usize = TakenEvents::KEPT / 2;

    /// How often users whose documents others change at the same moment are tried. In every round one of them gets through.
    const ROUNDS: usize = 64;

    /// How often what is lost is taken in again before flushing fails.
    const PASSES: usize = 8;

    /// Documents in one round trip.
    const BATCH: usize = 1_000;

    /// How long flushing may take.
    const LONGEST_FLUSH: Duration = Duration::from_secs(30);

    /// Feeds `store` by `rules`, which all that feed it must have in common; `category` tells that of an item.
    pub fn new(
        store: &FeatureStore,
        rules: FeatureRules,
        category: impl Fn(&ItemKey) -> Option<Arc<str>> + Send + Sync + 'static,
    ) -> Self {
        let (store, category) = (store.clone(), Box::new(category));
        Self { store, rules, category, replicas: 0, unflushed: Unflushed::default() }
    }

    /// With so many replicas at least that must confirm, in a cluster of each primary. Without, those that follow at the moment:
    /// none, if none does.
    #[must_use]
    pub fn with_replicas(self, replicas: usize) -> Self {
        Self { replicas, ..self }
    }

    /// Events that are not flushed.
    pub fn n_unflushed(&self) -> usize {
        self.unflushed.n_events
    }

    fn is_remembered(&self, event: &Event) -> bool {
        self.rules.weights.verdict(&event.action, event.value).is_remembered(&event.action)
    }

    /// Takes in events that the bounds have room for.
    async fn take_some(&mut self, events: ByUser) -> Result<(), Fault> {
        let written = self.write(&events).await;
        // Some may be written when others are not; those that are refused are passed over.
        if !written.as_ref().is_err_and(|fault| fault.kind == FaultKind::Invalid) {
            self.unflushed.extend(events);
        }
        written
    }

    /// Brings documents up to date with events. Those that have them stay as they are.
    async fn write(&self, events: &ByUser) -> Result<(), Fault> {
        let users: Vec<&UserKey> = events.keys().collect();
        for block in users.chunks(Self::BATCH) {
            self.write_block(block.to_vec(), events).await?;
        }
        Ok(())
    }

    async fn write_block(&self, mut users: Vec<&UserKey>, events: &ByUser) -> Result<(), Fault> {
        for _ in 0..Self::ROUNDS {
            let stored = self.store.records(&users).await?;
            let changed: Vec<(&UserKey, Stored)> =
                users.iter().copied().zip(stored).filter_map(|it| self.changed(it, events)).collect();
            if changed.is_empty() {
                return Ok(());
            }
            let written = self.store.replace(&changed).await?;
            users = changed.iter().zip(written).filter(|(_, written)| !written).map(|(it, _)| it.0).collect();
            if users.is_empty() {
                return Ok(());
            }
        }
        let problem = format!("others changed {} documents {} times meanwhile", users.len(), Self::ROUNDS);
        Err(Fault::new(Self::NAME, FaultKind::Unavailable).because(problem))
    }

    /// A document with a user's events, if that makes a difference.
    fn changed<'a>(
        &self,
        (user, mut stored): (&'a UserKey, Stored),
        events: &ByUser,
    ) -> Option<(&'a UserKey, Stored)> {
        let mut is_changed = false;
        for (place, event) in &events[user] {
            let category = (self.category)(&event.item);
            is_changed |= stored.record.take(*place, event, category.as_deref(), &self.rules);
        }
        is_changed.then_some((user, stored))
    }

    /// Makes sure of everything that is not flushed.
    async fn settle(&mut self) -> Result<(), Fault> {
        for _ in 0..Self::PASSES {
            let witnesses = self.store.client().witnesses().await.map_err(|error| self.store.fault(error))?;
            self.check_whole(&witnesses)?;
            let mut is_settled = true;
            for witness in &witnesses {
                is_settled &= self.settle_at(witness).await?;
            }
            if is_settled {
                self.unflushed = Unflushed::default();
                return Ok(());
            }
        }
        let problem = format!("what was written was lost {} times in a row", Self::PASSES);
        Err(Fault::new(Self::NAME, FaultKind::Unavailable).because(problem))
    }

    /// Every document must have a primary.
    fn check_whole(&self, witnesses: &[Witness]) -> Result<(), Fault> {
        let keys = self.unflushed.users.keys().map(|user| self.store.key(user));
        let mut without = keys.filter(|key| !witnesses.iter().any(|witness| witness.has(key)));
        without.next().map_or(Ok(()), |key| {
            let said = format!("nobody has the slot of `{key}`");
            Err(self.store.fault(CallError::new(Trouble::ClusterDown, "the cluster", said)))
        })
    }

    /// Makes sure of what one primary has; false if something had to be taken in again, or moved meanwhile.
    async fn settle_at(&mut self, witness: &Witness) -> Result<bool, Fault> {
        let keys = self.unflushed.users.keys().map(|user| (user.clone(), self.store.key(user)));
        let keys: Vec<(UserKey, String)> = keys.filter(|(_, key)| witness.has(key)).collect();
        let Some((_, one)) = keys.first() else { return Ok(true) };
        let lost = self.lost(witness, &keys).await?;
        if !lost.is_empty() {
            tracing::warn!(users = lost.len(), server = witness.place(), "features are made again");
            self.write_again(&lost).await?;
            return Ok(false);
        }
        let client = self.store.client();
        let confirmed = witness.confirm(one, self.store.ttl(), self.replicas).await;
        // What moved to another primary between the two looks was confirmed by nobody.
        let stayed = match confirmed {
            Ok(true) => self.all_there(witness, &keys).await,
            other => other,
        };
        client.hear(witness, stayed).await.map_err(|error| self.store.fault(error))
    }

    async fn write_again(&mut self, lost: &ByUser) -> Result<(), Fault> {
        match self.write(lost).await {
            Err(fault) if fault.kind == FaultKind::Invalid => {}
            other => return other,
        }
        for (user, events) in lost {
            let of_one = ByUser::from([(user.clone(), events.clone())]);
            match self.write(&of_one).await {
                Err(fault) if fault.kind == FaultKind::Invalid => self.pass_over(user, &fault.message()),
                other => other?,
            }
        }
        Ok(())
    }

    /// A user's document was damaged. The events would be passed over if they came now, and nobody else must wait until
    /// somebody mends it.
    fn pass_over(&mut self, user: &UserKey, problem: &str) {
        tracing::error!(%user, problem, "features are damaged, and events that were in them may be lost");
        self.unflushed.remove(user);
    }

    /// Events that should be in documents and are not.
    async fn lost(&mut self, witness: &Witness, keys: &[(UserKey, String)]) -> Result<ByUser, Fault> {
        let mut lost = ByUser::new();
        for block in keys.chunks(Self::BATCH) {
            let names: Vec<&str> = block.iter().map(|(_, key)| &**key).collect();
            let read = witness.read(&names, "taken").await;
            let read =
                self.store.client().hear(witness, read).await.map_err(|error| self.store.fault(error))?;
            for ((user, key), answer) in block.iter().zip(read) {
                let taken = match taken(answer) {
                    Ok(taken) => taken,
                    Err(problem) => {
                        self.pass_over(user, &format!("key `{key}`: {problem}"));
                        continue;
                    }
                };
                let events = self.unflushed.users.get(user).into_iter().flatten();
                let missing = events.filter(|(place, _)| !taken.contains(**place));
                let missing: BTreeMap<Place, Event> =
                    missing.map(|(place, event)| (*place, event.clone())).collect();
                if !missing.is_empty() {
                    lost.insert(user.clone(), missing);
                }
            }
        }
        Ok(lost)
    }

    async fn all_there(&self, witness: &Witness, keys: &[(UserKey, String)]) -> Result<bool, CallError> {
        for block in keys.chunks(Self::BATCH) {
            let names: Vec<&str> = block.iter().map(|(_, key)| &**key).collect();
            let tokens = witness.read(&names, "token").await?;
            if tokens.iter().any(|token| *token == Value::Array(vec![Value::Nil])) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Which events are in a document.
fn taken(answer: Value) -> Result<TakenEvents, String> {
    let field: (Option<Vec<u8>>,) = redis::from_redis_value(answer).map_err(|error| error.to_string())?;
    let Some(bytes) = field.0 else { return Ok(TakenEvents::default()) };
    TakenEvents::decode(&bytes).map_err(|error| error.to_string())
}

impl Unflushed {
    fn extend(&mut self, events: ByUser) {
        for (user, events) in events {
            let known = self.users.entry(user).or_default();
            let before = known.len();
            known.extend(events);
            self.n_events += known.len() - before;
        }
    }

    fn remove(&mut self, user: &UserKey) {
        self.n_events -= self.users.remove(user).map_or(0, |events| events.len());
    }

    fn has_room(&self, more: &ByUser, n_more: usize, user: &UserKey) -> bool {
        let of_user = |events: &ByUser| events.get(user).map_or(0, BTreeMap::len);
        self.n_events + n_more < FeatureFeed::MOST_UNFLUSHED
            && of_user(&self.users) + of_user(more) < FeatureFeed::MOST_OF_USER
    }
}

#[async_trait]
impl Consumer for FeatureFeed {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        let (mut some, mut n_some) = (ByUser::new(), 0);
        for Delivery { place, event } in deliveries {
            if !self.is_remembered(event) {
                continue;
            }
            if !self.unflushed.has_room(&some, n_some, &event.user) {
                self.take_some(std::mem::take(&mut some)).await?;
                self.flush().await?;
                n_some = 0;
            }
            // Nothing of the details is counted, and they may be long.
            let event = Event { details: None, ..event.clone() };
            some.entry(event.user.clone()).or_default().insert(*place, event);
            n_some += 1;
        }
        self.take_some(some).await
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        if self.unflushed.users.is_empty() {
            return Ok(());
        }
        let budget = Budget::start(Arc::clone(self.store.client().clock()), Self::LONGEST_FLUSH);
        let settled = budget.run(self.settle()).await;
        settled.unwrap_or_else(|| Err(Fault::new(Self::NAME, FaultKind::Timeout)))
    }
}

impl fmt::Debug for FeatureFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, rules, replicas, unflushed, .. } = self;
        f.debug_struct("FeatureFeed")
            .field("store", store)
            .field("rules", rules)
            .field("replicas", replicas)
            .field("n_unflushed", &unflushed.n_events)
            .finish_non_exhaustive()
    }
}
