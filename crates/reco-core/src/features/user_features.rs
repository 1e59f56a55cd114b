//! Where user features come from.

use crate::error::Fault;
use crate::id::UserKey;
use crate::live::{Live, RecentEvent};
use crate::time::Budget;
use async_trait::async_trait;
use std::fmt::Debug;

/// What is known about one user beyond the snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserFeatures {
    /// The latest events, oldest first.
    pub recent: Vec<RecentEvent>,
}

/// Where user features come from. Asynchronous: in a fleet it is a store on another machine.
/// [`Live`] is one.
///
/// ```
/// use async_trait::async_trait;
/// use reco_core::error::Fault;
/// use reco_core::features::{FeatureSource, UserFeatures};
/// use reco_core::id::UserKey;
/// use reco_core::time::Budget;
///
/// /// Everybody is new.
/// #[derive(Debug)]
/// struct Nobody;
///
/// #[async_trait]
/// impl FeatureSource for Nobody {
///     fn name(&self) -> &str {
///         "nobody"
///     }
///     async fn user(&self, _: &UserKey, _: &Budget) -> Result<Option<UserFeatures>, Fault> {
///         Ok(None)
///     }
/// }
/// ```
#[async_trait]
pub trait FeatureSource: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics, faults and configuration.
    fn name(&self) -> &str;

    /// Features of `user`; `Ok(None)` for a user never seen.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the source cannot answer; the request goes on without features.
    async fn user(&self, user: &UserKey, budget: &Budget) -> Result<Option<UserFeatures>, Fault>;
}

/// The embedded feature source: this process's own live layer.
#[async_trait]
impl FeatureSource for Live {
    fn name(&self) -> &'static str {
        "live"
    }

    async fn user(&self, user: &UserKey, _: &Budget) -> Result<Option<UserFeatures>, Fault> {
        let recent = self.recent(user);
        Ok((!recent.is_empty()).then_some(UserFeatures { recent }))
    }
}
