//! Whether pages do what they are for: how much of the catalogue they show, how much of it is merely popular, and how much
//! their users have just seen.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use reco_core::id::{ItemId, UserKey};
use reco_core::page::Page;
use reco_core::retrieve::popular::Popularity;
use reco_core::snapshot::Snapshot;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What was shown since the snapshot in use was put in place. Pages of other snapshots count only for what they have in common with
/// the user's last one.
#[derive(Debug, Default)]
pub(super) struct Quality {
    version: Arc<str>,
    /// One bit per item.
    seen: Vec<u64>,
    n_seen: usize,
    most_popular: HashSet<ItemId>,
    last_pages: LastPages,
    shown: Counter,
    popular: Counter,
    again: Counter,
    compared: Counter,
    coverage: Gauge<f64, AtomicU64>,
}

impl Quality {
    /// Items that count as most popular.
    const MOST_POPULAR: usize = 100;

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("items_shown", "Items on pages", self.shown.clone());
        registry.register(
            "items_shown_popular",
            "Items on pages that are among the hundred most popular",
            self.popular.clone(),
        );
        registry.register(
            "items_compared",
            "Items on pages of users whose page before that is still known",
            self.compared.clone(),
        );
        registry.register(
            "items_shown_again",
            "Those of them that were on that page, too",
            self.again.clone(),
        );
        registry.register(
            "catalogue_coverage_ratio",
            "Share of the catalogue that was on any page since the snapshot is in use",
            self.coverage.clone(),
        );
    }

    pub(super) fn note(&mut self, user: &UserKey, page: &Page, snapshot: &Snapshot) {
        let items: Vec<ItemId> = page.items.iter().map(|item| item.id).collect();
        self.shown.inc_by(items.len() as u64);
        if *self.version != *snapshot.version || self.seen.len() * 64 < snapshot.catalog.len() {
            self.begin(snapshot);
        }
        for id in &items {
            self.popular.inc_by(u64::from(self.most_popular.contains(id)));
            let (word, bit) = (id.index() / 64, 1u64 << (id.index() % 64));
            if let Some(word) = self.seen.get_mut(word).filter(|word| **word & bit == 0) {
                *word |= bit;
                self.n_seen += 1;
            }
        }
        self.coverage.set(self.n_seen as f64 / snapshot.catalog.len().max(1) as f64);
        if let Some(n_again) = self.last_pages.note(user, &snapshot.version, &items) {
            self.compared.inc_by(items.len() as u64);
            self.again.inc_by(n_again as u64);
        }
    }

    /// Begins anew with another snapshot, or with one that has more items.
    fn begin(&mut self, snapshot: &Snapshot) {
        let n_words = snapshot.catalog.len().div_ceil(64);
        if *self.version != *snapshot.version {
            (self.seen, self.n_seen) = (Vec::new(), 0);
        }
        self.seen.resize(n_words, 0);
        self.version = Arc::clone(&snapshot.version);
        let popularity: Option<&Popularity> = snapshot.models.get(Popularity::NAME);
        let top = popularity.map_or(&[][..], |popularity| popularity.top(None));
        self.most_popular = top.iter().take(Self::MOST_POPULAR).copied().collect();
    }
}

/// The last pages of some thousand users: of those who share a place, the latest.
#[derive(Debug)]
struct LastPages {
    hasher: RandomState,
    places: Vec<Option<LastPage>>,
}

#[derive(Debug)]
struct LastPage {
    user: u64,
    version: Arc<str>,
    items: Vec<ItemId>,
}

impl LastPages {
    const PLACES: usize = 1 << 13;

    /// Keeps a page, and says how many of its items were on the user's page before, if that is known.
    fn note(&mut self, user: &UserKey, version: &Arc<str>, items: &[ItemId]) -> Option<usize> {
        let user = self.hasher.hash_one(user);
        let place = &mut self.places[user as usize % Self::PLACES];
        let page = LastPage { user, version: Arc::clone(version), items: items.to_vec() };
        let before = place.replace(page).filter(|page| page.user == user && page.version == *version)?;
        Some(items.iter().filter(|id| before.items.contains(id)).count())
    }
}

impl Default for LastPages {
    fn default() -> Self {
        let places = std::iter::repeat_with(|| None).take(Self::PLACES).collect();
        Self { hasher: RandomState::new(), places }
    }
}
