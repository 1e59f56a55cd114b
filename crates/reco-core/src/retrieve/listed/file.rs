//! The file: how it is written, and where in it each list is.
//!
//! A head, a record for each list, the table of records, and where that is. A record is its length, a checksum and the
//! list; so a file whose writer was interrupted can be gone on with, up to where it is whole. All numbers are
//! little-endian.

use super::{ListedItem, StoredList};
use crate::id::UserKey;
use crate::time::Timestamp;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const HEAD: &[u8; 12] = b"reco lists 1";

/// Why a file of lists cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ListFileError {
    /// What the system says.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// It is no such file, of another version, or damaged.
    #[error("{}: {problem}; remove it, and compute the lists again", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A list that cannot be kept.
    #[error("the list of user `{user}`: {problem}")]
    List {
        /// Whose.
        user: UserKey,
        /// What is wrong with it.
        problem: String,
    },
}

/// What a record begins with.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    user: UserKey,
    computed_at: Timestamp,
    expires_at: Timestamp,
    n_items: u32,
}

/// Where the list of a record is, without what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    start: u64,
    length: u32,
    sum: u32,
}

pub(super) type Table = FxHashMap<UserKey, Extent>;

/// Writes a file of lists, which takes the place of the one before when it is [finished](Self::finish). Until then, it is
/// beside it, and can be gone on with.
#[derive(Debug)]
pub struct ListWriter {
    path: PathBuf,
    file: BufWriter<File>,
    table: Table,
    end: u64,
}

impl ListWriter {
    /// Begins anew.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn begin(path: &Path) -> Result<Self, ListFileError> {
        let unfinished = unfinished(path);
        let begin = || -> io::Result<File> {
            let mut file = File::create(&unfinished)?;
            file.write_all(HEAD)?;
            Ok(file)
        };
        let file = begin().map_err(|cause| at(&unfinished, cause))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            table: Table::default(),
            end: HEAD.len() as u64,
        })
    }

    /// Goes on with what an interrupted writer has left, or begins anew where that is nothing.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn resume(path: &Path) -> Result<Self, ListFileError> {
        let unfinished = unfinished(path);
        let file = match OpenOptions::new().read(true).write(true).open(&unfinished) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Self::begin(path),
            opened => opened.map_err(|cause| at(&unfinished, cause))?,
        };
        let whole = whole_records(&file).and_then(|(table, end)| {
            file.set_len(end)?;
            (&file).seek(SeekFrom::Start(end))?;
            Ok((table, end))
        });
        let (table, end) = whole.map_err(|cause| at(&unfinished, cause))?;
        if end == 0 {
            return Self::begin(path);
        }
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), table, end })
    }

    /// How many users have a list.
    pub fn n_users(&self) -> usize {
        self.table.len()
    }

    /// Adds lists, each in place of the user's before, and waits until they are on the disk.
    ///
    /// # Errors
    ///
    /// [`ListFileError::List`] for one with a [problem](StoredList::problem): those before it may have been added. What the
    /// system says.
    pub fn add<'a>(
        &mut self,
        lists: impl IntoIterator<Item = (&'a UserKey, StoredList)>,
    ) -> Result<(), ListFileError> {
        for (user, list) in lists {
            if let Some(problem) = list.problem() {
                return Err(ListFileError::List { user: user.clone(), problem });
            }
            let extent = self.put(user, &list).map_err(|cause| at(&unfinished(&self.path), cause))?;
            self.table.insert(user.clone(), extent);
        }
        self.sync().map_err(|cause| at(&unfinished(&self.path), cause))
    }

    fn put(&mut self, user: &UserKey, list: &StoredList) -> io::Result<Extent> {
        let StoredList { computed_at, expires_at, items, .. } = list;
        let n_items = items.len() as u32;
        let about = About { user: user.clone(), computed_at: *computed_at, expires_at: *expires_at, n_items };
        let mut record = postcard::to_allocvec(&about).map_err(io::Error::other)?;
        for ListedItem { item, score, explanation, .. } in items {
            record = postcard::to_extend(&(item, score, explanation), record).map_err(io::Error::other)?;
        }
        let length = u32::try_from(record.len()).map_err(io::Error::other)?;
        let sum = crc32fast::hash(&record);
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&sum.to_le_bytes())?;
        self.file.write_all(&record)?;
        let extent = Extent { start: self.end + 8, length, sum };
        self.end = extent.start + u64::from(length);
        Ok(extent)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }

    /// Gives the file its name. Whoever has the one before open reads on in that.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(mut self) -> Result<(), ListFileError> {
        let unfinished = unfinished(&self.path);
        let mut finish = || -> io::Result<()> {
            let table = postcard::to_allocvec(&self.table).map_err(io::Error::other)?;
            self.file.write_all(&table)?;
            self.file.write_all(&self.end.to_le_bytes())?;
            self.file.write_all(&crc32fast::hash(&table).to_le_bytes())?;
            self.sync()?;
            fs::rename(&unfinished, &self.path)
        };
        finish().map_err(|cause| at(&unfinished, cause))
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}

