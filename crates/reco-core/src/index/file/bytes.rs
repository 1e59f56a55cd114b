//! The bytes of a file, mapped into memory or read.
//!
//! Mapping is the one unsafe thing here. It is sound as long as nobody writes to the file or cuts it
//! short while it is mapped, which Rust cannot check. Therefore:
//!
//! * [`save`](super::save) never writes into a file that others may have open: it writes another and
//!   renames it over the old one, whose bytes stay what they were for those who mapped them;
//! * the mapping is private and read-only, and is only ever lent as plain bytes or as numbers of which
//!   every pattern of bits is a value;
//! * what the bytes say is never trusted: readers check every number that is an index where they use it.
#![allow(unsafe_code, reason = "mapping a file has no safe interface")]

use memmap2::Mmap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;

/// Bytes that begin at an address which suits every number, eight bytes wide or less.
pub(in crate::index) enum Bytes {
    /// Pages of the file, read when they are touched.
    Mapped(Mmap),
    /// A copy, in whole words, and its length in bytes.
    Copied(Vec<u64>, usize),
}

impl Bytes {
    /// Maps a file, which must not be written to while it is mapped; see the module.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        // SAFETY: the callers document that mapped files are replaced, not written to; see the module.
        Ok(Self::Mapped(unsafe { Mmap::map(file)? }))
    }

    /// Reads the next `len` bytes of a file; an error where there are fewer.
    pub(in crate::index) fn read(file: &mut impl Read, len: usize) -> io::Result<Self> {
        let mut words = vec![0u64; len.div_ceil(size_of::<u64>())];
        file.read_exact(&mut bytemuck::cast_slice_mut(&mut words)[..len])?;
        Ok(Self::Copied(words, len))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Copied(words, len) => &bytemuck::cast_slice(words)[..*len],
        }
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
