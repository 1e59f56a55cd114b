//! Which events came before.

use crate::client::{Batch, RedisClient, read};
use crate::error::ConfigError;
use reco_core::error::Fault;
use reco_core::event::EventId;
use reco_core::id::UserKey;
use redis::Value;
use std::time::Duration;

/// Ids of events for a while, so that what is sent twice counts once, whichever process it reaches.
///
/// A key for each, `PREFIX:seen:{USER}:ID`, that expires by itself. Its value is the token of the call that came
/// first, so that a call that is repeated because its answer got lost still counts its own ids as new.
///
/// ```no_run
/// use reco_core::{event::EventId, id::UserKey, time::SystemClock};
/// use reco_redis::{RedisClient, RedisConfig, SeenIds};
/// use std::{sync::Arc, time::Duration};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = RedisClient::new(RedisConfig::default(), Arc::new(SystemClock), 7)?;
/// let seen = SeenIds::new(&client, Duration::from_secs(86_400))?;
/// let ann = UserKey::from("ann");
/// let batch = [(&ann, EventId(1)), (&ann, EventId(2)), (&ann, EventId(1))];
/// assert_eq!(seen.mark(&batch).await?, [true, true, false]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SeenIds {
    client: RedisClient,
    ttl: Duration,
}

impl SeenIds {
    const NAME: &'static str = "redis_seen_ids";

    /// Remembers every id for `ttl`.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] if `ttl` is not between a millisecond and ten years.
    pub fn new(client: &RedisClient, ttl: Duration) -> Result<Self, ConfigError> {
        if ttl < Duration::from_millis(1) || ttl > Duration::from_hours(10 * 365 * 24) {
            let problem = format!("ttl of seen ids is {ttl:?}, must be between 1 ms and ten years");
            return Err(ConfigError::Invalid(vec![problem]));
        }
        Ok(Self { client: client.clone(), ttl })
    }

    /// Remembers all ids of a batch in one round trip and says of each whether it is new: true for the first that
    /// comes, false for all that follow, in the same batch or later.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when some may have been remembered and others not. Marking the same batch again would take the
    /// former for known: [`forget`](Self::forget) them first, or take all of them for new.
    pub async fn mark(&self, events: &[(&UserKey, EventId)]) -> Result<Vec<bool>, Fault> {
        let call = self.client.token();
        let token = |place: usize| format!("{call:016x}:{place}");
        let mut batch = Batch::default();
        for (place, (user, id)) in events.iter().enumerate() {
            let key = self.key(user, *id);
            let mut command = redis::cmd("SET");
            command
                .arg(&key)
                .arg(token(place))
                .arg("NX")
                .arg("GET")
                .arg("PX")
                .arg(self.ttl.as_millis() as u64);
            batch.push(&key, command);
        }
        let answers = self.client.run(&batch).await.map_err(|error| error.fault(Self::NAME))?;
        let new = |(place, answer): (usize, Value)| {
            let (user, id) = events[place];
            let before: Option<String> = read(answer, &self.key(user, id))?;
            Ok(before.is_none_or(|before| before == token(place)))
        };
        let marked: Result<_, _> = answers.into_iter().enumerate().map(new).collect();
        marked.map_err(|error: crate::CallError| error.fault(Self::NAME))
    }

    /// Forgets ids, for events that were marked and could not be kept then, so that they count when they are sent
    /// again.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when some may still be remembered; forgetting again is harmless.
    pub async fn forget(&self, events: &[(&UserKey, EventId)]) -> Result<(), Fault> {
        let mut batch = Batch::default();
        for (user, id) in events {
            let key = self.key(user, *id);
            let mut command = redis::cmd("UNLINK");
            command.arg(&key);
            batch.push(&key, command);
        }
        self.client.run(&batch).await.map(drop).map_err(|error| error.fault(Self::NAME))
    }

    fn key(&self, user: &UserKey, id: EventId) -> String {
        self.client.keys().owned("seen", user.as_str(), id)
    }
}
