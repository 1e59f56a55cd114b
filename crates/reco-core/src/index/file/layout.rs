//! The header and the table of sections, as bytes; see [the room](super) for their layout.

use super::super::Metric;
use super::Problem;
use std::ops::Range;

const MAGIC: &[u8; 8] = b"RECOINDX";
const VERSION: u32 = 1;
const HEADER: usize = 64;
const ENTRY: usize = 32;
const MOST_SECTIONS: usize = 64;
/// Sections begin at multiples of this, a cache line, so that numbers and rows of bytes are aligned.
const ALIGNED: usize = 64;
/// The header's checksum lies here.
const CHECKSUM: Range<usize> = 60..64;

/// Metrics by their numbers from 1 on.
const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u32,
    pub(super) metric: Metric,
    pub(super) n_vectors: usize,
    pub(super) dim: usize,
    pub(super) sections: Vec<Section>,
}

/// One section of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: Name,
    pub(super) start: usize,
    /// Without the zeros at its end.
    pub(super) len: usize,
    pub(super) checksum: u32,
}

/// Up to eight letters, filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name([u8; 8]);

impl Head {
    /// Bytes before the first section.
    pub(super) fn len(n_sections: usize) -> usize {
        (HEADER + n_sections * ENTRY).next_multiple_of(ALIGNED)
    }

    /// The header, the table and the zeros behind it, of a file of `file_len` bytes.
    pub(super) fn to_bytes(&self, file_len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::len(self.sections.len()));
        let metric = METRICS.iter().position(|&metric| metric == self.metric).map_or(0, |at| at + 1);
        bytes.extend(MAGIC);
        let numbers = [VERSION, self.kind, metric as u32, self.sections.len() as u32];
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let numbers = [self.n_vectors as u64, self.dim as u64, file_len as u64];
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.resize(HEADER, 0);
        for section in &self.sections {
            bytes.extend(section.name.0);
            bytes.extend((section.start as u64).to_le_bytes());
            bytes.extend((section.len as u64).to_le_bytes());
            bytes.extend(section.checksum.to_le_bytes());
            bytes.extend([0; 4]);
        }
        bytes.resize(Self::len(self.sections.len()), 0);
        let checksum = checksum(&bytes);
        bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote at the beginning of a file.
    pub(super) fn from_bytes(file: &[u8]) -> Result<Self, Problem> {
        if !file.starts_with(&MAGIC[..file.len().min(MAGIC.len())]) {
            return Err(Problem::Foreign);
        }
        let cut = |want: usize| Problem::Truncated { found: file.len() as u64, want: want as u64 };
        let Some(header) = file.first_chunk::<HEADER>() else { return Err(cut(HEADER)) };
        match u32_at(header, 8) {
            VERSION => {}
            0 => return Err(corrupt("the version is 0")),
            found => return Err(Problem::Newer { found, known: VERSION }),
        }
        let n_sections = u32_at(header, 20) as usize;
        if n_sections > MOST_SECTIONS {
            return Err(corrupt("the header lists too many sections"));
        }
        let len = Self::len(n_sections);
        let head = file.get(..len).ok_or_else(|| cut(len))?;
        if checksum(head) != u32_at(header, CHECKSUM.start) {
            return Err(corrupt("the header differs from its checksum"));
        }
        let whole = usize_at(header, 40)?;
        if file.len() < whole {
            return Err(cut(whole));
        }
        let metric = METRICS.get((u32_at(header, 16) as usize).wrapping_sub(1));
        let sections = head[HEADER..].as_chunks::<ENTRY>().0[..n_sections].iter().map(Section::from_bytes);
        let head = Self {
            kind: u32_at(header, 12),
            metric: *metric.ok_or_else(|| corrupt("no metric has the number in the header"))?,
            n_vectors: usize_at(header, 24)?,
            dim: usize_at(header, 32)?,
            sections: sections.collect::<Result<_, _>>()?,
        };
        head.check(len, file.len())?;
        Ok(head)
    }

    /// Refuses sections that do not lie one after the other from `start` to `end`.
    fn check(&self, start: usize, end: usize) -> Result<(), Problem> {
        let after = self.sections.iter().try_fold(start, |start, section| {
            (section.start == start).then(|| section.filled_up().map(|range| range.end)).flatten()
        });
        if after != Some(end) || u32::try_from(self.n_vectors).is_err() {
            return Err(corrupt("the header contradicts itself or the file's length"));
        }
        Ok(())
    }
}

impl Section {
    /// Where a section of `len` bytes ends that begins at `start`, with the zeros at its end.
    pub(super) fn end(start: usize, len: usize) -> Option<usize> {
        start.checked_add(len)?.checked_next_multiple_of(ALIGNED)
    }

    /// Where it lies, with the zeros at its end.
    pub(super) fn filled_up(&self) -> Option<Range<usize>> {
        Some(self.start..Self::end(self.start, self.len)?)
    }

    fn from_bytes(bytes: &[u8; ENTRY]) -> Result<Self, Problem> {
        let name = Name(std::array::from_fn(|at| bytes[at]));
        let (start, len) = (usize_at(bytes, 8)?, usize_at(bytes, 16)?);
        Ok(Self { name, start, len, checksum: u32_at(bytes, 24) })
    }
}

impl Name {
    /// Of up to eight letters; more are left out.
    pub(super) fn new(name: &str) -> Self {
        Self(std::array::from_fn(|at| name.as_bytes().get(at).copied().unwrap_or(0)))
    }

    /// As text, for errors.
    pub(super) fn text(self) -> String {
        String::from_utf8_lossy(&self.0).trim_end_matches('\0').to_owned()
    }
}

/// Of the header and the table, but for the place of the checksum itself.
fn checksum(head: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..CHECKSUM.start]);
    hasher.update(&head[CHECKSUM.end..]);
    hasher.finalize()
}

fn corrupt(what: &str) -> Problem {
    Problem::Corrupt(what.to_owned())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]))
}

fn usize_at(bytes: &[u8], at: usize) -> Result<usize, Problem> {
    let number = u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    usize::try_from(number).map_err(|_| corrupt("a number in the header is too large"))
}
