//! How often new items may be shown, counted by all processes together.

use crate::client::{Batch, RedisClient, Script};
use async_trait::async_trait;
use reco_core::error::Fault;
use reco_core::id::ItemKey;
use reco_core::launch::{ExposureLedger, LeaseId};
use std::time::Duration;

/// The account of every new item's exposures: a hash, `PREFIX:exposures:{ITEM}`, with what is `granted` and how many each lease is
/// for. Taking a lease and giving it back are one step each, decided inside the server, and may be repeated.
///
/// What a fail-over loses, since replicas follow a moment behind, is not counted.
///
/// ```no_run
/// use reco_core::launch::Leased;
/// use reco_core::time::SystemClock;
/// use reco_redis::{Exposures, RedisClient, RedisConfig};
/// use std::sync::Arc;
///
/// # async fn run(seed: u64) -> Result<(), Box<dyn std::error::Error>> {
/// let client = RedisClient::new(RedisConfig::default(), Arc::new(SystemClock), seed)?;
/// let budget = Arc::new(Leased::new(Arc::new(Exposures::new(&client)), Leased::SIZE, Arc::new(SystemClock), seed));
/// tokio::spawn({
///     let budget = Arc::clone(&budget);
///     async move { budget.keep().await }
/// });
/// // `RecommenderBuilder::exposures(budget)` has it asked for what pages show.
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Exposures {
    client: RedisClient,
    take: Script,
    back: Script,
}

impl Exposures {
    const NAME: &'static str = "redis_exposures";

    /// An account that nobody asks for is forgotten after so long: an item is new no more by then.
    const KEPT: Duration = Duration::from_hours(90 * 24);

    /// What numbers in scripts are exact up to.
    const MOST: u64 = 1 << 53;

    /// The accounts under the client's prefix.
    pub fn new(client: &RedisClient) -> Self {
        let (take, back) = (include_str!("exposures.lua"), include_str!("exposures_back.lua"));
        Self { client: client.clone(), take: Script::new(take), back: Script::new(back) }
    }

    fn key(&self, item: &ItemKey) -> String {
        self.client.keys().owner("exposures", item.as_str())
    }
}

fn field(id: LeaseId) -> String {
    format!("lease:{:032x}", id.0)
}

#[async_trait]
impl ExposureLedger for Exposures {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn lease(&self, item: &ItemKey, id: LeaseId, want: u64, limit: u64) -> Result<u64, Fault> {
        let mut batch = Batch::default();
        batch.push_script(&self.take, &[&self.key(item)], |command| {
            let (want, limit) = (want.min(Self::MOST), limit.min(Self::MOST));
            command.arg(field(id)).arg(want).arg(limit).arg(Self::KEPT.as_millis() as u64);
        });
        self.client.one(&batch).await.map_err(|error| error.fault(Self::NAME))
    }

    async fn give_back(&self, item: &ItemKey, id: LeaseId, unused: u64) -> Result<(), Fault> {
        let mut batch = Batch::default();
        batch.push_script(&self.back, &[&self.key(item)], |command| {
            command.arg(field(id)).arg(unused.min(Self::MOST)).arg(Self::KEPT.as_millis() as u64);
        });
        let back: Result<u64, _> = self.client.one(&batch).await;
        back.map(drop).map_err(|error| error.fault(Self::NAME))
    }

    async fn granted(&self, item: &ItemKey) -> Result<u64, Fault> {
        let key = self.key(item);
        let mut command = redis::cmd("HGET");
        command.arg(&key).arg("granted");
        let mut batch = Batch::default();
        batch.push(&key, command);
        let granted: Option<u64> = self.client.one(&batch).await.map_err(|error| error.fault(Self::NAME))?;
        Ok(granted.unwrap_or(0))
    }
}
