//! The consumer that keeps the live layer up to date.

use super::Recommender;
use crate::consume::Consumer;
use crate::error::{Fault, FaultKind};
use crate::store::Delivery;
use async_trait::async_trait;
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
}

impl LiveFeed {
    /// The name of its group in the log.
    pub const NAME: &str = "live";

    /// Feeds `recommender` and writes to the file `checkpoint`.
    pub fn new(recommender: Recommender, checkpoint: PathBuf) -> Self {
        Self { recommender, checkpoint }
    }
}

#[async_trait]
impl Consumer for LiveFeed {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        let snapshot = self.recommender.snapshot();
        self.recommender.feel(&snapshot, deliveries.iter().map(|Delivery { place, event }| (*place, event)));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let (recommender, path) = (self.recommender.clone(), self.checkpoint.clone());
        // Writing takes seconds where there are many users, which belong to no thread that answers.
        let write = move || recommender.live().checkpoint().write(&path);
        let written = tokio::task::spawn_blocking(write).await;
        let unavailable = |cause| Fault::new(Self::NAME, FaultKind::Unavailable).because(cause);
        written
            .map_err(|cause| Fault::new(Self::NAME, FaultKind::Internal).because(cause))?
            .map_err(unavailable)
    }
}
