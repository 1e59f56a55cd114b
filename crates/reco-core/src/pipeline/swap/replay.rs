//! Answering requests from two snapshots and comparing the pages.

use super::{SwapGuard, SwapRefused, SwapReport};
use crate::error::RecommendError;
use crate::id::ItemKey;
use crate::page::Page;
use crate::pipeline::Recommender;
use crate::request::Request;
use crate::snapshot::Snapshot;
use std::sync::Arc;
use std::time::Duration;

/// Time for a replayed request, so long that pages differ by their snapshots and not by haste; how long they take
/// is judged apart.
const AMPLE: Duration = Duration::from_secs(10);

/// The requests of one check, compared so far.
#[derive(Default)]
struct Compared {
    took: Vec<Duration>,
    n_old: usize,
    n_common: usize,
}

/// What the pages from `next` are like beside those from the snapshot that serves.
pub(super) fn check(
    recommender: &Recommender,
    next: &Arc<Snapshot>,
    guard: &SwapGuard,
    recent: &[Request],
) -> Result<SwapReport, SwapRefused> {
    if next.catalog.is_empty() {
        return Err(SwapRefused::NoItems);
    }
    let serving = recommender.snapshot();
    let mut compared = Compared::default();
    for user in &guard.golden_users {
        let golden = |problem| SwapRefused::Golden { user: user.to_string(), problem };
        if next.users.row(user.as_str()).is_none() {
            return Err(golden("is not known to it"));
        }
        let request = Request::for_user(user.clone());
        let (old, new) = compared.both(recommender, &serving, next, &request)?;
        match (old, new) {
            (_, None) => return Err(golden("gets no page")),
            (_, Some(new)) if new.items.is_empty() => return Err(golden("gets an empty page")),
            (Some(old), Some(new)) if new.rung > old.rung => {
                return Err(golden("gets a page of a lower rung"));
            }
            _ => {}
        }
    }
    for request in [Request::for_user("")].iter().chain(recent) {
        compared.both(recommender, &serving, next, request)?;
    }
    compared.report(guard, guard.within.unwrap_or(recommender.0.parts.limits.deadline))
}

impl Compared {
    /// The old and the new page; none where the request makes no sense to that snapshot, as about an item that it
    /// does not have.
    fn both(
        &mut self,
        recommender: &Recommender,
        serving: &Arc<Snapshot>,
        next: &Arc<Snapshot>,
        request: &Request,
    ) -> Result<(Option<Page>, Option<Page>), SwapRefused> {
        let request = request.clone().within(AMPLE);
        finite_hits(recommender, next, &request)?;
        let page = |snapshot: &Arc<Snapshot>| {
            let (run, faults) = recommender.retrieved(Arc::clone(snapshot), request.clone())?;
            run.finish(faults)
        };
        let old = page(serving).ok();
        let clock = recommender.clock();
        let timed = || {
            let begun = clock.now();
            let answer = page(next);
            (answer, clock.now().saturating_duration_since(begun))
        };
        let (new, took) = timed();
        // The lower of two: what else the machine did is not the snapshot's fault.
        self.took.push(took.min(timed().1));
        let new = match (new, &old) {
            (Ok(new), _) => Some(new),
            (Err(RecommendError::Required(fault)), Some(_)) => {
                return Err(SwapRefused::Fault { request: name(&request), fault: fault.message() });
            }
            (Err(_), _) => None,
        };
        if let Some(old) = &old {
            self.compare(old, new.as_ref(), &request)?;
        }
        Ok((old, new))
    }

    fn compare(&mut self, old: &Page, new: Option<&Page>, request: &Request) -> Result<(), SwapRefused> {
        self.n_old += old.items.len();
        let Some(new) = new else { return Ok(()) };
        if new.items.is_empty() && !old.items.is_empty() {
            return Err(SwapRefused::EmptyPage { request: name(request) });
        }
        if new.items.iter().any(|item| !item.score.is_finite()) {
            return Err(SwapRefused::NotFinite { part: "page".to_owned(), request: name(request) });
        }
        let is_new = |component: &str| !old.faults.iter().any(|known| &*known.component == component);
        if let Some(fault) = new.faults.iter().find(|fault| is_new(&fault.component)) {
            return Err(SwapRefused::Fault { request: name(request), fault: fault.message() });
        }
        let is_on_new = |key: &ItemKey| new.items.iter().any(|item| item.key == *key);
        self.n_common += old.items.iter().filter(|item| is_on_new(&item.key)).count();
        Ok(())
    }

    fn report(mut self, guard: &SwapGuard, within: Duration) -> Result<SwapReport, SwapRefused> {
        let replayed = self.took.len();
        // Nothing to find again is all found.
        let overlap = if self.n_old == 0 { 1.0 } else { self.n_common as f64 / self.n_old as f64 };
        if overlap < guard.least_overlap {
            return Err(SwapRefused::Overlap { found: overlap, least: guard.least_overlap, replayed });
        }
        self.took.sort_unstable();
        let p99 = self.took[(replayed * 99).div_ceil(100).max(1) - 1];
        if p99 > within {
            return Err(SwapRefused::Slow { took: p99, within });
        }
        Ok(SwapReport { replayed, overlap, p99 })
    }
}

/// Whether every generator gives finite scores; on a page those that are not have sunk out of sight.
fn finite_hits(
    recommender: &Recommender,
    next: &Arc<Snapshot>,
    request: &Request,
) -> Result<(), SwapRefused> {
    let Ok((run, _)) = recommender.retrieved(Arc::clone(next), request.clone()) else { return Ok(()) };
    let found = run.found.lock();
    for (source, hits) in run.parts.source_names.iter().zip(&*found) {
        let is_sound = |hits: &crate::candidate::Hits| hits.scores.iter().all(|score| score.is_finite());
        if matches!(hits, Some(Ok(hits)) if !is_sound(hits)) {
            return Err(SwapRefused::NotFinite { part: format!("`{source}`"), request: name(request) });
        }
    }
    Ok(())
}

fn name(request: &Request) -> String {
    format!("user `{}`, {}", request.user, request.surface)
}
