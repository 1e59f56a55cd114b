//! Events out of Kafka, as a member of a consumer group.

mod connection;
mod dead;
mod ends;
mod fetched;
mod lag;
mod ownership;

pub use dead::origin;
pub use ownership::Ownership;

use crate::client;
use crate::config::KafkaConfig;
use crate::error::{KafkaError, NAME, code, fault};
use async_trait::async_trait;
use dead::Graveyard;
use fetched::Fetched;
use futures_util::future::{Either, select};
use futures_util::{FutureExt, StreamExt};
use ownership::Owned;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use reco_core::error::{Fault, FaultKind};
use reco_core::store::{Delivery, EventSource};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, sleep};

/// Reads events as a member of a consumer group, whose members share the partitions.
///
/// * A new group starts with the oldest event kept, and a partition that changes hands behind its last commit.
///   Partitions move one by one (cooperative-sticky): the others are read on meanwhile. Who commits after
///   each poll hands nothing out twice when members come and go in good order.
/// * [`commit`](EventSource::commit) is about what was handed out from partitions that are still ours.
/// * A message that is no event goes to [the topic of dead letters](KafkaConfig::dead_letters), with
///   [headers](origin) that tell where it was and what is wrong; then reading goes on.
/// * Messages of transactions that were not committed are not read.
/// * Who polls too rarely ([`poll_interval_ms`](KafkaConfig::poll_interval_ms)) is left by its partitions; the next
///   poll tells so, and the one after joins again.
/// * Should its client lose all brokers, a new one takes its place and joins the group as another reader: what was
///   not committed comes again.
/// * Dropping leaves the group in the background; [`close`](Self::close) waits for it.
pub struct KafkaSource {
    /// There until it is closed.
    consumer: Option<Arc<StreamConsumer<Owned>>>,
    /// What consumers are made of.
    client: ClientConfig,
    fetched: Fetched,
    graveyard: Graveyard,
    config: KafkaConfig,
    group: String,
    /// Where it began, by partition, if it reads all of them by itself and belongs to no group.
    alone: Option<BTreeMap<u32, u64>>,
}

/// Events that a poll hands out at most, so that it does not keep a thread of the runtime for long.
const AT_ONCE: usize = 10_000;

