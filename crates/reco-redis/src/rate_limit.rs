//! How often somebody may do something, counted by all processes together.

use crate::client::{Batch, RedisClient, Script};
use crate::error::ConfigError;
use reco_core::error::{Fault, FaultKind};
use reco_core::time::Timestamp;
use std::time::Duration;

/// At most `limit` in any span of `window`, whoever asks, wherever: one round trip, decided inside the server.
///
/// The moments of what was let through are kept in a list, `PREFIX:rate:{WHO}:NAME`, that expires with the window:
/// about a kilobyte for a hundred. So the limit holds in every span, not just in those that begin at full minutes.
/// A call whose answer got lost is repeated and may then count twice, never less than once. What a fail-over loses,
/// since replicas follow a moment behind, is not counted.
///
/// ```no_run
/// use reco_core::time::SystemClock;
/// use reco_redis::{RateLimit, RedisClient, RedisConfig};
/// use std::{sync::Arc, time::Duration};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = RedisClient::new(RedisConfig::default(), Arc::new(SystemClock), 7)?;
/// let limit = RateLimit::new(&client, "recommendations", 100, Duration::from_secs(60))?;
/// let decision = limit.take("ann", 1).await?;
/// if !decision.allowed {
///     println!("try again in {:?}", decision.retry_after);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RateLimit {
    client: RedisClient,
    name: String,
    limit: u32,
    window: Duration,
    script: Script,
}

/// Whether somebody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// True if they may; then it was counted.
    pub allowed: bool,
    /// What is left to them now.
    pub remaining: u32,
    /// When asking the same again may succeed; zero if allowed.
    pub retry_after: Duration,
}

impl RateLimit {
    const NAME: &'static str = "redis_rate_limit";

    /// A limit by the server's clock; limits of other names count by themselves.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] if `limit` is not between 1 and 100,000 or `window` not between a millisecond and a year.
    pub fn new(client: &RedisClient, name: &str, limit: u32, window: Duration) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        if !(1..=100_000).contains(&limit) {
            problems.push(format!("limit of `{name}` is {limit}, must be between 1 and 100000"));
        }
        if window < Duration::from_millis(1) || window > Duration::from_hours(365 * 24) {
            problems.push(format!("window of `{name}` is {window:?}, must be between 1 ms and 365 days"));
        }
        if !problems.is_empty() {
            return Err(ConfigError::Invalid(problems));
        }
        let script = Script::new(include_str!("rate_limit.lua"));
        Ok(Self { client: client.clone(), name: name.to_owned(), limit, window, script })
    }

    /// Takes `cost` of what is left to `who`, if that much is; a cost of 0 asks without taking.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when Redis does not answer: whether to let it pass then is the caller's choice;
    /// [`Invalid`](FaultKind::Invalid) if `cost` is more than the limit.
    pub async fn take(&self, who: &str, cost: u32) -> Result<Decision, Fault> {
        self.decide(who, cost, None).await
    }

    /// The same at a moment of the caller's, for replays and tests. Time never goes back: a moment before the latest
    /// that was let through counts as that.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub async fn take_at(&self, who: &str, cost: u32, at: Timestamp) -> Result<Decision, Fault> {
        self.decide(who, cost, Some(at)).await
    }

    async fn decide(&self, who: &str, cost: u32, at: Option<Timestamp>) -> Result<Decision, Fault> {
        if cost > self.limit {
            let problem =
                format!("cost is {cost}, must be at most the limit of `{}`, {}", self.name, self.limit);
            return Err(Fault::new(Self::NAME, FaultKind::Invalid).because(problem));
        }
        let key = self.client.keys().owned("rate", who, &self.name);
        let moment = at.map_or_else(String::new, |at| at.millis().saturating_mul(1_000).to_string());
        let mut batch = Batch::default();
        batch.push_script(&self.script, &[&key], |command| {
            command.arg(self.limit).arg(self.window.as_micros() as u64).arg(cost).arg(moment);
        });
        let answer = self.client.one(&batch).await;
        let (allowed, remaining, wait): (u8, u32, u64) = answer.map_err(|error| error.fault(Self::NAME))?;
        Ok(Decision { allowed: allowed == 1, remaining, retry_after: Duration::from_micros(wait) })
    }
}
