//! Groups share the work, lose nothing and are told of what they cannot use.

use crate::broker::{event, events};
use crate::shared;
use futures_util::FutureExt;
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use reco_core::store::{Delivery, EventSink, EventSource, Place};
use reco_kafka::{KafkaConfig, KafkaSink, KafkaSource, Ownership, origin, ranges, topics};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A step that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

async fn open(config: &KafkaConfig) -> KafkaSink {
    topics::prepare(config).await.unwrap();
    KafkaSink::open(config).unwrap()
}

async fn poll(source: &mut KafkaSource) -> Vec<Delivery> {
    tokio::time::timeout(PATIENCE, source.poll(100)).await.expect("there is something to read").unwrap()
}

async fn read(source: &mut KafkaSource, n: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < n {
        deliveries.extend(poll(source).await);
    }
    assert_eq!(deliveries.len(), n);
    deliveries
}

/// What a test's readers have done so far.
#[derive(Default)]
struct Progress {
    seen: watch::Sender<Vec<(usize, Place)>>,
    owned: Mutex<BTreeMap<usize, BTreeSet<u32>>>,
}

impl Progress {
    /// Reads and commits until told to stop, and leaves in good order.
    async fn read(self: Arc<Self>, number: usize, mut source: KafkaSource, mut stop: watch::Receiver<bool>) {
        loop {
            let polled = tokio::select! {
                polled = source.poll(10) => polled.unwrap(),
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let places = polled.iter().map(|delivery| (number, delivery.place));
            self.seen.send_modify(|seen| seen.extend(places));
            source.commit().await.unwrap();
            self.owned.lock().insert(number, source.partitions());
        }
        source.close().await;
    }

    fn has_some(&self, number: usize) -> bool {
        self.owned.lock().get(&number).is_some_and(|owned| !owned.is_empty())
    }

    /// Writes in small batches until `enough` holds.
    async fn write(&self, sink: &KafkaSink, next: &mut u128, enough: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !enough(self) {
            assert!(begun.elapsed() < PATIENCE, "after {next} events: {:?}", self.owned.lock());
            sink.append(&events(*next..*next + 20)).await.unwrap();
            *next += 20;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_come_and_go_get_every_event_once_between_them() {
    let Some(brokers) = shared() else { return };
    let config = brokers.config("rebalance");
    let sink = open(&config).await;
    let progress = Arc::new(Progress::default());
    let start = |number| {
        let (stop, stopped) = watch::channel(false);
        let source = KafkaSource::open(&config, "features").unwrap();
        (stop, tokio::spawn(Arc::clone(&progress).read(number, source, stopped)))
    };
    let stop = async |(stop, reader): (watch::Sender<bool>, JoinHandle<()>)| {
        stop.send(true).unwrap();
        tokio::time::timeout(PATIENCE, reader).await.expect("it stops").unwrap();
    };
    let mut n = 0;
    let first = start(0);
    progress.write(&sink, &mut n, |progress| progress.has_some(0)).await;
    let second = start(1);
    progress.write(&sink, &mut n, |progress| progress.has_some(1)).await;
    stop(second).await;
    let third = start(2);
    progress.write(&sink, &mut n, |progress| progress.has_some(2)).await;
    stop(first).await;
    // The last one gets everything that is left.
    progress
        .write(&sink, &mut n, |progress| progress.owned.lock()[&2].len() == config.partitions as usize)
        .await;
    let mut seen = progress.seen.subscribe();
    let all = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| seen.len() as u128 >= n)).await;
    all.expect("all events are read").unwrap();
    stop(third).await;
    let seen = progress.seen.borrow().clone();
    let places: BTreeSet<Place> = seen.iter().map(|(_, place)| *place).collect();
    assert_eq!((seen.len() as u128, places.len() as u128), (n, n), "each is read, and once");
    for number in 0..3 {
        assert!(seen.iter().any(|(reader, _)| *reader == number), "reader {number} did its share");
    }
}

/// Sends messages as somebody else might.
fn send_raw(config: &KafkaConfig, messages: &[(&str, Option<&[u8]>)]) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    for (key, value) in messages {
        let mut record = BaseRecord::to(&config.topic).key(*key).partition(0);
        record.payload = *value;
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Waits for `n` messages of a topic.
fn read_raw(config: &KafkaConfig, topic: &str, n: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("group.id", "raw")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let begun = Instant::now();
    let mut messages = Vec::new();
    while messages.len() < n {
        assert!(begun.elapsed() < PATIENCE, "there are {n} messages in {topic}");
        // Nothing, too, when the group changes.
        messages.extend(consumer.poll(Duration::from_secs(1)).map(|message| message.unwrap().detach()));
    }
    messages
}

fn header<'a>(message: &'a OwnedMessage, name: &str) -> &'a str {
    let header = message.headers().unwrap().iter().find(|header| header.key == name);
    std::str::from_utf8(header.unwrap_or_else(|| panic!("{name} is missing")).value.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_kept_elsewhere_and_reading_goes_on() {
    let Some(brokers) = shared() else { return };
    let config = KafkaConfig { partitions: 1, ..brokers.config("poison") };
    let sink = open(&config).await;
    sink.append(&[event("ann", 1)]).await.unwrap();
    send_raw(&config, &[("bob", Some(b"{\"item_id\": 7")), ("bob", None), ("zo\u{eb}", Some(b"\xff\xfe"))]);
    sink.append(&[event("ann", 2)]).await.unwrap();
    let mut source = KafkaSource::open(&config, "features").unwrap();
    let ids: Vec<u128> = read(&mut source, 2).await.iter().map(|delivery| delivery.event.id.0).collect();
    assert_eq!(ids, [1, 2]);
    source.commit().await.unwrap();
    source.close().await;
    let letters = read_raw(&config, &config.dead_letters, 3);
    let values: Vec<Option<&[u8]>> = letters.iter().map(Message::payload).collect();
    assert_eq!(values, [Some(&b"{\"item_id\": 7"[..]), None, Some(b"\xff\xfe")]);
    for (letter, offset) in letters.iter().zip(1..) {
        assert_eq!(header(letter, origin::TOPIC), config.topic);
        assert_eq!(header(letter, origin::PARTITION), "0");
        assert_eq!(header(letter, origin::OFFSET), offset.to_string());
        assert_eq!(header(letter, origin::GROUP), "features");
    }
    assert!(header(&letters[0], origin::PROBLEM).contains("EOF"), "{}", header(&letters[0], origin::PROBLEM));
    assert_eq!(header(&letters[1], origin::PROBLEM), "the message has no value, must be an event as JSON");
    assert_eq!(letters[2].key(), Some("zo\u{eb}".as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_a_message_leaves_word_of_where_it_is() {
    let Some(brokers) = shared() else { return };
    let config = KafkaConfig { partitions: 1, ..brokers.config("heavy") };
    let sink = open(&config).await;
    // Fits into the topic, but not with our headers around it.
    let noise: Vec<u8> =
        (0_u32..).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).take(1_048_400).collect();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("message.max.bytes", "2000000")
        .create()
        .unwrap();
    producer
        .send(BaseRecord::to(&config.topic).key("bob").payload(&noise))
        .map_err(|(error, _)| error)
        .unwrap();
    producer.flush(PATIENCE).unwrap();
    sink.append(&[event("ann", 1)]).await.unwrap();
    let mut source = KafkaSource::open(
        &KafkaConfig { compression: reco_kafka::Compression::None, ..config.clone() },
        "features",
    )
    .unwrap();
    assert_eq!(read(&mut source, 1).await[0].event.id.0, 1);
    let letter = &read_raw(&config, &config.dead_letters, 1)[0];
    assert_eq!((letter.payload(), header(letter, origin::OFFSET)), (None, "0"));
    assert!(
        header(letter, origin::LEFT_OUT).contains("max.message.bytes"),
        "{}",
        header(letter, origin::LEFT_OUT)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_dropped_at_any_moment_loses_nothing() {
    let Some(brokers) = shared() else { return };
    let config = KafkaConfig { partitions: 1, ..brokers.config("dropped") };
    let sink = open(&config).await;
    sink.append(&events(0..500)).await.unwrap();
    // The dead letter is waited for within a poll, which is dropped meanwhile.
    send_raw(&config, &[("bob", Some(b"no event"))]);
    sink.append(&events(500..1_000)).await.unwrap();
    let mut source = KafkaSource::open(&config, "features").unwrap();
    let mut ids = Vec::new();
    while ids.len() < 1_000 {
        let polled = match source.poll(70).now_or_never() {
            Some(polled) => polled.unwrap(),
            None => tokio::time::timeout(Duration::from_millis(2), source.poll(3))
                .await
                .map_or(vec![], Result::unwrap),
        };
        ids.extend(polled.iter().map(|delivery| delivery.event.id.0));
    }
    assert_eq!(ids, (0..1_000).collect::<Vec<u128>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_what_the_group_has_not_committed() {
    let Some(brokers) = shared() else { return };
    let config = brokers.config("lag");
    let sink = open(&config).await;
    let appended = sink.append(&events(0..100)).await.unwrap();
    let mut source = KafkaSource::open(&config, "features").unwrap();
    let mut expected: BTreeMap<u32, u64> = (0..config.partitions).map(|partition| (partition, 0)).collect();
    for place in appended.places.iter().flatten() {
        *expected.get_mut(&place.partition).unwrap() += 1;
    }
    assert_eq!(source.lag().await.unwrap(), expected, "nothing is committed yet");
    let first = poll(&mut source).await;
    source.commit().await.unwrap();
    for delivery in &first {
        *expected.get_mut(&delivery.place.partition).unwrap() -= 1;
    }
    assert_eq!(source.lag().await.unwrap(), expected);
    read(&mut source, 100 - first.len()).await;
    source.commit().await.unwrap();
    assert!(source.lag().await.unwrap().values().all(|lag| *lag == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_by_the_client_itself() {
    let Some(brokers) = shared() else { return };
    let config = brokers.config("behind");
    open(&config).await.append(&events(0..500)).await.unwrap();
    let mut source = KafkaSource::open(&config, "features").unwrap();
    // It looks every two seconds, and is asked meanwhile.
    for polled in 1..=300 {
        assert_eq!(source.poll(1).await.unwrap().len(), 1);
        match source.behind() {
            Some(behind) if behind == 500 - polled => return,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("500 less 300 is not {:?}", source.behind());
}

/// Counts by partition with the offset behind the last event counted, as kept by somebody who never commits.
#[derive(Clone, Debug, Default)]
struct Counts(Arc<Mutex<BTreeMap<u32, (u64, u64)>>>, Arc<Mutex<Vec<Told>>>);

/// Whether partitions came or went, and which.
type Told = (bool, Vec<u32>);

impl Counts {
    fn count(&self, deliveries: &[Delivery]) {
        for Delivery { place, .. } in deliveries {
            let mut counts = self.0.lock();
            let (count, next) = counts.entry(place.partition).or_default();
            assert_eq!(*next, place.offset, "none is left out and none counted twice");
            (*count, *next) = (*count + 1, place.offset + 1);
        }
    }
}

impl Ownership for Counts {
    fn assigned(&self, partitions: &[u32]) -> BTreeMap<u32, u64> {
        self.1.lock().push((true, partitions.to_vec()));
        let counts = self.0.lock();
        partitions.iter().filter_map(|partition| Some((*partition, counts.get(partition)?.1))).collect()
    }

    fn revoked(&self, partitions: &[u32], lost: bool) {
        assert!(!lost, "nobody took us for dead");
        self.1.lock().push((false, partitions.to_vec()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_offsets_with_the_state_goes_on_from_there() {
    let Some(brokers) = shared() else { return };
    let config = brokers.config("state");
    let sink = open(&config).await;
    sink.append(&events(0..200)).await.unwrap();
    let counts = Counts::default();
    for until in [50, 120, 200] {
        let mut source = KafkaSource::open_owning(&config, "counts", counts.clone()).unwrap();
        let counted = || counts.0.lock().values().map(|(count, _)| *count).sum::<u64>();
        while counted() < until {
            let deliveries =
                tokio::time::timeout(PATIENCE, source.poll(10)).await.expect("more is there").unwrap();
            counts.count(&deliveries);
        }
        source.close().await;
    }
    let told = counts.1.lock();
    let all: Vec<u32> = (0..config.partitions).collect();
    let of = |what| {
        told.iter().filter(move |(assigned, _)| *assigned == what).map(|(_, partitions)| partitions.clone())
    };
    assert_eq!(of(true).collect::<Vec<_>>(), vec![all.clone(); 3]);
    assert_eq!(of(false).collect::<Vec<_>>(), vec![all; 3], "closing gives them back");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_alone_gets_everything_from_where_it_was() {
    let Some(brokers) = shared() else { return };
    let config = KafkaConfig { partitions: 5, ..brokers.config("alone") };
    let sink = open(&config).await;
    sink.append(&events(0..100)).await.unwrap();
    let all = ranges(&config).await.unwrap();
    assert_eq!(all.len(), 5);
    assert_eq!(all.values().map(|range| range.end - range.start).sum::<u64>(), 100);
    // Two processes, each of which needs all.
    for _ in 0..2 {
        let mut source = KafkaSource::open_alone(&config, "live", &BTreeMap::new()).await.unwrap();
        assert_eq!(source.partitions().len(), 5);
        read(&mut source, 100).await;
        source.commit().await.unwrap();
    }
    let behind = all.into_iter().map(|(partition, range)| (partition, range.end)).collect();
    let mut source = KafkaSource::open_alone(&config, "live", &behind).await.unwrap();
    sink.append(&events(100..130)).await.unwrap();
    let ids: BTreeSet<u128> =
        read(&mut source, 30).await.iter().map(|delivery| delivery.event.id.0).collect();
    assert_eq!(ids, (100..130).collect());
    // What is no event holds nobody up, and is for a group to keep.
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    producer.send(BaseRecord::<(), _>::to(&config.topic).payload("no event")).unwrap();
    producer.flush(PATIENCE).unwrap();
    sink.append(&events(130..131)).await.unwrap();
    assert_eq!(read(&mut source, 1).await[0].event.id.0, 130);
    let dead = KafkaConfig { topic: config.dead_letters, dead_letters: "another".to_owned(), ..config };
    assert_eq!(ranges(&dead).await.unwrap().values().map(|range| range.end).sum::<u64>(), 0);
}
