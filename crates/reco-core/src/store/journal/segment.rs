//! Segment files: a header, then blocks in the order of their positions.

use super::block::{HEAD_BYTES, Head, MAGIC};
use super::{JournalError, Record};
use crate::time::Timestamp;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a segment file begins with; the last byte is the format's version.
const SEGMENT_MAGIC: [u8; 8] = *b"RECOLOG\x01";

/// Magic, position of the first record, time of creation, CRC-32 of these.
pub(super) const HEADER_BYTES: usize = 28;

/// Ends the names of segment files.
const ENDING: &str = ".log";

/// A segment as the folder shows it.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Position of its first record.
    pub(super) first: u64,
    pub(super) created: Timestamp,
    /// What of it may be read.
    pub(super) bytes: u64,
}

/// A range of a segment that cannot be read, and what is lost with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The bytes of it.
    pub bytes: Range<u64>,
    /// The positions of what cannot be read.
    pub lost: Range<u64>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes, lost } = self;
        let n_lost = lost.end.saturating_sub(lost.start);
        write!(
            f,
            "{} is damaged from byte {} to {}: {n_lost} records at position {} cannot be read",
            path.display(),
            bytes.start,
            bytes.end,
            lost.start
        )
    }
}

impl std::error::Error for Damage {}

impl Segment {
    /// Makes a new, empty one, durably.
    pub(super) fn create(folder: &Path, first: u64, created: Timestamp) -> io::Result<(Self, File)> {
        let path = folder.join(format!("{first:020}{ENDING}"));
        let mut header = SEGMENT_MAGIC.to_vec();
        header.extend(first.to_le_bytes());
        header.extend(created.millis().to_le_bytes());
        header.extend(crc32fast::hash(&header).to_le_bytes());
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        let written = file.write_all(&header).and_then(|()| file.sync_all()).and_then(|()| sync(folder));
        if let Err(cause) = written {
            // Best effort: an empty file in the way of the next attempt does no harm, either.
            let _ = fs::remove_file(&path);
            return Err(cause);
        }
        Ok((Self { path, first, created, bytes: HEADER_BYTES as u64 }, file))
    }

    /// The segments of a folder in order. One whose header was never finished holds nothing and is left out.
    pub(super) fn list(folder: &Path) -> Result<Vec<Self>, JournalError> {
        let cannot = |cause| JournalError::io(folder, cause);
        let mut segments = Vec::new();
        for entry in fs::read_dir(folder).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            let named = path.file_name().and_then(|name| name.to_str()?.strip_suffix(ENDING)?.parse().ok());
            if let Some(first) = named {
                segments.extend(Self::open(path, first)?);
            }
        }
        segments.sort_unstable_by_key(|segment| segment.first);
        Ok(segments)
    }

    /// Looks at the header. `None` if whoever began the segment was killed before it held anything.
    fn open(path: PathBuf, first: u64) -> Result<Option<Self>, JournalError> {
        let cannot = |cause| JournalError::io(&path, cause);
        let mut file = File::open(&path).map_err(cannot)?;
        let bytes = file.metadata().map_err(cannot)?.len();
        let mut header = [0; HEADER_BYTES];
        match file.read_exact(&mut header) {
            Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            read => read.map_err(cannot)?,
        }
        let (text, crc) = header.split_at(HEADER_BYTES - 4);
        let number = |at: usize| text[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let foreign =
            |problem: &str| JournalError::Foreign { path: path.clone(), problem: problem.to_owned() };
        let is_whole = crc32fast::hash(text).to_le_bytes() == *crc;
        if !is_whole && bytes == HEADER_BYTES as u64 {
            return Ok(None);
        }
        if text[..7] != SEGMENT_MAGIC[..7] {
            return Err(foreign("is no segment of a log"));
        }
        if text[7] != SEGMENT_MAGIC[7] {
            return Err(foreign("was written by another version of reco, by which it can be read"));
        }
        if !is_whole || number(8) != first {
            return Err(foreign("has a damaged header; move it away to go on without what it holds"));
        }
        let created = Timestamp::from_millis(number(16).cast_signed());
        Ok(Some(Self { path, first, created, bytes }))
    }
}

/// A new name is safe once the folder is, where folders can be opened.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder).map_or(Ok(()), |folder| folder.sync_all())
}

/// Walks over the blocks of one segment, whatever state they are in.
#[derive(Debug)]
pub(super) struct Blocks {
    file: File,
    segment: Segment,
    /// Where the next block should begin, and with which position.
    offset: u64,
    expected: u64,
}

/// How much of a block is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Its ids.
    Ids,
    /// All of it.
    Whole,
}

/// What a walk comes upon.
#[derive(Debug)]
pub(super) enum Found {
    /// A block, by the position of its first record.
    Block { first: u64, content: Content },
    /// A range that cannot be read, with what follows it.
    Damage(Damage),
    /// The end of what is whole.
    End,
}

/// What is in a block; without records if only its ids were looked at.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) ids: Vec<u128>,
    pub(super) records: Vec<Record>,
}

