//! Where events go that cannot be used, until somebody has looked at them.

use super::journal::{Journal, JournalError, LogConfig, Record, Records, Recovery, ScanError};
use crate::error::{Fault, FaultKind};
use crate::event::{Arrival, Draft, Event, EventId, FieldProblem};
use crate::time::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

/// An event that could not be used, as it came, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it came.
    pub at: Timestamp,
    /// What came.
    pub event: Value,
    /// Everything that was wrong with it.
    pub problems: Vec<FieldProblem>,
}

impl DeadLetter {
    /// The event, if it can be read by now, as if it came when it did. `number` is the letter's: an event without an id
    /// gets one made of it, so that it counts once however often it is tried.
    ///
    /// # Errors
    ///
    /// Everything that is still wrong with it.
    pub fn revive(&self, number: u64) -> Result<Event, Vec<FieldProblem>> {
        let arrival = Arrival::at(self.at);
        let draft = Draft::read(&self.event, arrival)?;
        Ok(draft.complete(arrival, || EventId::v7(self.at, number.into())))
    }
}

/// Keeps dead letters in a folder, until they are settled or [old](LogConfig).
///
/// ```
/// use reco_core::store::{DeadLetter, DeadLetters, LogConfig};
/// use reco_core::time::{SystemClock, Timestamp};
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let (dead, _) = DeadLetters::open(folder.path(), &LogConfig::default(), Arc::new(SystemClock))?;
/// let event = serde_json::json!({"item_id": "tea"});
/// let letter = DeadLetter { at: Timestamp::from_secs(7), event, problems: vec![] };
/// dead.put(&[letter.clone()]).await?;
/// let (outstanding, unreadable) = dead.outstanding();
/// assert_eq!((&outstanding[..], unreadable.len()), (&[(0, letter)][..], 0));
/// dead.settle(&[0]).await?;
/// assert!(dead.outstanding().0.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct DeadLetters {
    journal: Journal,
    clock: Arc<dyn Clock>,
    ids: RandomState,
}

/// Dead letters with their numbers.
pub type Letters = Vec<(u64, DeadLetter)>;

/// The name in metrics and faults.
const NAME: &str = "dead_letters";

/// What is written down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Letter(DeadLetter),
    /// Numbers of letters that are done with.
    Settled(BTreeSet<u64>),
}

impl DeadLetters {
    /// Opens the dead letters in a folder, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// As [`DurableLog::open`](super::DurableLog::open).
    pub fn open(
        folder: &Path,
        config: &LogConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), JournalError> {
        let (journal, recovery) = Journal::open(folder, config, Arc::clone(&clock))?;
        Ok((Self { journal, clock, ids: RandomState::new() }, recovery))
    }

    /// Keeps letters; they are on the disk once this returns.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when none was kept.
    pub async fn put(&self, letters: &[DeadLetter]) -> Result<(), Fault> {
        let entries = letters.iter().map(|letter| Entry::Letter(letter.clone()));
        self.write(entries.collect()).await
    }

    /// Marks letters as done with, by their numbers.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when that could not be written down.
    pub async fn settle(&self, numbers: &[u64]) -> Result<(), Fault> {
        self.write(vec![Entry::Settled(numbers.iter().copied().collect())]).await
    }

    /// Letters that are not settled with their numbers, oldest first, and what cannot be read.
    pub fn outstanding(&self) -> (Letters, Vec<ScanError>) {
        outstanding(Records::new(self.journal.cursor(0)))
    }

    /// As [`outstanding`](Self::outstanding), of a folder that another process may be writing to.
    ///
    /// # Errors
    ///
    /// As [`DurableLog::look`](super::DurableLog::look).
    pub fn look(folder: &Path) -> Result<(Letters, Vec<ScanError>), JournalError> {
        Ok(outstanding(Records::new(Journal::look(folder, 0)?)))
    }

    async fn write(&self, entries: Vec<Entry>) -> Result<(), Fault> {
        let unwritable = |cause: serde_json::Error| Fault::new(NAME, FaultKind::Invalid).because(cause);
        let now = self.clock.wall();
        let record = |(place, entry): (usize, Entry)| {
            let text = serde_json::to_vec(&entry)?;
            // Equal letters are two letters: the id only has to be new.
            let random = u128::from(self.ids.hash_one((place, self.journal.range().end, &text)));
            Ok(Record { id: EventId::v7(now, random).0, text: text.into() })
        };
        let records = entries.into_iter().enumerate().map(record).collect::<Result<_, _>>();
        self.journal.append(NAME, records.map_err(unwritable)?).await.map(|_| ())
    }
}

fn outstanding(records: Records) -> (Letters, Vec<ScanError>) {
    let (mut letters, mut settled, mut unreadable) = (Vec::new(), BTreeSet::new(), Vec::new());
    for record in records {
        let read = record.and_then(|(position, record)| {
            let entry = serde_json::from_slice(&record.text);
            entry.map(|entry| (position, entry)).map_err(|cause| ScanError::Foreign { position, cause })
        });
        match read {
            Ok((number, Entry::Letter(letter))) => letters.push((number, letter)),
            Ok((_, Entry::Settled(numbers))) => settled.extend(numbers),
            Err(error) => unreadable.push(error),
        }
    }
    letters.retain(|(number, _)| !settled.contains(number));
    (letters, unreadable)
}
