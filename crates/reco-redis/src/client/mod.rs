//! The one layer that talks to Redis: connections, fail-over, repetitions, bounds.

mod batch;
mod endpoint;
mod pool;
mod sentinels;
mod witness;

pub(crate) use batch::{Batch, Script};
pub(crate) use witness::Witness;

use crate::address::Address;
use crate::backoff::Backoff;
use crate::config::{RedisConfig, Topology};
use crate::error::{CallError, ConfigError, Trouble};
use crate::keys::Keys;
use endpoint::Endpoint;
use pool::{Pool, Source};
use reco_core::time::{Budget, Clock};
use redis::{FromRedisValue, Value};
use sentinels::Sentinels;
use std::sync::Arc;
use std::time::Duration;

/// A connection to Redis in any topology, which all parts of a program share; clones are the same.
///
/// Making one does not wait for the server: connections are made when they are needed, and again when they broke, so
/// a service starts and goes on while Redis does not. Every call is bounded by [`RedisConfig::call_ms`].
///
/// ```
/// use reco_core::time::SystemClock;
/// use reco_redis::{RedisClient, RedisConfig};
/// use std::sync::Arc;
///
/// let client = RedisClient::new(RedisConfig::default(), Arc::new(SystemClock), 7)?;
/// # let _ = client;
/// let wrong = RedisConfig { prefix: String::new(), ..RedisConfig::default() };
/// assert!(RedisClient::new(wrong, Arc::new(SystemClock), 7).is_err());
/// # Ok::<(), reco_redis::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RedisClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Pool,
    keys: Keys,
    backoff: Backoff,
    clock: Arc<dyn Clock>,
    call: Duration,
}

impl RedisClient {
    /// A client that is not connected yet. `seed` decides about pauses and tokens: give every process another.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] with everything that is wrong with `config` or with a file it names.
    pub fn new(config: RedisConfig, clock: Arc<dyn Clock>, seed: u64) -> Result<Self, ConfigError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(ConfigError::Invalid(problems));
        }
        let pool = Pool::new(source(&config, &clock)?, config.pool);
        let backoff = Backoff::new(config.retry, seed);
        let keys = Keys::new(&config.prefix, &config.documents_prefix);
        let call = Duration::from_millis(config.call_ms);
        Ok(Self(Arc::new(Inner { pool, keys, backoff, clock, call })))
    }

    /// Asks the server, in a cluster one of them, whether it is there.
    ///
    /// # Errors
    ///
    /// A [`CallError`] that says what is in the way.
    pub async fn ping(&self) -> Result<(), CallError> {
        let key = self.keys().plain("ping", "");
        // Unlike PING, it has a place in a cluster, and needs no other permission than the parts do.
        let mut command = redis::cmd("GET");
        command.arg(&key);
        self.run(&Batch::of(&key, command)).await.map(drop)
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// A number that no other call has.
    pub(crate) fn token(&self) -> u64 {
        self.0.backoff.token()
    }

    /// The answers to all commands of a batch, in order. What fails for a reason that passes is repeated, in bounds.
    pub(crate) async fn run(&self, batch: &Batch) -> Result<Vec<Value>, CallError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let Inner { backoff, clock, call, .. } = &*self.0;
        let budget = Budget::start(Arc::clone(clock), *call);
        let (mut repetition, mut last) = (0, None);
        loop {
            let Some(outcome) = budget.run(self.once(batch)).await else {
                let spent = || {
                    CallError::new(Trouble::NoAnswer, "any address", format!("in {} ms", call.as_millis()))
                };
                return Err(last.unwrap_or_else(spent));
            };
            let error = match outcome {
                Err(error) if error.trouble.passes() => error,
                other => return other,
            };
            repetition += 1;
            match backoff.pause(repetition) {
                Some(pause) if pause < budget.left() => clock.sleep_until(clock.now() + pause).await,
                _ => return Err(error),
            }
            last = Some(error);
        }
    }

    /// Connections of their own to all primaries, on which replicas can be waited for.
    pub(crate) async fn witnesses(&self) -> Result<Vec<Witness>, CallError> {
        self.0.pool.witnesses(Witness::PATIENCE).await
    }

    /// Whether what a witness said, or how it failed, is to be taken for the primary's.
    pub(crate) async fn hear<T>(
        &self,
        witness: &Witness,
        said: Result<T, CallError>,
    ) -> Result<T, CallError> {
        let pool = &self.0.pool;
        let said = said.inspect_err(|error| pool.doubt(witness, error))?;
        if pool.believes(witness).await {
            return Ok(said);
        }
        Err(CallError::new(Trouble::ReadOnly, witness.place(), "another is primary since"))
    }

    /// The answer to the only command of a batch.
    pub(crate) async fn one<T: FromRedisValue>(&self, batch: &Batch) -> Result<T, CallError> {
        let answer = self.run(batch).await?.pop().unwrap_or(Value::Nil);
        read(answer, "the answer")
    }

    async fn once(&self, batch: &Batch) -> Result<Vec<Value>, CallError> {
        let pool = &self.0.pool;
        let link = pool.link().await?;
        let answers = match link.send(batch).await {
            Ok(_) if !pool.counts(&link).await => {
                Err(CallError::new(Trouble::ReadOnly, link.place(), "another is primary since"))
            }
            Ok(answers) => sound(answers, link.place()),
            Err(error) => Err(error),
        };
        answers.inspect_err(|error| pool.judge(&link, error))
    }
}

/// Reads an answer, or says of which key it cannot be read.
pub(crate) fn read<T: FromRedisValue>(answer: Value, key: &str) -> Result<T, CallError> {
    T::from_redis_value(answer)
        .map_err(|error| CallError::new(Trouble::Unreadable, format!("key `{key}`"), error))
}

/// The answers, or the first error among them.
fn sound(answers: Vec<Value>, place: &str) -> Result<Vec<Value>, CallError> {
    answers
        .into_iter()
        .map(|answer| answer.extract_error().map_err(|error| CallError::read(&error, place)))
        .collect()
}

fn source(config: &RedisConfig, clock: &Arc<dyn Clock>) -> Result<Source, ConfigError> {
    let endpoint = Endpoint::new(config)?;
    let parse = |text: &String| {
        text.parse::<Address>().map_err(|error| ConfigError::Invalid(vec![error.to_string()]))
    };
    let all = |texts: &[String]| texts.iter().map(parse).collect::<Result<Vec<Address>, ConfigError>>();
    Ok(match &config.topology {
        Topology::Single { address } => Source::Single(endpoint, parse(address)?),
        Topology::Sentinel { addresses, service, user, password } => {
            let confirm = Duration::from_millis(config.confirm_ms);
            let to_them = endpoint.with_user(user, password);
            let sentinels =
                Sentinels::new(all(addresses)?, service.clone(), to_them, Arc::clone(clock), confirm);
            Source::Sentinel(endpoint, Arc::new(sentinels))
        }
        Topology::Cluster { addresses } => {
            let client = endpoint.cluster(&all(addresses)?);
            let wrong = |error: redis::RedisError| ConfigError::Invalid(vec![format!("topology: {error}")]);
            Source::Cluster(endpoint, Box::new(client.map_err(wrong)?))
        }
    })
}