impl Blocks {
    pub(super) fn of(segment: &Segment) -> io::Result<Self> {
        let file = File::open(&segment.path)?;
        let (offset, expected) = (HEADER_BYTES as u64, segment.first);
        Ok(Self { file, segment: segment.clone(), offset, expected })
    }

    /// The segment that is walked over.
    pub(super) fn first(&self) -> u64 {
        self.segment.first
    }

    /// The position of the next record.
    pub(super) fn expected(&self) -> u64 {
        self.expected
    }

    /// The byte behind what was passed.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Lets the walk go on to what was written meanwhile.
    pub(super) fn grown_to(&mut self, bytes: u64) {
        self.segment.bytes = bytes;
    }

    /// The next thing, up to the record at position `until`, which is the next segment's.
    pub(super) fn next(&mut self, look: Look, until: u64) -> io::Result<Found> {
        if self.expected >= until {
            return Ok(Found::End);
        }
        let here = self.offset;
        if let Some((head, content)) = self.block(here, look)?
            && head.first >= self.expected
        {
            return Ok(self.passed(here, head, content));
        }
        match self.resynchronised(here + 1)? {
            Some((offset, head)) => Ok(self.skipped(offset, head)),
            None => Ok(self.ended(until)),
        }
    }

    /// Goes on behind the block that contains `position`, or stops before it, without reading bodies.
    pub(super) fn skip_to(&mut self, position: u64) -> io::Result<()> {
        while let Some(head) = self.head(self.offset)? {
            if head.first < self.expected || head.end() > position {
                break;
            }
            self.offset += head.block_bytes();
            self.expected = head.end();
        }
        Ok(())
    }

    /// Steps over a block; if its body is damaged, that is what is found.
    fn passed(&mut self, here: u64, head: Head, content: Option<Content>) -> Found {
        self.offset = here + head.block_bytes();
        self.expected = head.end();
        match content {
            Some(content) => Found::Block { first: head.first, content },
            None => Found::Damage(self.damage(here..self.offset, head.first..head.end())),
        }
    }

    fn skipped(&mut self, offset: u64, head: Head) -> Found {
        let damage = self.damage(self.offset..offset, self.expected..head.first);
        self.offset = offset;
        self.expected = head.first;
        Found::Damage(damage)
    }

    /// Nothing whole follows. In the last segment that is its end; in others something was to come.
    fn ended(&mut self, until: u64) -> Found {
        if until == u64::MAX {
            return Found::End;
        }
        let damage = self.damage(self.offset..self.segment.bytes, self.expected..until);
        self.offset = self.segment.bytes;
        self.expected = until;
        Found::Damage(damage)
    }

    fn damage(&self, bytes: Range<u64>, lost: Range<u64>) -> Damage {
        Damage { path: self.segment.path.clone(), bytes, lost }
    }

    /// The head of the block at `offset`, if a whole block can be there.
    fn head(&mut self, offset: u64) -> io::Result<Option<Head>> {
        let mut bytes = [0; HEAD_BYTES];
        if offset + HEAD_BYTES as u64 > self.segment.bytes {
            return Ok(None);
        }
        self.read(offset, &mut bytes)?;
        Ok(Head::read(&bytes).filter(|head| offset + head.block_bytes() <= self.segment.bytes))
    }

    /// The block at `offset`. Its content is missing where only the head can be believed.
    fn block(&mut self, offset: u64, look: Look) -> io::Result<Option<(Head, Option<Content>)>> {
        let Some(head) = self.head(offset)? else { return Ok(None) };
        let mut table = vec![0; head.table_bytes()];
        self.read(offset + HEAD_BYTES as u64, &mut table)?;
        let Some(table) = head.table(&table) else { return Ok(Some((head, None))) };
        let mut body = vec![0; head.body_bytes];
        self.read(offset + (HEAD_BYTES + head.table_bytes()) as u64, &mut body)?;
        let records = match look {
            // Of a record that cannot be read the id is not known, either, so that it can be sent again.
            Look::Ids => head.is_body(&body).then(Vec::new),
            Look::Whole => head.records(&table, &body),
        };
        let ids = table.iter().map(|(id, _)| *id).collect();
        Ok(Some((head, records.map(|records| Content { ids, records }))))
    }

    /// The next whole block at or behind `from` that can follow what was read.
    fn resynchronised(&mut self, from: u64) -> io::Result<Option<(u64, Head)>> {
        const WINDOW: usize = 1 << 16;
        let mut at = from;
        while at + HEAD_BYTES as u64 <= self.segment.bytes {
            let mut window = vec![0; WINDOW.min((self.segment.bytes - at) as usize)];
            self.read(at, &mut window)?;
            let places = window.windows(MAGIC.len()).enumerate().filter(|(_, bytes)| **bytes == MAGIC);
            for (place, _) in places {
                let offset = at + place as u64;
                if let Some((head, Some(_))) = self.block(offset, Look::Whole)?
                    && head.first >= self.expected
                {
                    return Ok(Some((offset, head)));
                }
            }
            // A beginning at the window's end is looked at again.
            at += (window.len() - (MAGIC.len() - 1)).max(1) as u64;
        }
        Ok(None)
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(bytes)
    }
}
