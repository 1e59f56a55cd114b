//! Items in: checked, kept, in the catalogue and in the index by their words, and so on the very next pages.

use super::Recommender;
use crate::catalog::{ItemProblem, ItemRecord};
use crate::embed::{TextIndex, TfIdfParams};
use crate::error::{Fault, FaultKind};
use crate::id::ItemKey;
use crate::launch::{Counts, Stage};
use crate::retrieve::neighbors::Neighbors;
use crate::snapshot::Snapshot;
use crate::store::ItemLog;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The items that came while serving.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    log: Option<ItemLog>,
    /// Whether another recommender, with a snapshot of its own, says which items are new.
    is_beside: bool,
    /// Held while the snapshot in use is replaced by one with more items, or by the next one.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// All of them, those that training knows by now included.
    items: BTreeMap<ItemKey, ItemRecord>,
    /// The words of the snapshot in use, once somebody needs them.
    index: Option<TextIndex>,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Arrived {
    /// It is in the catalogue now.
    Added,
    /// It came before, just so.
    Known,
    /// The catalogue has another item with that key.
    Taken,
    /// It cannot be an item.
    Invalid {
        /// Everything that is wrong with it.
        problems: Vec<ItemProblem>,
    },
}

impl Arrivals {
    /// Neighbours by content of an item: as many as training gives to others.
    const NEIGHBORS: usize = 50;

    pub(super) fn new(kept: Option<(ItemLog, Vec<ItemRecord>)>) -> Self {
        let (log, items) = kept.unzip();
        let items = items.into_iter().flatten().map(|item| (ItemKey::from(item.key.as_str()), item));
        let state = Mutex::new(State { items: items.collect(), index: None });
        Self { log, is_beside: false, state }
    }

    /// Of a recommender beside another.
    pub(super) fn beside() -> Self {
        Self { is_beside: true, ..Self::default() }
    }
}

impl State {
    /// A snapshot with more items: in the catalogue, and beside those whose words are alike.
    fn grown(&mut self, snapshot: &Snapshot, items: Vec<ItemRecord>) -> Result<Snapshot, Fault> {
        let catalog = snapshot.catalog.with(items);
        let catalog = catalog.map_err(|cause| Fault::new(NAME, FaultKind::Internal).because(cause))?;
        let mut grown = Snapshot { catalog, ..snapshot.clone() };
        if let Some(content) = snapshot.models.get::<Neighbors>(Neighbors::BY_CONTENT) {
            let of_snapshot = || TextIndex::of(&snapshot.catalog, &TfIdfParams::default());
            let (mut content, index) = (content.clone(), self.index.get_or_insert_with(of_snapshot));
            for id in grown.catalog.ids().skip(snapshot.catalog.len()) {
                content.add(id, &index.add(&grown.catalog, id, Arrivals::NEIGHBORS));
            }
            grown.models.insert(Neighbors::BY_CONTENT, content);
        }
        Ok(grown)
    }
}

const NAME: &str = "items";

/// How an item that is new does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Launch {
    /// Its key.
    pub item: ItemKey,
    /// Where it stands.
    pub stage: Stage,
    /// What came of showing it.
    #[serde(flatten)]
    pub counts: Counts,
}

impl Recommender {
    /// Takes items in that the catalogue lacks: once this returns they are kept, if there is an
    /// [`ItemLog`](super::RecommenderBuilder::items), and pages may show them as
    /// [`LaunchConfig`](crate::launch::LaunchConfig) says. They are alike to others by their words, until a snapshot that knows them
    /// takes the place of this one. Each is judged by itself. It waits for the disk, so it belongs to no thread of an async runtime.
    ///
    /// ```
    /// use reco_core::catalog::ItemRecord;
    /// use reco_core::pipeline::{Arrived, PipelineConfig};
    /// use reco_core::snapshot::Snapshot;
    ///
    /// let recommender = PipelineConfig::default().builder(Snapshot::default())?.build()?;
    /// assert_eq!(recommender.add_items(vec![ItemRecord::new("tea")])?, [Arrived::Added]);
    /// assert!(recommender.snapshot().catalog.id("tea").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Fault`] when they could not be kept; then none of them is there.
    pub fn add_items(&self, items: Vec<ItemRecord>) -> Result<Vec<Arrived>, Fault> {
        let arrivals = &self.0.arrivals;
        let mut state = arrivals.state.lock();
        let (snapshot, now) = (self.snapshot(), self.0.clock.wall());
        let mut new: Vec<ItemRecord> = Vec::new();
        let outcomes = items.into_iter().map(|item| {
            let problems = item.problems();
            let is_same =
                |known: &ItemRecord| *known == ItemRecord { created_at: known.created_at, ..item.clone() };
            let came = state.items.get(item.key.as_str()).or(new.iter().find(|other| other.key == item.key));
            if !problems.is_empty() {
                Arrived::Invalid { problems }
            } else if let Some(came) = came {
                if is_same(came) { Arrived::Known } else { Arrived::Taken }
            } else if snapshot.catalog.id(&item.key).is_some() {
                Arrived::Taken
            } else {
                new.push(ItemRecord { created_at: item.created_at.or(Some(now)), ..item });
                Arrived::Added
            }
        });
        let outcomes = outcomes.collect();
        if new.is_empty() {
            return Ok(outcomes);
        }
        if let Some(log) = &arrivals.log {
            log.append(&new)?;
        }
        let keys: Vec<ItemKey> = new.iter().map(|item| item.key.as_str().into()).collect();
        state.items.extend(keys.iter().cloned().zip(new.iter().cloned()));
        let grown = Arc::new(state.grown(&snapshot, new)?);
        self.0.live.carry(&snapshot, &grown);
        keys.iter().for_each(|key| self.0.live.introduce(key));
        self.0.snapshot.store(grown);
        Ok(outcomes)
    }

    /// The items that are new, by key.
    pub fn launches(&self) -> Vec<Launch> {
        let launched = |(item, counts)| Launch { item, stage: self.0.parts.launch.stage(counts), counts };
        self.0.live.launches().into_iter().map(launched).collect()
    }

    /// Puts the next snapshot in place, with the items that came while serving and that it does not know. Those that it knows
    /// are new no more.
    pub(super) fn put(&self, next: Arc<Snapshot>) {
        let mut state = self.0.arrivals.state.lock();
        state.index = None;
        let is_known =
            |key: &ItemKey| next.catalog.id(key.as_str()).is_some_and(|id| !next.catalog.is_added(id));
        let unknown: Vec<ItemRecord> =
            state.items.iter().filter(|(key, _)| !is_known(key)).map(|(_, item)| item.clone()).collect();
        if !self.0.arrivals.is_beside {
            self.0.live.keep_launches(|key| !is_known(key));
        }
        unknown.iter().for_each(|item| self.0.live.introduce(&item.key.as_str().into()));
        let grown = if unknown.is_empty() { None } else { state.grown(&next, unknown).ok() };
        let next = grown.map_or(next, Arc::new);
        self.0.snapshot.store(Arc::clone(&next));
        drop(state);
        // After the swap, so that no event can come in between for the old one alone.
        self.fold_newcomers(&next);
    }
}