/// How long to wait before committing again.
const PAUSE: Duration = Duration::from_millis(100);

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource")
            .field("group", &self.group)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// A reader for `group`, which joins it at its first poll; connections are made in the background.
    ///
    /// # Errors
    ///
    /// [`KafkaError::Config`] with all that is wrong, and [`KafkaError::Client`] for properties that the client library
    /// does not take, and outside of a tokio runtime.
    pub fn open(config: &KafkaConfig, group: &str) -> Result<Self, KafkaError> {
        Self::open_as(config, group, None, None)
    }

    /// A reader that tells `ownership` about its partitions, and starts in them where that says.
    ///
    /// ```no_run
    /// use reco_kafka::{KafkaConfig, KafkaSource};
    /// use std::collections::BTreeMap;
    ///
    /// # async fn run() -> Result<(), reco_kafka::KafkaError> {
    /// let offsets_kept_with_the_state = BTreeMap::from([(0, 1_200), (1, 870)]);
    /// let source = KafkaSource::open_owning(&KafkaConfig::default(), "counts", offsets_kept_with_the_state)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn open_owning(
        config: &KafkaConfig,
        group: &str,
        ownership: impl Ownership,
    ) -> Result<Self, KafkaError> {
        Self::open_as(config, group, None, Some(Arc::new(ownership)))
    }

    /// A reader of all partitions there are, which belongs to no group: for who keeps what events amount to in the process
    /// itself, so that each process needs all of them. It starts where `from` says, else with the oldest event kept;
    /// committing does nothing. A message that is no event is passed over: it is for a group to keep it.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open), and [`KafkaError::Cluster`] when the cluster does not tell which partitions there are.
    pub async fn open_alone(
        config: &KafkaConfig,
        name: &str,
        from: &BTreeMap<u32, u64>,
    ) -> Result<Self, KafkaError> {
        let mut partitions = ranges(config).await?;
        for (partition, range) in &mut partitions {
            range.start = from.get(partition).map_or(range.start, |start| (*start).max(range.start));
        }
        let starts = partitions.into_iter().map(|(partition, range)| (partition, range.start)).collect();
        Self::open_as(config, name, Some(starts), None)
    }

    fn open_as(
        config: &KafkaConfig,
        group: &str,
        alone: Option<BTreeMap<u32, u64>>,
        ownership: Option<Arc<dyn Ownership>>,
    ) -> Result<Self, KafkaError> {
        let client = client::consumer(config, group)?;
        if group.is_empty() {
            return Err(KafkaError::Config(vec!["group is empty, must be a name".to_owned()]));
        }
        if Handle::try_current().is_err() {
            let cause = ClientError::ClientCreation("a source is opened within a tokio runtime".to_owned());
            return Err(KafkaError::client(config, cause));
        }
        let mut source = Self {
            consumer: None,
            client,
            fetched: Fetched::default(),
            graveyard: Graveyard::new(config),
            config: config.clone(),
            group: group.to_owned(),
            alone,
        };
        source.connect(ownership).map_err(|cause| KafkaError::client(config, cause))?;
        Ok(source)
    }

    /// Partitions that are ours, as of the last poll.
    pub fn partitions(&self) -> BTreeSet<u32> {
        self.consumer().context().partitions()
    }

    /// By partition, the offset behind what was handed out or passed over so far.
    pub fn positions(&self) -> BTreeMap<u32, u64> {
        self.fetched.positions()
    }

    /// How many messages the group has not committed, by partition of the topic, whoever reads it. Those that are no
    /// events and, where others write in transactions, marks of those count, too.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the cluster does not tell.
    pub async fn lag(&self) -> Result<BTreeMap<u32, u64>, Fault> {
        let (consumer, topic) = (Arc::clone(self.consumer()), self.config.topic.clone());
        let patience = Duration::from_millis(u64::from(self.config.answer_timeout_ms));
        let asked = spawn_blocking(move || lag::of_group(&*consumer, &topic, patience)).await;
        asked.map_err(interrupted)?.map_err(|error| self.fault("measuring the lag of", code(&error)))
    }

    /// Leaves the group, so that others get our partitions at once. What was not committed comes again, to them.
    pub async fn close(mut self) {
        if let Some(consumer) = self.consumer.take() {
            // Leaving waits for the cluster, for some seconds at most.
            let _ = spawn_blocking(move || drop(consumer)).await;
        }
    }

    fn consumer(&self) -> &Arc<StreamConsumer<Owned>> {
        self.consumer.as_ref().expect("there is a consumer until the source is closed")
    }

    fn fault(&self, doing: &str, code: Code) -> Fault {
        fault(&self.config, &format!("group {}, {doing}", self.group), &self.config.topic, code)
    }

    /// Waits for a message, unless one is there already, and takes what else has come, up to `max`.
    async fn fetch(&mut self, max: usize) -> Result<(), Fault> {
        let mut consumer = Arc::clone(self.consumer());
        while self.fetched.is_empty() {
            let message = {
                let (mut stream, lost) = (consumer.stream(), pin!(consumer.context().reach.lost()));
                match select(stream.next(), lost).await {
                    Either::Left((message, _)) => Some(message.expect("a consumer's stream does not end")),
                    Either::Right(_) => None,
                }
            };
            match message {
                Some(message) => self.keep(&consumer, message)?,
                None => consumer = self.begin_anew()?,
            }
        }
        let mut stream = consumer.stream();
        while self.fetched.len() < max
            && let Some(Some(message)) = stream.next().now_or_never()
        {
            self.keep(&consumer, message)?;
        }
        Ok(())
    }

    fn keep(
        &mut self,
        consumer: &StreamConsumer<Owned>,
        message: Result<BorrowedMessage<'_>, ClientError>,
    ) -> Result<(), Fault> {
        self.settle(consumer)?;
        match message {
            Ok(message) if consumer.context().has(message.partition() as u32) => {
                self.fetched.push(&message, &self.group);
                Ok(())
            }
            // Of a partition that went while it was on its way.
            Ok(_) => Ok(()),
            Err(error) if is_passing(code(&error)) => Ok(()),
            Err(error) => Err(self.fault("reading", code(&error))),
        }
    }

    /// Takes note of partitions that went. To be done before anything is taken from them that came later, should they
    /// have come back.
    fn settle(&mut self, consumer: &StreamConsumer<Owned>) -> Result<(), Fault> {
        self.fetched.forget(&consumer.context().take_revoked());
        match consumer.context().take_failure() {
            Some(error) => {
                let cause =
                    format!("group {}, taking over partitions of {}: {error}", self.group, self.config.topic);
                Err(Fault::new(NAME, FaultKind::Internal).because(cause))
            }
            None => Ok(()),
        }
    }

    /// Sees to it that messages that are no events are kept elsewhere.
    async fn bury(&mut self) -> Result<(), Fault> {
        if self.alone.is_none() {
            self.graveyard.take(&self.fetched.dead()).await?;
        }
        self.fetched.bury();
        Ok(())
    }
}

