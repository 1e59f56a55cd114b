//! What becomes of the server's events beside pages: consumers of the log, each in a task of its own.

use crate::events::{Events, Log};
use crate::experiments::Trials;
use crate::fleet::Fleet;
use crate::{Failure, Session};
use reco_core::consume::{Analytics, Consumer, Pace, Progress, consume};
use reco_core::experiment::{ExposureCopies, Ledger, Metrics};
use reco_core::live::Places;
use reco_core::pipeline::{LiveFeed, Recommender};
use reco_core::store::EventSource;
use reco_core::time::SystemClock;
use reco_train::history::HistoryWriter;
use reco_train::sessions::SessionWriter;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::warn;

/// The consumers that are running.
#[derive(Debug)]
pub(crate) struct Consumers {
    /// What comes of each, by name.
    pub(crate) progress: Vec<(Arc<str>, Arc<Progress>)>,
    /// What happened of late.
    pub(crate) analytics: Analytics,
    running: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Consumers {
    /// Starts all that the configuration asks for.
    pub(crate) fn start(
        session: &Session,
        runtime: &Handle,
        events: &Events,
        recommender: &Recommender,
        fleet: &Fleet,
        trials: Option<&Trials>,
    ) -> Result<Self, Failure> {
        let (stop, _) = watch::channel(false);
        let analytics = opened(session, &events.analytics, |path| Analytics::open(path))?;
        let mut consumers = Self { progress: Vec::new(), analytics, running: Vec::new(), stop };
        let (whole, starts) = events.log.whole(LiveFeed::NAME, &recommender.live().applied())?;
        let live = LiveFeed::new(recommender.clone(), events.checkpoint.clone()).reading_from(starts);
        let minutes = session.config.events.checkpoint_minutes;
        let seldom = Pace { flush_after: Duration::from_secs_f64(minutes * 60.0), ..Pace::default() };
        consumers.add(runtime, whole, live, Pace { flush_events: usize::MAX, ..seldom });
        if let (Some(folder), Log::Disk(_)) = (&events.history, &events.log) {
            if !folder.exists() {
                events.log.forget(HistoryWriter::NAME)?;
            }
            let reader = events.log.member(HistoryWriter::NAME)?;
            consumers.add(runtime, reader, HistoryWriter::new(folder), Pace::default());
        } else {
            events.log.forget(HistoryWriter::NAME)?;
        }
        if let (Some(folder), Log::Disk(_)) = (&events.sessions, &events.log) {
            let writer = opened(session, folder, |folder| {
                SessionWriter::open(folder, Arc::clone(recommender.clock()))
            })?;
            if writer.applied() == Places::default() {
                events.log.forget(SessionWriter::NAME)?;
            }
            let reader = events.log.member(SessionWriter::NAME)?;
            consumers.add(runtime, reader, writer, Pace { flush_events: MOST_EVENTS_IN_MEMORY, ..seldom });
        } else {
            events.log.forget(SessionWriter::NAME)?;
        }
        if !events.analytics.exists() {
            events.log.forget(Analytics::NAME)?;
        }
        let (whole, _) = events.log.whole(Analytics::NAME, &consumers.analytics.counted())?;
        consumers.add(runtime, whole, consumers.analytics.clone(), Pace::default());
        if let Some(Trials { ledger, metrics, .. }) = trials {
            for (name, known) in [(Ledger::NAME, ledger.applied()), (Metrics::NAME, metrics.counted())] {
                // Without what was counted before, as after metrics changed, the log is read from its beginning.
                if known == Places::default() {
                    events.log.forget(name)?;
                }
            }
            let (whole, _) = events.log.whole(Ledger::NAME, &ledger.applied())?;
            consumers.add(runtime, whole, ledger.clone(), Pace::default());
            let (whole, _) = events.log.whole(Metrics::NAME, &metrics.counted())?;
            consumers.add(runtime, whole, metrics.clone(), Pace::default());
            if let Some(sink) = events.log.experiments()? {
                let reader = events.log.member(ExposureCopies::NAME)?;
                consumers.add(runtime, reader, ExposureCopies::new(sink), Pace::default());
            }
        } else {
            events.log.forget(Ledger::NAME)?;
            events.log.forget(Metrics::NAME)?;
        }
        if let Some(feed) = fleet.feed(session, recommender) {
            let reader = events.log.member(feed.name())?;
            consumers.add(runtime, reader, feed, Pace::default());
        }
        consumers.running.push(runtime.spawn(tell(consumers.progress.clone(), consumers.stop.subscribe())));
        Ok(consumers)
    }

    fn add(&mut self, runtime: &Handle, reader: Box<dyn EventSource>, consumer: impl Consumer, pace: Pace) {
        let name: Arc<str> = consumer.name().into();
        let (progress, stop) = (Arc::new(Progress::default()), stopped(self.stop.subscribe()));
        self.progress.push((name, Arc::clone(&progress)));
        self.running.push(runtime.spawn(consume(
            reader,
            consumer,
            pace,
            progress,
            Arc::new(SystemClock),
            stop,
        )));
    }

    /// Lets them finish what they have begun.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        for running in self.running {
            if let Err(cause) = running.await {
                warn!("a consumer of events ended badly: {cause}");
            }
        }
    }
}

/// Events after which finished sessions are written, however soon that is.
const MOST_EVENTS_IN_MEMORY: usize = 1_000_000;

/// What a file or folder holds of the log; what is damaged is moved aside, and the log read from its beginning.
pub(crate) fn opened<T>(
    session: &Session,
    path: &Path,
    open: impl Fn(&Path) -> io::Result<T>,
) -> Result<T, Failure> {
    match open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {
            let aside = path.with_extension("damaged");
            fs::rename(path, &aside).map_err(|problem| format!("{cause}; {}: {problem}", aside.display()))?;
            let aside = aside.display();
            session.output.note(&format!("{cause}; the log is read anew, and what was there is now {aside}"));
            Ok(open(path)?)
        }
        opened => Ok(opened?),
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error is the end of who could say so.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Says when something goes wrong with one, once each.
async fn tell(progress: Vec<(Arc<str>, Arc<Progress>)>, stop: watch::Receiver<bool>) {
    let mut stop = std::pin::pin!(stopped(stop));
    let mut told = vec![None; progress.len()];
    let mut looks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = looks.tick() => {}
        }
        for ((name, progress), told) in progress.iter().zip(&mut told) {
            let last = progress.stage().last_failure;
            if last.is_some() && last != *told {
                warn!(
                    "the consumer `{name}` of events failed and will try again: {}",
                    last.as_deref().unwrap_or_default()
                );
                *told = last;
            }
        }
    }
}
