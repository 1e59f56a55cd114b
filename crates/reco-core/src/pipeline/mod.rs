//! From a request to a page: the only room that knows all others.

mod arrivals;
mod assembly;
mod builder;
mod guarded;
mod ingest;
mod known;
mod ladder;
mod live_feed;
mod merge;
mod onboarding;
mod page_log;
mod pages;
mod parts;
mod pool;
mod reasons;
mod record;
mod remarks;
mod replay;
mod run;
mod settings;
mod stages;
mod swap;
#[cfg(test)]
mod tests;
mod variants;

pub use arrivals::{Arrived, Launch};
pub use assembly::{PipelineConfig, RankerName, SourceConfig};
pub use builder::{BuildError, RecommenderBuilder};
pub use ingest::{EventProblem, Ingested};
pub use live_feed::LiveFeed;
pub use page_log::{LoggedPages, PageLog, Watched};
pub use pages::PageCache;
pub use parts::Quotas;
pub use record::{AskedPage, PageRecord, ShownItem};
pub use replay::Replay;
pub use settings::Settings;
pub use swap::{SwapGuard, SwapOutcome, SwapRefused, SwapReport};
pub use variants::{CurrentVariants, VariantError, Variants};

use crate::cache::LayerCounts;
use crate::candidate::{Candidates, Hits};
use crate::error::{Fault, FaultKind, RecommendError};
use crate::features::UserFeatures;
use crate::id::{ItemId, ItemKey, UserKey};
use crate::launch::{self, ExposureBudget, Showing};
use crate::live::Live;
use crate::page::Page;
use crate::predicate::PredicateError;
use crate::query::Query;
use crate::request::{Request, Surface};
use crate::rerank::Explore;
use crate::retrieve::als;
use crate::retrieve::{RemoteGenerator, RemoteHit};
use crate::snapshot::Snapshot;
use crate::store::EventSink;
use crate::time::{Budget, Clock};
use arc_swap::ArcSwap;
use arrivals::Arrivals;
use futures_util::future::{FutureExt, join, join_all};
use known::Known;
use parking_lot::Mutex;
use parts::{Parts, Source};
use pool::Pool;
use run::Run;
use std::sync::Arc;
use std::time::Duration;
use swap::Swaps;

/// Answers requests. Cheap to clone and to share between threads.
///
/// [`recommend`](Self::recommend) waits where waiting is due, computes on its own pool and keeps
/// the deadline whatever a part does; [`recommend_now`](Self::recommend_now) computes on the
/// calling thread.
#[derive(Clone, Debug)]
pub struct Recommender(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Arc<Parts>,
    settings: Option<Arc<Settings>>,
    known: Arc<Known>,
    pages: Option<PageCache>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    live: Arc<Live>,
    events: Arc<dyn EventSink>,
    exposures: Arc<dyn ExposureBudget>,
    arrivals: Arc<Arrivals>,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool>,
    swaps: Arc<Swaps>,
}

/// A request, and what answers it by when.
#[derive(Clone)]
struct Asking {
    request: Arc<Request>,
    snapshot: Arc<Snapshot>,
    budget: Budget,
}

/// What is known of whoever asks, and why it may be less than it should be.
type KnownUser = (Arc<UserFeatures>, Option<Fault>);

/// What a remote generator has answered, by source number.
type Answered = Vec<(usize, Result<Hits, Fault>)>;

impl Recommender {
    /// Starts an empty pipeline over a snapshot. For the usual one see [`PipelineConfig`].
    pub fn builder(snapshot: impl Into<Arc<Snapshot>>) -> RecommenderBuilder {
        RecommenderBuilder::new(snapshot.into())
    }

    /// The snapshot that answers now. Hold on to it to look up the items of a page.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// Puts another snapshot in place, unchecked; [`swap_checked`](Self::swap_checked) looks first. Requests under
    /// way finish on the old one, which is freed when the last of them ends.
    pub fn swap(&self, next: Snapshot) {
        self.put(Arc::new(next));
    }

    /// Makes factors of all items that are new to a snapshot, of those who took them since.
    fn fold_newcomers(&self, snapshot: &Arc<Snapshot>) {
        let is_new = |item: &ItemKey| als::is_new(snapshot, item);
        self.0.live.move_to(snapshot, is_new, |takers| als::newcomer(snapshot, takers));
    }

