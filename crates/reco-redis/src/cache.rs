//! A cache that all processes share.

use crate::client::{Batch, RedisClient};
use crate::error::CallError;
use async_trait::async_trait;
use bytes::Bytes;
use reco_core::cache::{Cache, CacheCounts};
use reco_core::error::Fault;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes under `PREFIX:cache:KEY`, as plain strings that expire.
///
/// ```no_run
/// use reco_core::cache::Cache;
/// use reco_core::time::SystemClock;
/// use reco_redis::{RedisCache, RedisClient, RedisConfig};
/// use std::{sync::Arc, time::Duration};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = RedisClient::new(RedisConfig::default(), Arc::new(SystemClock), 7)?;
/// let cache = RedisCache::new(&client);
/// cache.put("recs:ann", "[1, 2]".into(), Duration::from_secs(3_600)).await?;
/// assert_eq!(cache.get("recs:ann").await?.as_deref(), Some(&b"[1, 2]"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisCache {
    client: RedisClient,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl RedisCache {
    const NAME: &'static str = "redis_cache";

    /// What lives longer than this lives as long as this.
    const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

    /// A cache over a client.
    pub fn new(client: &RedisClient) -> Self {
        Self { client: client.clone(), hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// Hits and misses of this process so far. Reads that failed are neither.
    pub fn counts(&self) -> CacheCounts {
        CacheCounts { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }

    fn key(&self, key: &str) -> String {
        self.client.keys().plain("cache", key)
    }
}

#[async_trait]
impl Cache for RedisCache {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, Fault> {
        let key = self.key(key);
        let mut command = redis::cmd("GET");
        command.arg(&key);
        let value: Result<Option<Vec<u8>>, CallError> = self.client.one(&Batch::of(&key, command)).await;
        let value = value.map_err(|error| error.fault(Self::NAME))?;
        let counter = if value.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(value.map(Bytes::from))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Fault> {
        if ttl.is_zero() {
            return self.remove(key).await;
        }
        let key = self.key(key);
        let millis = ttl.min(Self::LONGEST).as_millis().max(1) as u64;
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&value[..]).arg("PX").arg(millis);
        self.client.run(&Batch::of(&key, command)).await.map(drop).map_err(|error| error.fault(Self::NAME))
    }

    async fn remove(&self, key: &str) -> Result<(), Fault> {
        let key = self.key(key);
        let mut command = redis::cmd("UNLINK");
        command.arg(&key);
        self.client.run(&Batch::of(&key, command)).await.map(drop).map_err(|error| error.fault(Self::NAME))
    }
}
