//! What the server keeps of what it computed, and of what others know.

use crate::config::out_of_range;
use crate::fleet::SharedBy;
use reco_core::cache::{Life, Stale};
use reco_core::features::UserFeatures;
use reco_core::pipeline::PageCache;
use reco_core::time::Clock;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How finished pages are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CacheConfig {
    /// Megabytes of memory for finished pages; 0 computes every page.
    pub(crate) pages_mb: u64,
    /// Minutes for which a page is served as it is.
    pub(crate) fresh_minutes: f64,
    /// Minutes after those in which it is served once more while it is computed anew.
    pub(crate) stale_minutes: f64,
    /// Where pages are kept for other processes, too.
    pub(crate) shared: SharedBy,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { pages_mb: 64, fresh_minutes: 60.0, stale_minutes: 60.0, shared: SharedBy::None }
    }
}

/// Where what events say of users is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FeaturesConfig {
    /// Where it is kept for other processes, too.
    pub(crate) shared: SharedBy,
    /// Minutes after which a user's are read from there again; what happens meanwhile is known all the same.
    pub(crate) fresh_minutes: f64,
    /// Days after a user's last event for which they are kept there.
    pub(crate) ttl_days: f64,
}

impl Default for FeaturesConfig {
    fn default() -> Self {
        Self { shared: SharedBy::None, fresh_minutes: 15.0, ttl_days: f64::from(UserFeatures::DAYS) }
    }
}

impl FeaturesConfig {
    /// What is wrong with it, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let fresh = out_of_range("fresh_minutes", self.fresh_minutes, 0.0, MOST_MINUTES);
        let ttl = out_of_range("ttl_days", self.ttl_days, 0.01, 3_650.0);
        self.shared.problem().into_iter().chain(fresh).chain(ttl).collect()
    }

    /// How long what was read is good for.
    pub(crate) fn life(&self) -> Life {
        Life { fresh: Duration::from_secs_f64(self.fresh_minutes * 60.0), ..Life::FEATURES }
    }
}

/// For which something may be fresh or stale.
const MOST_MINUTES: f64 = 1e5;

impl CacheConfig {
    /// What is wrong with it, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let minutes = [("fresh_minutes", self.fresh_minutes), ("stale_minutes", self.stale_minutes)];
        let mut problems: Vec<String> = minutes
            .into_iter()
            .filter_map(|(name, minutes)| out_of_range(name, minutes, 0.0, MOST_MINUTES))
            .collect();
        if self.pages_mb > 1 << 20 {
            problems.push(format!("pages_mb is {}, must be at most {}", self.pages_mb, 1 << 20));
        }
        problems.extend(self.shared.problem());
        problems
    }

    /// Where finished pages are kept, if they are.
    pub(crate) fn pages(&self, clock: &Arc<dyn Clock>) -> Option<PageCache> {
        let minutes = |minutes: f64| Duration::from_secs_f64(minutes * 60.0);
        let life = Life {
            fresh: minutes(self.fresh_minutes),
            stale: minutes(self.stale_minutes),
            absent: Duration::ZERO,
            policy: Stale::WhileMadeAnew,
        };
        (self.pages_mb > 0).then(|| PageCache::new(life, self.pages_mb << 20, Arc::clone(clock)))
    }
}
