//! The consumer that keeps the live layer up to date.

use super::Recommender;
use crate::consume::{Consumer, write_aside};
use crate::error::Fault;
use crate::store::{Delivery, Place};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Feeds a recommender's live layer from the log, and writes [checkpoints](crate::live::Checkpoint) of it, from which the
/// next process goes on.
///
/// What [`Recommender::ingest`] has taken in comes here once more and is passed over; what other processes sent, and
/// what a caller of `ingest` did not wait for, is new. A checkpoint holds the state and which events are in it, in one
/// file that is there whole or not at all: so every event counts once, whenever a process is killed.
#[derive(Debug)]
pub struct LiveFeed {
    recommender: Recommender,
    checkpoint: PathBuf,
    /// By partition the offset that would come next, where that is known.
    next: BTreeMap<u32, u64>,
}

impl LiveFeed {
    /// The name of its group in the log.
    pub const NAME: &str = "live";

    /// Feeds `recommender` and writes to the file `checkpoint`.
    pub fn new(recommender: Recommender, checkpoint: PathBuf) -> Self {
        Self { recommender, checkpoint, next: BTreeMap::new() }
    }

    /// Says where in each partition its reader begins. Where an offset is missing in what follows, it is not that of an event,
    /// and will not be waited for by who goes on from a checkpoint.
    #[must_use]
    pub fn reading_from(mut self, starts: BTreeMap<u32, u64>) -> Self {
        self.next = starts;
        self
    }

    /// Takes note of offsets that no event has.
    fn pass_over_gaps(&mut self, deliveries: &[Delivery]) {
        for Delivery { place: Place { partition, offset }, .. } in deliveries {
            let next = self.next.insert(*partition, offset + 1);
            if let Some(next) = next.filter(|next| next < offset) {
                self.recommender.live().pass_over(*partition, next..*offset);
            }
        }
    }
}

#[async_trait]
impl Consumer for LiveFeed {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        self.pass_over_gaps(deliveries);
        let snapshot = self.recommender.snapshot();
        self.recommender.feel(&snapshot, deliveries.iter().map(|Delivery { place, event }| (*place, event)));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let (recommender, path) = (self.recommender.clone(), self.checkpoint.clone());
        write_aside(Self::NAME, move || recommender.live().checkpoint().write(&path)).await
    }
}
