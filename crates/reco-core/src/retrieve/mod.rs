//! Candidate generation: many items to a few hundred.

pub mod again;
pub mod als;
pub mod autoencoder;
pub mod bpr;
pub mod curated;
mod listed;
pub mod neighbors;
mod onboarding;
pub mod popular;
pub mod repeats;
pub mod spectral;
mod taste;
#[cfg(test)]
mod tests;
pub mod trending;
pub mod two_tower;

pub use listed::{ListFile, ListFileError, ListWriter, ListedItem, StoredList};
pub use onboarding::{ExploreGenerator, InterestsGenerator};

use crate::candidate::Hits;
use crate::error::Fault;
use crate::id::{ItemId, UserKey};
use crate::query::Query;
use crate::time::Budget;
use async_trait::async_trait;
use std::fmt::Debug;

/// Proposes items from memory. Synchronous and batched: one call a request.
///
/// Models live in the snapshot (`query.snapshot.models`); a generator holds only
/// its configuration, so a new snapshot needs no new generator.
///
/// ```
/// use reco_core::candidate::Hits;
/// use reco_core::error::Fault;
/// use reco_core::id::ItemId;
/// use reco_core::query::Query;
/// use reco_core::retrieve::{CandidateGenerator, Support};
///
/// /// The cheapest items first.
/// #[derive(Debug)]
/// struct Cheapest;
///
/// impl CandidateGenerator for Cheapest {
///     fn name(&self) -> &str {
///         "cheapest"
///     }
///     fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
///         let catalog = &query.snapshot.catalog;
///         for id in catalog.ids() {
///             if let Some(price) = catalog.price(id) {
///                 out.push(id, -price);
///             }
///         }
///         out.keep_top(limit);
///         Ok(())
///     }
///     fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
///         for (score, &id) in scores.iter_mut().zip(items) {
///             *score = query.snapshot.catalog.price(id).map_or(f32::NAN, |price| -price);
///         }
///         Ok(())
///     }
///     fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {
///         // Rests on no item of the user's.
///     }
/// }
/// ```
pub trait CandidateGenerator: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics, explanations and configuration.
    fn name(&self) -> &str;

    /// Appends at most `limit` hits to the empty `out`, best first, no item twice.
    ///
    /// A loop over many items looks at `query.retrieval` every few thousand and stops with
    /// what it has when that is spent.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when nothing can be proposed; proposing nothing is no fault.
    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault>;

    /// Overwrites `scores[n]` with what it thinks of `items[n]`, whoever proposed that, in the unit of its own
    /// hits: of an item that [`generate`](Self::generate) proposes for this query, the score of that hit. They
    /// come as NaN, which stands for nothing to say; whatever `generate` proposes nothing for has nothing to say
    /// about anything. Called after it, for the few hundred candidates that passed the filters, so what both
    /// need belongs into [`Query::memo`].
    ///
    /// What is given says nothing, which is right for a source that cannot tell: then its hits alone speak.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when it cannot score; whatever it wrote is discarded then.
    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        let _ = (query, items, scores);
        Ok(())
    }

    /// Appends the user's own items that `item`, once proposed, rests on. Called for the
    /// few items on the page only.
    fn support(&self, query: &Query, item: ItemId, out: &mut Vec<Support>);
}

/// How much one of the user's items speaks for a proposed one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Support {
    /// The user's item.
    pub item: ItemId,
    /// Its contribution to the score, in the generator's own unit; only ratios matter.
    pub weight: f32,
}

/// A generator on another machine; runs beside the feature fetch.
///
/// ```
/// use async_trait::async_trait;
/// use reco_core::conformance;
/// use reco_core::error::{Fault, FaultKind};
/// use reco_core::id::{ItemKey, UserKey};
/// use reco_core::retrieve::{RemoteGenerator, RemoteHit};
/// use reco_core::time::{Budget, SystemClock};
/// use std::{sync::Arc, time::Duration};
///
/// /// Asks a service that answers with items, the best first.
/// #[derive(Debug)]
/// struct Neighbourhood;
///
/// async fn call_the_service(_: &UserKey) -> Vec<ItemKey> {
///     ["bakery", "cinema", "garden"].map(ItemKey::from).into()
/// }
///
/// #[async_trait]
/// impl RemoteGenerator for Neighbourhood {
///     fn name(&self) -> &str {
///         "neighbourhood"
///     }
///     async fn generate(&self, user: &UserKey, limit: usize, budget: &Budget) -> Result<Vec<RemoteHit>, Fault> {
///         let answer = budget.run(call_the_service(user)).await;
///         let items = answer.ok_or_else(|| Fault::new("neighbourhood", FaultKind::Timeout))?;
///         let places = items.into_iter().take(limit).zip(1u8..);
///         Ok(places.map(|(item, place)| RemoteHit { item, score: 1.0 / f32::from(place) }).collect())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let budget = Budget::start(Arc::new(SystemClock), Duration::from_secs(60));
/// conformance::remote_generator(&Neighbourhood, &"ann".into(), &budget).await;
/// # });
/// ```
#[async_trait]
pub trait RemoteGenerator: Debug + Send + Sync + 'static {
    /// See [`CandidateGenerator::name`].
    fn name(&self) -> &str;

    /// At most `limit` items by key with finite scores, best first, no item twice. For a user nobody
    /// knows it has the same answer as for all such, or none.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the other side cannot answer within `budget`: [`Timeout`](crate::error::FaultKind)
    /// when that was too short.
    async fn generate(&self, user: &UserKey, limit: usize, budget: &Budget) -> Result<Vec<RemoteHit>, Fault>;
}

/// A hit that crossed a process boundary: by key, since ids mean nothing elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteHit {
    /// The item.
    pub item: crate::id::ItemKey,
    /// Its score.
    pub score: f32,
}
