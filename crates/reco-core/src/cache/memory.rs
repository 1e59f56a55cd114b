//! The cache of one process.

use super::Cache;
use crate::error::Fault;
use crate::time::Clock;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bytes in memory, bounded by their size; what is used least leaves first.
///
/// ```
/// use reco_core::cache::{Cache, MemoryCache};
/// use reco_core::time::SystemClock;
/// use std::{sync::Arc, time::Duration};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let cache = MemoryCache::new(1 << 20, Arc::new(SystemClock));
/// cache.put("recs:ann", "[1, 2]".into(), Duration::from_secs(3_600)).await?;
/// assert_eq!(cache.get("recs:ann").await?.as_deref(), Some(&b"[1, 2]"[..]));
/// # Ok::<(), reco_core::error::Fault>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct MemoryCache {
    entries: moka::sync::Cache<Arc<str>, (Instant, Bytes)>,
    clock: Arc<dyn Clock>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl MemoryCache {
    /// A cache that holds about `capacity` bytes of keys and values.
    pub fn new(capacity: u64, clock: Arc<dyn Clock>) -> Self {
        let weigh = |key: &Arc<str>, (_, value): &(Instant, Bytes)| {
            u32::try_from(key.len() + value.len()).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder().max_capacity(capacity).weigher(weigh).build();
        Self { entries, clock, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// Hits and misses so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Cache for MemoryCache {
    fn name(&self) -> &'static str {
        "memory_cache"
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, Fault> {
        // Expiry is read off the injected clock, so that tests and replays decide what time it is.
        let now = self.clock.now();
        let value = self.entries.get(key).filter(|(expires, _)| now < *expires).map(|(_, value)| value);
        let counter = if value.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(value)
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Fault> {
        let now = self.clock.now();
        // A time to live beyond what the clock can hold means for ever.
        let expires = now.checked_add(ttl).unwrap_or_else(|| now + Duration::from_secs(u64::from(u32::MAX)));
        self.entries.insert(key.into(), (expires, value));
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), Fault> {
        self.entries.invalidate(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;
    use crate::time::{ManualClock, Timestamp};

    #[tokio::test]
    async fn conforms() {
        let clock = ManualClock::starting_at(Timestamp::from_secs(0));
        let cache = MemoryCache::new(1 << 24, Arc::new(clock.clone()));
        conformance::cache(&cache, &|by| clock.advance(by)).await;
        let (hits, misses) = cache.counts();
        assert!(hits > 0 && misses > 0);
    }
}
