//! Blocks: what one commit wrote, framed and checksummed.
//!
//! A block is a head, a table and a body, numbers little-endian:
//!
//! | | bytes | |
//! |---|---|---|
//! | head | 4 | `RBK1` |
//! | | 4 | number of records, at least 1 |
//! | | 8 | position of the first record |
//! | | 4 | bytes of the body |
//! | | 4 | CRC-32 of the body |
//! | | 4 | CRC-32 of the table |
//! | | 4 | CRC-32 of the head up to here |
//! | table | 20 each | of every record its id and the length of its text |
//! | body | | the texts, one behind the other |
//!
//! The table comes before the body so that ids can be collected without reading what they stand for.

use super::Record;
use crc32fast::hash;

/// What every block begins with. No JSON holds these bytes followed by a small number, for that has zeros.
pub(super) const MAGIC: [u8; 4] = *b"RBK1";

pub(super) const HEAD_BYTES: usize = 32;
const ENTRY_BYTES: usize = 20;

/// Blocks are kept small enough to be read whole; no more bytes are believed to belong to one.
pub(super) const MOST_BODY_BYTES: usize = 1 << 28;
pub(super) const MOST_RECORDS: usize = 1 << 20;

/// The first part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) n_records: usize,
    pub(super) first: u64,
    pub(super) body_bytes: usize,
    body_crc: u32,
    table_crc: u32,
}

impl Head {
    /// `None` for bytes that are no head.
    pub(super) fn read(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (checked, _) = bytes.split_at(HEAD_BYTES - 4);
        if checked[..4] != MAGIC || hash(checked) != word(28) {
            return None;
        }
        let head = Self {
            n_records: word(4) as usize,
            first: u64::from(word(8)) | u64::from(word(12)) << 32,
            body_bytes: word(16) as usize,
            body_crc: word(20),
            table_crc: word(24),
        };
        let fits = (1..=MOST_RECORDS).contains(&head.n_records) && head.body_bytes <= MOST_BODY_BYTES;
        fits.then_some(head)
    }

    pub(super) fn table_bytes(&self) -> usize {
        self.n_records * ENTRY_BYTES
    }

    /// Bytes of the whole block.
    pub(super) fn block_bytes(&self) -> u64 {
        (HEAD_BYTES + self.table_bytes() + self.body_bytes) as u64
    }

    /// The position behind the last record.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.n_records as u64)
    }

    /// Ids and lengths of the records; `None` if the table is damaged.
    pub(super) fn table(&self, bytes: &[u8]) -> Option<Vec<(u128, usize)>> {
        if bytes.len() != self.table_bytes() || hash(bytes) != self.table_crc {
            return None;
        }
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        let table: Vec<(u128, usize)> = entries.iter().map(entry).collect();
        let total: usize = table.iter().map(|(_, length)| length).sum();
        (total == self.body_bytes).then_some(table)
    }

    /// Whether the body is what was written.
    pub(super) fn is_body(&self, body: &[u8]) -> bool {
        body.len() == self.body_bytes && hash(body) == self.body_crc
    }

    /// The records; `None` if the body is damaged.
    pub(super) fn records(&self, table: &[(u128, usize)], mut body: &[u8]) -> Option<Vec<Record>> {
        if !self.is_body(body) {
            return None;
        }
        let mut records = Vec::with_capacity(table.len());
        for &(id, length) in table {
            let (text, rest) = body.split_at_checked(length)?;
            records.push(Record { id, text: text.into(), event: None });
            body = rest;
        }
        Some(records)
    }
}

fn entry(bytes: &[u8; ENTRY_BYTES]) -> (u128, usize) {
    let (mut id, mut length) = ([0; 16], [0; 4]);
    id.copy_from_slice(&bytes[..16]);
    length.copy_from_slice(&bytes[16..]);
    (u128::from_le_bytes(id), u32::from_le_bytes(length) as usize)
}

/// A block of `records`, the first of which has the position `first`.
pub(super) fn encode(first: u64, records: &[Record]) -> Vec<u8> {
    let body_bytes: usize = records.iter().map(|record| record.text.len()).sum();
    let mut table = Vec::with_capacity(records.len() * ENTRY_BYTES);
    let mut body_crc = crc32fast::Hasher::new();
    for Record { id, text, .. } in records {
        table.extend(id.to_le_bytes());
        table.extend((text.len() as u32).to_le_bytes());
        body_crc.update(text);
    }
    let mut block = Vec::with_capacity(HEAD_BYTES + table.len() + body_bytes);
    block.extend(MAGIC);
    block.extend((records.len() as u32).to_le_bytes());
    block.extend(first.to_le_bytes());
    block.extend((body_bytes as u32).to_le_bytes());
    block.extend(body_crc.finalize().to_le_bytes());
    block.extend(hash(&table).to_le_bytes());
    block.extend(hash(&block).to_le_bytes());
    block.extend(table);
    records.iter().for_each(|record| block.extend_from_slice(&record.text));
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(block: &[u8]) -> Option<(u64, Vec<Record>)> {
        let head = Head::read(block.first_chunk()?)?;
        let (table, body) = block.get(HEAD_BYTES..)?.split_at_checked(head.table_bytes())?;
        let table = head.table(table)?;
        Some((head.first, head.records(&table, body)?))
    }

    proptest! {
        #[test]
        fn a_block_comes_back_whole_or_not_at_all(
            first in any::<u64>(),
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..9),
            (at, bit) in (any::<prop::sample::Index>(), 0u8..8),
        ) {
            let text = |(id, text): (usize, Vec<u8>)| Record { id: id as u128, text: text.into(), event: None };
            let records: Vec<Record> = texts.into_iter().enumerate().map(text).collect();
            let mut block = encode(first, &records);
            prop_assert_eq!(decode(&block), Some((first, records)));
            let at = at.index(block.len());
            block[at] ^= 1 << bit;
            prop_assert_eq!(decode(&block), None, "a bit flipped in byte {}", at);
            block.truncate(at);
            prop_assert_eq!(decode(&block), None, "cut at byte {}", at);
        }
    }
}
