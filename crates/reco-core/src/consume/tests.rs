use super::*;
use crate::error::FaultKind;
use crate::event::{Action, Event, EventId};
use crate::store::{EventSink, EventSource, MemoryLog};
use crate::time::{ManualClock, SystemClock, Timestamp};
use parking_lot::Mutex;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

/// Notes what it is given, and fails as it is told to.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    taken: Vec<u128>,
    flushes: usize,
    /// What the next calls come to; `None` to panic.
    troubles: Vec<Option<FaultKind>>,
    refused: Option<u128>,
}

impl Notes {
    fn trouble(&self) -> Result<(), Fault> {
        let trouble = self.0.lock().troubles.pop();
        match trouble {
            None => Ok(()),
            Some(Some(kind)) => Err(Fault::new("notes", kind)),
            Some(None) => panic!("the notes burn"),
        }
    }
}

#[async_trait]
impl Consumer for Notes {
    fn name(&self) -> &'static str {
        "notes"
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        self.trouble()?;
        let mut noted = self.0.lock();
        let ids: Vec<u128> = deliveries.iter().map(|delivery| delivery.event.id.0).collect();
        if noted.refused.is_some_and(|refused| ids.contains(&refused)) {
            return Err(Fault::new("notes", FaultKind::Invalid).because("illegible"));
        }
        noted.taken.extend(ids);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        self.trouble()?;
        self.0.lock().flushes += 1;
        Ok(())
    }
}

fn event(id: u128) -> Event {
    Event {
        id: EventId(id),
        user: "ann".into(),
        item: "tea".into(),
        action: Action::View,
        value: None,
        at: Timestamp::from_secs(7),
        details: None,
    }
}

async fn log_of(n_events: u128) -> MemoryLog {
    let log = MemoryLog::default();
    let events: Vec<Event> = (0..n_events).map(event).collect();
    log.append(&events).await.unwrap();
    log
}

/// No real time passes.
fn pace() -> Pace {
    Pace { batch: 10, pause: Duration::ZERO, ..Pace::default() }
}

async fn consume_all(log: MemoryLog, notes: &Notes) -> Stage {
    let (reader, progress) = (log.reader("notes"), Arc::new(Progress::default()));
    drop(log);
    consume(reader, notes.clone(), pace(), Arc::clone(&progress), Arc::new(SystemClock), pending()).await;
    progress.stage()
}

#[tokio::test]
async fn what_fails_comes_again_and_nothing_is_lost() {
    let notes = Notes::default();
    notes.0.lock().troubles = vec![None, Some(FaultKind::Unavailable), None, Some(FaultKind::Timeout)];
    let stage = consume_all(log_of(35).await, &notes).await;
    assert_eq!(notes.0.lock().taken, (0..35).collect::<Vec<_>>());
    assert_eq!((stage.taken, stage.flushed, stage.failures), (35, 35, 0));
    assert!(stage.last_failure.is_some_and(|told| told.contains("panicked")));
}

#[tokio::test]
async fn how_much_waits_is_told_while_it_fails_and_after() {
    let (notes, log, progress) = (Notes::default(), log_of(35).await, Arc::new(Progress::default()));
    let clock = ManualClock::starting_at(Timestamp::default());
    notes.0.lock().troubles = vec![Some(FaultKind::Timeout)];
    let pace = Pace { batch: 10, ..Pace::default() };
    let (reader, time) = (log.reader("notes"), Arc::new(clock.clone()));
    let consuming = consume(reader, notes.clone(), pace, Arc::clone(&progress), time, pending());
    let consuming = tokio::spawn(consuming);
    settle().await;
    assert_eq!((progress.stage().failures, progress.stage().behind), (1, Some(35)));
    clock.advance(Pace::LONGEST);
    settle().await;
    assert_eq!((progress.stage().taken, progress.stage().behind), (35, Some(0)));
    consuming.abort();
}

#[tokio::test]
async fn what_can_never_be_taken_in_is_passed_over_alone() {
    let notes = Notes::default();
    notes.0.lock().refused = Some(17);
    let stage = consume_all(log_of(35).await, &notes).await;
    assert_eq!(notes.0.lock().taken, (0..35).filter(|id| *id != 17).collect::<Vec<_>>(), "in order");
    assert_eq!((stage.taken, stage.passed_over, stage.failures), (34, 1, 0));
    let told = stage.last_failure.unwrap();
    assert!(told.contains("the event at 17 of partition 0") && told.contains("illegible"), "{told}");
}

