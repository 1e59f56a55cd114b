//! Events through Kafka: a topic is prepared, what users do is written to it, and a consumer group reads it back.
//!
//! `cargo run -p reco-kafka --example clickstream -- 127.0.0.1:9092` wants a broker there; one alone is enough.

use reco_core::event::{Action, Event, EventId};
use reco_core::store::{EventSink, EventSource};
use reco_core::time::{Clock, SystemClock};
use reco_kafka::{KafkaConfig, KafkaSink, KafkaSource, topics};
use std::error::Error;
use std::io::{self, Write};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let brokers = std::env::args().nth(1).ok_or("say where a broker is, such as 127.0.0.1:9092")?;
    // As many copies as there are brokers; in production 3 of which 2 must be in sync, the defaults.
    let config = KafkaConfig { brokers, replication: 1, min_in_sync: 1, ..KafkaConfig::default() };
    run(&config, &mut io::stdout()).await
}

/// Writes what was kept where, and what was read, to `out`.
pub(crate) async fn run(config: &KafkaConfig, out: &mut (dyn Write + Send)) -> Result<(), Box<dyn Error>> {
    topics::prepare(config).await?;
    let sink = KafkaSink::open(config)?;
    let now = SystemClock.wall();
    let steps =
        [("ann", "click", "darjeeling"), ("bob", "click", "matcha"), ("ann", "purchase", "darjeeling")];
    let events = steps.iter().zip(1..).map(|((user, action, item), number)| Event {
        // Whoever is not sure whether an event arrived sends it again, by the same id.
        id: EventId::v7(now, number),
        user: (*user).into(),
        item: (*item).into(),
        action: Action::from(*action),
        value: None,
        at: now,
        details: None,
    });
    let events: Vec<Event> = events.collect();
    for (event, place) in events.iter().zip(sink.append(&events).await?.places) {
        let place = place.ok_or("Kafka gives every event a place")?;
        writeln!(out, "{} {} is in partition {}", event.user, event.action.name(), place.partition)?;
    }

    let mut source = KafkaSource::open(config, "example")?;
    let mut n_read = 0;
    while n_read < events.len() {
        for delivery in source.poll(100).await? {
            let Event { user, action, item, .. } = &delivery.event;
            writeln!(out, "read: {user} {} {item}", action.name())?;
            n_read += 1;
        }
        // Only now: what was read before a crash, but not committed, comes again.
        source.commit().await?;
    }
    writeln!(out, "behind by {} events", source.lag().await?.values().sum::<u64>())?;
    source.close().await;
    Ok(())
}
