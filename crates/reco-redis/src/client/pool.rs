//! Connections: as many as were asked for, each made when it is needed and again when it broke.

use super::batch::Batch;
use super::endpoint::Endpoint;
use super::sentinels::Sentinels;
use super::witness::{Witness, primaries};
use crate::address::Address;
use crate::error::{CallError, Trouble};
use futures_util::future::try_join_all;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{RedisResult, Value};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Where connections lead.
pub(crate) enum Source {
    /// To one server.
    Single(Endpoint, Address),
    /// To whom the sentinels say.
    Sentinel(Endpoint, Arc<Sentinels>),
    /// To all nodes of a cluster.
    Cluster(Endpoint, Box<ClusterClient>),
}

/// Connections that take turns.
pub(crate) struct Pool {
    source: Source,
    slots: Vec<Slot>,
    turn: AtomicUsize,
    serial: AtomicU64,
    watching: AtomicBool,
}

#[derive(Default)]
struct Slot {
    link: Mutex<Option<Link>>,
    /// One makes the connection for all who wait for it.
    opening: tokio::sync::Mutex<()>,
}

/// A connection, shared by all who use it at the same time.
#[derive(Clone)]
pub(crate) struct Link {
    wire: Wire,
    place: Arc<str>,
    serial: u64,
    /// The term of the primary, where there are terms.
    term: u64,
}

#[derive(Clone)]
enum Wire {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Pool {
    pub(crate) fn new(source: Source, size: usize) -> Self {
        let slots = (0..size).map(|_| Slot::default()).collect();
        let (turn, serial, watching) = Default::default();
        Self { source, slots, turn, serial, watching }
    }

    /// The next connection.
    pub(crate) async fn link(&self) -> Result<Link, CallError> {
        if let Source::Sentinel(_, sentinels) = &self.source {
            if !self.watching.swap(true, Ordering::Relaxed) {
                tokio::spawn(Sentinels::watch(Arc::downgrade(sentinels)));
            }
            sentinels.primary().await?;
        }
        let slot = &self.slots[self.turn.fetch_add(1, Ordering::Relaxed) % self.slots.len()];
        if let Some(link) = self.usable(slot) {
            return Ok(link);
        }
        let _turn = slot.opening.lock().await;
        if let Some(link) = self.usable(slot) {
            return Ok(link);
        }
        let link = self.open().await?;
        *slot.link.lock() = Some(link.clone());
        Ok(link)
    }

    /// A connection of its own to each primary, which may take so much longer to answer than others.
    pub(crate) async fn witnesses(&self, longer: Duration) -> Result<Vec<Witness>, CallError> {
        match &self.source {
            Source::Single(endpoint, address) => {
                let connection = endpoint.open_patient(address, longer).await?;
                Ok(vec![Witness::of_all(connection, address, 0)])
            }
            Source::Sentinel(endpoint, sentinels) => {
                let (address, term) = sentinels.primary().await?;
                let opened = endpoint.open_patient(&address, longer).await;
                let connection = opened.inspect_err(|_| sentinels.doubt(term))?;
                Ok(vec![Witness::of_all(connection, &address, term)])
            }
            Source::Cluster(endpoint, _) => {
                let Link { wire: Wire::Cluster(connection), .. } = self.link().await? else {
                    return Ok(Vec::new());
                };
                let open = |(address, slots): (Address, Vec<_>)| async move {
                    let connection = endpoint.open_patient(&address, longer).await?;
                    Ok::<_, CallError>(Witness::new(connection, &address, slots))
                };
                try_join_all(primaries(connection).await?.into_iter().map(open)).await
            }
        }
    }

    /// What a witness said is to be taken for what the primary said.
    pub(crate) async fn believes(&self, witness: &Witness) -> bool {
        match &self.source {
            Source::Sentinel(_, sentinels) => sentinels.heard(witness.term()).await,
            Source::Single(..) | Source::Cluster(..) => true,
        }
    }

    /// A witness failed.
    pub(crate) fn doubt(&self, witness: &Witness, error: &CallError) {
        if let Source::Sentinel(_, sentinels) = &self.source
            && error.trouble.doubts_primary()
        {
            sentinels.doubt(witness.term());
        }
    }

    /// An answer came by `link`. True if it counts: if not, whoever gave it may not be the primary any more, and what
    /// it took would be lost.
    pub(crate) async fn counts(&self, link: &Link) -> bool {
        match &self.source {
            Source::Sentinel(_, sentinels) => sentinels.heard(link.term).await,
            Source::Single(..) | Source::Cluster(..) => true,
        }
    }

