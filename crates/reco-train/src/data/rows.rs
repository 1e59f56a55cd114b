//! Rows of text on their way to a columnar batch.

use super::error::{BadRow, shortened};
use super::tables::{BATCH_ROWS, Batch, RowNumbers, Text};
use arrow::array::{ArrayRef, Float64Builder, StringBuilder};
use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines longer than this are refused: they are no rows.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// Rows under way to a batch.
pub(super) struct Rows {
    pub(super) path: PathBuf,
    columns: Vec<Column>,
    numbers: Vec<u64>,
    bad: Vec<BadRow>,
}

enum Column {
    Texts(StringBuilder),
    Numbers(Float64Builder),
}

impl Rows {
    pub(super) fn new(path: &Path, texts: &[Text]) -> Self {
        let column = |text: &Text| match text {
            Text::Number => Column::Numbers(Float64Builder::new()),
            Text::Typed | Text::Untyped | Text::Words => Column::Texts(StringBuilder::new()),
        };
        let columns = texts.iter().map(column).collect();
        Self { path: path.to_owned(), columns, numbers: Vec::new(), bad: Vec::new() }
    }

    pub(super) fn n_columns(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn push<'a>(&mut self, number: u64, cells: impl Iterator<Item = Cow<'a, str>>) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            match column {
                Column::Texts(texts) => texts.append_option(Some(cell).filter(|cell| !cell.is_empty())),
                Column::Numbers(numbers) => numbers.append_option(as_number(&cell)),
            }
        }
        self.numbers.push(number);
    }

    /// The first cell of a column of numbers that is none: its column and what it holds.
    pub(super) fn misfit<'a>(
        &self,
        cells: impl Iterator<Item = Cow<'a, str>>,
    ) -> Option<(usize, Cow<'a, str>)> {
        if self.columns.iter().all(|column| matches!(column, Column::Texts(_))) {
            return None;
        }
        let is_misfit = |column: &Column, cell: &str| {
            matches!(column, Column::Numbers(_)) && !cell.trim().is_empty() && as_number(cell).is_none()
        };
        let mut numbered = self.columns.iter().zip(cells).enumerate();
        numbered.find(|(_, (column, cell))| is_misfit(column, cell)).map(|(place, (_, cell))| (place, cell))
    }

    /// Notes a bad row; without a column when the row as a whole is broken.
    pub(super) fn refuse(&mut self, row: u64, column: &str, value: &str, want: impl Into<String>) {
        let (file, value) = (self.path.clone(), shortened(value));
        self.bad.push(BadRow { file, row, column: column.to_owned(), value, want: want.into() });
    }

    pub(super) fn is_full(&self) -> bool {
        self.numbers.len() >= BATCH_ROWS || self.bad.len() >= BATCH_ROWS
    }

    pub(super) fn finish(&mut self) -> Option<Batch> {
        if self.numbers.is_empty() && self.bad.is_empty() {
            return None;
        }
        let columns = self.columns.iter_mut().map(|column| match column {
            Column::Texts(texts) => Arc::new(texts.finish()) as ArrayRef,
            Column::Numbers(numbers) => Arc::new(numbers.finish()),
        });
        let columns = columns.collect();
        let numbers = std::mem::take(&mut self.numbers);
        let bad = std::mem::take(&mut self.bad);
        Some(Batch { columns, n_rows: numbers.len(), rows: RowNumbers::Each(numbers), bad })
    }
}

fn as_number(cell: &str) -> Option<f64> {
    cell.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// UTF-8 as it is; anything else as Latin-1, which older data sets are written in.
pub(super) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// Reads a line into `line`, its end left out; `None` at the end of the file. Of a line that is too long only
/// so much is kept that it shows; the rest is passed over.
pub(super) fn read_line(source: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<()>> {
    line.clear();
    if source.by_ref().take(LONGEST_LINE as u64 + 2).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        source.skip_until(b'\n')?;
    }
    while let Some(b'\n' | b'\r') = line.last() {
        line.pop();
    }
    Ok(Some(()))
}
