//! Re-ranking: rules for the page as a whole.

mod boost;
mod cap;
mod config;
mod explore;
mod mmr;
mod onboarding;
mod pinned;
mod pins_first;
mod similarity;
mod slots;
#[cfg(test)]
mod tests;

pub use boost::{FreshnessBoost, LowMargin, TrendingBoost};
pub use cap::{BrandVariety, CategoryCap};
pub use config::RerankConfig;
pub use explore::{Explore, ExploreConfig, ExploreHow};
pub(crate) use explore::{forget_draw, is_by_chance, propensity};
pub use mmr::Mmr;
pub use onboarding::Onboarding;
pub use pinned::{Pin, Pinned};
pub use similarity::attribute_similarity;
pub use slots::{SlotConfig, Slots};
pub(crate) use slots::{launched_for, place_among_new};

use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use std::fmt::Debug;

/// Rearranges the ranked list: diversity, boosts, caps, pins.
///
/// ```
/// use reco_core::candidate::Candidates;
/// use reco_core::error::Fault;
/// use reco_core::query::Query;
/// use reco_core::rerank::Reranker;
///
/// /// The worst first.
/// #[derive(Debug)]
/// struct Reverse;
///
/// impl Reranker for Reverse {
///     fn name(&self) -> &str {
///         "reverse"
///     }
///     fn rerank(&self, _: &Query, set: &mut Candidates, _want: usize) -> Result<(), Fault> {
///         let backwards: Vec<u32> = (0..set.len() as u32).rev().collect();
///         set.select(&backwards);
///         Ok(())
///     }
/// }
/// ```
pub trait Reranker: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics, explanations and configuration.
    fn name(&self) -> &str;

    /// Rearranges `set`, best first as it comes; its first `want` rows are what will be
    /// shown. It may drop rows and change scores, not add rows.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when it cannot; the set stays as it was before the call then.
    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault>;
}
