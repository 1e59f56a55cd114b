//! Everything in a journal, record by record.

use super::{Cursor, Damage, Record, Step};
use std::io;

/// Why there is no event at some place; what follows may be read nevertheless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// A file is damaged.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A record is something else than it should be.
    #[error("the record at position {position} cannot be understood: {cause}")]
    Foreign {
        /// Its position.
        position: u64,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
}

/// Records with their positions, up to the last when it is reached or to what the system does not let be read.
#[derive(Debug)]
pub(in crate::store) struct Records {
    cursor: Cursor,
    waiting: std::vec::IntoIter<(u64, Record)>,
    is_over: bool,
}

impl Records {
    pub(in crate::store) fn new(cursor: Cursor) -> Self {
        Self { cursor, waiting: Vec::new().into_iter(), is_over: false }
    }
}

impl Iterator for Records {
    type Item = Result<(u64, Record), ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            if let Some(record) = self.waiting.next() {
                return Some(Ok(record));
            }
            match self.cursor.step() {
                Ok(Step::Records(records)) => self.waiting = records.into_iter(),
                Ok(Step::Damage(damage)) => return Some(Err(damage.into())),
                Ok(Step::End | Step::Closed) => self.is_over = true,
                Err(cause) => {
                    self.is_over = true;
                    return Some(Err(cause.into()));
                }
            }
        }
        None
    }
}
