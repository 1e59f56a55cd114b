//! Finished pages, kept for those who ask the same again.

use crate::cache::{Cache, Codec, Found, Layer, LayerCounts, Layered, Life, Made};
use crate::catalog::Catalog;
use crate::error::{Fault, RecommendError, Rung};
use crate::features::UserFeatures;
use crate::id::{ItemId, ItemKey};
use crate::page::{Page, PageItem, Why};
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::time::{Clock, Timestamp};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Keeps finished pages: near, and where there is one, in a cache that other processes share.
///
/// A page is found under everything it depends on: what was asked, the snapshot, and the user's events. So the first
/// event, and the first swap, leads to another page, with nothing to be removed. What else moves by the second, such
/// as trends and items that are new, is as old as the page. Only pages without a fault are kept, and none for
/// requests that ask why an item is missing. One with an item in a slot for new ones is shown again as long as that has a
/// budget.
///
/// ```
/// use reco_core::cache::Life;
/// use reco_core::pipeline::{PageCache, PipelineConfig};
/// use reco_core::request::Request;
/// use reco_core::snapshot::Snapshot;
/// use reco_core::time::SystemClock;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pages = PageCache::new(Life::LISTS, 64 << 20, Arc::new(SystemClock));
/// let recommender = PipelineConfig::default().builder(Snapshot::default())?.pages(pages).build()?;
/// let page = recommender.recommend(Request::for_user("ann")).await?;
/// println!("found {:?}", page.found);
/// for (name, counts) in recommender.caches() {
///     println!("{name}: {:?} of those who asked found it here", counts.near.hit_rate());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct PageCache {
    pages: Layered<Arc<Answer>>,
    pipeline: Arc<str>,
}

/// What a request came to.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Everything the page depends on, in full: its key has a hash of it.
    asked: String,
    page: Result<Page, RecommendError>,
    /// What the ids belong to; nothing for a page from another process, which has none.
    snapshot: Option<Weak<Snapshot>>,
}

/// Everything a page depends on.
#[derive(Serialize)]
struct Asked<'a> {
    user: &'a str,
    request: &'a Request,
    snapshot: &'a str,
    features: u64,
    pipeline: &'a str,
}

impl PageCache {
    /// Keeps pages in `capacity` bytes of this process.
    pub fn new(life: Life, capacity: u64, clock: Arc<dyn Clock>) -> Self {
        let weigh = |answer: &Arc<Answer>| answer.weight();
        Self { pages: Layered::new("pages", life, capacity, weigh, clock), pipeline: Arc::default() }
    }

    /// Looks into a shared cache for what is not here, no longer than `patience`. Processes may share pages if their
    /// pipelines are described by the same text.
    #[must_use]
    pub fn before(self, cache: Arc<dyn Cache>, patience: Duration, pipeline: &str) -> Self {
        let codec = Codec {
            encode: |answer: &Arc<Answer>| answer.encode(),
            decode: |bytes| Answer::decode(bytes).map(Arc::new),
        };
        Self { pages: self.pages.before(cache, codec, patience), pipeline: pipeline.into() }
    }

    /// The same cache for pages of another pipeline, told apart by its name.
    pub(super) fn of_variant(&self, name: &str) -> Self {
        Self { pages: self.pages.clone(), pipeline: format!("{} {name}", self.pipeline).into() }
    }

    /// What was found where so far.
    pub fn counts(&self) -> LayerCounts {
        self.pages.counts()
    }

    /// What a request is kept under; nothing if its page is to be computed in any case.
    pub(super) fn asked(
        &self,
        request: &Request,
        snapshot: &Snapshot,
        features: &UserFeatures,
    ) -> Option<String> {
        if request.anew || !request.why_not.is_empty() {
            return None;
        }
        let asked = Asked {
            user: request.user.as_str(),
            request,
            snapshot: &snapshot.version,
            features: features.fingerprint(),
            pipeline: &self.pipeline,
        };
        serde_json::to_string(&asked).ok()
    }