/// Where the events that are kept begin and end, by partition of the topic.
///
/// # Errors
///
/// [`KafkaError::Cluster`] when the cluster does not tell; [`KafkaError::Config`] and [`KafkaError::Client`] as for opening
/// a source.
pub async fn ranges(config: &KafkaConfig) -> Result<BTreeMap<u32, Range<u64>>, KafkaError> {
    let mut client = client::admin(config)?;
    // The end of what has been committed, where others write in transactions.
    client.set("isolation.level", "read_committed");
    let consumer: BaseConsumer<client::Log> =
        client.create_with_context(client::Log).map_err(|cause| KafkaError::client(config, cause))?;
    let (topic, patience) =
        (config.topic.clone(), Duration::from_millis(u64::from(config.answer_timeout_ms)));
    let asked = spawn_blocking(move || lag::ranges(&consumer, &topic, patience)).await;
    let doing = format!("asking where topic {} begins and ends", config.topic);
    asked
        .map_err(|cause| KafkaError::cluster(config, &doing, cause))?
        .map_err(|cause| KafkaError::cluster(config, &doing, cause))
}

/// The library sees to it by itself, and one broker's absence is no fault while there are others.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure | Code::OperationTimedOut | Code::Resolve | Code::AutoOffsetReset
    )
}

/// Trying again helps: the group is changing, or its coordinator is moving. Partitions stay ours meanwhile, as they are
/// given up within a poll only, unless the group took us for dead.
fn may_be_committed_later(code: Code, is_lost: bool) -> bool {
    !is_lost
        && matches!(
            code,
            Code::RebalanceInProgress
            // Sent before the group changed, and looked at after.
            | Code::IllegalGeneration
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::WaitingForCoordinator
            | Code::BrokerTransportFailure
            | Code::RequestTimedOut
            | Code::OperationTimedOut
            | Code::UnstableOffsetCommit
        )
}

fn interrupted(cause: JoinError) -> Fault {
    Fault::new(NAME, FaultKind::Internal).because(cause)
}

#[async_trait]
impl EventSource for KafkaSource {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn poll(&mut self, max: usize) -> Result<Vec<Delivery>, Fault> {
        let max = max.clamp(1, AT_ONCE);
        loop {
            self.fetch(max).await?;
            self.bury().await?;
            let consumer = Arc::clone(self.consumer());
            self.settle(&consumer)?;
            let deliveries = self.fetched.hand_out(max);
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }

    async fn commit(&mut self) -> Result<(), Fault> {
        let consumer = Arc::clone(self.consumer());
        self.settle(&consumer)?;
        let offsets = self.fetched.uncommitted();
        if offsets.is_empty() || self.alone.is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + Duration::from_millis(u64::from(self.config.answer_timeout_ms));
        loop {
            let (consumer, list) = (Arc::clone(&consumer), self.list(&offsets));
            match spawn_blocking(move || consumer.commit(&list, CommitMode::Sync))
                .await
                .map_err(interrupted)?
            {
                Ok(()) => break,
                Err(error)
                    if may_be_committed_later(code(&error), self.consumer().assignment_lost())
                        && Instant::now() < deadline =>
                {
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(self.fault("committing what was read from", code(&error))),
            }
        }
        self.fetched.committed(offsets);
        Ok(())
    }

    /// As of some seconds ago, of the partitions that are ours.
    fn behind(&self) -> Option<u64> {
        let context = self.consumer().context();
        let mut positions = self.alone.clone().unwrap_or_default();
        positions.extend(self.fetched.positions());
        context.ends.behind(&context.partitions(), &positions)
    }
}

impl KafkaSource {
    fn list(&self, offsets: &BTreeMap<u32, u64>) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            let added = list.add_partition_offset(
                &self.config.topic,
                *partition as i32,
                Offset::Offset(*offset as i64),
            );
            added.expect("an offset is not negative");
        }
        list
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            connection::leave(consumer, &self.group);
        }
    }
}