    /// The live layer.
    pub fn live(&self) -> &Arc<Live> {
        &self.0.live
    }

    /// Where events go before they count.
    pub fn events(&self) -> &Arc<dyn EventSink> {
        &self.0.events
    }

    /// The configuration that this was assembled from; nothing where its parts were put together by hand.
    pub fn settings(&self) -> Option<&Arc<Settings>> {
        self.0.settings.as_ref()
    }

    /// Whether chance fills places of its pages.
    pub fn explores(&self) -> bool {
        self.0.parts.explores()
    }

    /// The clock everything here is timed by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Recommends within the deadline. Runs inside any async runtime; with
    /// [`SystemClock`](crate::time::SystemClock) that must be tokio with time enabled.
    ///
    /// A generator that is still running when candidates are due is left behind and named in
    /// the page's faults. When even the rest takes too long, the page is the catalogue's
    /// popularity order ([`Rung::Static`](crate::error::Rung::Static)).
    ///
    /// # Errors
    ///
    /// Only for a request that cannot be honoured, a full queue, or a fault of a part marked
    /// [`OnFault::Fail`](crate::error::OnFault::Fail); anything else lowers the page's rung.
    pub async fn recommend(&self, request: Request) -> Result<Page, RecommendError> {
        self.recommend_from(self.snapshot(), request).await
    }

    /// As [`recommend`](Self::recommend), from a [`snapshot`](Self::snapshot) that the caller holds, to look up the
    /// items of the page in it although another may take its place meanwhile.
    ///
    /// # Errors
    ///
    /// As [`recommend`](Self::recommend).
    pub async fn recommend_from(
        &self,
        snapshot: Arc<Snapshot>,
        request: Request,
    ) -> Result<Page, RecommendError> {
        self.check(&request, &snapshot)?;
        self.0.swaps.note(&request);
        let budget = self.budget(&request);
        let asking = Asking { request: Arc::new(request), snapshot, budget };
        match &self.0.pages {
            // A page that is kept would be the same draw for all who ask, whatever they draw by.
            Some(pages) if !self.0.parts.explores() => self.kept(pages, asking).await,
            _ => self.computed(asking, None).await,
        }
    }

    /// What pages know of a user beyond the snapshot, and what went wrong on the way to it.
    pub async fn known(&self, user: &UserKey) -> (Arc<UserFeatures>, Option<Fault>) {
        let budget = Budget::start(Arc::clone(&self.0.clock), self.0.parts.limits.deadline);
        self.0.known.of(user, &budget).await
    }

    /// What was found in the caches of this recommender so far, by the name of the cache.
    pub fn caches(&self) -> Vec<(&str, LayerCounts)> {
        let pages = self.0.pages.as_ref().map(|pages| ("pages", pages.counts()));
        let features = self.0.known.counts().map(|counts| ("features", counts));
        pages.into_iter().chain(features).collect()
    }

    /// A page that is kept, or else computed and kept.
    async fn kept(&self, pages: &PageCache, asking: Asking) -> Result<Page, RecommendError> {
        let Asking { request, snapshot, budget } = &asking;
        let (features, fault) = self.0.known.of(&request.user, &self.waiting(budget)).await;
        let asked = pages.asked(request, snapshot, &features);
        let Some(asked) = asked.filter(|_| fault.is_none()) else {
            return self.computed(asking, Some((features, fault))).await;
        };
        let make = || {
            let (this, own, known) = (self.clone(), asking.clone(), Arc::clone(&features));
            async move { this.computed(own, Some((known, None))).await }
        };
        match budget.run(pages.get_or(asked, request, snapshot, make)).await {
            Some(Ok(Some(page))) if page.as_ref().map_or(true, |page| self.may_show(page, &request.user)) => {
                page
            }
            Some(Ok(_) | Err(_)) => self.computed(asking, Some((features, None))).await,
            None => {
                let late = Fault::new("pipeline", FaultKind::Timeout);
                let (run, faults) = self.run(asking, (features, Some(late)), Answered::new());
                ladder::static_page(&run.parts, &run.query, faults)
            }
        }
    }

