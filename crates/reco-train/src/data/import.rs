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
use crate::history;
use crate::progress::Progress;
use reco_core::catalog::{Catalog, CatalogBuilder, Column, Value};
use reco_core::event::Action;
use reco_core::interactions::InteractionLog;
use std::collections::BTreeMap;
use std::path::PathBuf;

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
    let (mut dataset, mut report) = import.finish();
    if let Some(folder) = &spec.history {
        let read = history::append(&mut dataset, folder, progress).map_err(DataError::History)?;
        let ImportReport { users, interactions, actions, span, .. } = ImportReport::of(&dataset);
        report = ImportReport { history: Some(read), users, interactions, actions, span, ..report };
    }
    Ok((dataset, report))
}

/// What is wrong with the files of `spec` as far as their beginnings tell, one line a file: that they are there, of a
/// known kind, and have the columns that are needed. [`read`] finds what is wrong with their rows.
pub fn problems(spec: &ImportSpec) -> Vec<String> {
    let located = match files(spec) {
        Ok(located) => located,
        Err(error) => return vec![error.to_string()],
    };
    let roles = [Role::Interactions, Role::Items, Role::Users];
    let files = located.iter().zip(roles).filter_map(|(file, role)| Some((file.as_ref()?, role)));
    // What a pipe has said once it does not say again.
    let files = files.filter(|(at, _)| at.file.path.metadata().map_or(true, |about| about.is_file()));
    let mut problems: Vec<String> =
        files.filter_map(|(file, role)| Some(Source::open(file, role).err()?.to_string())).collect();
    if let Some(folder) = &spec.history {
        problems.extend(history::parts(folder).err().map(|cause| DataError::io(folder, cause).to_string()));
    }
    problems
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
    empty_files: Vec<PathBuf>,
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
            empty_files: Vec::new(),
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
        let mut is_empty = true;
        for batch in source.batches {
            let mut batch = batch?;
            let unsplit = std::mem::take(&mut batch.bad);
            is_empty &= batch.n_rows == 0 && unsplit.is_empty();
            self.bad.begin(unsplit);
            take(self, &View::new(&source.about, &batch))?;
            self.bad.end()?;
            progress.advance(batch.n_rows as u64);
        }
        if is_empty {
            self.empty_files.push(source.about.path().to_owned());
        }
        Ok(())
    }

    pub(super) fn finish(self) -> (Dataset, ImportReport) {
        let catalog = self.catalog.build();
        let mut users = self.users;
        users.resize(self.log.users.len(), BTreeMap::new());
        let dataset = Dataset { catalog, log: self.log, users, extra: self.extra };
        let report = ImportReport {
            items_without_row: dataset.catalog.len() - self.n_item_rows,
            kept_columns: self.kept,
            empty_files: self.empty_files,
            bad_rows: self.bad.count,
            bad_examples: self.bad.examples,
            ..ImportReport::of(&dataset)
        };
        (dataset, report)
    }
}
