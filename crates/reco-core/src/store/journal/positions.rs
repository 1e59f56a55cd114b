//! How far each group of readers has come, in a small file for each.
//!
//! A file has two slots that are written in turn, so that a process that is killed while writing leaves the older one.
//! They are not forced to the disk: after a loss of power a group may read again what it had committed, which consumers
//! must be able to bear anyway.

use super::JournalError;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A position, the number of the write, CRC-32 of these.
const SLOT_BYTES: usize = 20;
const ENDING: &str = ".position";

#[derive(Debug)]
pub(super) struct Positions {
    folder: PathBuf,
    groups: BTreeMap<Arc<str>, Slots>,
}

#[derive(Debug)]
struct Slots {
    file: File,
    position: u64,
    writes: u64,
}

impl Positions {
    /// Those of all groups that there ever were, in a folder that is made where it is missing.
    pub(super) fn open(folder: &Path) -> Result<Self, JournalError> {
        let cannot = |cause| JournalError::io(folder, cause);
        fs::create_dir_all(folder).map_err(cannot)?;
        let mut groups = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            let group = path.file_name().and_then(|name| unescaped(name.to_str()?.strip_suffix(ENDING)?));
            if let Some(group) = group {
                let slots = Slots::open(&path).map_err(|cause| JournalError::io(&path, cause))?;
                groups.insert(group.into(), slots);
            }
        }
        Ok(Self { folder: folder.to_owned(), groups })
    }

    /// Of nobody.
    pub(super) fn none() -> Self {
        Self { folder: PathBuf::new(), groups: BTreeMap::new() }
    }

    /// Where a group goes on; a new one begins at `first`.
    pub(super) fn enter(&mut self, group: &Arc<str>, first: u64) -> io::Result<u64> {
        if let Some(slots) = self.groups.get(group) {
            return Ok(slots.position.max(first));
        }
        let mut slots = Slots::open(&self.path(group))?;
        slots.put(first)?;
        self.groups.insert(Arc::clone(group), slots);
        Ok(first)
    }

    /// Moves a group on; one that was forgotten stays so, and none moves back.
    pub(super) fn commit(&mut self, group: &str, position: u64) -> io::Result<()> {
        match self.groups.get_mut(group) {
            Some(slots) if slots.position < position => slots.put(position),
            _ => Ok(()),
        }
    }

    /// Whether there was such a group.
    pub(super) fn forget(&mut self, group: &str) -> io::Result<bool> {
        match self.groups.remove(group) {
            Some(_) => fs::remove_file(self.path(group)).map(|()| true),
            None => Ok(false),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.groups.iter().map(|(group, slots)| (group, slots.position))
    }

    fn path(&self, group: &str) -> PathBuf {
        self.folder.join(format!("{}{ENDING}", escaped(group)))
    }
}

impl Slots {
    /// The newer of the slots that are whole.
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(2 * SLOT_BYTES as u64).read_to_end(&mut bytes)?;
        let (slots, _) = bytes.as_chunks::<SLOT_BYTES>();
        let (writes, position) = slots.iter().filter_map(slot).max().unwrap_or_default();
        Ok(Self { file, position, writes })
    }

    fn put(&mut self, position: u64) -> io::Result<()> {
        let writes = self.writes + 1;
        let mut slot = position.to_le_bytes().to_vec();
        slot.extend(writes.to_le_bytes());
        slot.extend(crc32fast::hash(&slot).to_le_bytes());
        self.file.seek(SeekFrom::Start(writes % 2 * SLOT_BYTES as u64))?;
        self.file.write_all(&slot)?;
        (self.position, self.writes) = (position, writes);
        Ok(())
    }
}

/// The number of the write and its position.
fn slot(bytes: &[u8; SLOT_BYTES]) -> Option<(u64, u64)> {
    let (text, crc) = bytes.split_at(16);
    let number = |at: usize| text[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    (crc32fast::hash(text).to_le_bytes() == *crc).then_some((number(8)?, number(0)?))
}

/// A group's name as that of a file: letters, digits, `-` and `_` as they are, of the rest the bytes.
fn escaped(group: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02x}"),
    };
    group.bytes().map(letter).collect()
}

fn unescaped(name: &str) -> Option<String> {
    let mut pieces = name.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_groups_are_names_of_files() {
        for group in ["features", "../a b", "Ä%/", ""] {
            let name = escaped(group);
            assert!(!name.contains(['/', '.', ' ']), "{name}");
            assert_eq!(unescaped(&name).as_deref(), Some(group));
        }
    }

    #[test]
    fn a_slot_that_was_torn_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let group: Arc<str> = "features".into();
        let mut positions = Positions::open(folder.path()).unwrap();
        positions.enter(&group, 0).unwrap();
        for position in [5, 9] {
            positions.commit("features", position).unwrap();
        }
        let at = |folder: &Path| Positions::open(folder).unwrap().iter().next().map(|(_, position)| position);
        assert_eq!(at(folder.path()), Some(9));
        let path = positions.path("features");
        // The third write went to the second slot.
        let mut bytes = fs::read(&path).unwrap();
        bytes[SLOT_BYTES] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(at(folder.path()), Some(5));
        fs::write(&path, &bytes[..7]).unwrap();
        assert_eq!(at(folder.path()), Some(0), "from the beginning, if nothing can be believed");
    }

    #[test]
    fn nobody_moves_back() {
        let folder = tempfile::tempdir().unwrap();
        let group: Arc<str> = "features".into();
        let mut positions = Positions::open(folder.path()).unwrap();
        assert_eq!(positions.enter(&group, 3).unwrap(), 3);
        positions.commit("features", 7).unwrap();
        positions.commit("features", 5).unwrap();
        assert_eq!(positions.enter(&group, 4).unwrap(), 7);
        assert!(positions.forget("features").unwrap() && !positions.forget("features").unwrap());
        assert_eq!(Positions::open(folder.path()).unwrap().iter().count(), 0);
    }
}
