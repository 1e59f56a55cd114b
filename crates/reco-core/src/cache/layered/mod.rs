//! Values that are dear to make: kept near, kept far, and made once however many ask.

mod counts;
mod flights;
#[cfg(test)]
mod tests;

pub use counts::LayerCounts;

use super::{Cache, ENTRY_BYTES};
use crate::error::{Fault, FaultKind};
use crate::time::{Budget, Clock, Timestamp};
use bytes::{BufMut, Bytes, BytesMut};
use counts::Counters;
use flights::{Flight, Flights};
use futures_util::future::{BoxFuture, FutureExt};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::BuildHasher;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a value is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// For so long it is handed out as it is; for up to a tenth less, each value for another part of it, so that what was
    /// made together does not expire together.
    pub fresh: Duration,
    /// For so long after that it may still be handed out, by `policy`.
    pub stale: Duration,
    /// For so long it is remembered that there is no value.
    pub absent: Duration,
    /// When a stale value is handed out.
    pub policy: Stale,
}

impl Life {
    /// Finished lists: an hour, and another one while they are made anew.
    pub const LISTS: Self = Self::of(3_600, 3_600, Stale::WhileMadeAnew);

    /// Embeddings: an hour, and for a day when their source fails.
    pub const EMBEDDINGS: Self = Self::of(3_600, 86_400, Stale::OnFault);

    /// Features: a quarter of an hour, and for a day when their source fails.
    pub const FEATURES: Self = Self::of(900, 86_400, Stale::OnFault);

    /// What is known of items: an hour, and for a day when their source fails.
    pub const METADATA: Self = Self::of(3_600, 86_400, Stale::OnFault);

    const fn of(fresh: u64, stale: u64, policy: Stale) -> Self {
        let secs = Duration::from_secs;
        Self { fresh: secs(fresh), stale: secs(stale), absent: secs(60), policy }
    }
}

/// When a value that is not fresh any more is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// At once, while it is made anew for those who come later.
    WhileMadeAnew,
    /// When making it anew fails; it comes with the fault then.
    OnFault,
}

/// What making a value came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Made<T> {
    /// A value to keep.
    Kept(T),
    /// A value for those who wait for it, and for nobody later.
    Passing(T),
    /// There is none, which is worth remembering, too.
    Absent,
}

/// Where a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layer {
    /// In this process.
    Near,
    /// In the cache that others share.
    Far,
    /// In this process, and no longer fresh.
    Stale,
    /// Nowhere: it was made.
    Made,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Near => "near",
            Self::Far => "far",
            Self::Stale => "stale",
            Self::Made => "made",
        })
    }
}

/// What somebody who asked gets.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// The value, if there is one.
    pub value: Option<T>,
    /// Where it comes from.
    pub layer: Layer,
    /// Why a stale value had to do.
    pub fault: Option<Fault>,
}

/// How values become bytes for a cache on another machine, and values again; `None` for bytes that are none.
#[derive(Clone, Copy, Debug)]
pub struct Codec<T> {
    /// To bytes.
    pub encode: fn(&T) -> Vec<u8>,
    /// From bytes.
    pub decode: fn(&[u8]) -> Option<T>,
}

/// A cache in up to two layers: in this process, bounded in memory, and in front of a [`Cache`] that others share.
///
/// Who asks for a key that nobody has waits for it to be made; all who ask meanwhile wait for the same. A shared cache that
/// fails is as good as an empty one. Cheap to clone; clones are the same cache.
///
/// ```
/// use reco_core::cache::{Layer, Layered, Life, Made};
/// use reco_core::time::SystemClock;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let titles = Layered::<String>::new("titles", Life::METADATA, 1 << 20, String::len, Arc::new(SystemClock));
/// let ask = || titles.get_or("tea", || async { Ok(Made::Kept("Green tea".to_owned())) });
/// assert_eq!(ask().await?.layer, Layer::Made);
/// let found = ask().await?;
/// assert_eq!((found.value.as_deref(), found.layer), (Some("Green tea"), Layer::Near));
/// # Ok::<(), reco_core::error::Fault>(())
/// # }).unwrap();
/// ```
pub struct Layered<T>(Arc<Inner<T>>);

struct Inner<T> {
    name: Arc<str>,
    life: Life,
    near: moka::sync::Cache<Arc<str>, Entry<T>>,
    far: Option<Far<T>>,
    clock: Arc<dyn Clock>,
    flights: Flights<T>,
    counters: Counters,
}

/// The cache that others share.
#[derive(Clone)]
struct Far<T> {
    cache: Arc<dyn Cache>,
    codec: Codec<T>,
    patience: Duration,
}

