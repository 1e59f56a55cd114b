//! From a request to a page: the only room that knows all others.

mod assembly;
mod builder;
mod guarded;
mod ingest;
mod ladder;
mod live_feed;
mod merge;
mod parts;
mod pool;
mod reasons;
mod remarks;
mod run;
mod stages;
mod swap;
#[cfg(test)]
mod tests;

pub use assembly::{PipelineConfig, RankerName, SourceConfig};
pub use builder::{BuildError, RecommenderBuilder};
pub use ingest::{EventProblem, Ingested};
pub use live_feed::LiveFeed;
pub use parts::Quotas;
pub use swap::{SwapGuard, SwapOutcome, SwapRefused, SwapReport};

use crate::candidate::{Candidates, Hits};
use crate::error::{Fault, FaultKind, RecommendError};
use crate::features::UserFeatures;
use crate::id::ItemKey;
use crate::live::Live;
use crate::page::Page;
use crate::predicate::PredicateError;
use crate::query::Query;
use crate::request::{Request, Surface};
use crate::retrieve::als;
use crate::retrieve::{RemoteGenerator, RemoteHit};
use crate::snapshot::Snapshot;
use crate::store::EventSink;
use crate::time::{Budget, Clock};
use arc_swap::ArcSwap;
use futures_util::future::{FutureExt, join, join_all};
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
    snapshot: ArcSwap<Snapshot>,
    live: Arc<Live>,
    events: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
    pool: Pool,
    swaps: Swaps,
}

/// What a remote generator has answered, by source number.
type Arrived = Vec<(usize, Result<Hits, Fault>)>;

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

    fn put(&self, next: Arc<Snapshot>) {
        self.0.snapshot.store(Arc::clone(&next));
        // After the swap, so that no event can come in between for the old one alone.
        self.fold_newcomers(&next);
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
        let place = self.0.pool.admit()?;
        let request = Arc::new(request);
        let budget = self.budget(&request);
        let waiting = budget.slice(budget.left().mul_f64(self.0.parts.limits.waiting_share));
        let (features, arrived) =
            join(self.features(&request, &waiting), self.remote_hits(&request, &snapshot, &waiting)).await;
        let (run, faults) = self.run(request, snapshot, budget, features, arrived);
        let answer = self.compute(Arc::new(run), faults).await;
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
        run.finish(faults)
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

    /// A request whose generators have answered, on the calling thread.
    fn retrieved(
        &self,
        snapshot: Arc<Snapshot>,
        request: Request,
    ) -> Result<(Run, Vec<Fault>), RecommendError> {
        self.check(&request, &snapshot)?;
        let request = Arc::new(request);
        let budget = self.budget(&request);
        let features = self.features(&request, &budget).now_or_never().unwrap_or_else(|| {
            Err(Fault::new(self.0.parts.features.name(), FaultKind::Timeout).because("it would have to wait"))
        });
        let arrived = self.remote_hits(&request, &snapshot, &budget).now_or_never().unwrap_or_default();
        let (run, faults) = self.run(request, snapshot, budget, features, arrived);
        run.retrieve(false);
        Ok((run, faults))
    }

    fn budget(&self, request: &Request) -> Budget {
        let total = request.within.unwrap_or(self.0.parts.limits.deadline);
        Budget::start(Arc::clone(&self.0.clock), total)
    }

    fn run(
        &self,
        request: Arc<Request>,
        snapshot: Arc<Snapshot>,
        budget: Budget,
        features: Result<Arc<UserFeatures>, Fault>,
        arrived: Arrived,
    ) -> (Run, Vec<Fault>) {
        let (features, faults) = match features {
            Ok(features) => (features, Vec::new()),
            Err(fault) => (Arc::default(), vec![fault]),
        };
        let Inner { parts, live, .. } = &*self.0;
        let by = budget.left().mul_f64(parts.limits.retrieval_share);
        let mut query = Query::new(request, snapshot, Arc::clone(live), &features, budget);
        query.retrieval = query.budget.slice(by);
        (Run::new(Arc::clone(parts), Arc::new(query), arrived), faults)
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

    async fn features(&self, request: &Request, budget: &Budget) -> Result<Arc<UserFeatures>, Fault> {
        let source = &self.0.parts.features;
        let fetched = within(source.name(), budget, source.user(&request.user, budget)).await;
        fetched.map(Option::unwrap_or_default)
    }

    /// Asks all remote generators at once; those that do not answer in time have no entry.
    async fn remote_hits(&self, request: &Request, snapshot: &Snapshot, budget: &Budget) -> Arrived {
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