    /// Whether a page may be shown: what is new on one that was kept costs one more of its exposures.
    fn may_show(&self, page: &Page, user: &UserKey) -> bool {
        if page.introduced.is_empty() || page.found.is_none() {
            return true;
        }
        let launches = self.0.live.launches();
        let showing = self.showing();
        let is_granted = |item: &ItemKey| {
            let counts =
                launches.iter().find(|(key, _)| key == item).map(|(_, counts)| showing.stage(*counts));
            counts.is_some_and(|stage| {
                launch::place(user, item) < showing.share_of(stage) && showing.reserve(item, stage)
            })
        };
        let is_granted = page.introduced.iter().all(is_granted);
        if is_granted {
            showing.spend(&page.introduced);
        }
        is_granted
    }

    fn showing(&self) -> Showing {
        Showing::new(Arc::clone(&self.0.parts.launch), Arc::clone(&self.0.exposures))
    }

    /// A page computed for this request. What is known of the user is asked for, unless it is `known` by now.
    async fn computed(&self, asking: Asking, known: Option<KnownUser>) -> Result<Page, RecommendError> {
        let place = self.0.pool.admit()?;
        let waiting = self.waiting(&asking.budget);
        let known = async {
            match known {
                Some(known) => known,
                None => self.0.known.of(&asking.request.user, &waiting).await,
            }
        };
        let (known, arrived) =
            join(known, self.remote_hits(&asking.request, &asking.snapshot, &waiting)).await;
        let (run, faults) = self.run(asking, known, arrived);
        let run = Arc::new(run);
        let answer = self.compute(Arc::clone(&run), faults).await;
        if let Ok(page) = &answer {
            run.query.showing.spend(&page.introduced);
        }
        drop(place);
        answer
    }

    /// Recommends on the calling thread, without a runtime.
    ///
    /// Parts that wait take part only if they answer at once, as the embedded ones do. Time is
    /// looked at between parts: one that does not return keeps the caller waiting.
    ///
    /// # Errors
    ///
    /// As [`recommend`](Self::recommend), except that there is no queue to be full.
    pub fn recommend_now(&self, request: Request) -> Result<Page, RecommendError> {
        self.0.swaps.note(&request);
        let (run, faults) = self.retrieved(self.snapshot(), request)?;
        let page = run.finish(faults)?;
        run.query.showing.spend(&page.introduced);
        Ok(page)
    }

    /// What the ranker is given for a request, and the query it answers: the merged candidates that all
    /// filters let through, in merged order. Rankers are learned from this. Computed on the calling thread.
    ///
    /// # Errors
    ///
    /// As [`recommend_now`](Self::recommend_now).
    pub fn candidates_now(&self, request: Request) -> Result<(Arc<Query>, Candidates), RecommendError> {
        let (run, faults) = self.retrieved(self.snapshot(), request)?;
        let candidates = run.candidates(faults)?;
        Ok((run.query, candidates))
    }

