//! Items in: checked, kept, in the catalogue and in the index by their texts, and so on the very next pages.

use super::Recommender;
use crate::catalog::{Catalog, ItemProblem, ItemRecord};
use crate::embed::{TextEmbedder, TextIndex, TextVectors, TfIdfParams, sentences};
use crate::error::{Fault, FaultKind};
use crate::id::{ItemId, ItemKey};
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
    /// What embedded the texts of the snapshot's items, where that was no other.
    embedder: Option<Arc<dyn TextEmbedder>>,
    /// Whether another recommender, with a snapshot of its own, says which items are new.
    is_beside: bool,
    /// Held while the snapshot in use is replaced by one with more items, or by the next one.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// All of them, those that training knows by now included.
    items: BTreeMap<ItemKey, ItemRecord>,
    /// What the embedder made of their texts.
    vectors: BTreeMap<ItemKey, Vec<f32>>,
    /// The texts of the snapshot in use, once somebody needs them.
    texts: Option<Texts>,
}

/// What tells which items are alike by their texts.
#[derive(Debug)]
enum Texts {
    Words(TextIndex),
    Meanings(TextVectors),
}

impl Texts {
    /// Of a snapshot's items: what its training went by, if the embedder is here. `came` are the vectors of those that came since.
    fn of(
        snapshot: &Snapshot,
        embedder: Option<&dyn TextEmbedder>,
        came: &BTreeMap<ItemKey, Vec<f32>>,
    ) -> Self {
        let catalog = &snapshot.catalog;
        let vectors: Option<&TextVectors> = snapshot.models.get(TextVectors::NAME);
        let vectors =
            vectors.filter(|vectors| embedder.is_some_and(|known| known.name() == vectors.embedder()));
        let Some(mut vectors) = vectors.cloned() else {
            return Self::Words(TextIndex::of(catalog, &TfIdfParams::default()));
        };
        for id in catalog.ids().skip(vectors.n_items()) {
            vectors.push(came.get(catalog.key(id)).map_or(&[][..], Vec::as_slice));
        }
        Self::Meanings(vectors)
    }

    /// Adds the next item, with what the embedder made of it, and tells which of those before are nearest.
    fn add(&mut self, catalog: &Catalog, id: ItemId, vector: &[f32]) -> Vec<(f32, ItemId)> {
        match self {
            Self::Words(index) => index.add(catalog, id, Arrivals::NEIGHBORS),
            Self::Meanings(vectors) => {
                let near = vectors.nearest(vector, Arrivals::NEIGHBORS);
                vectors.push(vector);
                near
            }
        }
    }
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

    pub(super) fn new(
        kept: Option<(ItemLog, Vec<ItemRecord>)>,
        embedder: Option<Arc<dyn TextEmbedder>>,
    ) -> Self {
        let (log, items) = kept.unzip();
        let items = items.into_iter().flatten().map(|item| (ItemKey::from(item.key.as_str()), item));
        let state = Mutex::new(State { items: items.collect(), ..State::default() });
        Self { log, embedder, is_beside: false, state }
    }

    /// Of a recommender beside another.
    pub(super) fn beside() -> Self {
        Self { is_beside: true, ..Self::default() }
    }
}

impl State {
    /// A snapshot with more items: in the catalogue, and beside those whose texts are alike. A fault of the embedder's
    /// comes beside it: items that it could not embed are like none.
    fn grown(
        &mut self,
        snapshot: &Snapshot,
        embedder: Option<&dyn TextEmbedder>,
        items: Vec<ItemRecord>,
    ) -> Result<(Snapshot, Result<(), Fault>), Fault> {
        let catalog = snapshot.catalog.with(items);
        let catalog = catalog.map_err(|cause| Fault::new(NAME, FaultKind::Internal).because(cause))?;
        let mut grown = Snapshot { catalog, ..snapshot.clone() };
        let Some(content) = snapshot.models.get::<Neighbors>(Neighbors::BY_CONTENT) else {
            return Ok((grown, Ok(())));
        };
        let new: Vec<ItemId> = grown.catalog.ids().skip(snapshot.catalog.len()).collect();
        let texts = self.texts.get_or_insert_with(|| Texts::of(snapshot, embedder, &self.vectors));
        let embedded = match (embedder, &texts) {
            (Some(embedder), Texts::Meanings(_)) => embed(&mut self.vectors, embedder, &grown.catalog, &new),
            _ => Ok(()),
        };
        let mut content = content.clone();
        for id in new {
            let vector = self.vectors.get(grown.catalog.key(id)).map_or(&[][..], Vec::as_slice);
            content.add(id, &texts.add(&grown.catalog, id, vector));
        }
        grown.models.insert(Neighbors::BY_CONTENT, content);
        Ok((grown, embedded))
    }
}

/// Embeds the texts of those items that were not yet.
fn embed(
    vectors: &mut BTreeMap<ItemKey, Vec<f32>>,
    embedder: &dyn TextEmbedder,
    catalog: &Catalog,
    items: &[ItemId],
) -> Result<(), Fault> {
    let (keys, texts): (Vec<&ItemKey>, Vec<String>) = (items.iter())
        .map(|&id| (catalog.key(id), sentences(catalog, id)))
        .filter(|(key, _)| !vectors.contains_key(*key))
        .unzip();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embedded = embedder.embed(&texts)?;
    vectors.extend(keys.into_iter().cloned().zip(embedded.rows().map(<[f32]>::to_vec)));
    Ok(())
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
    /// [`LaunchConfig`](crate::launch::LaunchConfig) says. They are alike to others by their texts, until a snapshot that knows them
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
        let embedder = arrivals.embedder.as_deref();
        let grown = state.grown(&snapshot, embedder, new.clone());
        let kept = grown.and_then(|(grown, embedded)| {
            embedded?;
            arrivals.log.as_ref().map_or(Ok(()), |log| log.append(&new))?;
            Ok(Arc::new(grown))
        });
        // What was not kept is not in the index, either.
        let grown = kept.inspect_err(|_| state.texts = None)?;
        let keys: Vec<ItemKey> = new.iter().map(|item| item.key.as_str().into()).collect();
        state.items.extend(keys.iter().cloned().zip(new));
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
        state.texts = None;
        let is_known =
            |key: &ItemKey| next.catalog.id(key.as_str()).is_some_and(|id| !next.catalog.is_added(id));
        let unknown: Vec<ItemRecord> =
            state.items.iter().filter(|(key, _)| !is_known(key)).map(|(_, item)| item.clone()).collect();
        if !self.0.arrivals.is_beside {
            self.0.live.keep_launches(|key| !is_known(key));
        }
        state.vectors.retain(|key, _| !is_known(key));
        unknown.iter().for_each(|item| self.0.live.introduce(&item.key.as_str().into()));
        let embedder = self.0.arrivals.embedder.as_deref();
        let grown = if unknown.is_empty() { None } else { state.grown(&next, embedder, unknown).ok() };
        let next = grown.map_or(next, |(grown, _)| Arc::new(grown));
        self.0.snapshot.store(Arc::clone(&next));
        drop(state);
        // After the swap, so that no event can come in between for the old one alone.
        self.fold_newcomers(&next);
    }
}
