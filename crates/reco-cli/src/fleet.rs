//! What the processes of a fleet share, and settings of parts that only some builds have.

#[cfg(feature = "redis")]
use crate::config::Config;
use crate::{Failure, Session, lists};
use reco_core::cache::Cache;
use reco_core::consume::Consumer;
use reco_core::error::OnFault;
#[cfg(feature = "redis")]
use reco_core::features::FeatureRules;
use reco_core::features::FeatureSource;
#[cfg(feature = "redis")]
use reco_core::id::ItemKey;
use reco_core::launch::ExposureLedger;
use reco_core::pipeline::{Quotas, Recommender, RecommenderBuilder};
use reco_core::retrieve::RemoteGenerator;
use reco_core::time::Clock;
#[cfg(feature = "redis")]
use reco_core::time::SystemClock;
#[cfg(feature = "redis")]
use reco_redis::{Exposures, FeatureFeed, FeatureStore, PrecomputedLists, RedisCache, RedisClient};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

#[cfg(feature = "kafka")]
pub(crate) use reco_kafka::KafkaConfig;
#[cfg(feature = "redis")]
pub(crate) use reco_redis::RedisConfig;

/// Where Kafka is, in a program that could not use it.
#[cfg(not(feature = "kafka"))]
pub(crate) type KafkaConfig = NotBuilt;

/// Where Redis is, in a program that could not use it.
#[cfg(not(feature = "redis"))]
pub(crate) type RedisConfig = NotBuilt;

/// Settings of a part that this program was built without.
#[cfg(not(all(feature = "kafka", feature = "redis")))]
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct NotBuilt(serde_json::Map<String, serde_json::Value>);

#[cfg(not(all(feature = "kafka", feature = "redis")))]
impl NotBuilt {
    /// Each of them has no use.
    pub(crate) fn problems(&self) -> Vec<String> {
        let useless = |name: &String| format!("{name} has no use: this program was built without that part");
        self.0.keys().map(useless).collect()
    }
}

/// What is wrong with a setting that names a part that this program may not have.
pub(crate) fn not_built(setting: &str, part: &str, is_named: bool, is_built: bool) -> Option<String> {
    let problem = || {
        format!(
            "{setting} is `{part}`, which this program was built without: build it with --features {part}"
        )
    };
    (is_named && !is_built).then(problem)
}

/// Where something is shared with other processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SharedBy {
    /// Nowhere: every process has its own.
    #[default]
    None,
    /// In Redis.
    Redis,
}

impl SharedBy {
    /// Why `shared` cannot be that.
    pub(crate) fn problem(self) -> Option<String> {
        not_built("shared", "redis", self == Self::Redis, cfg!(feature = "redis"))
    }
}

/// What this process shares with others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    cache: Option<Arc<dyn Cache>>,
    lists: Option<Arc<dyn RemoteGenerator>>,
    features: Option<Arc<dyn FeatureSource>>,
    exposures: Option<Arc<dyn ExposureLedger>>,
    #[cfg(feature = "redis")]
    store: Option<FeatureStore>,
}

impl Fleet {
    /// How long a page waits for the shared cache before it is computed.
    const PATIENCE: Duration = Duration::from_millis(10);

    /// What a process has that shares nothing.
    fn alone(session: &Session) -> Self {
        Self { lists: Some(lists::in_file(&session.config.lists)), ..Self::default() }
    }

    /// Where exposures of new items are counted, if that is shared.
    pub(crate) fn exposures(&self) -> Option<Arc<dyn ExposureLedger>> {
        self.exposures.clone()
    }

