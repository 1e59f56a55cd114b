//! Events in Kafka.

use super::log::{RemoteLog, Whole};
use crate::{Failure, Session};
use reco_core::consume::Consumer;
use reco_core::live::Places;
use reco_core::pipeline::{LiveFeed, Recommender};
use reco_core::store::{EventSink, EventSource};
use reco_kafka::{KafkaConfig, KafkaSink, KafkaSource, ranges, topics};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

/// The topic of events, for who writes and who reads.
#[derive(Clone, Debug)]
pub(crate) struct KafkaLog {
    config: KafkaConfig,
    sink: Arc<KafkaSink>,
    runtime: Handle,
}

impl KafkaLog {
    /// What names of groups begin with.
    const GROUP: &str = "reco-";

    /// Events handed on at a time.
    const BATCH: usize = 10_000;

    /// The topic that the configuration names, created or checked.
    pub(super) fn connect(session: &Session, runtime: &Handle) -> Result<Self, Failure> {
        let config = session.config.kafka.clone();
        runtime.block_on(topics::prepare(&config))?;
        let sink = Arc::new(KafkaSink::open(&config)?);
        Ok(Self { config, sink, runtime: runtime.clone() })
    }

    async fn alone(&self, consumer: &str, known: &Places) -> Result<Alone, Failure> {
        let ranges = ranges(&self.config).await?;
        let start =
            |(partition, range): (&u32, &Range<u64>)| (*partition, known.next(*partition, range.start));
        let starts: BTreeMap<u32, u64> = ranges.iter().map(start).collect();
        let ends = ranges.into_iter().map(|(partition, range)| (partition, range.end)).collect();
        Ok((KafkaSource::open_alone(&self.config, consumer, &starts).await?, starts, ends))
    }

    /// What is no event moves the position without being handed out, so it is looked at now and then.
    const LOOK: Duration = Duration::from_millis(200);
}

impl RemoteLog for KafkaLog {
    fn sink(&self) -> Arc<dyn EventSink> {
        Arc::<KafkaSink>::clone(&self.sink)
    }

    /// A member of the consumer's group.
    fn member(&self, consumer: &str) -> Result<Box<dyn EventSource>, Failure> {
        let _inside = self.runtime.enter();
        Ok(Box::new(KafkaSource::open(&self.config, &format!("{}{consumer}", Self::GROUP))?))
    }

    /// A reader of all partitions from what is not known.
    fn whole(&self, consumer: &str, known: &Places) -> Result<Whole, Failure> {
        let (source, starts, _) = self.runtime.block_on(self.alone(consumer, known))?;
        Ok((Box::new(source), starts))
    }

    fn experiments(&self) -> Result<Option<Arc<dyn EventSink>>, Failure> {
        let Some(config) = self.config.of_experiments() else { return Ok(None) };
        self.runtime.block_on(topics::prepare(&config))?;
        Ok(Some(Arc::new(KafkaSink::open(&config)?)))
    }

    /// Where each partition begins.
    fn begins(&self) -> Result<BTreeMap<u32, u64>, Failure> {
        let ranges = self.runtime.block_on(ranges(&self.config))?;
        Ok(ranges.into_iter().map(|(partition, range)| (partition, range.start)).collect())
    }

    /// Lets the recommender know of what is kept by now and it does not know yet.
    fn restore(
        &self,
        session: &Session,
        recommender: &Recommender,
        checkpoint: &Path,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let (mut source, mut next, ends) = self.alone("restore", &recommender.live().applied()).await?;
            let mut feed = LiveFeed::new(recommender.clone(), checkpoint.into()).reading_from(next.clone());
            let left = |next: &BTreeMap<u32, u64>| -> u64 {
                ends.iter().map(|(part, end)| end.saturating_sub(next.get(part).copied().unwrap_or(0))).sum()
            };
            let total = left(&next);
            if total == 0 {
                return Ok(());
            }
            session.progress.begin("restoring events", total);
            let (mut n_events, mut heard) = (0, Instant::now());
            let patience = Duration::from_millis(u64::from(self.config.answer_timeout_ms));
            while left(&next) > 0 && heard.elapsed() < patience {
                let before = left(&next);
                if let Ok(polled) = timeout(Self::LOOK, source.poll(Self::BATCH)).await {
                    let deliveries = polled.map_err(|fault| fault.message())?;
                    feed.take(&deliveries).await.map_err(|fault| fault.message())?;
                    n_events += deliveries.len();
                }
                next.extend(source.positions());
                if left(&next) < before {
                    session.progress.advance(before - left(&next));
                    heard = Instant::now();
                }
            }
            session.progress.end(&format!("{n_events} of earlier"));
            if left(&next) > 0 {
                session.output.note(&format!("{} of Kafka's offsets could not be read yet", left(&next)));
            }
            Ok(())
        })
    }
}

/// A reader, where it begins, and where the topic ended when it was opened.
type Alone = (KafkaSource, BTreeMap<u32, u64>, BTreeMap<u32, u64>);
