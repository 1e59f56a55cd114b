//! How alike two items are by their attributes.

use crate::catalog::Catalog;
use crate::id::ItemId;

/// Similarity by attributes, 0..1: the mean over category (weight 2), subcategory (2), brand (1) and tags
/// (2, as the Jaccard index), of those that at least one of the two items has. Items of which
/// nothing is known are not alike.
pub fn attribute_similarity(catalog: &Catalog, a: ItemId, b: ItemId) -> f32 {
    let labels = [(catalog.category(), 2.0), (catalog.subcategory(), 2.0), (catalog.brand(), 1.0)];
    let (mut alike, mut total) = (0.0, 0.0);
    for (column, weight) in labels {
        let (a, b) = (column.code(a), column.code(b));
        if a.is_some() || b.is_some() {
            total += weight;
            alike += if a == b { weight } else { 0.0 };
        }
    }
    let (a, b) = (catalog.tags().codes(a), catalog.tags().codes(b));
    if !a.is_empty() || !b.is_empty() {
        let common = a.iter().filter(|code| b.contains(code)).count();
        total += 2.0;
        alike += 2.0 * common as f32 / (a.len() + b.len() - common) as f32;
    }
    if total == 0.0 { 0.0 } else { alike / total }
}
