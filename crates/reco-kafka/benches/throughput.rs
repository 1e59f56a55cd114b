//! Events a second into Kafka and out of it, as one line of JSON on standard output.
//!
//! `benches/kafka/run.py` starts a broker, runs this beside Kafka's own tools and writes `docs/benchmarks/kafka.md`.
//! By itself: `cargo bench -p reco-kafka --bench throughput -- BROKERS TOPIC COMPRESSION EVENTS`.
#![allow(clippy::print_stdout, reason = "what is measured goes to standard output")]

use futures_util::future::try_join_all;
use reco_core::error::Fault;
use reco_core::event::{Action, Details, Event, EventId};
use reco_core::store::{EventSink, EventSource};
use reco_core::time::Timestamp;
use reco_kafka::{Compression, KafkaConfig, KafkaSink, KafkaSource, topics};
use std::error::Error;
use std::time::Instant;

/// Appends that are under way at a time, and events in each.
const WRITERS: usize = 8;
const BATCH: usize = 500;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [brokers, topic, compression, n_events] = arguments.as_slice() else {
        return Err("say BROKERS TOPIC COMPRESSION EVENTS".into());
    };
    let compression: Compression = serde_json::from_value(compression.as_str().into())?;
    let config = KafkaConfig {
        brokers: brokers.clone(),
        topic: topic.clone(),
        dead_letters: format!("{topic}.dead"),
        compression,
        replication: 1,
        min_in_sync: 1,
        ..KafkaConfig::default()
    };
    topics::prepare(&config).await?;
    let n_batches = n_events.parse::<usize>()? / BATCH;
    let batches: Vec<Vec<Event>> = (0..n_batches).map(batch).collect();
    let bytes =
        batches.iter().take(10).flatten().map(|event| serde_json::to_vec(event).map_or(0, |json| json.len()));
    let bytes = bytes.sum::<usize>() / (10 * BATCH);

    let sink = KafkaSink::open(&config)?;
    sink.append(&batch(n_batches)).await?;
    let begun = Instant::now();
    let mut took = write(&sink, &batches).await?;
    let produced = begun.elapsed();

    let mut source = KafkaSource::open(&config, "throughput")?;
    // Joining the group is over with the first events.
    let mut n_read = source.poll(1).await?.len();
    let begun = Instant::now();
    let first = n_read;
    while n_read < (n_batches + 1) * BATCH {
        n_read += source.poll(5_000).await?.len();
        source.commit().await?;
    }
    let consumed = begun.elapsed();
    source.close().await;

    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[(took.len() as f64 * share) as usize];
    println!(
        "{}",
        serde_json::json!({
            "compression": compression,
            "bytes_per_event": bytes,
            "produced_per_second": (n_batches * BATCH) as f64 / produced.as_secs_f64(),
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "consumed_per_second": (n_read - first) as f64 / consumed.as_secs_f64(),
        })
    );
    Ok(())
}

/// Milliseconds until each batch was acknowledged.
async fn write(sink: &KafkaSink, batches: &[Vec<Event>]) -> Result<Vec<f64>, Fault> {
    let writer = async |first: usize| {
        let mut took = Vec::new();
        for batch in batches.iter().skip(first).step_by(WRITERS) {
            let begun = Instant::now();
            sink.append(batch).await?;
            took.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok::<_, Fault>(took)
    };
    Ok(try_join_all((0..WRITERS).map(writer)).await?.concat())
}

/// What a shop's page sends: clicks of 10,000 users on 5,000 items, with session and position.
fn batch(number: usize) -> Vec<Event> {
    (number * BATCH..(number + 1) * BATCH).map(event).collect()
}

fn event(number: usize) -> Event {
    // Fibonacci hashing: spread evenly, and the same in every run.
    let random = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let at = Timestamp::from_millis(1_700_000_000_000 + number as i64);
    let details = Details {
        session: Some(format!("session-{:012x}", random >> 16).into()),
        position: Some((random % 40) as u32 + 1),
        ..Details::default()
    };
    Event {
        id: EventId::v7(at, u128::from(random) << 13),
        user: format!("user-{}", random >> 32 & 0x3fff).into(),
        item: format!("item-{}", (random >> 20) % 5_000).into(),
        action: Action::Click,
        value: None,
        at,
        details: Some(Box::new(details)),
    }
}
