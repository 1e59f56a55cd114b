//! What is certain to outlive a primary.
//!
//! A connection ends with the server's process, and when the server becomes a replica. So all that is read on one
//! connection, and what replicas confirm on it afterwards, is of one and the same data: if something was there, and then
//! every replica has confirmed a write behind it, every replica has it. The pool's connections cannot tell that: what one
//! reads may be of another server than what another has written, and `WAIT` knows its own connection's writes alone.

use super::read;
use crate::address::Address;
use crate::error::{CallError, Trouble};
use crate::keys::slot;
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{Pipeline, RedisResult, Value};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// A connection to one primary.
#[derive(Clone)]
pub(crate) struct Witness {
    connection: MultiplexedConnection,
    place: Arc<str>,
    slots: Vec<Slots>,
    term: u64,
}

/// Slots of a cluster.
type Slots = RangeInclusive<u16>;

impl Witness {
    /// How long replicas are waited for.
    pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

    /// Of a primary that has some of the slots.
    pub(super) fn new(connection: MultiplexedConnection, address: &Address, slots: Vec<Slots>) -> Self {
        Self { connection, place: address.to_string().into(), slots, term: 0 }
    }

    /// Of one that has everything, in a term of the sentinels'.
    pub(super) fn of_all(connection: MultiplexedConnection, address: &Address, term: u64) -> Self {
        Self { term, ..Self::new(connection, address, vec![0..=u16::MAX]) }
    }

    pub(super) fn term(&self) -> u64 {
        self.term
    }

    /// Where it leads, for people.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Whether it is about a key.
    pub(crate) fn has(&self, key: &str) -> bool {
        let slot = slot(key.as_bytes());
        self.slots.iter().any(|slots| slots.contains(&slot))
    }

    /// Fields of documents, as the primary has them now; errors about one key are among the answers.
    pub(crate) async fn read(&self, keys: &[&str], field: &str) -> Result<Vec<Value>, CallError> {
        let mut pipeline = redis::pipe();
        for key in keys {
            pipeline.cmd("HMGET").arg(key).arg(field);
        }
        let answers = self.ask(&pipeline, keys.len()).await?;
        let sound = |answer: Value| match answer {
            Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(Value::ServerError(error)),
            answer => answer.extract_error().map_err(|error| CallError::read(&error, &self.place)),
        };
        answers.into_iter().map(sound).collect()
    }

    /// Waits until replicas have confirmed everything that was written before, `key` being there: all that follow now, and
    /// at least `least`. False if the key is gone.
    pub(crate) async fn confirm(&self, key: &str, ttl: Duration, least: usize) -> Result<bool, CallError> {
        let wanted = self.replicas().await?.max(least);
        let mut pipeline = redis::pipe();
        // WAIT is about what this connection wrote, so it has to write something.
        pipeline.cmd("PEXPIRE").arg(key).arg(ttl.as_millis() as u64);
        pipeline.cmd("WAIT").arg(wanted).arg(Self::PATIENCE.as_millis() as u64);
        let answers = self.ask(&pipeline, 2).await?;
        let number = |answer: Value| {
            let answer = answer.extract_error().map_err(|error| CallError::read(&error, &self.place))?;
            read::<usize>(answer, key)
        };
        let numbers: Vec<usize> = answers.into_iter().map(number).collect::<Result<_, CallError>>()?;
        let [is_there, confirmed] = numbers[..] else {
            return Err(CallError::new(Trouble::Unreadable, &self.place, "not two answers"));
        };
        if confirmed >= wanted {
            return Ok(is_there == 1);
        }
        let said = format!("{confirmed} of {wanted} replicas confirmed within {:?}", Self::PATIENCE);
        Err(CallError::new(Trouble::NoReplicas, &self.place, said))
    }

    /// How many replicas follow.
    async fn replicas(&self) -> Result<usize, CallError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("ROLE");
        match self.ask(&pipeline, 1).await?.pop() {
            Some(Value::Array(role)) => match &role[..] {
                [Value::BulkString(name), _, Value::Array(replicas)] if name == b"master" => {
                    Ok(replicas.len())
                }
                _ => Err(CallError::new(Trouble::ReadOnly, &self.place, "its ROLE is not `master`")),
            },
            Some(Value::ServerError(error)) => Err(CallError::read(&error.into(), &self.place)),
            _ => Err(CallError::new(Trouble::Unreadable, &self.place, "its ROLE is no list")),
        }
    }

    async fn ask(&self, pipeline: &Pipeline, count: usize) -> Result<Vec<Value>, CallError> {
        let answers = self.connection.clone().send_packed_commands(pipeline, 0, count).await;
        let answers = answers.map_err(|error| CallError::read(&error, &self.place))?;
        if answers.len() == count {
            return Ok(answers);
        }
        let said = format!("{} answers to {count} commands", answers.len());
        Err(CallError::new(Trouble::Unreadable, &self.place, said))
    }
}

/// The primaries of a cluster and their slots.
pub(super) async fn primaries(
    mut connection: ClusterConnection,
) -> Result<Vec<(Address, Vec<Slots>)>, CallError> {
    let rows: RedisResult<Vec<Vec<Value>>> =
        redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await;
    let rows = rows.map_err(|error| CallError::read(&error, "the cluster"))?;
    let mut primaries: Vec<(Address, Vec<Slots>)> = Vec::new();
    for row in rows {
        let Some((first, last, address)) = range(row) else {
            let said = "some slots have no primary whose address is known";
            return Err(CallError::new(Trouble::ClusterDown, "the cluster", said));
        };
        match primaries.iter_mut().find(|(known, _)| *known == address) {
            Some((_, slots)) => slots.push(first..=last),
            None => primaries.push((address, vec![first..=last])),
        }
    }
    Ok(primaries)
}

/// First slot, last slot, and the primary of a row, which goes on with replicas.
fn range(row: Vec<Value>) -> Option<(u16, u16, Address)> {
    let mut parts = row.into_iter();
    let first: u16 = redis::from_redis_value(parts.next()?).ok()?;
    let last: u16 = redis::from_redis_value(parts.next()?).ok()?;
    let node: Vec<Value> = redis::from_redis_value(parts.next()?).ok()?;
    let mut parts = node.into_iter();
    let host: String = redis::from_redis_value(parts.next()?).ok()?;
    let port: u16 = redis::from_redis_value(parts.next()?).ok()?;
    (!host.is_empty() && host != "?").then_some((first, last, Address { host, port }))
}
