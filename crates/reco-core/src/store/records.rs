//! Records of any kind in a folder, as JSON, written while nobody waits.

use super::journal::{Journal, JournalError, LogConfig, Record, Records, Recovery, ScanError};
use super::{Keep, Outbox, OutboxCounts, Pace};
use crate::error::{Fault, FaultKind};
use crate::event::EventId;
use crate::time::Clock;
use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A way into a journal, one process at a time. Cheap to clone.
#[derive(Debug)]
pub(crate) struct RecordLog<T>(Outbox<T>);

impl<T> Clone for RecordLog<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The journal that it leads to.
struct Kept {
    name: &'static str,
    journal: Journal,
    clock: Arc<dyn Clock>,
    ids: RandomState,
    n_records: AtomicU64,
}

impl<T: Serialize + Send + Sync> RecordLog<T> {
    /// Opens the journal in a folder, which is made where it is missing. The work ends once all clones are dropped and nothing waits.
    pub(crate) fn open(
        name: &'static str,
        folder: &Path,
        config: &LogConfig,
        clock: Arc<dyn Clock>,
        pace: Pace,
    ) -> Result<(Self, Recovery, impl Future<Output = ()> + Send + use<T>), JournalError> {
        let (journal, recovery) = Journal::open(folder, config, Arc::clone(&clock))?;
        let kept = Kept {
            name,
            journal,
            clock: Arc::clone(&clock),
            ids: RandomState::new(),
            n_records: AtomicU64::new(0),
        };
        let (outbox, work) = Outbox::new(clock, pace, kept);
        Ok((Self(outbox), recovery, work))
    }

    /// Sends a record on its way; false, and counted, if there is no room for it.
    pub(crate) fn send(&self, record: T) -> bool {
        self.0.send(record)
    }

    /// Counts one that could not be sent.
    pub(crate) fn lose(&self) {
        self.0.lose();
    }

    /// Resolves once all that was sent so far is on the disk; never, while that takes nothing.
    pub(crate) async fn flush(&self) {
        self.0.flush().await;
    }

    /// What became of them so far.
    pub(crate) fn counts(&self) -> OutboxCounts {
        self.0.counts()
    }
}

#[async_trait]
impl<T: Serialize + Sync> Keep<T> for Kept {
    async fn keep(&self, things: &[T]) -> Result<(), Fault> {
        let now = self.clock.wall();
        let record = |thing: &T| {
            let text = serde_json::to_vec(thing)?.into();
            // Equal records are two records: the id only has to be new.
            let random = self.ids.hash_one(self.n_records.fetch_add(1, Ordering::Relaxed));
            Ok(Record { id: EventId::v7(now, random.into()).0, text, event: None })
        };
        let unwritable = |cause: serde_json::Error| Fault::new(self.name, FaultKind::Invalid).because(cause);
        let records = things.iter().map(record).collect::<Result<_, _>>().map_err(unwritable)?;
        self.journal.append(self.name, records).await.map(drop)
    }
}

/// The records in a folder now, oldest first, while another process may be writing to it.
pub(crate) fn look<T: DeserializeOwned>(
    folder: &Path,
) -> Result<impl Iterator<Item = Result<T, ScanError>> + use<T>, JournalError> {
    let understood = |(position, record): (u64, Record)| {
        serde_json::from_slice(&record.text).map_err(|cause| ScanError::Foreign { position, cause })
    };
    Ok(Records::new(Journal::look(folder, 0)?).map(move |found| found.and_then(understood)))
}