    /// Gives a connection up if the trouble is of a kind that another one may not have.
    pub(crate) fn judge(&self, link: &Link, error: &CallError) {
        if !error.trouble.doubts_primary() {
            return;
        }
        if let Source::Sentinel(_, sentinels) = &self.source {
            sentinels.doubt(link.term);
        }
        // Connections to clusters mend themselves, but not always: after a primary died they may go on asking for it.
        for slot in &self.slots {
            slot.link.lock().take_if(|kept| kept.serial == link.serial);
        }
    }

    fn usable(&self, slot: &Slot) -> Option<Link> {
        let leads_there = |link: &Link| match &self.source {
            Source::Sentinel(_, sentinels) => sentinels.term() == link.term,
            Source::Single(..) | Source::Cluster(..) => true,
        };
        slot.link.lock().clone().filter(leads_there)
    }

    async fn open(&self) -> Result<Link, CallError> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let (wire, place, term) = match &self.source {
            Source::Single(endpoint, address) => {
                (Wire::Node(endpoint.open(address).await?), address.to_string(), 0)
            }
            Source::Sentinel(endpoint, sentinels) => {
                let (address, term) = sentinels.primary().await?;
                (
                    Wire::Node(open_primary(endpoint, sentinels, &address, term).await?),
                    address.to_string(),
                    term,
                )
            }
            Source::Cluster(_, client) => {
                let opened = client.get_async_connection().await;
                let place = "the cluster";
                (Wire::Cluster(opened.map_err(|error| CallError::read(&error, place))?), place.to_owned(), 0)
            }
        };
        tracing::debug!(%place, "connected");
        Ok(Link { wire, place: place.into(), serial, term })
    }
}

/// Connects to what should be the primary and asks whether it is.
async fn open_primary(
    endpoint: &Endpoint,
    sentinels: &Sentinels,
    address: &Address,
    term: u64,
) -> Result<MultiplexedConnection, CallError> {
    let mut connection = endpoint.open(address).await.inspect_err(|_| sentinels.doubt(term))?;
    let role: RedisResult<Vec<Value>> = redis::cmd("ROLE").query_async(&mut connection).await;
    let role =
        role.map_err(|error| CallError::read(&error, address)).inspect_err(|_| sentinels.doubt(term))?;
    if role.first() != Some(&Value::BulkString(b"master".to_vec())) {
        sentinels.disown(term);
        return Err(CallError::new(Trouble::ReadOnly, address, "its ROLE is not `master`"));
    }
    Ok(connection)
}

impl Link {
    /// Where it leads, for people.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Sends a batch and waits for its answers, errors of single commands among them.
    pub(crate) async fn send(&self, batch: &Batch) -> Result<Vec<Value>, CallError> {
        let mut answers = self.send_as_it_is(batch).await?;
        let (places, again) = batch.unknown_scripts(&answers);
        if !again.is_empty() {
            for (place, answer) in places.into_iter().zip(self.send_as_it_is(&again).await?) {
                answers[place] = answer;
            }
        }
        Ok(answers)
    }

    async fn send_as_it_is(&self, batch: &Batch) -> Result<Vec<Value>, CallError> {
        let answers = match &self.wire {
            Wire::Node(connection) => {
                connection.clone().send_packed_commands(&batch.pipeline(), 0, batch.len()).await
            }
            Wire::Cluster(connection) => scatter(connection, batch).await,
        };
        let answers = answers.map_err(|error| CallError::read(&error, &self.place))?;
        if answers.len() == batch.len() {
            return Ok(answers);
        }
        let said = format!("{} answers to {} commands", answers.len(), batch.len());
        Err(CallError::new(Trouble::Unreadable, &self.place, said))
    }
}

/// Each slot's commands to whoever has it, all at once.
async fn scatter(connection: &ClusterConnection, batch: &Batch) -> RedisResult<Vec<Value>> {
    let groups = batch.by_slot();
    let sent = groups.iter().map(|places| {
        let (pipeline, mut connection) = (batch.pipeline_of(places.iter().copied()), connection.clone());
        async move {
            redis::aio::ConnectionLike::req_packed_commands(&mut connection, &pipeline, 0, places.len()).await
        }
    });
    let mut answers = vec![Value::Nil; batch.len()];
    for (places, values) in groups.iter().zip(try_join_all(sent).await?) {
        for (place, value) in places.iter().zip(values) {
            answers[*place] = value;
        }
    }
    Ok(answers)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.slots.iter().filter(|slot| slot.link.lock().is_some()).count();
        f.debug_struct("Pool").field("size", &self.slots.len()).field("open", &open).finish_non_exhaustive()
    }
}
