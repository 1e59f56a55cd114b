//! Promises of event logs.

use super::healthy;
use super::together::{at_once, soon};
use crate::event::{Action, Details, Event, EventId};
use crate::store::{Delivery, EventSink, EventSource, Place};
use crate::time::Timestamp;
use futures_util::FutureExt;
use futures_util::future::join;
use std::collections::{BTreeMap, BTreeSet};

/// Opens a reader of a log for a consumer group.
pub type OpenReader<'a> = dyn Fn(&str) -> Box<dyn EventSource> + Sync + 'a;

/// Checks a fresh and empty log as sink and source; it must hold 1,000 events.
///
/// A log may or may not tell duplicates as they come; if it does, check it with
/// [`deduplicating_log`] as well.
///
/// ```
/// use reco_core::conformance;
/// use reco_core::store::MemoryLog;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let log = MemoryLog::default();
/// conformance::event_log(&log, &|group| Box::new(log.reader(group))).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn event_log(sink: &dyn EventSink, reader: &OpenReader<'_>) {
    assert!(!sink.name().is_empty() && !reader("named").name().is_empty(), "both ends have a name");
    let kept = appending(sink).await;
    positions(reader, &kept).await;
    waiting(sink, reader).await;
    writers(sink, reader).await;
}

/// Checks a fresh and empty log that tells duplicates by event id when they are appended.
///
/// ```
/// use reco_core::conformance;
/// use reco_core::store::MemoryLog;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let log = MemoryLog::default();
/// conformance::deduplicating_log(&log, &|group| Box::new(log.reader(group))).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn deduplicating_log(sink: &dyn EventSink, reader: &OpenReader<'_>) {
    let batch: Vec<Event> = (1..=20).map(|id| event("ann", id)).collect();
    let appended = at_once(8, |_| sink.append(&batch)).await;
    let accepted: usize =
        appended.into_iter().map(|outcome| healthy("appending works", outcome).accepted()).sum();
    assert_eq!(accepted, batch.len(), "of writers that send the same events, each is accepted from one");
    let again = healthy("appending works", sink.append(&[event("bob", 21), batch[4].clone()]).await);
    assert!(again.places[0].is_some() && again.places[1].is_none(), "a known id gets no place");
    let twice = healthy("appending works", sink.append(&[event("bob", 22), event("bob", 22)]).await);
    assert!(twice.places[0].is_some() && twice.places[1].is_none(), "nor does one of its own batch");
    let mut reader = reader("deduplicated");
    let read = read(&mut *reader, 22, 100).await;
    assert_eq!(ids(&read).into_iter().collect::<BTreeSet<_>>(), (1..=22).collect(), "each is kept once");
}

fn event(user: &str, id: u128) -> Event {
    Event {
        id: EventId(id),
        user: user.into(),
        item: "käse".into(),
        action: Action::from("tasted"),
        value: id.is_multiple_of(2).then_some(2.5),
        at: Timestamp::from_millis(1_700_000_000_000 + id as i64),
        details: id.is_multiple_of(3).then(|| Box::new(details(id))),
    }
}

fn details(id: u128) -> Details {
    let other = [("couleur".to_owned(), "é".into())].into_iter().collect();
    Details { session: Some("s".into()), position: Some(id as u32), other, ..Details::default() }
}

fn ids(deliveries: &[Delivery]) -> Vec<u128> {
    deliveries.iter().map(|delivery| delivery.event.id.0).collect()
}

/// Reads exactly `n` events, at most `max` at a time.
async fn read(reader: &mut dyn EventSource, n: usize, max: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < n {
        let polled = soon("what was appended can be polled", reader.poll(max)).await;
        let polled = healthy("polling works", polled);
        assert!(!polled.is_empty(), "a poll waits for an event while more can come");
        assert!(polled.len() <= max.max(1), "a poll returns at most as many as asked");
        deliveries.extend(polled);
    }
    assert_eq!(deliveries.len(), n, "a reader hands out each event once");
    deliveries
}