    /// The page, or what `make` makes of it.
    pub(super) async fn get_or<F>(
        &self,
        asked: String,
        request: &Request,
        snapshot: &Arc<Snapshot>,
        make: impl FnOnce() -> F + Send,
    ) -> Result<Option<Result<Page, RecommendError>>, Fault>
    where
        F: Future<Output = Result<Page, RecommendError>> + Send + 'static,
    {
        let key = format!("recs:{}:{:016x}", request.user, FxBuildHasher.hash_one(&asked));
        let found = self.pages.get_or(&key, || {
            let (make, own, made_of) = (make(), asked.clone(), Arc::downgrade(snapshot));
            async move {
                let page = make.await;
                let is_whole = page.as_ref().is_ok_and(|page| !page.is_degraded());
                let answer = Arc::new(Answer { asked: own, page, snapshot: Some(made_of) });
                Ok(if is_whole { Made::Kept(answer) } else { Made::Passing(answer) })
            }
        });
        let Found { value, layer, .. } = found.await?;
        let Some(answer) = value.filter(|answer| answer.asked == asked) else { return Ok(None) };
        let mut page = answer.page.clone();
        if let Ok(page) = &mut page {
            page.found = (layer != Layer::Made).then_some(layer);
            let is_own = answer.snapshot.as_ref().is_some_and(|of| of.as_ptr() == Arc::as_ptr(snapshot));
            if !is_own && !page.move_to(&snapshot.catalog) {
                return Ok(None);
            }
        }
        Ok(Some(page))
    }
}

impl Page {
    /// Finds the items in another catalogue; false if one is not there.
    fn move_to(&mut self, catalog: &Catalog) -> bool {
        self.items.iter_mut().all(|item| {
            let id = catalog.id(item.key.as_str());
            item.id = id.unwrap_or(item.id);
            id.is_some()
        })
    }
}

/// A page as other processes read it.
#[derive(Serialize, Deserialize)]
struct Stored {
    asked: String,
    at: Timestamp,
    snapshot: Arc<str>,
    items: Vec<(ItemKey, f32, Option<Why>)>,
    remarks: Vec<String>,
    introduced: Vec<ItemKey>,
}

impl Answer {
    /// Roughly its bytes.
    fn weight(&self) -> usize {
        let of_why = |why: &Why| 64 * (why.sources.len() + why.because.len() + why.moves.len());
        let of_item = |item: &PageItem| 96 + item.key.as_str().len() + item.why.as_ref().map_or(0, of_why);
        let items = self.page.as_ref().map_or(0, |page| page.items.iter().map(of_item).sum());
        256 + self.asked.len() + items
    }

    fn encode(&self) -> Vec<u8> {
        let Ok(page) = &self.page else { return Vec::new() };
        let items = page.items.iter().map(|item| (item.key.clone(), item.score, item.why.clone()));
        let stored = Stored {
            asked: self.asked.clone(),
            at: page.at,
            snapshot: Arc::clone(&page.snapshot),
            items: items.collect(),
            remarks: page.remarks.clone(),
            introduced: page.introduced.clone(),
        };
        postcard::to_stdvec(&stored).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let Stored { asked, at, snapshot, items, remarks, introduced } = postcard::from_bytes(bytes).ok()?;
        // Ids are given when it is known in which catalogue.
        let item = |((key, score, why), rank)| PageItem {
            id: ItemId::new(0),
            key,
            rank,
            score,
            propensity: None,
            why,
        };
        let page = Page {
            items: items.into_iter().zip(1..).map(item).collect(),
            why_not: Vec::new(),
            rung: Rung::Full,
            faults: Vec::new(),
            remarks,
            at,
            snapshot,
            introduced,
            found: None,
        };
        Some(Self { asked, page: Ok(page), snapshot: None })
    }
}