/// The records that are whole, and where they end: at 0 if not even the head is there.
fn whole_records(file: &File) -> io::Result<(Table, u64)> {
    let mut reader = BufReader::new(file);
    let mut head = [0; HEAD.len()];
    if unless_ended(reader.read_exact(&mut head))?.is_none() || head != *HEAD {
        return Ok((Table::default(), 0));
    }
    let (mut table, mut end, mut front) = (Table::default(), HEAD.len() as u64, [0; 8]);
    while unless_ended(reader.read_exact(&mut front))?.is_some() {
        let (length, sum) = front.split_at(4);
        let (length, sum) = (number(length) as u32, number(sum) as u32);
        let mut record = Vec::new();
        (&mut reader).take(length.into()).read_to_end(&mut record)?;
        let extent = Extent { start: end + 8, length, sum };
        let Ok(about) = extent.check(&record).and_then(|()| about(&record)) else { break };
        table.insert(about.0.user, extent);
        end = extent.start + u64::from(length);
    }
    Ok((table, end))
}

/// Nothing where the file ends before.
fn unless_ended(read: io::Result<()>) -> io::Result<Option<()>> {
    match read {
        Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(Some),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn about(record: &[u8]) -> Result<(About, &[u8]), String> {
    postcard::take_from_bytes(record).map_err(|cause| format!("a list cannot be understood: {cause}"))
}

/// The table of a finished file.
pub(super) fn table(path: &Path, file: &mut File) -> Result<Table, ListFileError> {
    const TAIL: u64 = 12;
    let damaged = |problem: &str| unusable(path, format!("no file of lists, or damaged: {problem}"));
    let mut read = || -> io::Result<Option<Vec<u8>>> {
        let length = file.metadata()?.len();
        let mut head = [0; HEAD.len()];
        if unless_ended(file.read_exact(&mut head))?.is_none() || head != *HEAD || length < TAIL {
            return Ok(None);
        }
        let mut tail = [0; TAIL as usize];
        file.seek(SeekFrom::Start(length - TAIL))?;
        file.read_exact(&mut tail)?;
        let (start, sum) = tail.split_at(8);
        let Some(size) = (length - TAIL).checked_sub(number(start)) else { return Ok(None) };
        let mut table = Vec::new();
        file.seek(SeekFrom::Start(number(start)))?;
        file.take(size).read_to_end(&mut table)?;
        Ok((u64::from(crc32fast::hash(&table)) == number(sum)).then_some(table))
    };
    let table = read().map_err(|cause| at(path, cause))?;
    let table = table.ok_or_else(|| damaged("its table is not what was written"))?;
    postcard::from_bytes(&table).map_err(|cause| damaged(&cause.to_string()))
}

impl Extent {
    fn check(&self, record: &[u8]) -> Result<(), String> {
        let is_whole = record.len() == self.length as usize && crc32fast::hash(record) == self.sum;
        if is_whole { Ok(()) } else { Err("a list is not what was written".to_owned()) }
    }

    /// The first `count` items of the list that is here.
    pub(super) fn read(&self, mut file: &File, count: usize) -> io::Result<StoredList> {
        let damaged = |problem: String| io::Error::new(ErrorKind::InvalidData, problem);
        let mut record = Vec::new();
        file.seek(SeekFrom::Start(self.start))?;
        file.take(self.length.into()).read_to_end(&mut record)?;
        self.check(&record).map_err(damaged)?;
        let (About { computed_at, expires_at, n_items, .. }, mut rest) = about(&record).map_err(damaged)?;
        let mut items = Vec::new();
        for rank in (1..=n_items).take(count) {
            let read = postcard::take_from_bytes(rest).map_err(|cause| damaged(cause.to_string()))?;
            let (item, score, explanation);
            ((item, score, explanation), rest) = read;
            items.push(ListedItem { rank, item, score, explanation });
        }
        Ok(StoredList { computed_at, expires_at, n_items: n_items as usize, items })
    }
}

pub(super) fn at(path: &Path, cause: io::Error) -> ListFileError {
    match cause.kind() {
        ErrorKind::InvalidData => unusable(path, cause.to_string()),
        _ => ListFileError::Io { path: path.to_owned(), cause },
    }
}

fn unusable(path: &Path, problem: String) -> ListFileError {
    ListFileError::Unusable { path: path.to_owned(), problem }
}
