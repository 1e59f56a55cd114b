//! Why a file is refused.

use std::io;
use std::path::{Path, PathBuf};

/// Why the file of an index was refused or not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// It is something else.
    #[error("not the file of an index")]
    Foreign,
    /// A newer reco wrote it.
    #[error("layout {found}, this reco reads up to {known}")]
    Newer {
        /// Its version.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// Its end is missing.
    #[error("cut short: {found} bytes of {want}")]
    Truncated {
        /// Its length.
        found: u64,
        /// The length it must have, at least.
        want: u64,
    },
    /// It is damaged; says where.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// It holds a live index, which [`LiveIndex::open`](crate::index::LiveIndex::open) opens.
    #[error("a live index, to be opened as such")]
    Live,
    /// Numbers in files are little-endian, and this machine's are not.
    #[error("this machine does not read little-endian numbers as they are")]
    Unsupported,
}

impl FileError {
    pub(super) fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.to_owned(), problem }
    }
}

impl Problem {
    /// A section whose content does not fit what the header says.
    pub(in crate::index) fn section(name: &str) -> Self {
        Self::Corrupt(format!("the section `{name}` does not fit the others"))
    }
}