/// Appends events of one user, and returns what the log should hold now.
async fn appending(sink: &dyn EventSink) -> Vec<Delivery> {
    let nothing = healthy("appending nothing works", sink.append(&[]).await);
    assert_eq!(nothing.places, [], "nothing in, nothing accepted");
    let first: Vec<Event> = (1..=3).map(|id| event("ann", id)).collect();
    let appended = healthy("appending works", sink.append(&first).await);
    assert_eq!(appended.accepted(), 3, "all of a batch is accepted");
    let mut kept = delivered(&first, &appended.places);
    let batch = [event("ann", 2), event("ann", 4), event("ann", 4), event("ann", 5)];
    let appended = healthy("a batch with known events is no failure", sink.append(&batch).await);
    assert_eq!(
        appended.places.len(),
        batch.len(),
        "there is a place for every event of a batch, or none if it is known"
    );
    kept.extend(delivered(&batch, &appended.places));
    let places: Vec<Place> = kept.iter().map(|delivery| delivery.place).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "a user's events are in one partition, their offsets ascend");
    kept
}

/// What was kept of a batch.
fn delivered(batch: &[Event], places: &[Option<Place>]) -> Vec<Delivery> {
    let kept = batch.iter().zip(places);
    kept.filter_map(|(event, place)| Some(Delivery { place: (*place)?, event: event.clone() })).collect()
}

async fn positions(reader: &OpenReader<'_>, kept: &[Delivery]) {
    let mut first = reader("first");
    let early = read(&mut *first, 2, 1).await;
    assert_eq!(ids(&early), ids(&kept[..2]), "events come in order, as few as asked");
    assert_eq!(early, kept[..2], "events come whole, and from where appending said they are");
    healthy("committing works", first.commit().await);
    let rest = read(&mut *first, kept.len() - 2, 100).await;
    assert_eq!(rest, kept[2..], "reading goes on behind the last poll");
    drop(first);
    let mut again = reader("first");
    let events = read(&mut *again, kept.len() - 2, 3).await;
    assert_eq!(events, kept[2..], "to a new reader of the group comes again what was not committed");
    for _ in 0..2 {
        healthy("committing works, also twice", again.commit().await);
    }
    let mut other = reader("second");
    let events = read(&mut *other, kept.len(), 0).await;
    assert_eq!(events, kept, "another group reads everything; asking for none gives one");
    healthy("committing works", other.commit().await);
}

async fn waiting(sink: &dyn EventSink, reader: &OpenReader<'_>) {
    let mut first = reader("first");
    let early = first.poll(1).now_or_never();
    assert!(early.is_none(), "what was committed does not come again, and a poll waits");
    let (polled, appended) = join(
        soon("a poll that waits wakes when an event is appended", first.poll(9)),
        sink.append(&[event("ann", 6)]),
    )
    .await;
    healthy("appending works", appended);
    let polled = ids(&healthy("polling works", polled));
    assert_eq!(polled, [6], "a poll dropped while it waits loses nothing, and the next one wakes");
    healthy("committing works", first.commit().await);
}

async fn writers(sink: &dyn EventSink, reader: &OpenReader<'_>) {
    const WRITERS: usize = 8;
    const EACH: usize = 60;
    let id = |writer: usize, n: usize| (1_000 * (writer + 1) + n) as u128;
    let appended = at_once(WRITERS, |writer| async move {
        let user = format!("user{writer}");
        for n in (0..EACH).step_by(3) {
            sink.append(&[0, 1, 2].map(|i| event(&user, id(writer, n + i)))).await?;
        }
        Ok(())
    });
    for outcome in appended.await {
        healthy("writers at the same time all succeed", outcome);
    }
    let mut first = reader("first");
    let mut of_user: BTreeMap<String, Vec<u128>> = BTreeMap::new();
    for Delivery { event, .. } in read(&mut *first, WRITERS * EACH, 7).await {
        of_user.entry(event.user.to_string()).or_default().push(event.id.0);
    }
    for writer in 0..WRITERS {
        let expected: Vec<u128> = (0..EACH).map(|n| id(writer, n)).collect();
        let read = of_user.get(&format!("user{writer}"));
        assert_eq!(read, Some(&expected), "no writer's event is lost, and a user's events keep their order");
    }
}