/// A value of this process, or that there is none.
#[derive(Clone, Debug)]
struct Entry<T> {
    value: Option<T>,
    fresh_until: Instant,
    good_until: Instant,
}

impl<T> Clone for Layered<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Layered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered")
            .field("name", &self.0.name)
            .field("life", &self.0.life)
            .field("far", &self.0.far.as_ref().map(|far| far.cache.name()))
            .finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static> Layered<T> {
    /// A cache of this process alone, of about `capacity` bytes; `weigh` tells the bytes of a value.
    pub fn new(name: &str, life: Life, capacity: u64, weigh: fn(&T) -> usize, clock: Arc<dyn Clock>) -> Self {
        let weigh = move |key: &Arc<str>, entry: &Entry<T>| {
            let bytes = ENTRY_BYTES + key.len() + entry.value.as_ref().map_or(0, weigh);
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let near = moka::sync::Cache::builder().max_capacity(capacity).weigher(weigh).build();
        Self(Arc::new(Inner {
            name: name.into(),
            life,
            near,
            far: None,
            clock,
            flights: Flights::default(),
            counters: Counters::default(),
        }))
    }

    /// The same in front of a cache that others share; keys are the same in both. A read of it that takes longer than
    /// `patience` has failed.
    #[must_use]
    pub fn before(self, cache: Arc<dyn Cache>, codec: Codec<T>, patience: Duration) -> Self {
        let Inner { name, life, near, clock, .. } = &*self.0;
        Self(Arc::new(Inner {
            name: Arc::clone(name),
            life: *life,
            near: near.clone(),
            far: Some(Far { cache, codec, patience }),
            clock: Arc::clone(clock),
            flights: Flights::default(),
            counters: Counters::default(),
        }))
    }

    /// The name, for metrics.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What was found where so far.
    pub fn counts(&self) -> LayerCounts {
        self.0.counters.counts(self.0.far.is_some())
    }

    /// The value of `key`; where it is not known, what `make` makes of it.
    ///
    /// Making goes on when the caller leaves, if there is a tokio runtime.
    ///
    /// # Errors
    ///
    /// That of `make`, if there is no stale value to hand out instead.
    pub async fn get_or<F>(&self, key: &str, make: impl FnOnce() -> F + Send) -> Result<Found<T>, Fault>
    where
        F: Future<Output = Result<Made<T>, Fault>> + Send + 'static,
    {
        let (now, Inner { near, counters, life, .. }) = (self.0.clock.now(), &*self.0);
        let stale = match near.get(key) {
            Some(entry) if now < entry.fresh_until => {
                counters.near.hit();
                return Ok(Found { value: entry.value, layer: Layer::Near, fault: None });
            }
            stale => stale.filter(|entry| now < entry.good_until),
        };
        let Some(stale) = stale else {
            counters.near.miss();
            return self.fly(key, make).await;
        };
        if life.policy == Stale::WhileMadeAnew && tokio::runtime::Handle::try_current().is_ok() {
            counters.stale();
            drop(self.start(key, make));
            return Ok(Found { value: stale.value, layer: Layer::Stale, fault: None });
        }
        counters.near.miss();
        let found = self.fly(key, make).await;
        found.or_else(|fault| {
            counters.stale();
            Ok(Found { value: stale.value, layer: Layer::Stale, fault: Some(fault) })
        })
    }

    /// Forgets `key`; what is being made of it meanwhile is not kept.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when it may still be in the shared cache.
    pub async fn remove(&self, key: &str) -> Result<(), Fault> {
        self.0.flights.abandon(key);
        self.0.near.invalidate(key);
        match &self.0.far {
            Some(far) => far.cache.remove(key).await,
            None => Ok(()),
        }
    }

    /// Waits for what is being made.
    async fn fly<F>(&self, key: &str, make: impl FnOnce() -> F + Send) -> Result<Found<T>, Fault>
    where
        F: Future<Output = Result<Made<T>, Fault>> + Send + 'static,
    {
        let (value, layer) = self.start(key, make).await?;
        Ok(Found { value, layer, fault: None })
    }

    /// Joins those who wait for `key`, or begins.
    fn start<F>(&self, key: &str, make: impl FnOnce() -> F) -> Flight<T>
    where
        F: Future<Output = Result<Made<T>, Fault>> + Send + 'static,
    {
        let this = self.clone();
        let (flight, is_new) = self.0.flights.join(key, |key, kept| {
            let make = make().boxed();
            let made = async move { this.bring(&key, &kept, make).await };
            let name = Arc::clone(&self.0.name);
            let caught = AssertUnwindSafe(made).catch_unwind().map(move |made| {
                made.unwrap_or_else(|_| {
                    Err(Fault::new(name, FaultKind::Internal).because("making a value panicked"))
                })
            });
            caught.boxed()
        });
        if !is_new {
            self.0.counters.joined();
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // It ends although whoever began it may leave.
            drop(runtime.spawn(flight.clone()));
        }
        flight
    }

    /// The value from the shared cache, or made.
    async fn bring(
        &self,
        key: &Arc<str>,
        is_wanted: &flights::Wanted,
        make: BoxFuture<'static, Result<Made<T>, Fault>>,
    ) -> flights::Outcome<T> {
        let (now, counters) = (self.0.clock.now(), &self.0.counters);
        if let Some((value, age)) = self.shared(key).await {
            let entry = self.entry(key, value, now, age);
            if self.0.clock.now() < entry.fresh_until {
                counters.far.hit();
                is_wanted.then(|| self.0.near.insert(Arc::clone(key), entry.clone()));
                return Ok((entry.value, Layer::Far));
            }
        }
        if self.0.far.is_some() {
            counters.far.miss();
        }
        let made = make.await.inspect_err(|_| counters.failed())?;
        counters.made();
        let value = match made {
            Made::Passing(value) => return Ok((Some(value), Layer::Made)),
            Made::Kept(value) => Some(value),
            Made::Absent => None,
        };
        let entry = self.entry(key, value.clone(), now, Duration::ZERO);
        is_wanted.then(|| self.0.near.insert(Arc::clone(key), entry));
        if self.0.far.is_some() && is_wanted.get() {
            let (this, key, value) = (self.clone(), Arc::clone(key), value.clone());
            let put = async move { this.share(&key, value).await };
            // Nobody should wait for what only others will read.
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(put)),
                Err(_) => put.await,
            }
        }
        Ok((value, Layer::Made))
    }

    fn entry(&self, key: &str, value: Option<T>, now: Instant, age: Duration) -> Entry<T> {
        let Life { fresh, stale, absent, .. } = self.0.life;
        let (fresh, stale) = if value.is_some() { (fresh, stale) } else { (absent, Duration::ZERO) };
        let spread = rustc_hash::FxBuildHasher.hash_one((key, self.0.clock.wall())) >> 40;
        let fresh = fresh.mul_f64(1.0 - 0.1 * spread as f64 / (1u64 << 24) as f64).saturating_sub(age);
        // What is beyond the clock's end lasts for ever, or near enough.
        let after = |from: Instant, by| from.checked_add(by).unwrap_or_else(|| from + FOR_EVER);
        let fresh_until = after(now, fresh);
        Entry { value, fresh_until, good_until: after(fresh_until, stale) }
    }

    /// What the shared cache has, and since when.
    async fn shared(&self, key: &str) -> Option<(Option<T>, Duration)> {
        let Far { cache, codec, patience } = self.0.far.as_ref()?;
        let budget = Budget::start(Arc::clone(&self.0.clock), *patience);
        let Some(Ok(bytes)) = budget.run(cache.get(key)).await else {
            self.0.counters.far_failed();
            return None;
        };
        let bytes = bytes?;
        let (made, rest) = bytes.split_first_chunk::<8>()?;
        let (kind, value) = rest.split_first()?;
        let age = self.0.clock.wall().millis().saturating_sub(i64::from_le_bytes(*made)).max(0);
        let value = match *kind {
            ABSENT => None,
            _ => Some((codec.decode)(value)?),
        };
        Some((value, Duration::from_millis(age as u64)))
    }

    async fn share(&self, key: &str, value: Option<T>) {
        let Some(Far { cache, codec, .. }) = &self.0.far else { return };
        let Life { fresh, absent, .. } = self.0.life;
        let ttl = if value.is_some() { fresh } else { absent };
        let bytes = sealed(self.0.clock.wall(), value.as_ref().map(codec.encode));
        if cache.put(key, bytes, ttl).await.is_err() {
            self.0.counters.far_failed();
        }
    }
}

/// Half a century: what the monotonic clocks of all systems can hold.
const FOR_EVER: Duration = Duration::from_hours(50 * 365 * 24);

/// What stands before a value, and for none, in the shared cache.
const PRESENT: u8 = 1;
const ABSENT: u8 = 0;

/// When it was made, whether there is a value, and the value.
fn sealed(made: Timestamp, value: Option<Vec<u8>>) -> Bytes {
    let mut bytes = BytesMut::with_capacity(9 + value.as_ref().map_or(0, Vec::len));
    bytes.put_i64_le(made.millis());
    bytes.put_u8(if value.is_some() { PRESENT } else { ABSENT });
    bytes.extend_from_slice(&value.unwrap_or_default());
    bytes.freeze()
}
