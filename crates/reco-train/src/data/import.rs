//! Reading items, users and interactions into a data set.

mod interactions;
mod items;
mod report;
mod users;

pub use report::ImportReport;

use super::error::BadRows;
use super::files::files;
use super::layout::Role;
use super::source::{Source, View};
use super::{DataError, Dataset, ImportSpec};
use crate::progress::Progress;
use reco_core::catalog::{Catalog, CatalogBuilder, Column, Value};
use reco_core::event::Action;
use reco_core::interactions::InteractionLog;
use std::collections::BTreeMap;

/// Reads the files of `spec`.
///
/// # Errors
///
/// [`DataError`] that names file, row, column and value. Nothing is returned then.
pub fn read(spec: &ImportSpec, progress: &dyn Progress) -> Result<(Dataset, ImportReport), DataError> {
    let [interactions, items, users] = files(spec)?;
    let mut import = Import::new(spec);
    if let Some(file) = &items {
        import.items(Source::open(file, Role::Items)?, progress)?;
    }
    if let Some(file) = &users {
        import.users(Source::open(file, Role::Users)?, progress)?;
    }
    if let Some(file) = &interactions {
        import.interactions(Source::open(file, Role::Interactions)?, progress)?;
    }
    Ok(import.finish())
}

/// A data set under way.
pub(super) struct Import {
    catalog: CatalogBuilder,
    n_item_rows: usize,
    log: InteractionLog,
    users: Vec<BTreeMap<String, Value>>,
    extra: BTreeMap<String, Column>,
    bad: BadRows,
    kept: [Vec<String>; 3],
    default_action: Option<Action>,
}

impl Import {
    pub(super) fn new(spec: &ImportSpec) -> Self {
        Self {
            catalog: Catalog::builder(),
            n_item_rows: 0,
            log: InteractionLog::default(),
            users: Vec::new(),
            extra: BTreeMap::new(),
            bad: BadRows::new(spec.skip_bad_rows),
            kept: Default::default(),
            default_action: spec.default_action.as_deref().map(Action::from),
        }
    }

    /// Hands the batches of a source to `take` one by one.
    fn each_batch(
        &mut self,
        source: Source,
        stage: &str,
        progress: &dyn Progress,
        mut take: impl FnMut(&mut Self, &View<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        progress.begin(stage, source.n_rows.unwrap_or(0));
        for batch in source.batches {
            let mut batch = batch?;
            std::mem::take(&mut batch.bad).into_iter().try_for_each(|bad| self.bad.tolerate(bad))?;
            take(self, &View::new(&source.about, &batch))?;
            progress.advance(batch.n_rows as u64);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> (Dataset, ImportReport) {
        let mut actions: BTreeMap<String, usize> = BTreeMap::new();
        for &code in &self.log.action {
            *actions.entry(self.log.actions[code as usize].name().to_owned()).or_default() += 1;
        }
        let catalog = self.catalog.build();
        let mut users = self.users;
        users.resize(self.log.users.len(), BTreeMap::new());
        let report = ImportReport {
            items: catalog.len(),
            items_without_row: catalog.len() - self.n_item_rows,
            users: self.log.users.len(),
            interactions: self.log.len(),
            actions,
            span: self.log.has_times().then(|| self.log.span()).flatten(),
            kept_columns: self.kept,
            bad_rows: self.bad.count,
            bad_examples: self.bad.examples,
        };
        (Dataset { catalog, log: self.log, users, extra: self.extra }, report)
    }
}
