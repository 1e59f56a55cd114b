//! Redis as what the processes of a fleet share: a cache, rate limits, ids of events that came before, what trends,
//! lists computed in advance, and what is known of users and items.
//!
//! All parts use one [`RedisClient`], which knows the topology (one server, Sentinel, a cluster), follows a
//! fail-over, repeats what failed for a reason that passes, and bounds every call in time. What cannot be done is a
//! [`Fault`](reco_core::error::Fault) whose cause is a [`CallError`]: what is wrong, where, and what to do about it.
//!
//! | part | keys | holds |
//! |---|---|---|
//! | [`RedisCache`] | `reco:cache:KEY` | string, expires |
//! | [`RateLimit`] | `reco:rate:{WHO}:NAME` | list of moments in microseconds, expires with the window |
//! | [`SeenIds`] | `reco:seen:{USER}:ID` | string, the token of who came first, expires |
//! | [`Trending`] | `reco:trend:{SCOPE}:NAME` | sorted set, base-2 logarithms of decayed weight, expires |
//! | | `reco:trend:{SCOPE}:NAME:added:TOKEN` | string, tells a repeated call, expires after a minute |
//! | [`PrecomputedLists`] | `reco:list:{USER}:TYPE` | hash of plain fields and blocks of JSON, expires |
//! | [`Exposures`] | `reco:exposures:{ITEM}` | hash, what is granted of an item's exposures and each lease of them, expires |
//! | [`FeatureStore`], [`FeatureFeed`] | `user_features:{USER}` | hash of plain fields, state, and which events are in it, expires |
//! | [`ItemDocuments`] | `item_features:{ITEM}` | hash of plain fields, expires |
//! | [`UserEmbeddings`] | `user_embedding:{USER}` | hash with a vector, expires |
//!
//! `reco` is [`RedisConfig::prefix`]; the last three have [`RedisConfig::documents_prefix`] before them, which is empty
//! unless set. What is in braces is what decides about the slot in a cluster, so that all that belongs to a user is in
//! one place; in it, `{`, `}` and `%` are written as in URLs, and nothing as `%`.
//! `docs/redis.md` shows how to read all of it from elsewhere.
//!
//! ```no_run
//! use reco_core::{cache::Cache, time::SystemClock};
//! use reco_redis::{RedisCache, RedisClient, RedisConfig, Topology};
//! use std::{sync::Arc, time::Duration};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let topology = Topology::Cluster { addresses: vec!["10.0.0.1:6379".into(), "10.0.0.2:6379".into()] };
//! let config = RedisConfig { topology, ..RedisConfig::default() };
//! let client = RedisClient::new(config, Arc::new(SystemClock), 7)?;
//! client.ping().await?;
//! RedisCache::new(&client).put("recs:ann", "[1, 2]".into(), Duration::from_secs(3_600)).await?;
//! # Ok(())
//! # }
//! ```

mod address;
mod backoff;
mod cache;
mod client;
mod config;
mod documents;
mod error;
mod exposures;
mod keys;
mod lists;
mod rate_limit;
mod seen_ids;
mod trending;

pub use cache::RedisCache;
pub use client::RedisClient;
pub use config::{RedisConfig, RetryConfig, Secret, TlsConfig, Topology};
pub use documents::{Embedding, FeatureFeed, FeatureStore, ItemDocument, ItemDocuments, UserEmbeddings};
pub use error::{CallError, ConfigError, Trouble};
pub use exposures::Exposures;
pub use lists::PrecomputedLists;
pub use rate_limit::{Decision, RateLimit};
pub use seen_ids::SeenIds;
pub use trending::{Sighting, Trending, TrendingGenerator};
