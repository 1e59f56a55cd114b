//! Promises of feature sources.

use super::healthy;
use super::together::soon;
use crate::error::FaultKind;
use crate::event::{Action, Event, EventId};
use crate::features::{FeatureSource, RecentEvent};
use crate::id::UserKey;
use crate::time::{Budget, Timestamp};
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Makes an event known to a feature source; done once the source can see it.
pub type Feed<'a> = dyn Fn(Event) -> BoxFuture<'a, ()> + Sync + 'a;

/// Checks a feature source that knows nobody yet and keeps at least three events a user. `feed`
/// brings events to it by whatever way they take, and `budget` is ample.
///
/// ```
/// use reco_core::conformance;
/// use reco_core::live::Live;
/// use reco_core::time::{Budget, SystemClock};
/// use std::{future::ready, sync::Arc, time::Duration};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let live = Live::default();
/// let budget = Budget::start(Arc::new(SystemClock), Duration::from_secs(60));
/// conformance::feature_source(&live, &|event| Box::pin(ready(live.apply(&event))), &budget).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn feature_source(source: &dyn FeatureSource, feed: &Feed<'_>, budget: &Budget) {
    assert!(!source.name().is_empty(), "a feature source has a name");
    let users: Vec<UserKey> = ["ann", "bob", "käse:日本 語"].map(UserKey::from).into();
    for user in &users {
        assert_eq!(recent(source, user, budget).await, None, "a user never seen is no fault");
    }
    for (number, user) in (0..).zip(&users) {
        // Out of order, as events arrive.
        for at in [20, 10, 30] {
            feed(event(user, number, at)).await;
        }
    }
    for (number, user) in (0..).zip(&users) {
        let expected = [10, 20, 30].map(|at| RecentEvent::new(&event(user, number, at), 0)).to_vec();
        let known = recent(source, user, budget).await;
        assert_eq!(known, Some(expected), "a user's own events can be read once fed, whole and oldest first");
    }
    assert_eq!(recent(source, &"eve".into(), budget).await, None, "the others stay unknown");
    without_time(source, &users[0], budget).await;
}

fn event(user: &UserKey, number: u32, at: i64) -> Event {
    Event {
        id: EventId(u128::from(number) * 1_000 + at as u128),
        user: user.clone(),
        item: format!("item{number} at {at}").into(),
        action: Action::AddToCart,
        value: (at == 20).then_some(1.5),
        at: Timestamp::from_secs(1_700_000_000 + at),
        details: None,
    }
}

async fn recent(source: &dyn FeatureSource, user: &UserKey, budget: &Budget) -> Option<Vec<RecentEvent>> {
    let answer = soon("a feature source answers", source.user(user, budget)).await;
    // Where they are kept depends on the way they took.
    let placeless = |event: &RecentEvent| RecentEvent { offset: 0, ..event.clone() };
    healthy("reading features works", answer)
        .map(|features| features.recent().iter().map(placeless).collect())
}

async fn without_time(source: &dyn FeatureSource, user: &UserKey, budget: &Budget) {
    let spent = budget.slice(Duration::ZERO);
    if let Err(fault) = soon("without time left a source does not hang", source.user(user, &spent)).await {
        assert_eq!(fault.kind, FaultKind::Timeout, "without time left a source answers at once or says so");
    }
}
