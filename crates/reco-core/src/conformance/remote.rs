//! Promises of remote generators.

use super::healthy;
use super::together::soon;
use crate::error::FaultKind;
use crate::id::{ItemKey, UserKey};
use crate::retrieve::{RemoteGenerator, RemoteHit};
use crate::time::Budget;
use std::collections::BTreeSet;
use std::time::Duration;

/// Checks a remote generator that has at least two items for `user`; `budget` is ample.
///
/// ```
/// use reco_core::conformance;
/// use reco_core::retrieve::curated::CuratedLists;
/// use reco_core::time::{Budget, SystemClock};
/// use std::{sync::Arc, time::Duration};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let lists = CuratedLists::new("editors", 1_000);
/// lists.set_for_everyone(["tea", "jam", "bread"].map(Into::into));
/// let budget = Budget::start(Arc::new(SystemClock), Duration::from_secs(60));
/// conformance::remote_generator(&lists, &"ann".into(), &budget).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn remote_generator(generator: &dyn RemoteGenerator, user: &UserKey, budget: &Budget) {
    assert!(!generator.name().is_empty(), "a generator has a name");
    let n_hits = generate(generator, user, 1_000, budget).await.len();
    assert!(n_hits >= 2, "there are at least two items for {user}");
    for limit in [0, 1, 2, n_hits - 1, n_hits, n_hits + 1] {
        let hits = generate(generator, user, limit, budget).await;
        assert!(hits.len() <= limit, "a limit of {limit} is kept");
        assert!(limit == 0 || !hits.is_empty(), "a lower limit gives fewer items, not none");
    }
    for stranger in ["", "nobody knows", "käse:日本 語"] {
        generate(generator, &stranger.into(), 10, budget).await;
    }
    let spent = budget.slice(Duration::ZERO);
    let late = generator.generate(user, 10, &spent);
    if let Err(fault) = soon("without time left a generator does not hang", late).await {
        assert_eq!(
            fault.kind,
            FaultKind::Timeout,
            "without time left a generator answers at once or says so"
        );
    }
}

/// One call, with what must hold of any answer.
async fn generate(
    generator: &dyn RemoteGenerator,
    user: &UserKey,
    limit: usize,
    budget: &Budget,
) -> Vec<RemoteHit> {
    let answer = soon("a generator answers", generator.generate(user, limit, budget)).await;
    let hits = healthy("for any user, known or not, there is an answer", answer);
    assert!(hits.iter().all(|hit| hit.score.is_finite()), "scores are finite");
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "the best come first");
    let items: BTreeSet<&ItemKey> = hits.iter().map(|hit| &hit.item).collect();
    assert_eq!(items.len(), hits.len(), "no item comes twice");
    hits
}
