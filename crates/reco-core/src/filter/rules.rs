//! What the caller or the operator rules out.

use super::Filter;
use crate::candidate::{Candidates, DropCode, KeepMask};
use crate::error::{Fault, FaultKind};
use crate::id::ItemId;
use crate::predicate::{BoundPredicate, Predicate};
use crate::query::Query;
use rustc_hash::FxHashSet;

/// Drops the items that the request excludes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Excluded;

impl Filter for Excluded {
    fn name(&self) -> &'static str {
        "excluded"
    }

    fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
        let catalog = &query.snapshot.catalog;
        let excluded: FxHashSet<ItemId> =
            query.request.exclude.iter().filter_map(|key| catalog.id(key.as_str())).collect();
        if excluded.is_empty() {
            return Ok(());
        }
        for (row, id) in set.ids().iter().enumerate() {
            if excluded.contains(id) {
                keep.drop_row(row, 0);
            }
        }
        Ok(())
    }

    fn reason(&self, _: DropCode) -> String {
        "is excluded by the request".to_owned()
    }
}

/// Keeps what matches the request's filter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requested;

impl Filter for Requested {
    fn name(&self) -> &'static str {
        "filter"
    }

    fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
        match &query.request.filter {
            Some(filter) => keep_matching(self.name(), filter, query, set, keep),
            None => Ok(()),
        }
    }

    fn reason(&self, _: DropCode) -> String {
        "does not match the request's filter".to_owned()
    }
}

/// Keeps what matches an expression of the configuration, on every page.
#[derive(Clone, Debug)]
pub struct Only(pub Predicate);

impl Filter for Only {
    fn name(&self) -> &'static str {
        "only"
    }

    fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
        keep_matching(self.name(), &self.0, query, set, keep)
    }

    fn reason(&self, _: DropCode) -> String {
        format!("does not match the rule `{}`", self.0.source())
    }
}

fn keep_matching(
    name: &str,
    predicate: &Predicate,
    query: &Query,
    set: &Candidates,
    keep: &mut KeepMask,
) -> Result<(), Fault> {
    let catalog = &query.snapshot.catalog;
    let bound: BoundPredicate =
        predicate.bind(catalog).map_err(|error| Fault::new(name, FaultKind::Invalid).because(error))?;
    for (row, &id) in set.ids().iter().enumerate() {
        if !bound.matches(catalog, id) {
            keep.drop_row(row, 0);
        }
    }
    Ok(())
}
