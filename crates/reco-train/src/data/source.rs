//! A file opened for what it tells about.

use super::cells::{Cells, Misfit};
use super::error::{BadRow, shortened};
use super::files::Located;
use super::layout::{Layout, Role};
use super::spec::FileSpec;
use super::tables::{self, Batch, Batches, Table, Text};
use super::{DataError, Preset};
use std::path::{Path, PathBuf};

/// An open file: what its columns mean, and its rows.
pub(super) struct Source {
    pub(super) about: About,
    pub(super) batches: Batches,
    /// Rows in the file, where its format says so beforehand.
    pub(super) n_rows: Option<u64>,
}

/// What is known of a file before its rows are.
pub(super) struct About {
    path: PathBuf,
    names: Vec<String>,
    texts: Vec<Text>,
    pub(super) layout: Layout,
    pub(super) preset: Option<Preset>,
}

impl Source {
    pub(super) fn open(located: &Located, role: Role) -> Result<Self, DataError> {
        Self::of(tables::open(&located.file)?, &located.file, role, located.preset)
    }

    pub(super) fn of(
        table: Table,
        file: &FileSpec,
        role: Role,
        preset: Option<Preset>,
    ) -> Result<Self, DataError> {
        let layout = Layout::new(role, file, &table)?;
        let Table { names, texts, batches, n_rows, .. } = table;
        Ok(Self { about: About { path: file.path.clone(), names, texts, layout, preset }, batches, n_rows })
    }
}

impl About {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns kept as attributes.
    pub(super) fn kept(&self) -> Vec<String> {
        self.layout.extra.iter().map(|extra| extra.name.clone()).collect()
    }

    /// Name that the file has for the column of a field.
    pub(super) fn name_of(&self, field: &str) -> Option<&str> {
        self.layout.column(field).map(|column| self.names[column].as_str())
    }
}

/// A batch seen through its fields.
pub(super) struct View<'a> {
    about: &'a About,
    batch: &'a Batch,
    cells: Vec<Cells<'a>>,
}

impl<'a> View<'a> {
    pub(super) fn new(about: &'a About, batch: &'a Batch) -> Self {
        let columns = about.names.iter().zip(&batch.columns).zip(&about.texts);
        let cells = columns.map(|((name, column), &text)| Cells::new(name, column, text)).collect();
        Self { about, batch, cells }
    }

    pub(super) fn about(&self) -> &'a About {
        self.about
    }

    pub(super) fn n_rows(&self) -> usize {
        self.batch.n_rows
    }

    /// The cells of a field, where the file has a column for it.
    pub(super) fn field(&self, name: &str) -> Option<&Cells<'a>> {
        self.about.layout.column(name).map(|column| &self.cells[column])
    }

    /// The cells of a field that every such file has.
    pub(super) fn required(&self, name: &str) -> &Cells<'a> {
        self.field(name).expect("a layout has a column for every required field")
    }

    pub(super) fn column(&self, column: usize) -> &Cells<'a> {
        &self.cells[column]
    }

    pub(super) fn bad(&self, row: usize, misfit: Misfit) -> BadRow {
        BadRow {
            file: self.about.path.clone(),
            row: self.batch.rows.of(row),
            column: misfit.column,
            value: shortened(&misfit.value),
            want: misfit.want.to_owned(),
        }
    }
}
