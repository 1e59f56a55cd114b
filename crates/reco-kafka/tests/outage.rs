//! Brokers that stop answering, and brokers that die.

mod broker;

use broker::{Brokers, events};
use futures_util::future::join_all;
use reco_core::error::FaultKind;
use reco_core::event::{Details, Event};
use reco_core::store::{EventSink, EventSource};
use reco_kafka::{KafkaConfig, KafkaSink, KafkaSource, topics};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Some 6 kB each, so that 170 of them fill a megabyte.
fn heavy(ids: std::ops::Range<u128>) -> Vec<Event> {
    let other = [("note".to_owned(), "n".repeat(5_000).into())].into_iter().collect();
    let details = Box::new(Details { other, ..Details::default() });
    events(ids).into_iter().map(|event| Event { details: Some(details.clone()), ..event }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_that_stops_answering_holds_nobody_for_ever() {
    let Some(jars) = broker::jars() else { return };
    let brokers = Brokers::start(&jars, 1);
    let config = KafkaConfig {
        buffer_mb: 1,
        room_wait_ms: 300,
        delivery_timeout_ms: 3_000,
        answer_timeout_ms: 2_000,
        ..brokers.config("stopped")
    };
    topics::prepare(&config).await.unwrap();
    let sink = KafkaSink::open(&config).unwrap();
    assert_eq!(sink.append(&heavy(0..10)).await.unwrap().accepted(), 10);
    brokers.signal(0, "STOP");
    let begun = Instant::now();
    let appends = (0..8).map(|n| {
        let sink = &sink;
        async move { (n, sink.append(&heavy(1_000 * n..1_000 * n + 100)).await, begun.elapsed()) }
    });
    let outcomes = join_all(appends).await;
    for (number, outcome, took) in &outcomes {
        let fault = outcome.as_ref().expect_err("nobody acknowledged anything");
        assert_eq!(fault.kind, FaultKind::Unavailable, "{}", fault.message());
        // The first fills the buffer and waits for its acknowledgement; the others wait for room.
        let (reason, bound) = match number {
            0 => ("delivery_timeout_ms is 3000", 60),
            _ => ("there was no room for 100 more within 300 ms (room_wait_ms)", 60),
        };
        assert!(fault.message().contains(reason), "{number}: {}", fault.message());
        assert!(*took < Duration::from_secs(bound), "{number} took {took:?}");
    }
    // A reader is held up, but not for ever, when it leaves.
    let mut source = KafkaSource::open(&config, "features").unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), source.poll(1)).await.is_err());
    tokio::time::timeout(Duration::from_secs(30), source.close()).await.expect("it leaves all the same");
    // So that it ends when it is told to.
    brokers.signal(0, "CONT");
}

/// Appends until that succeeds.
async fn append_in_the_end(sink: &KafkaSink, batch: &[Event]) {
    let begun = Instant::now();
    while let Err(fault) = sink.append(batch).await {
        assert_eq!(fault.kind, FaultKind::Unavailable, "{}", fault.message());
        assert!(begun.elapsed() < RECOVERY, "not written after {:?}: {}", begun.elapsed(), fault.message());
    }
}

async fn read_in_the_end(source: &mut KafkaSource, wanted: std::ops::Range<u128>) {
    let (begun, mut read) = (Instant::now(), BTreeSet::new());
    while !wanted.clone().all(|id| read.contains(&id)) {
        let polled = tokio::time::timeout(RECOVERY, source.poll(1_000)).await;
        let polled = polled.unwrap_or_else(|_| panic!("not read after {:?}", begun.elapsed()));
        read.extend(
            polled.expect("reading goes on by itself").into_iter().map(|delivery| delivery.event.id.0),
        );
    }
}

/// A sink needs a batch that times out, two looks at the statistics and another batch: some eight seconds here. A reader
/// needs the session of its predecessor to end, besides. The rest is for machines that run tests.
const RECOVERY: Duration = Duration::from_mins(1);

