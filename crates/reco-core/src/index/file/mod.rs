//! Indexes as files, mapped into memory.
//!
//! An index of any kind is one file, which is searched where it lies: opening maps it and reads little, so
//! that it takes milliseconds, and processes that open the same file share its pages.
//!
//! # Layout, version 1
//!
//! All numbers are little-endian. The file is a header, a table of sections, and the sections one after
//! the other, each from a multiple of 64 bytes on and filled up with zeros.
//!
//! | header bytes | |
//! |---|---|
//! | 0..8 | `RECOINDX` |
//! | 8..12 | version of the layout, 1 |
//! | 12..16 | kind of index: 1 exact, 2 HNSW, 3 IVF; 16 more for a [live](super::LiveIndex) one over such |
//! | 16..20 | metric: 1 inner product, 2 cosine, 3 L2 |
//! | 20..24 | number of sections, up to 64 |
//! | 24..32 | number of vectors, in a live index without those that came since it was built |
//! | 32..40 | dimensions of a vector |
//! | 40..48 | length of the file |
//! | 48..60 | zeros |
//! | 60..64 | CRC-32 of the bytes before and of the table |
//!
//! | bytes of a section's 32 in the table | |
//! |---|---|
//! | 0..8 | name, filled up with zeros |
//! | 8..16 | where the section begins |
//! | 16..24 | its length without the zeros at its end |
//! | 24..28 | CRC-32 of the section and the zeros at its end |
//! | 28..32 | zeros |
//!
//! | section | in | holds |
//! |---|---|---|
//! | `numbers` | HNSW, IVF | u64: HNSW links, build width, search width and points per layer, the bottom first; IVF lists and probes and rounds asked for |
//! | `vectors` | all | f32, vector by vector in the order of the items, normalised under the cosine metric |
//! | `codes` | all, but in exact only from 1,000 vectors on | the vectors as bytes, each with what rounding did to it |
//! | `rounding` | where `codes` are | f32: the length of the longest vector and the centre |
//! | `items` | HNSW, IVF | u32: the item of every row of `codes` |
//! | `links` | HNSW | u32: the places for links of every point in the bottom layer |
//! | `upper` | HNSW | u32: the same of the layers above, one after the other |
//! | `starts` | IVF | u32: where every list begins in `codes`, and their end |
//! | `centres` | IVF | f32: the centre of every list |
//! | `ids` | live | u32: the item of every vector, ascending |
//! | `gone` | live | u32: the vectors whose items went or have others, ascending |
//! | `recent` | live | f32: the vectors that came since, as those of `vectors` |
//! | `recents` | live | u32: their items |
//!
//! Sections with other names are skipped.
//!
//! # What is checked
//!
//! [`open`] checks the header, the table, the sizes, and the checksums of all sections up to 16 MiB: to read
//! a section of 500 MB would take longer than opening may. [`IndexFile::verify`] checks the others. A file
//! whose large sections are damaged is searched without a panic, but its answers are wrong; so verify a
//! file that has just come over a network, and let a [`RecallGuard`](super::RecallGuard) look at it before it serves.
//!
//! While a file is mapped, it may be replaced (as [`save`] does) or removed, but not written to or cut short:
//! on most systems a process dies that reads a page which is no longer there. Where others may do such
//! things, [`load`] the file instead.
//!
//! ```
//! use reco_core::index::{AnyIndex, Metric, VectorIndexExt, file};
//! use reco_core::linalg::Matrix;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("colours.index");
//! let vectors = Matrix::from_vec(3, 2, vec![1., 0., 0., 1., 1., 1.]);
//! file::save(&AnyIndex::build(vectors, Metric::Cosine)?, &path)?;
//!
//! let opened = file::open(&path)?;
//! opened.verify()?;
//! assert_eq!(opened.index().find(&[0.0, 3.0], 1, None)?.ids[0].index(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bytes;
mod error;
mod layout;
mod parts;
#[cfg(test)]
pub(super) mod tests;

pub(super) use bytes::Bytes;
pub use error::{FileError, Problem};
pub(super) use parts::{Filed, Incoming, Outgoing};

use super::{AnyIndex, ExactIndex, HnswIndex, IvfIndex};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// An open file and the index in it.
#[derive(Debug)]
pub struct IndexFile {
    path: PathBuf,
    parts: Incoming,
    index: AnyIndex,
}

/// Sections up to this many bytes are checked when a file is opened.
const CHECKED_AT_ONCE: usize = 16 << 20;

