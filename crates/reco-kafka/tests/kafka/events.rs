//! What is written can be read, in the partition where it belongs.

use crate::broker::{event, events};
use crate::shared;
use reco_core::conformance;
use reco_core::error::FaultKind;
use reco_core::event::Event;
use reco_core::store::{EventSink, EventSource};
use reco_kafka::{Compression, KafkaConfig, KafkaSink, KafkaSource, partition_of, topics};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_is_a_log() {
    let Some(brokers) = shared() else { return };
    let config = brokers.config("conformance");
    topics::prepare(&config).await.unwrap();
    let sink = KafkaSink::open(&config).unwrap();
    conformance::event_log(&sink, &|group| Box::new(KafkaSource::open(&config, group).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_where_their_hash_says_however_events_are_compressed() {
    let Some(brokers) = shared() else { return };
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let config = KafkaConfig { compression, ..brokers.config("hash") };
        topics::prepare(&config).await.unwrap();
        let users = ["ann", "bob", "zoë", "顧客", "user-1234567890", "\u{1f375}"];
        let batch: Vec<Event> = users.iter().zip(1..).map(|(user, id)| event(user, id)).collect();
        let appended = KafkaSink::open(&config).unwrap().append(&batch).await.unwrap();
        for (user, place) in users.iter().zip(&appended.places) {
            let partition = place.expect("there is a place").partition;
            assert_eq!(partition, partition_of(user, config.partitions), "{user}");
        }
        let mut source = KafkaSource::open(&config, "reader").unwrap();
        let mut n_read = 0;
        while n_read < batch.len() {
            let polled = tokio::time::timeout(Duration::from_mins(1), source.poll(100)).await;
            for delivery in polled.expect("what was appended can be polled").unwrap() {
                let sent = (delivery.event.id.0 - 1) as usize;
                assert_eq!((&delivery.event, Some(delivery.place)), (&batch[sent], appended.places[sent]));
                n_read += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_batch_is_sent_when_something_cannot_be() {
    let Some(brokers) = shared() else { return };
    let config = KafkaConfig { max_event_kb: 1, ..brokers.config("large") };
    topics::prepare(&config).await.unwrap();
    let sink = KafkaSink::open(&config).unwrap();
    let refused = sink.append(&[event("ann", 1), event(&"a".repeat(2_000), 2)]).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Invalid);
    assert!(refused.message().contains("must be at most 1024 (max_event_kb)"), "{}", refused.message());
    let appended = sink.append(&[event("ann", 3)]).await.unwrap();
    assert_eq!(appended.places[0].map(|place| place.offset), Some(0), "nothing is before it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_must_fit_into_the_buffer() {
    let Some(brokers) = shared() else { return };
    let config = KafkaConfig { buffer_mb: 1, ..brokers.config("buffer") };
    topics::prepare(&config).await.unwrap();
    let sink = KafkaSink::open(&config).unwrap();
    let refused = sink.append(&events(0..5_000)).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Invalid);
    assert!(
        refused.message().contains("buffer_mb, which is 1; send smaller batches"),
        "{}",
        refused.message()
    );
    assert_eq!(sink.append(&events(0..500)).await.unwrap().accepted(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_topic_refuses_is_invalid_and_said_so() {
    let Some(brokers) = shared() else { return };
    let config = brokers.config("strict");
    topics::prepare(&config).await.unwrap();
    let sink =
        KafkaSink::open(&KafkaConfig { max_event_kb: 5_000, compression: Compression::None, ..config })
            .unwrap();
    let refused = sink.append(&[event(&"a".repeat(2_000_000), 1)]).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Invalid, "{}", refused.message());
    assert!(refused.message().contains("max.message.bytes"), "{}", refused.message());
}
