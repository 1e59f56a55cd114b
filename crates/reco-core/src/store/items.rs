//! Items that came while serving, in a file: the next process has them again.

use crate::catalog::ItemRecord;
use crate::error::{Fault, FaultKind};
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Items as lines of JSON, in the order in which they came. One process at a time has it open.
///
/// ```
/// use reco_core::catalog::ItemRecord;
/// use reco_core::store::ItemLog;
///
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("items.jsonl");
/// let (log, known) = ItemLog::open(&path)?;
/// assert!(known.is_empty());
/// log.append(&[ItemRecord::new("tea")])?;
/// drop(log);
/// let (_, known) = ItemLog::open(&path)?;
/// assert_eq!(known, [ItemRecord::new("tea")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ItemLog {
    path: PathBuf,
    file: Mutex<Tail>,
}

/// The file, and what of it is known to be whole.
#[derive(Debug)]
struct Tail {
    file: File,
    length: u64,
}

/// Why the items of earlier processes cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ItemLogError {
    /// The system says no.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        cause: io::Error,
    },
    /// Another process has it open.
    #[error("{}: another process keeps its items there", .0.display())]
    Busy(PathBuf),
    /// A line is no item.
    #[error("{}: line {line} is no item: {problem}; mend it or take it out", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl ItemLog {
    const NAME: &'static str = "items";

    /// Opens a file, which is made where it is missing, and reads the items in it. A last line that was cut short is taken out:
    /// whoever sent it was never told that it was kept.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written, or is not what was written.
    pub fn open(path: &Path) -> Result<(Self, Vec<ItemRecord>), ItemLogError> {
        let failed = |cause| ItemLogError::Io { path: path.to_owned(), cause };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let options = OpenOptions::new().read(true).append(true).create(true).clone();
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(ItemLogError::Busy(path.to_owned())),
            Err(std::fs::TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = whole(&bytes);
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(failed)?;
            file.sync_data().map_err(failed)?;
        }
        let items = read(path, &bytes[..whole])?;
        Ok((Self { path: path.to_owned(), file: Mutex::new(Tail { file, length: whole as u64 }) }, items))
    }

    /// The items in a file now, in the order in which they came, while another process may be writing to it; none where there is no file.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for [`ItemLogError::Busy`].
    pub fn look(path: &Path) -> Result<Vec<ItemRecord>, ItemLogError> {
        match std::fs::read(path) {
            Ok(bytes) => read(path, &bytes[..whole(&bytes)]),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(cause) => Err(ItemLogError::Io { path: path.to_owned(), cause }),
        }
    }

    /// Keeps items; they are on the disk once this returns, which waits for it.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when none was kept.
    pub fn append(&self, items: &[ItemRecord]) -> Result<(), Fault> {
        let mut lines = Vec::new();
        for item in items {
            serde_json::to_writer(&mut lines, item).map_err(|cause| self.fault(io::Error::other(cause)))?;
            lines.push(b'\n');
        }
        let mut tail = self.file.lock();
        // What an earlier attempt left behind is not part of the log.
        let Tail { file, length } = &mut *tail;
        file.set_len(*length).map_err(|cause| self.fault(cause))?;
        file.seek(io::SeekFrom::End(0)).map_err(|cause| self.fault(cause))?;
        file.write_all(&lines).and_then(|()| file.sync_data()).map_err(|cause| self.fault(cause))?;
        *length += lines.len() as u64;
        Ok(())
    }

    fn fault(&self, cause: io::Error) -> Fault {
        Fault::new(Self::NAME, FaultKind::Unavailable).because(format!("{}: {cause}", self.path.display()))
    }
}

/// The bytes of whole lines.
fn whole(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

/// The items of whole lines.
fn read(path: &Path, lines: &[u8]) -> Result<Vec<ItemRecord>, ItemLogError> {
    let lines = lines.split(|byte| *byte == b'\n').zip(1..).filter(|(line, _)| !line.is_empty());
    let item = |(bytes, line): (&[u8], usize)| {
        let damaged = |problem: String| ItemLogError::Damaged { path: path.to_owned(), line, problem };
        serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))
    };
    lines.map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Value;
    use crate::time::Timestamp;

    fn items() -> Vec<ItemRecord> {
        let extra = [("year".to_owned(), Value::Number(1995.0)), ("organic".to_owned(), Value::Flag(true))];
        let tea = ItemRecord {
            title: Some("Tea\nfor two".into()),
            price: Some(3.3),
            created_at: Some(Timestamp::from_secs(7)),
            extra: extra.into(),
            ..ItemRecord::new("tea")
        };
        vec![tea, ItemRecord::new("käse:日本 語")]
    }

    #[test]
    fn whatever_is_cut_off_the_end_the_others_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/items.jsonl");
        let (log, known) = ItemLog::open(&path).unwrap();
        assert_eq!(known, []);
        log.append(&items()).unwrap();
        assert!(matches!(ItemLog::open(&path), Err(ItemLogError::Busy(_))));
        drop(log);
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let (log, known) = ItemLog::open(&path).unwrap();
            let n_whole = bytes[..length].split(|byte| *byte == b'\n').count() - 1;
            assert_eq!(known, items()[..n_whole], "of {length} bytes");
            log.append(&items()[1..]).unwrap();
            drop(log);
            assert_eq!(ItemLog::open(&path).unwrap().1.len(), n_whole + 1);
        }
    }

    #[test]
    fn what_is_no_item_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.jsonl");
        std::fs::write(&path, "{\"key\":\"tea\"}\n{\"kee\":1}\n").unwrap();
        let error = ItemLog::open(&path).unwrap_err().to_string();
        assert!(error.contains("line 2 is no item") && error.contains("kee"), "{error}");
    }
}
