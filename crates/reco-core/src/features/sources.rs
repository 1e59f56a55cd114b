//! Features of how the generators placed an item.

use super::{Block, Feature, FeatureGroup, FeatureKind};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use crate::rank::{Opinion, opinions};
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// Every source's [`Opinion`] of the item, and how many had one.
#[derive(Debug)]
pub(super) struct Sources;

/// The sides of an [`Opinion`].
const SIDES: [(&str, &str); Opinion::SIDES] = [
    ("share", "score as a share of the source's best; 0 where it did not propose the item"),
    ("size", "ln(1 + score), likewise"),
    ("early", "vote by rank, 1 for the first, half at place 4, likewise"),
    ("late", "vote by rank, 1 for the first, half at place 31, likewise"),
];

impl FeatureGroup for Sources {
    fn name(&self) -> &'static str {
        "source"
    }

    fn features(&self, _: &Snapshot, sources: &[Arc<str>]) -> Vec<Feature> {
        let of_source = |source: &Arc<str>| {
            SIDES.map(|(side, about)| {
                Feature::new(format!("source.{source}.{side}"), FeatureKind::Source, about)
            })
        };
        let count = Feature::new("source.count", FeatureKind::Source, "sources that proposed the item");
        sources.iter().flat_map(of_source).chain([count]).collect()
    }

    fn fill(&self, _: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        block.rows().for_each(|row| row.fill(0.0));
        let count = block.width() - 1;
        let mut rows: Vec<&mut [f32]> = block.rows().collect();
        for (row, source, Opinion(sides)) in opinions(set) {
            let row = &mut *rows[row];
            row[source * Opinion::SIDES..(source + 1) * Opinion::SIDES].copy_from_slice(&sides);
            row[count] += 1.0;
        }
        Ok(())
    }
}
