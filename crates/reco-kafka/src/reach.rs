//! Whether a client still knows any broker.
//!
//! A broker that hung until its cluster took it for dead, and goes on, tells until it has registered again that there
//! are no brokers at all. A client that hears it forgets every broker, the configured ones too, and never looks for one
//! again (librdkafka 2.10 and later, its issue 5301). Of what it reports only its statistics show that. So they are
//! looked at, and a client that has lost all brokers is replaced by a new one.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

/// Milliseconds between two looks.
pub(crate) const INTERVAL_MS: u32 = 2_000;

/// Looks in a row that must find no broker: one can fall into the moment in which a client replaces those it knows.
const PATIENCE: u32 = 2;

/// What a client's statistics told about its brokers.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// How many times in a row there was none.
    missed: AtomicU32,
    lost: Notify,
}

impl Reach {
    /// To be told of every set of statistics.
    pub(crate) fn note(&self, statistics: &[u8]) {
        if knows_a_broker(statistics) {
            self.missed.store(0, Ordering::Relaxed);
        } else if self.missed.fetch_add(1, Ordering::Relaxed) + 1 >= PATIENCE {
            self.lost.notify_one();
        }
    }

    /// Whether the client will never reach a broker again.
    pub(crate) fn is_lost(&self) -> bool {
        self.missed.load(Ordering::Relaxed) >= PATIENCE
    }

    /// Waits until that is so; one may wait at a time.
    pub(crate) async fn lost(&self) {
        while !self.is_lost() {
            self.lost.notified().await;
        }
    }
}

/// The part of librdkafka's statistics that counts.
#[derive(Deserialize)]
struct Statistics {
    brokers: BTreeMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    source: String,
}

/// The library's own, such as a group's coordinator, are no brokers to be asked for others. What cannot be read is no
/// reason to give a client up.
fn knows_a_broker(statistics: &[u8]) -> bool {
    let is_real = |broker: &Broker| matches!(broker.source.as_str(), "configured" | "learned");
    match serde_json::from_slice::<Statistics>(statistics) {
        Ok(statistics) => statistics.brokers.values().any(is_real),
        Err(cause) => {
            tracing::debug!(target: "reco_kafka", "statistics cannot be read: {cause}");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = r#"{"name": "reco#producer-1", "brokers": {}, "topics": {"t": {"topic": "t"}}}"#;
    const INTERNAL: &str = r#"{"brokers": {"GroupCoordinator": {"source": "logical", "state": "INIT"}}}"#;
    const DOWN: &str = r#"{"brokers": {"b:1/bootstrap": {"source": "configured", "state": "DOWN"}}}"#;
    const UP: &str = r#"{"brokers": {"b:1/0": {"source": "learned", "nodeid": 0, "state": "UP"}}}"#;

    fn check(told: &[&str], expected: bool) {
        let reach = Reach::default();
        told.iter().for_each(|statistics| reach.note(statistics.as_bytes()));
        assert_eq!(reach.is_lost(), expected, "{told:?}");
    }

    #[test]
    fn a_client_is_lost_that_knows_no_broker_for_long() {
        check(&[], false);
        check(&[NONE], false);
        check(&[UP, NONE, INTERNAL], true);
        check(&[NONE, NONE, NONE], true);
    }

    #[test]
    fn a_client_whose_brokers_are_down_is_not() {
        check(&[DOWN, DOWN, DOWN], false);
        check(&[NONE, DOWN, NONE, UP], false);
        check(&["no statistics", "", "{}"], false);
    }

    #[tokio::test]
    async fn who_waits_is_told() {
        let reach = Reach::default();
        let lost =
            async { tokio::join!(reach.lost(), async { (0..2).for_each(|_| reach.note(NONE.as_bytes())) }) };
        lost.await;
        reach.lost().await;
    }
}
