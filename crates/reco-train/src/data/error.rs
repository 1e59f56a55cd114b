//! What can be wrong with data, said so that it can be mended.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why data could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be opened, read or written.
    #[error("{path}: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A server's history cannot be read.
    #[error(transparent)]
    History(crate::history::PartError),
    /// The file is not what its format says.
    #[error("{path}: not readable as {format}: {cause}", path = .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format tried.
        format: &'static str,
        /// What the reader said.
        cause: String,
    },
    /// A field has no column.
    #[error("{path}: no column {}; the columns are {columns}; name one with --column {option}=COLUMN", .named.as_ref().map_or_else(|| format!("for `{field}`"), |named| format!("`{named}`, which is to hold `{field}`")), path = .path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// The column that was named for it, where one was.
        named: Option<Box<str>>,
        /// How the option spells the field.
        option: String,
        /// What the file has.
        columns: String,
    },
    /// Two columns have one name, so that none can be meant by it.
    #[error("{path}: there are two columns named `{column}`; rename one", path = .path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// A cell makes no sense.
    #[error("{0}")]
    BadRow(BadRow),
    /// More bad rows than tolerated.
    #[error("{} bad rows, at most {limit} are tolerated (--skip-bad-rows); the first: {first}", .limit + 1)]
    TooManyBadRows {
        /// How many were tolerated.
        limit: usize,
        /// The first of them.
        first: BadRow,
    },
    /// A file of interactions without any that can be used.
    #[error("{path}: {}", if *.left_out == 0 { "has no rows, there must be interactions".to_owned() } else { format!("none of its {} rows can be used", .left_out) }, path = .path.display())]
    NoInteractions {
        /// The file.
        path: PathBuf,
        /// Bad rows of it that were tolerated.
        left_out: usize,
    },
    /// The import was asked for something impossible.
    #[error("{0}")]
    Spec(String),
}

impl DataError {
    pub(super) fn io(path: &Path, cause: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause }
    }

    pub(super) fn format(path: &Path, format: &'static str, cause: impl fmt::Display) -> Self {
        Self::Format { path: path.to_owned(), format, cause: cause.to_string() }
    }
}

/// One row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BadRow {
    /// The file.
    pub file: PathBuf,
    /// Row, from 1; for text files the line.
    pub row: u64,
    /// Column; empty when the row as a whole is broken.
    pub column: String,
    /// The value, shortened.
    pub value: String,
    /// What would be right.
    pub want: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, row, column, value, want } = self;
        write!(f, "{}, row {row}", file.display())?;
        if !column.is_empty() {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {value:?} {want}")
    }
}

/// A value as errors show it.
pub(super) fn shortened(value: &str) -> String {
    const SHOWN: usize = 60;
    if value.chars().count() <= SHOWN {
        return value.to_owned();
    }
    let mut short: String = value.chars().take(SHOWN).collect();
    short.push('…');
    short
}

/// Counts bad rows in the order of their file and remembers the first few.
#[derive(Debug)]
pub(super) struct BadRows {
    limit: usize,
    /// Rows of the batch under way that could not be split into cells, ascending; those before them may
    /// still turn out to be bad.
    unsplit: VecDeque<BadRow>,
    pub(super) count: usize,
    pub(super) examples: Vec<BadRow>,
}

impl BadRows {
    const EXAMPLES: usize = 5;

    pub(super) fn new(limit: usize) -> Self {
        Self { limit, unsplit: VecDeque::new(), count: 0, examples: Vec::new() }
    }

    /// Begins a batch with the rows of it that could not be split into cells, ascending.
    pub(super) fn begin(&mut self, unsplit: Vec<BadRow>) {
        self.unsplit = unsplit.into();
    }

    /// Tolerates one more and those before it, or fails.
    pub(super) fn tolerate(&mut self, bad: BadRow) -> Result<(), DataError> {
        while let Some(earlier) = self.unsplit.pop_front_if(|unsplit| unsplit.row < bad.row) {
            self.count(earlier)?;
        }
        self.count(bad)
    }

    /// Tolerates what is left of the batch, or fails.
    pub(super) fn end(&mut self) -> Result<(), DataError> {
        std::mem::take(&mut self.unsplit).into_iter().try_for_each(|bad| self.count(bad))
    }

    fn count(&mut self, bad: BadRow) -> Result<(), DataError> {
        if self.limit == 0 {
            return Err(DataError::BadRow(bad));
        }
        self.count += 1;
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(bad);
        }
        if self.count > self.limit {
            return Err(DataError::TooManyBadRows { limit: self.limit, first: self.examples[0].clone() });
        }
        Ok(())
    }
}
