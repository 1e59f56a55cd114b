//! A source's consumers, one after the other.

use super::KafkaSource;
use super::fetched::Fetched;
use super::ownership::{Owned, Ownership};
use crate::error::code;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError as ClientError;
use reco_core::error::Fault;
use std::sync::Arc;

impl KafkaSource {
    /// Takes a new consumer, which joins the group, or goes on in all partitions behind what was handed out.
    pub(super) fn connect(&mut self, ownership: Option<Arc<dyn Ownership>>) -> Result<(), ClientError> {
        let topic = &self.config.topic;
        let owned = match &self.alone {
            None => Owned::new(topic, ownership),
            Some(starts) => Owned::all(topic, starts.keys().copied()),
        };
        let consumer: StreamConsumer<Owned> = self.client.create_with_context(owned)?;
        match &self.alone {
            None => consumer.subscribe(&[topic])?,
            Some(starts) => {
                let mut from = starts.clone();
                from.extend(self.fetched.positions());
                consumer.assign(&self.list(&from))?;
            }
        }
        self.consumer = Some(Arc::new(consumer));
        Ok(())
    }

    /// Takes a new consumer in the place of one that will not reach the cluster again. To a group it is another reader,
    /// which gets partitions once the last is taken for dead.
    pub(super) fn begin_anew(&mut self) -> Result<Arc<StreamConsumer<Owned>>, Fault> {
        let group = &self.group;
        tracing::error!(target: "reco_kafka", group, "the client has lost all brokers; beginning anew");
        let last = Arc::clone(self.consumer());
        if self.alone.is_some() {
            self.fetched.forget_the_rest();
        } else {
            self.fetched = Fetched::default();
        }
        let connected = self.connect(last.context().retire());
        connected.map_err(|error| self.fault("beginning anew with", code(&error)))?;
        leave(last, &self.group);
        Ok(Arc::clone(self.consumer()))
    }
}

/// Leaving waits for the cluster: not on a thread of the runtime.
pub(super) fn leave(consumer: Arc<StreamConsumer<Owned>>, group: &str) {
    let leaving = std::thread::Builder::new().name("reco-kafka-leave".to_owned());
    if let Err(cause) = leaving.spawn(move || drop(consumer)) {
        tracing::warn!(target: "reco_kafka", group, "left without a word: {cause}");
    }
}
