//! Sink, source and topics with a real broker, which all of these tests share.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

#[path = "../broker/mod.rs"]
mod broker;

#[path = "../../examples/clickstream.rs"]
#[allow(dead_code, reason = "its main is not called")]
mod clickstream;
mod events;
mod reading;
mod topics;

use broker::Brokers;
use std::sync::OnceLock;

/// The broker, if there is one to run. It ends with this process.
fn shared() -> Option<&'static Brokers> {
    static BROKER: OnceLock<Option<Brokers>> = OnceLock::new();
    BROKER.get_or_init(|| Some(Brokers::start(&broker::jars()?, 1))).as_ref()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_does_what_it_says() {
    let Some(brokers) = shared() else { return };
    let mut said = Vec::new();
    clickstream::run(&brokers.config("example"), &mut said).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    for line in ["read: ann purchase darjeeling", "read: bob click matcha", "behind by 0 events"] {
        assert!(said.contains(line), "\"{line}\" is not in: {said}");
    }
}
