//! Caches: bytes under a key for a while.

mod hits;
mod layered;
mod memory;

pub use hits::CacheCounts;
pub use layered::{Codec, Found, Layer, LayerCounts, Layered, Life, Made, Stale};
pub use memory::MemoryCache;

use crate::error::Fault;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::time::Duration;

/// Bytes that an entry in memory takes beside its key and its value, as measured with a million of them.
const ENTRY_BYTES: usize = 440;

/// Bytes under a key for a while. Comfort is in [`CacheExt`], kept out of the trait so that
/// implementors and wrappers have four methods to write and none to forget.
///
/// ```
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use reco_core::cache::{Cache, MemoryCache};
/// use reco_core::conformance;
/// use reco_core::error::Fault;
/// use reco_core::time::{ManualClock, Timestamp};
/// use std::{sync::Arc, time::Duration};
///
/// /// Several tenants in one cache.
/// #[derive(Debug)]
/// struct Tenant<C> {
///     name: String,
///     shared: C,
/// }
///
/// impl<C> Tenant<C> {
///     fn key(&self, key: &str) -> String {
///         format!("{}:{key}", self.name)
///     }
/// }
///
/// #[async_trait]
/// impl<C: Cache> Cache for Tenant<C> {
///     fn name(&self) -> &str {
///         self.shared.name()
///     }
///     async fn get(&self, key: &str) -> Result<Option<Bytes>, Fault> {
///         self.shared.get(&self.key(key)).await
///     }
///     async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Fault> {
///         self.shared.put(&self.key(key), value, ttl).await
///     }
///     async fn remove(&self, key: &str) -> Result<(), Fault> {
///         self.shared.remove(&self.key(key)).await
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let clock = ManualClock::starting_at(Timestamp::from_secs(0));
/// let shared: Arc<dyn Cache> = Arc::new(MemoryCache::new(16 << 20, Arc::new(clock.clone())));
/// for name in ["north", "south"] {
///     let tenant = Tenant { name: name.to_owned(), shared: Arc::clone(&shared) };
///     conformance::cache(&tenant, &|by| clock.advance(by)).await;
/// }
/// # });
/// ```
#[async_trait]
pub trait Cache: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics and faults.
    fn name(&self) -> &str;

    /// The value, unless absent or expired.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the cache cannot answer; callers treat that as a miss.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Fault>;

    /// Stores `value` for `ttl`, replacing what was there. Nothing is there after a `ttl` of zero.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the value may not have been stored.
    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Fault>;

    /// Forgets `key`; fine if it was absent.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the value may still be there.
    async fn remove(&self, key: &str) -> Result<(), Fault>;
}

/// Comfort over any [`Cache`].
pub trait CacheExt: Cache {
    /// Decodes what is cached; a value that does not decode is a miss.
    fn get_as<T: Send>(
        &self,
        key: &str,
        decode: fn(&[u8]) -> Option<T>,
    ) -> impl Future<Output = Result<Option<T>, Fault>> + Send {
        async move { Ok(self.get(key).await?.and_then(|bytes| decode(&bytes))) }
    }
}

impl<C: Cache + ?Sized> CacheExt for C {}
