//! Where events go that cannot be used, until somebody has looked at them.

mod replay;

pub use replay::{ReplayError, Replayed};

use super::journal::{Journal, JournalError, LogConfig, Record, Records, Recovery, ScanError};
use crate::error::{Fault, FaultKind};
use crate::event::{Arrival, Draft, Event, EventId, FieldProblem};
use crate::time::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// An event that could not be used, as it came, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it came.
    pub at: Timestamp,
    /// What the client's clock said then, where the batch told: its times are put right by the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// What came.
    pub event: Value,
    /// Everything that was wrong with it.
    pub problems: Vec<FieldProblem>,
}

impl DeadLetter {
    /// The event, if it can be used by now. `now` is what it is judged by, for the clock that it was refused by may have
    /// been wrong; where it does not say when it happened, that is when it came. `number` is the letter's: an event
    /// without an id gets one made of it, so that it counts once however often it is tried.
    ///
    /// # Errors
    ///
    /// Everything that is still wrong with it.
    pub fn revive(&self, number: u64, now: Timestamp) -> Result<Event, Vec<FieldProblem>> {
        let came = Arrival { now: self.at.min(now), sent_at: self.sent_at };
        let since = now.millis().saturating_sub(came.now.millis());
        // What the client's clock says by now.
        let told = |sent_at: Timestamp| Timestamp::from_millis(sent_at.millis().saturating_add(since));
        let draft = Draft::read(&self.event, Arrival { now, sent_at: self.sent_at.map(told) })?;
        let mut event = draft.complete(came, || EventId::v7(self.at, number.into()));
        let problems = event.problems(now);
        event.at = event.at.min(now);
        if problems.is_empty() { Ok(event) } else { Err(problems) }
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
/// let letter = DeadLetter { at: Timestamp::from_secs(7), sent_at: None, event, problems: vec![] };
/// dead.put(&[letter.clone()]).await?;
/// let outstanding = dead.outstanding(None, 10)?;
/// assert_eq!((outstanding.total, &outstanding.letters[..]), (1, &[(0, letter)][..]));
/// dead.settle(&[0]).await?;
/// assert_eq!(dead.outstanding(None, 10)?.total, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct DeadLetters {
    journal: Journal,
    clock: Arc<dyn Clock>,
    ids: RandomState,
    calls: AtomicU64,
    /// Held by whoever tries the letters again.
    replaying: Mutex<()>,
}

/// Some of the dead letters that are not settled.
#[derive(Debug, Default)]
pub struct Outstanding {
    /// How many there are all in all.
    pub total: usize,
    /// Some of them with their numbers, oldest first.
    pub letters: Vec<(u64, DeadLetter)>,
    /// Places that cannot be read.
    pub unreadable: Vec<ScanError>,
}

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
        Ok((
            Self {
                journal,
                clock,
                ids: RandomState::new(),
                calls: AtomicU64::new(0),
                replaying: Mutex::default(),
            },
            recovery,
        ))
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

    /// Up to `limit` letters that are not settled, those behind the number `after`.
    ///
    /// # Errors
    ///
    /// When the system does not let files be read.
    pub fn outstanding(&self, after: Option<u64>, limit: usize) -> io::Result<Outstanding> {
        outstanding(|| Ok(Records::new(self.journal.cursor(0))), after, limit)
    }

    /// As [`outstanding`](Self::outstanding), of a folder that another process may be writing to.
    ///
    /// # Errors
    ///
    /// As [`DurableLog::look`](super::DurableLog::look).
    pub fn look(folder: &Path, after: Option<u64>, limit: usize) -> Result<Outstanding, JournalError> {
        outstanding(|| Ok(Records::new(Journal::look(folder, 0)?)), after, limit)
    }

