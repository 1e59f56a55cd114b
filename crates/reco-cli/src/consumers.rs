//! What becomes of the server's events beside pages: consumers of the log, each in a task of its own.

use crate::events::Events;
use crate::{Failure, Session};
use reco_core::consume::{Analytics, Consumer, Pace, Progress, consume};
use reco_core::pipeline::{LiveFeed, Recommender};
use reco_core::time::SystemClock;
use reco_train::history::HistoryWriter;
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
    ) -> Result<Self, Failure> {
        let (stop, _) = watch::channel(false);
        let analytics = Analytics::open(&events.analytics)?;
        let mut consumers = Self { progress: Vec::new(), analytics, running: Vec::new(), stop };
        let live = LiveFeed::new(recommender.clone(), events.checkpoint.clone());
        let minutes = session.config.events.checkpoint_minutes;
        let pace = Pace {
            flush_after: Duration::from_secs_f64(minutes * 60.0),
            flush_events: usize::MAX,
            ..Pace::default()
        };
        consumers.add(runtime, events, live, pace)?;
        if let Some(folder) = &events.history {
            consumers.add(runtime, events, HistoryWriter::new(folder), Pace::default())?;
        }
        consumers.add(runtime, events, consumers.analytics.clone(), Pace::default())?;
        consumers.running.push(runtime.spawn(tell(consumers.progress.clone(), consumers.stop.subscribe())));
        Ok(consumers)
    }

    fn add(
        &mut self,
        runtime: &Handle,
        events: &Events,
        consumer: impl Consumer,
        pace: Pace,
    ) -> Result<(), Failure> {
        let name: Arc<str> = consumer.name().into();
        let reader = events.log.reader(&name).map_err(|fault| fault.message())?;
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
        Ok(())
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
