//! Messages that are no events, and where they go.

use crate::config::KafkaConfig;
use crate::error::{KafkaError, NAME};
use crate::outbox::{Outbox, Record};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, Message, OwnedHeaders};
use reco_core::error::{Fault, FaultKind};

/// Headers of a dead letter, which tell where it comes from and what is wrong with it.
pub mod origin {
    /// The topic in which it was.
    pub const TOPIC: &str = "reco-origin-topic";
    /// The partition.
    pub const PARTITION: &str = "reco-origin-partition";
    /// The offset.
    pub const OFFSET: &str = "reco-origin-offset";
    /// The group that came upon it.
    pub const GROUP: &str = "reco-group";
    /// Why it is no event.
    pub const PROBLEM: &str = "reco-problem";
    /// Why the letter is without key and value, if it is: the topic of dead letters does not take them.
    pub const LEFT_OUT: &str = "reco-left-out";
}

/// A message that is no event, with all that came with it.
#[derive(Debug)]
pub(super) struct DeadLetter {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: OwnedHeaders,
}

impl DeadLetter {
    pub(super) fn new(message: &BorrowedMessage<'_>, group: &str, problem: &str) -> Self {
        let (partition, offset) = (message.partition().to_string(), message.offset().to_string());
        tracing::warn!(target: "reco_kafka", topic = message.topic(), partition, offset, problem, "no event");
        let told = [
            (origin::TOPIC, message.topic()),
            (origin::PARTITION, &partition),
            (origin::OFFSET, &offset),
            (origin::GROUP, group),
            (origin::PROBLEM, problem),
        ];
        let headers = message.headers().map_or_else(OwnedHeaders::new, BorrowedHeaders::detach);
        let headers = told
            .into_iter()
            .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let owned = |part: Option<&[u8]>| part.map(<[u8]>::to_vec);
        Self { key: owned(message.key()), value: owned(message.payload()), headers }
    }

    fn record(&self) -> Record {
        Record {
            key: self.key.clone(),
            value: self.value.clone(),
            headers: self.headers.as_borrowed().detach(),
        }
    }

    /// What is left of one that is too large to be kept beside its origin: where it came from.
    fn without_content(&self, why: &str) -> Record {
        let headers = self.headers.as_borrowed().detach();
        let headers = headers.insert(Header { key: origin::LEFT_OUT, value: Some(why) });
        Record { key: None, value: None, headers }
    }
}

/// Where dead letters go. Connected to when the first one comes.
#[derive(Debug)]
pub(super) struct Graveyard {
    config: KafkaConfig,
    outbox: Option<Outbox>,
}

impl Graveyard {
    pub(super) fn new(config: &KafkaConfig) -> Self {
        // What others wrote may be larger than what we may write.
        let max_event_kb = config.buffer_mb.saturating_mul(1_024).min(100_000);
        Self { config: KafkaConfig { max_event_kb, ..config.clone() }, outbox: None }
    }

    /// Returns when all of them are kept. Should it fail, some may be, and are kept again by the next try.
    pub(super) async fn take(&mut self, letters: &[&DeadLetter]) -> Result<(), Fault> {
        if letters.is_empty() {
            return Ok(());
        }
        let outbox = match &mut self.outbox {
            Some(outbox) => outbox,
            none => none.insert(Outbox::open(&self.config, &self.config.dead_letters).map_err(unusable)?),
        };
        for some in letters.chunks(AT_ONCE) {
            match outbox.send(some.iter().map(|letter| letter.record()).collect()).await {
                // Together or by itself one of them is too large.
                Err(fault) if fault.kind == FaultKind::Invalid => one_by_one(outbox, some).await?,
                outcome => drop(outcome?),
            }
        }
        Ok(())
    }
}

/// Dead letters that are sent together.
const AT_ONCE: usize = 100;

async fn one_by_one(outbox: &Outbox, letters: &[&DeadLetter]) -> Result<(), Fault> {
    for letter in letters {
        match outbox.send(vec![letter.record()]).await {
            Err(fault) if fault.kind == FaultKind::Invalid => {
                outbox.send(vec![letter.without_content(&fault.message())]).await?;
            }
            outcome => drop(outcome?),
        }
    }
    Ok(())
}

fn unusable(error: KafkaError) -> Fault {
    Fault::new(NAME, FaultKind::Invalid).because(error)
}