    async fn write(&self, entries: Vec<Entry>) -> Result<(), Fault> {
        let unwritable = |cause: serde_json::Error| Fault::new(NAME, FaultKind::Invalid).because(cause);
        let now = self.clock.wall();
        let record = |(place, entry): (usize, Entry)| {
            let text = written(entry)?;
            // Equal letters are two letters: the id only has to be new.
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            let random = u128::from(self.ids.hash_one((place, call)));
            Ok(Record { id: EventId::v7(now, random).0, text: text.into(), event: None })
        };
        let records = entries.into_iter().enumerate().map(record).collect::<Result<_, _>>();
        self.journal.append(NAME, records.map_err(unwritable)?).await.map(|_| ())
    }
}

/// An entry as JSON that can be read back: an event too deeply nested for that is kept as a text.
fn written(entry: Entry) -> Result<Vec<u8>, serde_json::Error> {
    let text = serde_json::to_vec(&entry)?;
    match entry {
        Entry::Letter(letter) if serde_json::from_slice::<Entry>(&text).is_err() => {
            let event = Value::String(letter.event.to_string());
            serde_json::to_vec(&Entry::Letter(DeadLetter { event, ..letter }))
        }
        _ => Ok(text),
    }
}

/// Looks twice: which are left, and at those that are wanted. So no more of them are in memory than are.
fn outstanding<E>(
    records: impl Fn() -> Result<Records, E>,
    after: Option<u64>,
    limit: usize,
) -> Result<Outstanding, E> {
    let (left, unreadable) = left(records()?);
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let wanted: BTreeSet<u64> = left.range((from, Bound::Unbounded)).take(limit).copied().collect();
    let letters = letters(records()?, &wanted).collect();
    Ok(Outstanding { total: left.len(), letters, unreadable })
}

/// Numbers of the letters that are not settled, and what cannot be read.
fn left(records: Records) -> (BTreeSet<u64>, Vec<ScanError>) {
    let (mut left, mut settled, mut unreadable) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for found in records.map(understood) {
        match found {
            Ok((number, Entry::Letter(_))) => {
                left.insert(number);
            }
            Ok((_, Entry::Settled(numbers))) => settled.extend(numbers),
            Err(error) => unreadable.push(error),
        }
    }
    left.retain(|number| !settled.contains(number));
    (left, unreadable)
}

/// The letters with these numbers.
fn letters(records: Records, wanted: &BTreeSet<u64>) -> impl Iterator<Item = (u64, DeadLetter)> {
    let letter = |found| match understood(found) {
        Ok((number, Entry::Letter(letter))) if wanted.contains(&number) => Some((number, letter)),
        _ => None,
    };
    records.filter_map(letter).take(wanted.len())
}

fn understood(found: Result<(u64, Record), ScanError>) -> Result<(u64, Entry), ScanError> {
    let (position, record) = found?;
    let entry = serde_json::from_slice(&record.text);
    entry.map(|entry| (position, entry)).map_err(|cause| ScanError::Foreign { position, cause })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SystemClock;

    #[tokio::test]
    async fn letters_come_by_the_page_and_whatever_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let (dead, _) =
            DeadLetters::open(folder.path(), &LogConfig::default(), Arc::new(SystemClock)).unwrap();
        let deep: Value = serde_json::from_str(&format!("{}{}", "[".repeat(126), "]".repeat(126))).unwrap();
        let letter =
            |event| DeadLetter { at: Timestamp::from_secs(7), sent_at: None, event, problems: vec![] };
        let same = letter(Value::from("the same"));
        dead.put(&[letter(deep.clone()), same.clone(), same.clone()]).await.unwrap();
        dead.put(std::slice::from_ref(&same)).await.unwrap();
        dead.settle(&[2]).await.unwrap();
        let page = |after, limit| {
            let Outstanding { total, letters, unreadable } = dead.outstanding(after, limit).unwrap();
            assert_eq!((total, unreadable.len()), (3, 0));
            letters.into_iter().map(|(number, _)| number).collect::<Vec<_>>()
        };
        assert_eq!((page(None, 2), page(Some(1), 9), page(Some(3), 9)), (vec![0, 1], vec![3], vec![]));
        let (_, first) = dead.outstanding(None, 1).unwrap().letters.remove(0);
        assert_eq!(first.event, Value::String(deep.to_string()), "too deep to be read back otherwise");
    }
}
