//! Features of the item alone.

use super::{Block, Feature, FeatureGroup, ItemTable};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// The columns of the snapshot's [`ItemTable`], brought up to the moment of the request.
#[derive(Debug)]
pub(super) struct Items;

fn table(snapshot: &Snapshot) -> Option<&ItemTable> {
    snapshot.models.get(ItemTable::NAME)
}

impl FeatureGroup for Items {
    fn name(&self) -> &'static str {
        "item"
    }

    fn features(&self, snapshot: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        table(snapshot).map_or_else(Vec::new, |table| table.features().to_vec())
    }

    fn fill(&self, query: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        let Some(table) = table(&query.snapshot) else { return Ok(()) };
        let passed = query.now.days_since(query.snapshot.data_until).max(0.0) as f32;
        for (row, &id) in block.rows().zip(set.ids()) {
            let Some(known) = table.row(id) else { continue };
            row.copy_from_slice(known);
            for &column in table.ages() {
                let days = &mut row[column as usize];
                *days = (*days + passed).max(0.0).ln_1p();
            }
        }
        Ok(())
    }
}
