//! What can be had at all.

use super::Filter;
use crate::candidate::{Candidates, DropCode, KeepMask};
use crate::error::Fault;
use crate::query::Query;
use crate::request::Surface;

/// Drops items that are inactive or out of stock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Availability;

impl Availability {
    const INACTIVE: DropCode = 0;
    const OUT_OF_STOCK: DropCode = 1;
}

impl Filter for Availability {
    fn name(&self) -> &'static str {
        "availability"
    }

    fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
        let catalog = &query.snapshot.catalog;
        for (row, &id) in set.ids().iter().enumerate() {
            if !catalog.is_active(id) {
                keep.drop_row(row, Self::INACTIVE);
            } else if catalog.stock(id).is_some_and(|stock| stock <= 0.0) {
                keep.drop_row(row, Self::OUT_OF_STOCK);
            }
        }
        Ok(())
    }

    fn reason(&self, code: DropCode) -> String {
        if code == Self::INACTIVE { "is not active" } else { "is out of stock" }.to_owned()
    }
}

/// Keeps a page about one item or category to it: the item itself never stands beside itself, and a
/// category's page shows nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnSurface;

impl OnSurface {
    const ITSELF: DropCode = 0;
    const ELSEWHERE: DropCode = 1;
}

impl Filter for OnSurface {
    fn name(&self) -> &'static str {
        "surface"
    }

    fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
        let labels = query.snapshot.catalog.category();
        let rows = set.ids().iter().enumerate();
        match &query.request.surface {
            Surface::Home => {}
            Surface::Similar(_) => rows
                .filter(|(_, id)| query.anchors().contains(id))
                .for_each(|(row, _)| keep.drop_row(row, Self::ITSELF)),
            Surface::Category(name) => {
                let code = labels.find(name);
                rows.filter(|(_, id)| labels.code(**id) != code)
                    .for_each(|(row, _)| keep.drop_row(row, Self::ELSEWHERE));
            }
        }
        Ok(())
    }

    fn reason(&self, code: DropCode) -> String {
        if code == Self::ITSELF { "is the item itself" } else { "is in another category" }.to_owned()
    }
}
