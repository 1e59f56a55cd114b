//! Ranking: a score for every candidate.

mod blend;
mod dense;
mod learned;
#[cfg(feature = "onnx")]
mod onnx;
pub mod trees;
mod votes;
pub mod wide_deep;

pub(crate) use blend::proposals;
pub use blend::{
    BlendModel, BlendModels, BlendRanker, Blends, Opinion, SourceWeights, Spread, opinions, voted,
};
pub use dense::{DenseModel, ModelError, open_model};
pub use learned::LearnedRanker;
#[cfg(feature = "onnx")]
pub use onnx::OnnxModel;
pub use votes::{VoteRanker, VoteWeights};
pub use wide_deep::WideDeep;

use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use std::fmt::Debug;

/// Scores a whole set at once; larger is better.
///
/// ```
/// use reco_core::candidate::Candidates;
/// use reco_core::error::Fault;
/// use reco_core::query::Query;
/// use reco_core::rank::Ranker;
///
/// /// Cheap first.
/// #[derive(Debug)]
/// struct ByPrice;
///
/// impl Ranker for ByPrice {
///     fn name(&self) -> &str {
///         "by_price"
///     }
///     fn score(&self, query: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
///         for (score, &id) in scores.iter_mut().zip(set.ids()) {
///             *score = query.snapshot.catalog.price(id).map_or(f32::NEG_INFINITY, |price| -price);
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Ranker: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics, faults and configuration.
    fn name(&self) -> &str;

    /// Overwrites `scores[row]` for every row of `set`. The slice is as long as the set, so
    /// "wrong number of scores" cannot happen; a score that is not finite ranks last.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when it cannot score; whatever it wrote is discarded then.
    fn score(&self, query: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault>;
}