/// Lets everything run that can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_is_flushed_after_a_while_and_when_it_is_much() {
    let (log, notes) = (log_of(3).await, Notes::default());
    let clock = ManualClock::starting_at(Timestamp::from_secs(0));
    let pace = Pace { flush_events: 20, ..pace() };
    let (progress, reader) = (Arc::new(Progress::default()), log.reader("notes"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(consume(
        reader,
        notes.clone(),
        pace,
        Arc::clone(&progress),
        Arc::new(clock.clone()),
        async { drop(stopped.await) },
    ));
    settle().await;
    assert_eq!((progress.stage().taken, notes.0.lock().flushes), (3, 0), "more may come");
    clock.advance(Duration::from_secs(9));
    settle().await;
    assert_eq!(notes.0.lock().flushes, 0);
    clock.advance(Duration::from_secs(1));
    settle().await;
    assert_eq!((progress.stage().flushed, notes.0.lock().flushes), (3, 1));
    log.append(&(3..25).map(event).collect::<Vec<_>>()).await.unwrap();
    settle().await;
    assert_eq!((progress.stage().flushed, notes.0.lock().flushes), (23, 2), "that was much");
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!((progress.stage().flushed, notes.0.lock().flushes), (25, 3), "the last are not left behind");
}

#[tokio::test]
async fn what_was_not_flushed_comes_again_to_the_next() {
    let (log, notes) = (log_of(5).await, Notes::default());
    let reader = log.reader("notes");
    // One that is dropped, as in a process that is killed.
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_secs(0)));
    let running = tokio::spawn(consume(reader, notes.clone(), pace(), Arc::default(), clock, pending()));
    settle().await;
    running.abort();
    assert!(running.await.is_err());
    assert_eq!(notes.0.lock().taken.len(), 5);
    consume_all(log, &notes).await;
    assert_eq!(notes.0.lock().taken.len(), 10);
}

#[tokio::test]
async fn one_that_fails_holds_no_other_up() {
    let (log, ill, well) = (log_of(5).await, Notes::default(), Notes::default());
    ill.0.lock().troubles = vec![Some(FaultKind::Unavailable); 1_000_000];
    let clock = || Arc::new(ManualClock::starting_at(Timestamp::from_secs(0)));
    let progress = Arc::new(Progress::default());
    let pace = Pace { pause: Duration::from_secs(1), ..pace() };
    let failing = consume(log.reader("ill"), ill, pace, Arc::clone(&progress), clock(), pending());
    let failing = tokio::spawn(failing);
    let reader = log.reader("well");
    let thriving = tokio::spawn(consume(reader, well.clone(), pace, Arc::default(), clock(), pending()));
    settle().await;
    assert_eq!((well.0.lock().taken.len(), progress.stage().failures), (5, 1));
    failing.abort();
    thriving.abort();
}

#[tokio::test]
async fn a_source_that_cannot_be_read_now_is_asked_again() {
    /// Fails every other time.
    #[derive(Debug)]
    struct Shaky<S>(S, bool);

    #[async_trait]
    impl<S: EventSource> EventSource for Shaky<S> {
        fn name(&self) -> &str {
            self.0.name()
        }
        async fn poll(&mut self, max: usize) -> Result<Vec<Delivery>, Fault> {
            self.1 = !self.1;
            if self.1 { Err(Fault::new("shaky", FaultKind::Unavailable)) } else { self.0.poll(max).await }
        }
        async fn commit(&mut self) -> Result<(), Fault> {
            self.0.commit().await
        }
    }

    let (log, notes) = (log_of(35).await, Notes::default());
    let reader = Shaky(log.reader("notes"), false);
    drop(log);
    consume(reader, notes.clone(), pace(), Arc::default(), Arc::new(SystemClock), pending()).await;
    assert_eq!(notes.0.lock().taken.len(), 35);
}

#[tokio::test]
async fn what_was_not_taken_in_when_it_was_stopped_comes_again() {
    let log = log_of(4).await;
    let notes = Notes::default();
    // The first two are taken in, the others not until it is stopped.
    let failing = Failing { notes: notes.clone(), left: 1 };
    let stop = async {
        settle().await;
        settle().await;
    };
    let (progress, clock) =
        (Arc::new(Progress::default()), Arc::new(ManualClock::starting_at(Timestamp::default())));
    let pace = Pace { batch: 2, ..pace() };
    consume(log.reader("notes"), failing, pace, Arc::clone(&progress), clock, stop).await;
    assert_eq!(notes.0.lock().taken, [0, 1]);
    consume_all(log, &notes).await;
    assert_eq!(notes.0.lock().taken[2..], [0, 1, 2, 3], "the position was not stored");
}

/// Takes some batches in, and fails from then on.
#[derive(Debug)]
struct Failing {
    notes: Notes,
    left: usize,
}

#[async_trait]
impl Consumer for Failing {
    fn name(&self) -> &'static str {
        "notes"
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        if self.left == 0 {
            return Err(Fault::new("notes", FaultKind::Unavailable));
        }
        self.left -= 1;
        self.notes.take(deliveries).await
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        self.notes.flush().await
    }
}
