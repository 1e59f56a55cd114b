//! A cluster of three primaries, each with a replica if wanted.

use super::sentinel::info;
use super::{Server, client, eventually, free_port, quick};
use reco_redis::{RedisClient, RedisConfig, Topology};

/// Three servers that share the slots.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
    /// One for each node, or none.
    pub(crate) replicas: Vec<Server>,
}

impl Cluster {
    const SLOTS: u16 = 16_384;

    pub(crate) fn start() -> Self {
        let nodes: Vec<(Server, u16)> = (0..3).map(|_| node()).collect();
        for (place, (node, _)) in nodes.iter().enumerate() {
            let mut connection = node.direct();
            let (first, last) = (Self::first_slot(place), Self::first_slot(place + 1) - 1);
            let mut run = |arguments: &[String]| {
                redis::cmd("CLUSTER").arg(arguments).exec(&mut connection).expect("a node obeys");
            };
            run(&["ADDSLOTSRANGE".to_owned(), first.to_string(), last.to_string()]);
            run(&["SET-CONFIG-EPOCH".to_owned(), (place + 1).to_string()]);
        }
        let mut first = nodes[0].0.direct();
        for (node, bus) in &nodes[1..] {
            let meet =
                redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(node.port).arg(bus).exec(&mut first);
            meet.expect("nodes meet");
        }
        let nodes: Vec<Server> = nodes.into_iter().map(|(node, _)| node).collect();
        for node in &nodes {
            eventually("the cluster is complete", || {
                let state = information(node);
                ["cluster_state:ok", "cluster_known_nodes:3", "cluster_size:3"]
                    .iter()
                    .all(|line| state.contains(line))
            });
        }
        Self { nodes, replicas: Vec::new() }
    }

    /// One whose primaries each have a replica.
    pub(crate) fn with_replicas() -> Self {
        let mut cluster = Self::start();
        let replicas: Vec<(Server, u16)> = (0..3).map(|_| node()).collect();
        let mut first = cluster.nodes[0].direct();
        for (node, bus) in &replicas {
            let meet =
                redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(node.port).arg(bus).exec(&mut first);
            meet.expect("nodes meet");
        }
        cluster.replicas = replicas.into_iter().map(|(node, _)| node).collect();
        for node in cluster.nodes.iter().chain(&cluster.replicas) {
            eventually("all know all", || information(node).contains("cluster_known_nodes:6"));
        }
        for (place, replica) in cluster.replicas.iter().enumerate() {
            let mut connection = replica.direct();
            let replicate =
                redis::cmd("CLUSTER").arg("REPLICATE").arg(cluster.id(place)).exec(&mut connection);
            replicate.expect("a node becomes a replica");
            eventually("the replica follows", || info(replica, "master_link_status") == "up");
        }
        cluster.await_roles();
        cluster
    }

    /// Waits until all nodes know who follows whom and are connected with each other: who falls silent before that is
    /// given up as a stranger, and hears nothing of a primary that died.
    fn await_roles(&self) {
        let following: Vec<[String; 2]> = self
            .replicas
            .iter()
            .enumerate()
            .map(|(place, replica)| [name(replica), self.id(place)])
            .collect();
        for node in self.nodes.iter().chain(&self.replicas) {
            eventually("all know who follows whom", || {
                let known = known_nodes(node);
                let follows = |[replica, primary]: &[String; 2]| {
                    known.iter().any(|line| line[0] == *replica && line[3] == *primary)
                };
                known.iter().all(|line| !line[2].contains("handshake") && line[7] == "connected")
                    && following.iter().all(follows)
            });
        }
    }

    /// Waits until the replica of a node has become the primary, and all that run know it.
    pub(crate) fn await_promotion(&self, place: usize) {
        let promoted = &self.replicas[place];
        eventually("the replica is promoted", || info(promoted, "role") == "master");
        let id = name(promoted);
        let others = self.nodes.iter().enumerate().filter(|(node, _)| *node != place).map(|(_, node)| node);
        for node in others.chain(&self.replicas) {
            let state = || information(node).contains("cluster_state:ok");
            eventually("all know it", || has(node, Self::first_slot(place)) == id && state());
        }
    }

