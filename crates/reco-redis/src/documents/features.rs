//! Features of users.

use super::{Documents, Expected, fields, hmget};
use crate::client::{Batch, RedisClient, read};
use crate::error::{CallError, ConfigError};
use async_trait::async_trait;
use reco_core::error::{Fault, FaultKind};
use reco_core::features::{FeatureSource, UserFeatures, UserRecord};
use reco_core::id::UserKey;
use reco_core::time::Budget;
use std::sync::Arc;
use std::time::Duration;

/// What is known of users by their events, under `user_features:{USER}`, written by [`FeatureFeed`](super::FeatureFeed).
///
/// A hash: `state` and `taken` are what we read ([`UserFeatures::encode`] and which events of the log are in it), the
/// rest is plain fields for others, in groups: `behavioural.interactions`, `behavioural.actions.view`,
/// `preference.categories.tea`, `recency.last_items`, `windows.7d.events`, `trend`, `session.started`. They are as of
/// `updated_at`. Fields of other groups, `demographic.` say, stay as whoever put them there left them.
///
/// ```no_run
/// use reco_core::time::SystemClock;
/// use reco_redis::{FeatureStore, RedisClient, RedisConfig};
/// use std::sync::Arc;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = RedisClient::new(RedisConfig::default(), Arc::new(SystemClock), 7)?;
/// let store = FeatureStore::new(&client, FeatureStore::TTL)?; // a reco_core::features::FeatureSource
/// let known = store.read_many(&[&"ann".into(), &"bob".into()]).await?;
/// assert!(known.iter().flatten().all(|features| !features.recent().is_empty()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FeatureStore {
    documents: Documents,
}

/// A record and the token of the write that it was read from.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) token: String,
    pub(super) record: UserRecord,
}

impl FeatureStore {
    const NAME: &'static str = "redis_features";

    /// How long a document stays after the last event unless something else is said: as long as windows reach back.
    pub const TTL: Duration = Duration::from_hours(UserFeatures::DAYS as u64 * 24);

    /// Documents that stay for `ttl` after the last write.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] if `ttl` is not between a millisecond and ten years.
    pub fn new(client: &RedisClient, ttl: Duration) -> Result<Self, ConfigError> {
        Ok(Self { documents: Documents::new(client, Self::NAME, "user_features", ttl)? })
    }

    /// Features of some users in one round trip; `None` of one without events.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when Redis does not answer; [`Invalid`](FaultKind::Invalid), naming the key, when what is there was
    /// not written by this version.
    pub async fn read_many(&self, users: &[&UserKey]) -> Result<Vec<Option<Arc<UserFeatures>>>, Fault> {
        let keys: Vec<String> = users.iter().map(|user| self.key(user)).collect();
        let answers = self.client().run(&hmget(&keys, &["state"])).await;
        let answers = answers.map_err(|error| self.documents.fault(error))?;
        let features = |((user, key), answer): ((&&UserKey, &String), _)| {
            let (state,): (Option<Vec<u8>>,) =
                read(answer, key).map_err(|error| self.documents.fault(error))?;
            let features = state.map(|state| UserFeatures::decode(&state)).transpose();
            Ok(features.map_err(|error| self.documents.unreadable(user.as_str(), error))?.map(Arc::new))
        };
        users.iter().zip(&keys).zip(answers).map(features).collect()
    }

    /// Forgets a user. Events that come after begin a new document.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the document may still be there.
    pub async fn forget(&self, user: &UserKey) -> Result<(), Fault> {
        self.documents.forget(user.as_str()).await
    }

    pub(super) fn client(&self) -> &RedisClient {
        &self.documents.client
    }

    pub(super) fn ttl(&self) -> Duration {
        self.documents.ttl
    }

    pub(super) fn key(&self, user: &UserKey) -> String {
        self.documents.key(user.as_str())
    }

    pub(super) fn fault(&self, error: CallError) -> Fault {
        self.documents.fault(error)
    }

    /// Records of some users in one round trip, empty where there are none.
    pub(super) async fn records(&self, users: &[&UserKey]) -> Result<Vec<Stored>, Fault> {
        let keys: Vec<String> = users.iter().map(|user| self.key(user)).collect();
        let answers = self.client().run(&hmget(&keys, &["token", "state", "taken"])).await;
        let answers = answers.map_err(|error| self.fault(error))?;
        let stored = |((user, key), answer): ((&&UserKey, &String), _)| {
            type Fields = (Option<String>, Option<Vec<u8>>, Option<Vec<u8>>);
            let (token, state, taken): Fields = read(answer, key).map_err(|error| self.fault(error))?;
            let record = match (state, taken) {
                (None, None) => UserRecord::default(),
                (state, taken) => UserRecord::decode(&state.unwrap_or_default(), &taken.unwrap_or_default())
                    .map_err(|error| self.documents.unreadable(user.as_str(), error))?,
            };
            Ok(Stored { token: token.unwrap_or_default(), record })
        };
        users.iter().zip(&keys).zip(answers).map(stored).collect()
    }

    /// Writes records in one round trip, each if nobody else did meanwhile, and says which were written.
    pub(super) async fn replace(&self, records: &[(&UserKey, Stored)]) -> Result<Vec<bool>, Fault> {
        let (mut batch, now) = (Batch::default(), self.client().clock().wall());
        for (user, Stored { token, record }) in records {
            let expected = Expected::Token(token);
            self.documents.push(&mut batch, user.as_str(), expected, &fields::GROUPS, |command| {
                command.arg("state").arg(record.features().encode());
                command.arg("taken").arg(record.taken().encode());
                fields::add(record.features(), now, command);
            });
        }
        let answers = self.client().run(&batch).await.map_err(|error| self.fault(error))?;
        let written = |answer| read(answer, "the answer").map_err(|error| self.fault(error));
        answers.into_iter().map(written).collect()
    }
}

#[async_trait]
impl FeatureSource for FeatureStore {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn user(&self, user: &UserKey, budget: &Budget) -> Result<Option<Arc<UserFeatures>>, Fault> {
        let read = budget.run(self.read_many(&[user])).await;
        let mut read = read.unwrap_or_else(|| Err(Fault::new(Self::NAME, FaultKind::Timeout)))?;
        Ok(read.pop().flatten())
    }
}
