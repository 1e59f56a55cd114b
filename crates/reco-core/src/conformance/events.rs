//! Promises of event logs.

use crate::event::{Action, Event, EventId};
use crate::store::{EventSink, EventSource};
use crate::time::Timestamp;
use futures_util::future::join_all;

fn event(id: u128) -> Event {
    Event {
        id: EventId(id),
        user: "ann".into(),
        item: "tea".into(),
        action: Action::Purchase,
        value: Some(2.5),
        at: Timestamp::from_secs(id as i64),
    }
}

fn ids(events: &[Event]) -> Vec<u128> {
    events.iter().map(|event| event.id.0).collect()
}

/// Checks a fresh and empty log as sink and source; `reader` opens it for a consumer group.
///
/// A log that cannot tell duplicates when appending (see [`Appended`](crate::store::Appended)) does not
/// pass; such adapters check what they promise themselves.
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn event_log<S: EventSink>(sink: &S, reader: &(dyn Fn(&S, &str) -> Box<dyn EventSource> + Sync)) {
    let mut first = reader(sink, "first");
    let mut second = reader(sink, "second");
    let appended = sink.append(&[event(1), event(2), event(3)]).await.expect("append");
    assert_eq!((appended.accepted, appended.duplicates), (3, vec![]), "all are accepted");
    let appended = sink.append(&[event(2), event(4), event(4)]).await.expect("append");
    assert_eq!(
        (appended.accepted, appended.duplicates),
        (1, vec![0, 2]),
        "known ids are named and not kept twice"
    );
    let polled = first.poll(2).await.expect("poll");
    assert_eq!(polled, [event(1), event(2)], "events come whole, in order, at most as many as asked");
    first.commit().await.expect("commit");
    assert_eq!(ids(&first.poll(9).await.expect("poll")), [3, 4], "reading goes on behind the last poll");
    drop(first);
    let mut again = reader(sink, "first");
    assert_eq!(ids(&again.poll(9).await.expect("poll")), [3, 4], "what was not committed comes again");
    again.commit().await.expect("commit");
    assert_eq!(ids(&second.poll(9).await.expect("poll")), [1, 2, 3, 4], "groups are independent");
    second.commit().await.expect("commit");
    let many = join_all((10..60).map(|id| async move { sink.append(&[event(id)]).await })).await;
    assert!(many.iter().all(Result::is_ok), "writers at the same time all succeed");
    let mut seen = Vec::new();
    while seen.len() < 50 {
        seen.extend(ids(&again.poll(7).await.expect("poll")));
    }
    seen.sort_unstable();
    assert_eq!(seen, (10..60).collect::<Vec<u128>>(), "nothing is lost and nothing comes twice");
}
