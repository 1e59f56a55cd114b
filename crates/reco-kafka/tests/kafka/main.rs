//! Sink, source and topics with a real broker, which all of these tests share.

#[path = "../broker/mod.rs"]
mod broker;

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