/// A broker that goes on after its session has ended tells for a moment that there are no brokers. Clients that ask for
/// them all the time, as these do, often hear that, and librdkafka then forgets them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_that_goes_on_is_written_to_and_read_from_again() {
    let Some(jars) = broker::jars() else { return };
    let brokers = Brokers::start(&jars, 1);
    let config = KafkaConfig {
        delivery_timeout_ms: 3_000,
        answer_timeout_ms: 2_000,
        properties: [("topic.metadata.refresh.interval.ms", "20")].into_iter().collect(),
        ..brokers.config("resumed")
    };
    topics::prepare(&config).await.unwrap();
    let sink = KafkaSink::open(&config).unwrap();
    let mut source = KafkaSource::open(&config, "features").unwrap();
    let mut alone = KafkaSource::open_alone(&config, "live", &BTreeMap::new()).await.unwrap();
    append_in_the_end(&sink, &events(0..10)).await;
    read_in_the_end(&mut source, 0..10).await;
    read_in_the_end(&mut alone, 0..10).await;
    for round in 1..=3 {
        brokers.signal(0, "STOP");
        // The batch times out about when the broker's session does, and the second one after it.
        for _ in 0..2 {
            sink.append(&events(round * 1_000 + 500..round * 1_000 + 600))
                .await
                .expect_err("nobody acknowledged it");
        }
        brokers.signal(0, "CONT");
        let wanted = round * 1_000..round * 1_000 + 100;
        append_in_the_end(&sink, &events(wanted.clone())).await;
        read_in_the_end(&mut source, wanted.clone()).await;
        read_in_the_end(&mut alone, wanted).await;
    }
}

/// Appends batch after batch until told to stop, each until it is accepted, and tells the ids that were.
async fn writer(
    sink: Arc<KafkaSink>,
    number: u128,
    stop: Arc<AtomicBool>,
    kept: watch::Sender<BTreeSet<u128>>,
) {
    let mut next = number << 64;
    while !stop.load(Ordering::SeqCst) {
        let batch = events(next..next + 20);
        let begun = Instant::now();
        while let Err(fault) = sink.append(&batch).await {
            assert!(begun.elapsed() < Duration::from_mins(2), "{}", fault.message());
        }
        kept.send_modify(|kept| kept.extend(next..next + 20));
        next += 20;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_three_brokers_one_may_die_and_no_accepted_event_is_lost() {
    let Some(jars) = broker::jars() else { return };
    let brokers = Brokers::start(&jars, 3);
    let config = KafkaConfig {
        partitions: 12,
        replication: 3,
        min_in_sync: 2,
        answer_timeout_ms: 3_000,
        ..brokers.config("killed")
    };
    topics::prepare(&config).await.unwrap();
    let sink = Arc::new(KafkaSink::open(&config).unwrap());
    let (stop, kept) = (Arc::new(AtomicBool::new(false)), watch::Sender::new(BTreeSet::new()));
    let start = |number| tokio::spawn(writer(Arc::clone(&sink), number, Arc::clone(&stop), kept.clone()));
    let writers: Vec<_> = (0..4).map(start).collect();
    let reach = async |n: usize| {
        let mut kept = kept.subscribe();
        let reached =
            tokio::time::timeout(Duration::from_mins(2), kept.wait_for(|kept| kept.len() >= n)).await;
        reached.expect("so many events are kept in the end").expect("there is a sender").len()
    };
    let before = reach(2_000).await;
    brokers.signal(1, "KILL");
    reach(before + 5_000).await;
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    let kept = kept.borrow().clone();
    let mut source = KafkaSource::open(&config, "features").unwrap();
    let (mut read, mut last) = (BTreeSet::new(), [None; 4]);
    let mut twice = 0;
    while !kept.is_subset(&read) {
        let polled = tokio::time::timeout(Duration::from_mins(1), source.poll(1_000)).await;
        let polled = polled.unwrap_or_else(|_| panic!("{} of {} events were read", read.len(), kept.len()));
        for delivery in polled.unwrap() {
            let id = delivery.event.id.0;
            twice += usize::from(!read.insert(id));
            last[(id >> 64) as usize] = Some(id);
        }
    }
    assert!(last.iter().all(Option::is_some), "every writer's events are there");
    // What the library repeats by itself is kept once; only batches that were told to have failed may be there twice.
    assert!(twice <= 4 * 20, "{twice} of {} were there twice", kept.len());
}
