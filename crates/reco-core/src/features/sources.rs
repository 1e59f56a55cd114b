//! Features of how the generators placed an item, and what the blend makes of that.

use super::{Block, Feature, FeatureGroup, FeatureKind, MISSING};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use crate::rank::{BlendModels, Opinion, proposals};
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// Every source's [`Opinion`] of the item where it proposed it, how many did, and what the snapshot's blend makes of
/// what all of them say. Who proposed an item tells learned rankers more than what the others say of it, some of which
/// affinities tell them anyway.
#[derive(Debug)]
pub(super) struct Sources;

/// The feature that the blend alone would order by: what a learned ranker begins with.
pub const BLEND: &str = "source.blend";

/// The plain sides of an [`Opinion`].
const SIDES: [(&str, &str); Opinion::PLAIN] = [
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
        let of_all = [
            Feature::new("source.count", FeatureKind::Source, "sources that proposed the item"),
            Feature::new(
                BLEND,
                FeatureKind::Source,
                "ln of its share of the odds of all candidates, by the weights of the sources (`train.blend`)",
            ),
        ];
        sources.iter().flat_map(of_source).chain(of_all).collect()
    }

    fn fill(&self, query: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        let models = query.snapshot.models.get::<BlendModels>(BlendModels::NAME);
        let mut shares = vec![MISSING; set.len()];
        if let Some(model) = models.and_then(|models| models.of(query, set)) {
            model.log_shares(set, &mut shares);
        }
        let (count, blend) = (block.width() - 2, block.width() - 1);
        for (row, share) in block.rows().zip(shares) {
            row.fill(0.0);
            row[blend] = share;
        }
        let mut rows: Vec<&mut [f32]> = block.rows().collect();
        for (row, source, Opinion(sides)) in proposals(set) {
            let of_source = source * SIDES.len()..(source + 1) * SIDES.len();
            rows[row][of_source].copy_from_slice(&sides[..SIDES.len()]);
            rows[row][count] += 1.0;
        }
        Ok(())
    }
}
