//! The sections of an index on their way into a file and out of it.

use super::super::array::Array;
use super::super::{Metric, VectorIndex};
use super::layout::{Head, Name, Section};
use super::{Bytes, Problem};
use bytemuck::Pod;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

/// An index that files can hold.
pub(in crate::index) trait Filed: VectorIndex + Sized {
    /// The number of its kind in the header.
    const KIND: u32;

    /// Adds its sections.
    fn write<'a>(&'a self, parts: &mut Outgoing<'a>);

    /// Reads them back; refuses whatever a search could stumble over.
    fn read(parts: &Incoming) -> Result<Self, Problem>;
}

/// What a live index has more in its number than what it was built over.
const LIVE: u32 = 16;

/// What goes into a file.
#[derive(Debug)]
pub(in crate::index) struct Outgoing<'a> {
    kind: u32,
    metric: Metric,
    n_vectors: usize,
    dim: usize,
    sections: Vec<(Name, Cow<'a, [u8]>)>,
}

/// What a file holds.
#[derive(Debug)]
pub(in crate::index) struct Incoming {
    bytes: Arc<Bytes>,
    head: Head,
}

impl<'a> Outgoing<'a> {
    pub(super) fn of<I: Filed>(index: &'a I) -> Self {
        let (metric, n_vectors, dim) = (index.metric(), index.len(), index.dim());
        let mut parts = Self { kind: I::KIND, metric, n_vectors, dim, sections: Vec::new() };
        index.write(&mut parts);
        parts
    }

    /// Says that changes follow what was added so far.
    pub(in crate::index) fn live(self) -> Self {
        Self { kind: self.kind + LIVE, ..self }
    }

    /// Adds a section.
    pub(in crate::index) fn add<T: Pod>(&mut self, name: &str, values: &'a [T]) {
        self.sections.push((Name::new(name), Cow::Borrowed(bytemuck::cast_slice(values))));
    }

    /// Adds a section of numbers that are only put together for the file.
    pub(in crate::index) fn add_copy<T: Pod>(&mut self, name: &str, values: &[T]) {
        self.sections.push((Name::new(name), Cow::Owned(bytemuck::cast_slice(values).to_vec())));
    }

    /// Writes everything and returns the length.
    pub(in crate::index) fn write(&self, file: &mut impl Write) -> io::Result<u64> {
        if cfg!(target_endian = "big") {
            return Err(io::Error::other(Problem::Unsupported));
        }
        let mut end = Head::len(self.sections.len());
        let mut sections = Vec::with_capacity(self.sections.len());
        for (name, bytes) in &self.sections {
            let start = end;
            end = Section::end(start, bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            let checksum = checksum(&[bytes, zeros(end - start - bytes.len())]);
            sections.push(Section { name: *name, start, len: bytes.len(), checksum });
        }
        let Self { kind, metric, n_vectors, dim, .. } = *self;
        let head = Head { kind, metric, n_vectors, dim, sections };
        file.write_all(&head.to_bytes(end))?;
        for ((_, bytes), section) in self.sections.iter().zip(&head.sections) {
            file.write_all(bytes)?;
            let filled_up = section.filled_up().map_or(0, |range| range.len());
            file.write_all(zeros(filled_up - bytes.len()))?;
        }
        Ok(end as u64)
    }
}

impl Incoming {
    /// Checks the header and the table.
    pub(super) fn new(bytes: Bytes) -> Result<Self, Problem> {
        if cfg!(target_endian = "big") {
            return Err(Problem::Unsupported);
        }
        let head = Head::from_bytes(&bytes)?;
        Ok(Self { bytes: Arc::new(bytes), head })
    }

    /// Compares the sections up to `longest` bytes with their checksums.
    pub(super) fn check_sections(&self, longest: usize) -> Result<(), Problem> {
        for section in self.head.sections.iter().filter(|section| section.len <= longest) {
            let bytes = section.filled_up().and_then(|range| self.bytes.get(range));
            if bytes.map(|bytes| checksum(&[bytes])) != Some(section.checksum) {
                let name = section.name.text();
                return Err(Problem::Corrupt(format!("the section `{name}` differs from its checksum")));
            }
        }
        Ok(())
    }

    /// The number of the kind of index, or of that which a live index was built over.
    pub(super) fn kind(&self) -> u32 {
        if self.is_live() { self.head.kind - LIVE } else { self.head.kind }
    }

    /// Whether changes follow.
    pub(in crate::index) fn is_live(&self) -> bool {
        self.head.kind >= LIVE
    }

    pub(in crate::index) fn metric(&self) -> Metric {
        self.head.metric
    }

    /// Number of vectors; fits into 32 bits.
    pub(in crate::index) fn n_vectors(&self) -> usize {
        self.head.n_vectors
    }

    pub(in crate::index) fn dim(&self) -> usize {
        self.head.dim
    }

    /// The numbers in a section.
    pub(in crate::index) fn array<T: Pod>(&self, name: &str) -> Result<Array<T>, Problem> {
        let array = self.find(name).and_then(|section| {
            let end = section.start.checked_add(section.len)?;
            Array::lent(&self.bytes, section.start..end)
        });
        array.ok_or_else(|| Problem::Corrupt(format!("the section `{name}` is missing or cut")))
    }

    /// A section of all numbers from 0 to that of the vectors, in any order.
    pub(in crate::index) fn permutation(&self, name: &str) -> Result<Array<u32>, Problem> {
        let array = self.array::<u32>(name)?;
        let mut seen = vec![false; array.len()];
        let is_new =
            |&item: &u32| seen.get_mut(item as usize).is_some_and(|seen| !std::mem::replace(seen, true));
        if array.len() != self.n_vectors() || !array.iter().all(is_new) {
            return Err(Problem::section(name));
        }
        Ok(array)
    }

    /// Whether there is such a section.
    pub(in crate::index) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&Section> {
        self.head.sections.iter().find(|section| section.name == Name::new(name))
    }
}

/// Fewer zeros than fill up a section.
fn zeros(n: usize) -> &'static [u8] {
    &[0; 64][..n]
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}
