//! The cache of one process.

use super::hits::{CacheCounts, HitCounter};
use super::{Cache, ENTRY_BYTES};
use crate::error::Fault;
use crate::time::Clock;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes in memory, bounded by their size; what is used least leaves first.
///
/// A value whose time is up is never returned, but takes its room until it is replaced or pushed out.
/// A value larger than the whole cache is not kept.
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
/// assert_eq!(cache.counts().hit_rate(), Some(1.0));
/// # Ok::<(), reco_core::error::Fault>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct MemoryCache {
    entries: moka::sync::Cache<Arc<str>, (Instant, Bytes)>,
    clock: Arc<dyn Clock>,
    reads: HitCounter,
}

impl MemoryCache {
    /// A cache that takes about `capacity` bytes for keys, values and their bookkeeping. Expiry goes by
    /// the monotonic time of `clock`.
    pub fn new(capacity: u64, clock: Arc<dyn Clock>) -> Self {
        let weigh = |key: &Arc<str>, (_, value): &(Instant, Bytes)| {
            u32::try_from(ENTRY_BYTES + key.len() + value.len()).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder().max_capacity(capacity).weigher(weigh).build();
        Self { entries, clock, reads: HitCounter::default() }
    }

    /// Hits and misses so far.
    pub fn counts(&self) -> CacheCounts {
        self.reads.counts()
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
        if value.is_some() {
            self.reads.hit()
        } else {
            self.reads.miss()
        }
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
    use crate::time::{ManualClock, Timestamp};

    const HOUR: Duration = Duration::from_hours(1);

    fn cache(capacity: u64) -> MemoryCache {
        MemoryCache::new(capacity, Arc::new(ManualClock::starting_at(Timestamp::from_secs(0))))
    }

    #[tokio::test]
    async fn reads_are_counted() {
        let cache = cache(1 << 20);
        assert_eq!(cache.counts().hit_rate(), None);
        cache.put("k", "v".into(), Duration::MAX).await.unwrap();
        for key in ["k", "absent", "k", "k"] {
            cache.get(key).await.unwrap();
        }
        assert_eq!(cache.counts(), CacheCounts { hits: 3, misses: 1 });
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let cache = cache(100_000);
        for i in 0..2_000 {
            cache.put(&format!("key{i}"), vec![0; 1_000].into(), HOUR).await.unwrap();
        }
        cache.entries.run_pending_tasks();
        assert!(cache.entries.weighted_size() <= 100_000);
        assert!(cache.entries.entry_count() > 50, "room is used");
    }

    #[tokio::test]
    async fn a_value_too_large_does_not_leave_the_old_one_behind() {
        let cache = cache(10_000);
        cache.put("k", "old".into(), HOUR).await.unwrap();
        cache.put("k", vec![0; 20_000].into(), HOUR).await.unwrap();
        cache.entries.run_pending_tasks();
        assert_eq!(cache.get("k").await.unwrap(), None);
    }
}
