//! About how much memory a trial takes, from what grows: enough to keep apart those that fit from those that do not.

use crate::data::Dataset;
use crate::fit::snapshot::Plan;

/// Bytes of a row of the log through all its forms: copies, histories, matrix, its transpose.
const PER_ROW: f64 = 160.0;
/// Bytes of a candidate with its features, and candidates of all lists that a ranker learns from.
const PER_EXAMPLE: f64 = 600.0;
const LIST: f64 = 250.0;
const MOST_LISTS: f64 = 10_000.0;
/// Bytes of a neighbour: an item, a similarity, and their place in the making.
const PER_NEIGHBOR: f64 = 16.0;

/// Bytes for fitting a plan to a share of the users, and for judging it, from the sizes of the data; to be corrected
/// by what a first trial really takes.
pub fn estimated_bytes(dataset: &Dataset, plan: &Plan, share: f64) -> u64 {
    let rows = dataset.log.len() as f64 * share;
    let (users, items) = (dataset.log.users.len() as f64 * share, dataset.catalog.len() as f64);
    let mut bytes = rows * PER_ROW;
    let mut neighbors = 0.0;
    let mut factors = 0.0;
    if let Some(als) = &plan.als {
        factors += als.factors as f64;
        neighbors += plan.vector_neighbors as f64;
    }
    factors += plan.bpr.as_ref().map_or(0.0, |bpr| bpr.factors as f64);
    factors += plan.spectral.as_ref().map_or(0.0, |spectral| spectral.dimensions as f64);
    neighbors += plan.item_item.as_ref().map_or(0.0, |params| params.neighbors as f64);
    neighbors += plan.content.as_ref().map_or(0.0, |params| params.neighbors as f64);
    neighbors += plan.sequence.as_ref().map_or(0.0, |params| params.neighbors as f64);
    if let Some(ease) = &plan.ease {
        neighbors += ease.neighbors.min(dataset.catalog.len()) as f64;
        if dataset.catalog.len() <= ease.dense_up_to {
            bytes += 12.0 * items * items;
        }
    }
    if plan.wide_deep.is_some() || plan.boosted.is_some() {
        bytes += users.min(MOST_LISTS) * LIST * PER_EXAMPLE;
    }
    // Single precision; what is made stands beside what it is made from.
    bytes += 3.0 * 4.0 * factors * (users + items);
    bytes += neighbors * items * PER_NEIGHBOR;
    bytes as u64
}
