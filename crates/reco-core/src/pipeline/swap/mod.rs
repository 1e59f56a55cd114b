//! A new snapshot takes over only when it answers recent requests as it should.

mod recent;
mod replay;
#[cfg(test)]
mod tests;

use super::Recommender;
use crate::id::UserKey;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use parking_lot::Mutex;
use recent::Recent;
use std::sync::Arc;
use std::time::Duration;

/// What a new snapshot must be like to take over.
#[derive(Clone, Debug, PartialEq)]
pub struct SwapGuard {
    /// Users who must be known to it and whose home page must not get worse.
    pub golden_users: Vec<UserKey>,
    /// The least share of the old pages' items that the new pages have, too, 0 to 1; 0 to let anything pass.
    pub least_overlap: f64,
    /// What 99 of 100 replayed requests must take at most; the pipeline's deadline unless set.
    pub within: Option<Duration>,
}

impl Default for SwapGuard {
    /// A tenth of the old pages' items, within the deadline, nobody golden.
    fn default() -> Self {
        Self { golden_users: Vec::new(), least_overlap: 0.1, within: None }
    }
}

/// What the replay of a snapshot that took over was like.
#[derive(Clone, Debug, PartialEq)]
pub struct SwapReport {
    /// Requests whose pages were compared.
    pub replayed: usize,
    /// The share of the old pages' items that the new pages have, too; 1 where the old pages were empty.
    pub overlap: f64,
    /// The time that 99 of 100 of them took at most, one at a time on one thread.
    pub p99: Duration,
}

/// Why a snapshot did not take over.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SwapRefused {
    /// There is nothing to recommend.
    #[error("it has no items")]
    NoItems,
    /// A score is no number.
    #[error("{part} gave a score that is no finite number to {request}")]
    NotFinite {
        /// The generator or, by `page`, what ordered the page.
        part: String,
        /// Whose page.
        request: String,
    },
    /// A page has nothing, where the old one had something.
    #[error("the page of {request} is empty, the old one was not")]
    EmptyPage {
        /// Whose page.
        request: String,
    },
    /// A part fails that did not fail before.
    #[error("the page of {request} has a fault that the old one had not: {fault}")]
    Fault {
        /// Whose page.
        request: String,
        /// Which.
        fault: String,
    },
    /// A golden user is served worse.
    #[error("golden user `{user}` {problem}")]
    Golden {
        /// Who.
        user: String,
        /// In what way.
        problem: &'static str,
    },
    /// The pages have too little in common with the old ones.
    #[error(
        "{found:.3} of the old pages' items are on the new ones over {replayed} requests, must be at least {least}"
    )]
    Overlap {
        /// The share that is.
        found: f64,
        /// The least that passes.
        least: f64,
        /// Requests compared.
        replayed: usize,
    },
    /// It takes too long.
    #[error("99 of 100 requests take up to {took:?}, must take at most {within:?}")]
    Slow {
        /// The time that 99 of 100 took at most.
        took: Duration,
        /// The most that passes.
        within: Duration,
    },
}

/// How the latest attempt to put another snapshot in place ended.
#[derive(Clone, Debug, PartialEq)]
pub struct SwapOutcome {
    /// The snapshot's version.
    pub version: Arc<str>,
    /// When, by the clock of the recommender.
    pub at: Timestamp,
    /// What the replay was like, or why the old snapshot stays.
    pub result: Result<SwapReport, String>,
}

/// What a recommender keeps for the next swap and of the last one.
#[derive(Debug, Default)]
pub(super) struct Swaps {
    recent: Recent,
    last: Mutex<Option<SwapOutcome>>,
    /// Held while one is checked: the next is compared with what serves then.
    checking: Mutex<()>,
}

impl Swaps {
    /// Remembers the request, perhaps, to replay it.
    pub(super) fn note(&self, request: &Request) {
        self.recent.note(request);
    }
}

impl Recommender {
    /// Puts another snapshot in place if it passes: a sample of the latest requests, one of a stranger and those of
    /// golden users are answered from the old and from the new snapshot, which warms the new one, too. All scores
    /// must be finite, no page empty or faulty that was not so before, golden users served as well as before,
    /// enough of the old pages' items on the new ones, and 99 of 100 answers in time.
    ///
    /// Requests go on meanwhile on the old snapshot; none of them mixes the two. It computes on the calling thread,
    /// about three pages for each of up to 101 requests, and may wait for nothing else: parts on other machines
    /// answer at once or are left out on both sides.
    ///
    /// ```
    /// use reco_core::catalog::{Catalog, ItemRecord};
    /// use reco_core::pipeline::{Recommender, SwapGuard, SwapRefused};
    /// use reco_core::request::Request;
    /// use reco_core::snapshot::Snapshot;
    ///
    /// let shop = |version: &str, items: &[&str]| {
    ///     let mut catalog = Catalog::builder();
    ///     items.iter().try_for_each(|item| catalog.push(ItemRecord::new(*item)).map(drop)).unwrap();
    ///     Snapshot { version: version.into(), catalog: catalog.build(), ..Snapshot::default() }
    /// };
    /// let recommender = Recommender::builder(shop("v1", &["tea", "jam"])).build()?;
    /// recommender.recommend_now(Request::for_user("ann"))?;
    ///
    /// recommender.swap_checked(shop("v2", &["tea", "jam", "rye"]), &SwapGuard::default())?;
    /// assert_eq!(&*recommender.snapshot().version, "v2");
    ///
    /// let refused = recommender.swap_checked(shop("v3", &["pen"]), &SwapGuard::default()).unwrap_err();
    /// assert!(matches!(refused, SwapRefused::Overlap { .. }));
    /// assert_eq!(&*recommender.snapshot().version, "v2", "the old one goes on");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SwapRefused`], and the old snapshot stays. [`last_swap`](Self::last_swap) remembers either outcome.
    pub fn swap_checked(&self, next: Snapshot, guard: &SwapGuard) -> Result<SwapReport, SwapRefused> {
        let _alone = self.0.swaps.checking.lock();
        let next = Arc::new(next);
        let version = Arc::clone(&next.version);
        let checked = replay::check(self, &next, guard, &self.0.swaps.recent.requests());
        if checked.is_ok() {
            self.put(next);
        }
        self.note_swap(version, checked.clone().map_err(|refused| refused.to_string()));
        checked
    }

    /// Notes that a snapshot could not even be loaded, for [`last_swap`](Self::last_swap) to tell.
    pub fn note_unloadable(&self, version: &str, why: String) {
        self.note_swap(version.into(), Err(why));
    }

    /// How the latest [`swap_checked`](Self::swap_checked) ended; `None` before the first.
    pub fn last_swap(&self) -> Option<SwapOutcome> {
        self.0.swaps.last.lock().clone()
    }

    fn note_swap(&self, version: Arc<str>, result: Result<SwapReport, String>) {
        let at = self.clock().wall();
        *self.0.swaps.last.lock() = Some(SwapOutcome { version, at, result });
    }
}