    pub(crate) fn config(&self) -> RedisConfig {
        let addresses = self.nodes.iter().map(Server::address).collect();
        RedisConfig { topology: Topology::Cluster { addresses }, ..quick() }
    }

    pub(crate) fn client(&self) -> RedisClient {
        client(self.config())
    }

    /// The first slot of a node.
    pub(crate) fn first_slot(place: usize) -> u16 {
        (usize::from(Self::SLOTS) * place / 3) as u16
    }

    /// What a node is called in the cluster.
    pub(crate) fn id(&self, place: usize) -> String {
        name(&self.nodes[place])
    }

    /// Moves a slot with all its keys, one by one, as administrators do while clients go on.
    pub(crate) fn migrate(&self, slot: u16, from: usize, to: usize) {
        let (mut source, mut target) = (self.nodes[from].direct(), self.nodes[to].direct());
        let set = |connection: &mut redis::Connection, state: &[&str]| {
            redis::cmd("CLUSTER")
                .arg("SETSLOT")
                .arg(slot)
                .arg(state)
                .exec(connection)
                .expect("a slot is told");
        };
        set(&mut target, &["IMPORTING", &self.id(from)]);
        set(&mut source, &["MIGRATING", &self.id(to)]);
        loop {
            let keys: Vec<Vec<u8>> = redis::cmd("CLUSTER")
                .arg("GETKEYSINSLOT")
                .arg(slot)
                .arg(10)
                .query(&mut source)
                .expect("a slot has keys");
            if keys.is_empty() {
                break;
            }
            let (port, wait) = (self.nodes[to].port, 5_000);
            let mut command = redis::cmd("MIGRATE");
            command.arg("127.0.0.1").arg(port).arg("").arg(0).arg(wait).arg("KEYS").arg(keys);
            command.exec(&mut source).expect("keys move");
        }
        set(&mut target, &["NODE", &self.id(to)]);
        set(&mut source, &["NODE", &self.id(to)]);
        // Who moves it again before all have heard of it may be contradicted by those who have not.
        let owner = self.id(to);
        for node in &self.nodes {
            eventually("all nodes know who has the slot", || has(node, slot) == owner);
        }
    }
}

fn node() -> (Server, u16) {
    let bus = free_port();
    let bus_text = bus.to_string();
    let options = ["cluster-enabled", "yes", "cluster-node-timeout", "2000", "cluster-port", &bus_text];
    (Server::start(&options), bus)
}

fn information(node: &Server) -> String {
    redis::cmd("CLUSTER").arg("INFO").query(&mut node.direct()).expect("a node answers")
}

fn name(node: &Server) -> String {
    redis::cmd("CLUSTER").arg("MYID").query(&mut node.direct()).expect("a node has a name")
}

/// All nodes as one of them knows them, each by its columns: name, address, flags, primary, times, epoch, link, slots.
fn known_nodes(node: &Server) -> Vec<Vec<String>> {
    let table: String = redis::cmd("CLUSTER").arg("NODES").query(&mut node.direct()).expect("a node answers");
    table.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// Who has a slot, as one node knows it.
fn has(node: &Server, slot: u16) -> String {
    let ranges: Vec<Vec<redis::Value>> =
        redis::cmd("CLUSTER").arg("SLOTS").query(&mut node.direct()).expect("a node answers");
    // Its replicas follow the primary.
    let primary = |range: Vec<redis::Value>| {
        let primary = redis::Value::Array(range.into_iter().take(3).collect());
        redis::from_redis_value::<(u16, u16, (String, u16, String, redis::Value))>(primary).ok()
    };
    let mut ranges = ranges.into_iter().filter_map(primary);
    let range = ranges.find(|(first, last, _)| (*first..=*last).contains(&slot));
    range.map(|(_, _, (_, _, id, _))| id).unwrap_or_default()
}