    /// A recommender that uses what is shared.
    pub(crate) fn joined(
        &self,
        session: &Session,
        builder: RecommenderBuilder,
        clock: &Arc<dyn Clock>,
    ) -> RecommenderBuilder {
        let builder = match &self.lists {
            Some(lists) => {
                let quotas = Quotas::everywhere(session.config.lists.quota).on("similar", 0);
                builder.remote(Arc::clone(lists), quotas, 1.0, OnFault::Skip)
            }
            None => builder,
        };
        let builder = match &self.features {
            Some(source) => builder.features_for(Arc::clone(source), session.config.features.life()),
            None => builder,
        };
        let Some(pages) = session.config.cache.pages(clock) else { return builder };
        builder.pages(match &self.cache {
            Some(cache) => {
                pages.before(Arc::clone(cache), Self::PATIENCE, &fingerprint(&session.config.pipeline))
            }
            None => pages,
        })
    }
}

/// Tells settings apart, and versions of this program: those of pipelines that make other pages of the same request, say.
pub(crate) fn fingerprint(settings: &impl Serialize) -> String {
    let mut hasher = DefaultHasher::new();
    (env!("CARGO_PKG_VERSION"), serde_json::to_string(settings).unwrap_or_default()).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(feature = "redis")]
impl Fleet {
    /// Connects to what the configuration says. If it does not answer, that is told; it may answer later.
    pub(crate) fn connect(session: &Session, runtime: &Handle) -> Result<Self, Failure> {
        let Config { cache, lists, features, exposures, .. } = &session.config;
        if [cache.shared, lists.shared, features.shared, exposures.shared] == [SharedBy::None; 4] {
            return Ok(Self::alone(session));
        }
        let redis = client(session)?;
        if let Err(error) = runtime.block_on(redis.ping()) {
            session.output.note(&format!("Redis does not answer, so nothing is shared for now: {error}"));
        }
        let is_shared = |by: SharedBy| (by == SharedBy::Redis).then_some(&redis);
        let ttl = Duration::from_secs_f64(features.ttl_days * 86_400.0);
        let store = is_shared(features.shared).map(|redis| FeatureStore::new(redis, ttl)).transpose()?;
        Ok(Self {
            cache: is_shared(cache.shared).map(|redis| Arc::new(RedisCache::new(redis)) as _),
            lists: Some(match is_shared(lists.shared) {
                Some(redis) => Arc::new(PrecomputedLists::new(redis, &lists.kind)),
                None => crate::lists::in_file(lists),
            }),
            features: store.clone().map(|store| Arc::new(store) as _),
            exposures: is_shared(exposures.shared).map(|redis| Arc::new(Exposures::new(redis)) as _),
            store,
        })
    }

    /// What keeps shared features up to date, if they are shared. The category of an item is that of the catalogue when
    /// the event comes.
    pub(crate) fn feed(&self, session: &Session, recommender: &Recommender) -> Option<Box<dyn Consumer>> {
        let rules = FeatureRules { weights: session.config.weights.clone(), ..FeatureRules::default() };
        let recommender = recommender.clone();
        let category =
            move |item: &ItemKey| recommender.snapshot().catalog.category_of(item.as_str()).map(Arc::from);
        Some(Box::new(FeatureFeed::new(self.store.as_ref()?, rules, category)))
    }
}

/// A client that is not connected yet.
#[cfg(feature = "redis")]
pub(crate) fn client(session: &Session) -> Result<RedisClient, Failure> {
    let clock = Arc::new(SystemClock);
    let seed = u64::from(std::process::id()) << 32 | u64::from(clock.wall().millis() as u32);
    Ok(RedisClient::new(session.config.redis.clone(), clock, seed)?)
}

#[cfg(not(feature = "redis"))]
impl Fleet {
    /// There is nothing to share it by.
    #[expect(clippy::unnecessary_wraps, reason = "with Redis it can fail")]
    pub(crate) fn connect(session: &Session, _: &Handle) -> Result<Self, Failure> {
        Ok(Self::alone(session))
    }

    /// Nothing has to be kept up to date.
    #[expect(clippy::unused_self, reason = "with Redis it depends")]
    pub(crate) fn feed(&self, _: &Session, _: &Recommender) -> Option<Box<dyn Consumer>> {
        None
    }
}