    /// For every place of a page that shows these items, the chances of all items to stand there if this recommender filled it under
    /// what stands above: 1 for one item, where nothing is left to chance. Each place's are 1 in sum. Computed on the calling
    /// thread, in the order of rank, whatever the request would draw.
    ///
    /// ```
    /// use reco_core::catalog::ItemRecord;
    /// use reco_core::pipeline::PipelineConfig;
    /// use reco_core::request::Request;
    /// use reco_core::rerank::ExploreConfig;
    /// use reco_core::snapshot::Snapshot;
    ///
    /// let explore = ExploreConfig { epsilon: 0.5, ..ExploreConfig::default() };
    /// let config = PipelineConfig { explore: Some(explore), ..PipelineConfig::default() };
    /// let catalog = reco_core::catalog::Catalog::default().with(vec![ItemRecord::new("tea"), ItemRecord::new("jam")])?;
    /// let recommender = config.builder(Snapshot { catalog, ..Snapshot::default() })?.build()?;
    /// let page = recommender.recommend_now(Request::for_user("ann").count(2))?;
    /// let shown: Vec<_> = page.items.iter().map(|item| item.key.clone()).collect();
    /// let chances = recommender.chances_now(Request::for_user("ann").count(2), &shown)?;
    /// assert_eq!(chances[0], [(shown[0].clone(), 0.75), (shown[1].clone(), 0.25)]);
    /// assert_eq!(chances[1], [(shown[1].clone(), 1.0)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`recommend_now`](Self::recommend_now).
    pub fn chances_now(
        &self,
        request: Request,
        shown: &[ItemKey],
    ) -> Result<Vec<Vec<(ItemKey, f64)>>, RecommendError> {
        let (run, faults) = self.retrieved(self.snapshot(), Request { draw: None, ..request })?;
        let set = run.ordered(faults)?;
        let catalog = &run.query.snapshot.catalog;
        let shown: Vec<Option<ItemId>> = shown.iter().map(|key| catalog.id(key.as_str())).collect();
        let by_rank = Explore::nowhere();
        let explore = self.0.parts.explore.as_deref().unwrap_or(&by_rank);
        let places = explore.chances(&run.query, &set, &shown).into_iter();
        let named = |(id, chance)| (catalog.key(id).clone(), chance);
        Ok(places.map(|chances| chances.into_iter().map(named).collect()).collect())
    }

    /// A request whose generators have answered, on the calling thread.
    fn retrieved(
        &self,
        snapshot: Arc<Snapshot>,
        request: Request,
    ) -> Result<(Run, Vec<Fault>), RecommendError> {
        self.check(&request, &snapshot)?;
        let budget = self.budget(&request);
        let asking = Asking { request: Arc::new(request), snapshot, budget };
        let Asking { request, snapshot, budget } = &asking;
        let known = self.0.known.of(&request.user, budget).now_or_never().unwrap_or_else(|| {
            let fault = Fault::new(self.0.known.name(), FaultKind::Timeout).because("it would have to wait");
            (Arc::default(), Some(fault))
        });
        let arrived = self.remote_hits(request, snapshot, budget).now_or_never().unwrap_or_default();
        let (run, faults) = self.run(asking, known, arrived);
        run.retrieve(false);
        Ok((run, faults))
    }

    fn budget(&self, request: &Request) -> Budget {
        let total = request.within.unwrap_or(self.0.parts.limits.deadline);
        Budget::start(Arc::clone(&self.0.clock), total)
    }

    /// The part of the time that is for what other machines know.
    fn waiting(&self, budget: &Budget) -> Budget {
        budget.slice(budget.left().mul_f64(self.0.parts.limits.waiting_share))
    }

    fn run(&self, asking: Asking, (features, fault): KnownUser, arrived: Answered) -> (Run, Vec<Fault>) {
        let Asking { request, snapshot, budget } = asking;
        let Inner { parts, live, .. } = &*self.0;
        let by = budget.left().mul_f64(parts.limits.retrieval_share);
        let mut query = Query::new(request, snapshot, Arc::clone(live), &features, budget);
        query.retrieval = query.budget.slice(by);
        query.showing = self.showing();
        (Run::new(Arc::clone(parts), Arc::new(query), arrived), fault.into_iter().collect())
    }

    /// Computes on the pool and keeps the two deadlines: that of the candidates, after which the
    /// stages go on with what has arrived, and that of the request.
    async fn compute(&self, run: Arc<Run>, faults: Vec<Fault>) -> Result<Page, RecommendError> {
        let (send, mut receive) = tokio::sync::oneshot::channel();
        let finish = Arc::new(Mutex::new(Some((send, faults))));
        let parallel = self.0.pool.is_parallel();
        let (working, finishing) = (Arc::clone(&run), Arc::clone(&finish));
        self.0.pool.spawn(move || {
            working.retrieve(parallel);
            if working.claim() {
                finish_and_send(&working, &finishing);
            }
        });
        if let Some(answer) = run.query.retrieval.run(&mut receive).await {
            return answer
                .unwrap_or_else(|_| ladder::static_page(&run.parts, &run.query, vec![pool_fault()]));
        }
        if run.claim() {
            let (working, finishing) = (Arc::clone(&run), Arc::clone(&finish));
            self.0.pool.spawn(move || finish_and_send(&working, &finishing));
        }
        match run.query.budget.run(receive).await {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => ladder::static_page(&run.parts, &run.query, vec![pool_fault()]),
            None => {
                let late = Fault::new("pipeline", FaultKind::Timeout);
                ladder::static_page(&run.parts, &run.query, vec![late])
            }
        }
    }

