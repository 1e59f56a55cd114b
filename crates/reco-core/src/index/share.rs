//! How much of an index a filter lets through, and whether that is so near the query, too.

use super::Allow;
use super::mix::mix;
use crate::id::ItemId;

#[cfg(test)]
mod tests;

/// Items asked for an estimate.
const SAMPLE: u64 = 512;

/// Of the allowed items that a search should have met, it must have met this share.
const LEAST: f64 = 0.75;

/// The share of `n_items` items that are allowed, estimated, above 0.
pub(super) fn share(allow: &dyn Allow, n_items: usize) -> f64 {
    if n_items == 0 {
        return 1.0;
    }
    let item = |draw| ItemId::new((mix(draw) % n_items as u64) as u32);
    let allowed = (0..SAMPLE).filter(|&draw| allow.allows(item(draw)));
    (allowed.count() as f64).max(0.5) / SAMPLE as f64
}

/// Whether a search that met `met` items, of which `allowed` are allowed, has met its nearest `k` well within
/// its reach: not where the filter lets through much less near the query than elsewhere. What is then found
/// lies at the rim of what was looked at, where an approximate search misses most.
pub(super) fn is_well_within(k: usize, allowed: usize, met: usize, share: f64) -> bool {
    allowed >= k && allowed as f64 >= LEAST * met as f64 * share
}