/// Writes an index and returns the file's length in bytes. The file appears whole or not at all; one that
/// was there before serves on for those who have it open.
///
/// # Errors
///
/// [`FileError`] with [`Problem::Io`] when it cannot be written, or `path` leads to something that is no plain file.
pub fn save(index: &AnyIndex, path: &Path) -> Result<u64, FileError> {
    save_parts(&parts_of(index), path)
}

/// [`save`] for what goes into a file.
pub(super) fn save_parts(parts: &Outgoing<'_>, path: &Path) -> Result<u64, FileError> {
    let written = crate::file::replace(path, |file| {
        let mut file = BufWriter::new(file);
        let length = parts.write(&mut file)?;
        file.flush()?;
        Ok(length)
    });
    written.map_err(|cause| FileError::new(path, Problem::Io(cause)))
}

/// Maps the file of an index. See [the module](self) for what is checked and what must not happen to the file.
///
/// # Errors
///
/// [`FileError`] for a file that is missing, foreign, newer, cut short or damaged; never a panic.
pub fn open(path: &Path) -> Result<IndexFile, FileError> {
    let (parts, index) = open_parts(path, index_in)?;
    Ok(IndexFile { path: path.to_owned(), parts, index })
}

/// Maps a file for `take` to read; sections up to some size are checked.
pub(super) fn open_parts<T>(
    path: &Path,
    take: impl FnOnce(&Incoming) -> Result<T, Problem>,
) -> Result<(Incoming, T), FileError> {
    let map = || Bytes::map(&opened(path)?);
    let bytes = map().map_err(|cause| FileError::new(path, Problem::Io(cause)))?;
    read(bytes, CHECKED_AT_ONCE, take).map_err(|problem| FileError::new(path, problem))
}

/// Reads the file of an index into memory and checks all of it.
///
/// # Errors
///
/// Those of [`open`].
pub fn load(path: &Path) -> Result<AnyIndex, FileError> {
    Ok(load_parts(path, index_in)?.1)
}

/// Reads a file into memory, checks all of it and lets `take` read it.
pub(super) fn load_parts<T>(
    path: &Path,
    take: impl FnOnce(&Incoming) -> Result<T, Problem>,
) -> Result<(Incoming, T), FileError> {
    let copy = || {
        let mut file = opened(path)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Bytes::read(&mut file, len)
    };
    let bytes = copy().map_err(|cause| FileError::new(path, Problem::Io(cause)))?;
    read(bytes, usize::MAX, take).map_err(|problem| FileError::new(path, problem))
}

impl IndexFile {
    /// The index.
    pub fn index(&self) -> &AnyIndex {
        &self.index
    }

    /// The index; the file stays open as long as it lives.
    pub fn into_index(self) -> AnyIndex {
        self.index
    }

    /// Reads all of the file and compares it with its checksums.
    ///
    /// # Errors
    ///
    /// [`FileError`] with [`Problem::Corrupt`] for the first section that differs.
    pub fn verify(&self) -> Result<(), FileError> {
        self.parts.check_sections(usize::MAX).map_err(|problem| FileError::new(&self.path, problem))
    }
}

/// A folder opens on most systems, and only what is read of it fails, with other words on each.
fn opened(path: &Path) -> io::Result<File> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder, must be a file"));
    }
    File::open(path)
}

/// What `take` reads of `bytes`, of which sections up to `checked` bytes are compared with their checksums.
pub(super) fn read<T>(
    bytes: Bytes,
    checked: usize,
    take: impl FnOnce(&Incoming) -> Result<T, Problem>,
) -> Result<(Incoming, T), Problem> {
    let parts = Incoming::new(bytes)?;
    parts.check_sections(checked)?;
    let taken = take(&parts)?;
    Ok((parts, taken))
}

/// The index that does not change in a file.
fn index_in(parts: &Incoming) -> Result<AnyIndex, Problem> {
    if parts.is_live() { Err(Problem::Live) } else { built_in(parts) }
}

/// The same, or what a live index was built over.
pub(super) fn built_in(parts: &Incoming) -> Result<AnyIndex, Problem> {
    match parts.kind() {
        ExactIndex::KIND => Ok(ExactIndex::read(parts)?.into()),
        HnswIndex::KIND => Ok(HnswIndex::read(parts)?.into()),
        IvfIndex::KIND => Ok(IvfIndex::read(parts)?.into()),
        kind => Err(Problem::Corrupt(format!("no kind of index has the number {kind}"))),
    }
}

pub(super) fn parts_of(index: &AnyIndex) -> Outgoing<'_> {
    match index {
        AnyIndex::Exact(index) => Outgoing::of(&**index),
        AnyIndex::Hnsw(index) => Outgoing::of(&**index),
        AnyIndex::Ivf(index) => Outgoing::of(&**index),
    }
}
