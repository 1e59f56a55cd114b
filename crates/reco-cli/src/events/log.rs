//! The log itself, wherever it is.

use crate::{Failure, Session};
use reco_core::live::Places;
use reco_core::pipeline::Recommender;
use reco_core::store::{Delivery, DurableLog, EventSink, EventSource};
use reco_core::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

/// Where accepted events are kept.
#[derive(Clone, Debug)]
pub(crate) enum Log {
    /// On disk, for this process alone.
    Disk(Arc<DurableLog>),
    /// Elsewhere, with other processes.
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "Kafka is the only one"))]
    Remote(Arc<dyn RemoteLog>),
}

/// A reader of everything, and where in each partition it begins.
pub(crate) type Whole = (Box<dyn EventSource>, BTreeMap<u32, u64>);

/// A log that several processes write and read.
pub(crate) trait RemoteLog: Debug + Send + Sync {
    /// Takes events.
    fn sink(&self) -> Arc<dyn EventSink>;

    /// A member of the group of a consumer whose work the processes share.
    fn member(&self, consumer: &str) -> Result<Box<dyn EventSource>, Failure>;

    /// A reader for a consumer of this process, which needs all events that it does not know.
    fn whole(&self, consumer: &str, known: &Places) -> Result<Whole, Failure>;

    /// Where exposures to experiments are copied to, if anywhere.
    fn experiments(&self) -> Result<Option<Arc<dyn EventSink>>, Failure>;

    /// Where each partition begins; what was before is gone.
    fn begins(&self) -> Result<BTreeMap<u32, u64>, Failure>;

    /// Lets the recommender know of what is kept by now and it does not know yet. `checkpoint` is where it would be
    /// written down.
    fn restore(&self, session: &Session, recommender: &Recommender, checkpoint: &Path)
    -> Result<(), Failure>;
}

impl Log {
    /// Takes events.
    pub(crate) fn sink(&self) -> Arc<dyn EventSink> {
        match self {
            Self::Disk(log) => Arc::<DurableLog>::clone(log),
            Self::Remote(log) => log.sink(),
        }
    }

    /// Where exposures to experiments are copied to, if anywhere.
    pub(crate) fn experiments(&self) -> Result<Option<Arc<dyn EventSink>>, Failure> {
        match self {
            Self::Disk(_) => Ok(None),
            Self::Remote(log) => log.experiments(),
        }
    }

    /// A reader for a consumer whose work the processes of a fleet share.
    pub(crate) fn member(&self, consumer: &str) -> Result<Box<dyn EventSource>, Failure> {
        match self {
            Self::Disk(log) => Ok(Box::new(log.reader(consumer).map_err(|fault| fault.message())?)),
            Self::Remote(log) => log.member(consumer),
        }
    }

    /// A reader for a consumer of this process, which needs all events that it does not know.
    pub(crate) fn whole(&self, consumer: &str, known: &Places) -> Result<Whole, Failure> {
        match self {
            // Its position is kept with the log.
            Self::Disk(_) => Ok((self.member(consumer)?, BTreeMap::new())),
            Self::Remote(log) => log.whole(consumer, known),
        }
    }

    /// Lets a consumer begin anew, or hold back nothing that grows old, because it is not there any more.
    pub(crate) fn forget(&self, consumer: &str) -> Result<(), Failure> {
        match self {
            Self::Disk(log) => drop(log.forget_group(consumer)?),
            // Who reads there alone has no position to be forgotten.
            Self::Remote(_) => {}
        }
        Ok(())
    }

    /// Whether there never was an event.
    pub(crate) fn is_unused(&self) -> bool {
        matches!(self, Self::Disk(log) if log.range().end == 0)
    }

    /// Where each partition begins; what was before is gone.
    pub(crate) fn begins(&self) -> Result<BTreeMap<u32, u64>, Failure> {
        match self {
            Self::Disk(log) => Ok(BTreeMap::from([(0, log.range().start)])),
            Self::Remote(log) => log.begins(),
        }
    }

    /// When the latest event on disk happened of those that are not known; nobody else is asked.
    pub(super) fn latest_after(&self, known: &Places) -> Option<Timestamp> {
        let Self::Disk(log) = self else { return None };
        log.scan(unknown(log, known)).filter_map(|found| Some(found.ok()?.event.at)).max()
    }

    /// What is on disk, can be read and is not known; nobody else is asked.
    pub(crate) fn unknown_on_disk(&self, known: &Places) -> Box<dyn Iterator<Item = Delivery> + '_> {
        match self {
            Self::Disk(log) => Box::new(log.scan(unknown(log, known)).filter_map(Result::ok)),
            Self::Remote(_) => Box::new(std::iter::empty()),
        }
    }

    /// Lets the recommender know of what is kept and it does not know yet.
    pub(super) fn restore(
        &self,
        session: &Session,
        recommender: &Recommender,
        checkpoint: &Path,
    ) -> Result<(), Failure> {
        match self {
            Self::Disk(log) => restore(log, session, recommender),
            Self::Remote(log) => log.restore(session, recommender, checkpoint)?,
        }
        Ok(())
    }
}

fn restore(log: &DurableLog, session: &Session, recommender: &Recommender) {
    let (first, end) = (unknown(log, &recommender.live().applied()), log.range().end);
    if first >= end {
        return;
    }
    session.progress.begin("restoring events", end - first);
    let mut n_events = 0;
    let readable = log.scan(first).filter_map(|found| {
        session.progress.advance(1);
        found.map_err(|error| session.output.note(&error.to_string())).ok()
    });
    recommender.restore(readable.inspect(|_| n_events += 1));
    // What is damaged was told, and is not looked for again.
    recommender.live().pass_over(0, first..end);
    session.progress.end(&format!("{n_events} of earlier"));
}

/// The position from which on the log has what is not known yet.
fn unknown(log: &DurableLog, known: &Places) -> u64 {
    known.next(0, log.range().start)
}