    /// Asks all remote generators at once; those that do not answer in time have no entry.
    async fn remote_hits(&self, request: &Request, snapshot: &Snapshot, budget: &Budget) -> Answered {
        let asked = self.0.parts.remote(&request.surface).map(|(number, source, quota)| async move {
            (number, ask(source, request, quota, snapshot, budget).await)
        });
        join_all(asked).await
    }

    /// Refuses what no stage could make sense of.
    fn check(&self, request: &Request, snapshot: &Snapshot) -> Result<(), RecommendError> {
        let limits = &self.0.parts.limits;
        let invalid = |field, problem| Err(RecommendError::InvalidRequest { field, problem });
        if request.count == 0 || request.count > limits.max_count {
            return invalid("count", format!("is {}, must be 1 to {}", request.count, limits.max_count));
        }
        let lists = [
            ("exclude", request.exclude.len()),
            ("why_not", request.why_not.len()),
            ("context.session_items", request.context.session_items.len()),
        ];
        if let Some((field, len)) = lists.into_iter().find(|(_, len)| *len > limits.max_list) {
            return invalid(field, format!("names {len} items, at most {} are allowed", limits.max_list));
        }
        let bound = request.filter.as_ref().map(|filter| filter.bind(&snapshot.catalog));
        if let Some(Err(error)) = bound {
            return invalid("filter", PredicateError::to_string(&error));
        }
        match &request.surface {
            Surface::Similar(item) if snapshot.catalog.id(item.as_str()).is_none() => {
                invalid("item_id", format!("`{item}` is not in the catalogue"))
            }
            Surface::Category(name) if snapshot.catalog.category().find(name).is_none() => {
                invalid("category", format!("`{name}` is not a category of the catalogue"))
            }
            _ => Ok(()),
        }
    }
}

type Finish = Mutex<Option<(tokio::sync::oneshot::Sender<Result<Page, RecommendError>>, Vec<Fault>)>>;

/// Runs the stages after retrieval. When they panic, the sender is dropped and the waiting side
/// answers from the last rung.
fn finish_and_send(run: &Run, finish: &Finish) {
    let Some((send, faults)) = finish.lock().take() else { return };
    let finished = guarded::guarded("pipeline", || Ok(run.finish(faults)));
    if let Ok(answer) = finished {
        // The caller may have gone; then nobody misses the page.
        let _ = send.send(answer);
    }
}

fn pool_fault() -> Fault {
    Fault::new("pipeline", FaultKind::Internal).because("computing the page panicked")
}

async fn ask(
    source: &Source<dyn RemoteGenerator>,
    request: &Request,
    quota: usize,
    snapshot: &Snapshot,
    budget: &Budget,
) -> Result<Hits, Fault> {
    let name = &source.policed.name;
    let answered = within(name, budget, source.policed.part.generate(&request.user, quota, budget)).await?;
    let mut hits = Hits::default();
    for RemoteHit { item, score } in answered.into_iter().take(quota) {
        if let Some(id) = snapshot.catalog.id(item.as_str()) {
            hits.push(id, score);
        }
    }
    Ok(hits)
}

/// Awaits a part within its budget; a panic while polled becomes a fault.
async fn within<T: Send>(
    name: &str,
    budget: &Budget,
    work: impl Future<Output = Result<T, Fault>> + Send,
) -> Result<T, Fault> {
    let caught = std::panic::AssertUnwindSafe(work).catch_unwind();
    match budget.run(caught).await {
        Some(Ok(result)) => result.map_err(|fault| Fault { component: Arc::from(name), ..fault }),
        Some(Err(_)) => Err(Fault::new(name, FaultKind::Internal).because("panicked")),
        None => Err(Fault::new(name, FaultKind::Timeout)),
    }
}

/// The default for [`Request::within`].
const DEFAULT_DEADLINE: Duration = Duration::from_millis(50);
