//! Pages made again, from what was written down of them.

use super::{BuildError, PageRecord, Recommender, RecommenderBuilder};
use crate::catalog::ItemRecord;
use crate::error::{Fault, RecommendError};
use crate::id::ItemKey;
use crate::launch::ExposureBudget;
use crate::live::Live;
use crate::page::Page;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::store::Delivery;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A server as it once was: it is told the events that were known by then, one page after the other, and makes the pages again.
///
/// A page rests on the request, the settings, the snapshot, the events, the items and the time; with all of them the same it is the same byte
/// for byte. What else a page may have been made by is not here: what other machines said, and time that ran out.
///
/// ```
/// use reco_core::live::Live;
/// use reco_core::pipeline::{LoggedPages, PageLog, PipelineConfig, Replay};
/// use reco_core::request::Request;
/// use reco_core::snapshot::Snapshot;
/// use reco_core::store::LogConfig;
/// use reco_core::time::SystemClock;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let recommender = PipelineConfig::default().builder(Snapshot::default())?.build()?;
/// # let (log, _, work) =
/// #     PageLog::open(folder.path(), LoggedPages::All, 1.0, &LogConfig::default(), Arc::new(SystemClock))?;
/// # tokio::spawn(work);
/// # let request = Request::for_user("ann");
/// # let watched = log.watch(&recommender, "request-1");
/// # let page = recommender.recommend(request.clone()).await?;
/// # watched.into_iter().for_each(|watched| drop(watched.note(&request, &page, &[])));
/// # log.flush().await;
/// let replay = Replay::new(PipelineConfig::default().builder(Snapshot::default())?, Live::default())?;
/// for record in PageLog::look(folder.path())? {
///     let record = record?;
///     // Here `replay.tell` says which events were known by then, if any were.
///     assert!(replay.may_make(&record));
///     assert_eq!(replay.page(&record)?.digest(), record.digest);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Replay {
    recommender: Recommender,
    granted: Arc<Granted>,
}

/// Grants the exposures that were granted.
#[derive(Debug, Default)]
struct Granted(Mutex<BTreeSet<ItemKey>>);

impl ExposureBudget for Granted {
    fn name(&self) -> &'static str {
        "granted"
    }

    fn take(&self, item: &ItemKey, _: u64) -> bool {
        self.0.lock().contains(item)
    }

    fn put_back(&self, _: &ItemKey) {}
}

impl Replay {
    /// No page waits for this long.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// A server that knows of no events but those of `live`.
    ///
    /// # Errors
    ///
    /// As [`RecommenderBuilder::build`].
    pub fn new(builder: RecommenderBuilder, live: Live) -> Result<Self, BuildError> {
        let granted = Arc::<Granted>::default();
        let recommender = builder.live(Arc::new(live)).exposures(Arc::clone(&granted) as _).build()?;
        Ok(Self { recommender, granted })
    }

    /// Another pipeline beside it, which knows of the same events and items.
    ///
    /// # Errors
    ///
    /// As [`Recommender::beside`].
    pub fn beside(&self, name: &str, builder: RecommenderBuilder) -> Result<Self, BuildError> {
        let recommender = self.recommender.beside(name, builder)?;
        Ok(Self { recommender, granted: Arc::clone(&self.granted) })
    }

    /// The same on the builder's own snapshot.
    ///
    /// # Errors
    ///
    /// As [`Recommender::beside_on_own_snapshot`].
    pub fn beside_on_own_snapshot(
        &self,
        name: &str,
        builder: RecommenderBuilder,
    ) -> Result<Self, BuildError> {
        let recommender = self.recommender.beside_on_own_snapshot(name, builder)?;
        Ok(Self { recommender, granted: Arc::clone(&self.granted) })
    }

    /// The snapshot that answers.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.recommender.snapshot()
    }

    /// Puts another snapshot in place, as the server did.
    pub fn swap(&self, next: Snapshot) {
        self.recommender.swap(next);
    }

    /// Lets it know of events; of those that it knows nothing comes twice.
    pub fn tell(&self, deliveries: &[Delivery]) {
        let kept = deliveries.iter().map(|Delivery { place, event }| (*place, event));
        self.recommender.feel(&self.snapshot(), kept);
    }

    /// Lets it know of items that came while serving.
    ///
    /// # Errors
    ///
    /// As [`Recommender::add_items`].
    pub fn add(&self, items: Vec<ItemRecord>) -> Result<(), Fault> {
        self.recommender.add_items(items).map(drop)
    }

    /// Whether it knows what was known when a page was made: all events that were known before, and none that were not known when it was
    /// done.
    pub fn may_make(&self, record: &PageRecord) -> bool {
        let known = self.recommender.live().applied();
        match &record.until {
            None => known == record.events,
            Some(until) => record.events.is_within(&known) && known.is_within(until),
        }
    }

    /// The page, made again.
    ///
    /// # Errors
    ///
    /// As [`Recommender::recommend_now`].
    pub fn page(&self, record: &PageRecord) -> Result<Page, RecommendError> {
        self.recommender.recommend_now(self.request(record))
    }

    /// For every place of the page, the chances of what could have stood there; see [`Recommender::chances_now`].
    ///
    /// # Errors
    ///
    /// As [`Recommender::recommend_now`].
    pub fn chances(&self, record: &PageRecord) -> Result<Vec<Vec<(ItemKey, f64)>>, RecommendError> {
        let shown: Vec<ItemKey> = record.items.iter().map(|shown| shown.item.clone()).collect();
        self.recommender.chances_now(self.request(record), &shown)
    }

    fn request(&self, record: &PageRecord) -> Request {
        *self.granted.0.lock() = record.introduced.iter().cloned().collect();
        record.request.at(record.at).within(Self::PATIENCE)
    }
}
