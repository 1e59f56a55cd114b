//! Metrics of an experiment, kept up to date by events: a consumer of its own beside all others. Users are split into
//! two arms; the share of users who saw something and bought is counted for each, every event once.
//!
//! `cargo run --example experiment_metrics`

use async_trait::async_trait;
use reco::consume::{Consumer, Pace, Progress, consume};
use reco::error::Fault;
use reco::event::{Action, Event, EventId};
use reco::experiment::{Experiment, HashSplit};
use reco::id::UserKey;
use reco::live::Places;
use reco::store::{Delivery, EventSink, MemoryLog};
use reco::time::{SystemClock, Timestamp};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

const ARMS: [&str; 2] = ["as it was", "new ranker"];

/// Who saw something, and who bought, by arm.
#[derive(Debug, Default)]
struct Counts {
    seen: Places,
    exposed: [BTreeSet<UserKey>; 2],
    converted: [BTreeSet<UserKey>; 2],
}

/// Reads events and keeps the counts.
#[derive(Debug)]
struct Conversion {
    experiment: HashSplit,
    counts: Arc<Mutex<Counts>>,
}

#[async_trait]
impl Consumer for Conversion {
    fn name(&self) -> &'static str {
        "conversion"
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for Delivery { place, event } in deliveries {
            // What comes again after a failure has counted already.
            let is_new = counts.seen.insert(*place);
            let Some(arm) = self.experiment.assign(&event.user).filter(|_| is_new) else { continue };
            let arm = usize::from(arm.0);
            match event.action {
                Action::Impression => counts.exposed[arm].insert(event.user.clone()),
                // A purchase of somebody who saw nothing says nothing of what was shown.
                Action::Purchase if counts.exposed[arm].contains(&event.user) => {
                    counts.converted[arm].insert(event.user.clone())
                }
                _ => continue,
            };
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        Ok(()) // A program that ends would write the counts, with the places they are of, into one file here.
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout()).await
}

/// Writes what came of each arm to `out`.
pub(crate) async fn run(out: &mut (dyn Write + Send)) -> Result<(), Box<dyn Error>> {
    let experiment = HashSplit::new("new-ranker", &[1.0, 1.0], 1.0)?;
    let log = MemoryLog::default();
    log.append(&events(&experiment)).await?;
    let counts = Arc::new(Mutex::new(Counts::default()));
    let consumer = Conversion { experiment, counts: Arc::clone(&counts) };
    let reader = log.reader(consumer.name());
    drop(log); // No more will come, so that consuming ends; in a server it goes on beside the pages.
    let progress = Arc::new(Progress::default());
    consume(reader, consumer, Pace::default(), progress, Arc::new(SystemClock), std::future::pending()).await;
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    for (arm, name) in ARMS.iter().enumerate() {
        let (exposed, converted) = (counts.exposed[arm].len(), counts.converted[arm].len());
        let share = 100.0 * converted as f64 / exposed.max(1) as f64;
        writeln!(out, "{name:<12} {exposed:>4} saw something, {converted:>4} of them bought: {share:.1} %")?;
    }
    Ok(())
}

/// A thousand users see something; every tenth buys, and every fifth where the new ranker is.
fn events(experiment: &HashSplit) -> Vec<Event> {
    let mut events = Vec::new();
    for number in 0..1_000 {
        let user = UserKey::from(format!("user{number}"));
        let is_new = experiment.assign(&user).is_some_and(|arm| arm.0 == 1);
        let buys = number % if is_new { 5 } else { 10 } == 0;
        for action in [Action::Impression, Action::Purchase].into_iter().take(1 + usize::from(buys)) {
            events.push(Event {
                id: EventId(1 + events.len() as u128),
                user: user.clone(),
                item: "tea".into(),
                action,
                value: None,
                at: Timestamp::from_secs(1_700_000_000 + number),
                details: None,
            });
        }
    }
    events
}
