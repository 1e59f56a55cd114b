//! Real brokers, started by the tests as processes of their own.
//!
//! `scripts/test` sets `RECO_TEST_KAFKA` to the folder of Kafka's jars, which `scripts/install-kafka` prints; without it
//! the tests say that they did not run.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part of this module")]
#![allow(clippy::print_stderr, reason = "a test that does not run must say so")]

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use reco_core::event::{Action, Event, EventId};
use reco_core::time::Timestamp;
use reco_kafka::{KafkaConfig, Properties};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long brokers may take to start; machines that run tests are busy.
const PATIENCE: Duration = Duration::from_mins(3);

/// Kafka's jars, or nothing, said on standard error.
pub fn jars() -> Option<PathBuf> {
    let jars = std::env::var_os("RECO_TEST_KAFKA").map(PathBuf::from);
    if jars.is_none() {
        eprintln!("not run: RECO_TEST_KAFKA is not set; scripts/test sets it");
    }
    jars
}

/// Brokers that know each other, on free ports of 127.0.0.1.
pub struct Brokers {
    nodes: Vec<Node>,
    bootstrap: String,
    folder: TempDir,
    /// What clients must say to be let in.
    properties: Properties,
}

/// How brokers are talked to.
pub struct Access {
    /// `PLAINTEXT`, `SASL_SSL` and so on.
    pub protocol: &'static str,
    /// Lines of the brokers' settings about it.
    pub settings: String,
    /// Users that are there from the beginning, as Kafka's `format --add-scram` takes them.
    pub scram: Vec<String>,
    /// What clients must say.
    pub properties: Properties,
}

impl Access {
    /// Everybody is let in, in the open.
    fn open() -> Self {
        Self {
            protocol: "PLAINTEXT",
            settings: String::new(),
            scram: Vec::new(),
            properties: Properties::default(),
        }
    }
}

struct Node {
    /// Kills the broker and removes its folder when its standard input ends, so that nothing outlives the tests, however
    /// they end.
    keeper: Child,
    alive: ChildStdin,
    pid: String,
}

impl Brokers {
    pub fn start(jars: &Path, n_nodes: usize) -> Self {
        Self::start_with(jars, n_nodes, &Access::open())
    }

    pub fn start_with(jars: &Path, n_nodes: usize, access: &Access) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ports: Vec<(u16, u16)> =
            free_ports(2 * n_nodes).chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let nodes = (0..n_nodes).map(|node| Node::start(jars, folder.path(), node, &ports, access)).collect();
        let addresses: Vec<String> = ports.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
        let properties = access.properties.clone();
        let mut brokers = Self { nodes, bootstrap: addresses.join(","), folder, properties };
        brokers.wait_until_ready();
        brokers
    }

    /// Asks until all nodes are there; asking waits by itself.
    fn wait_until_ready(&mut self) {
        let started = Instant::now();
        let mut client: ClientConfig = self.properties.0.clone().into_iter().collect();
        let client: BaseConsumer =
            client.set("bootstrap.servers", &self.bootstrap).create().expect("a client");
        loop {
            let metadata = client.fetch_metadata(None, Duration::from_secs(1));
            if metadata.is_ok_and(|metadata| metadata.brokers().len() == self.nodes.len()) {
                return;
            }
            let died =
                self.nodes.iter_mut().any(|node| node.keeper.try_wait().is_ok_and(|ended| ended.is_some()));
            if died || started.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.path().join("0/log")).unwrap_or_default();
                panic!("the brokers did not start within {PATIENCE:?}:\n{log}");
            }
        }
    }

    /// A configuration with topics of its own; one broker keeps all.
    pub fn config(&self, name: &str) -> KafkaConfig {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let topic = format!("{name}.{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        KafkaConfig {
            brokers: self.bootstrap.clone(),
            dead_letters: format!("{topic}.dead"),
            topic,
            partitions: 5,
            replication: 1,
            min_in_sync: 1,
            session_timeout_ms: 6_000,
            properties: self.properties.clone(),
            ..KafkaConfig::default()
        }
    }

    /// Sends a signal to one broker.
    pub fn signal(&self, node: usize, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.nodes[node].pid]).status();
        assert!(sent.expect("kill runs").success(), "broker {node} is there");
    }
}

impl Node {
    fn start(jars: &Path, folder: &Path, node: usize, ports: &[(u16, u16)], access: &Access) -> Self {
        let folder = folder.join(node.to_string());
        fs::create_dir(&folder).expect("a folder");
        let settings = folder.join("server.properties");
        fs::write(&settings, properties(&folder, node, ports, access)).expect("settings");
        let class_path = format!("{}/*", jars.display());
        let formatted = Command::new("java")
            .args(["-cp", &class_path, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"])
            .args(["-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"])
            .arg(&settings)
            .args(access.scram.iter().flat_map(|user| ["--add-scram", user]))
            .output()
            .expect("java runs");
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        let script = r#"
            folder="$1"; shift
            "$@" >"$folder/log" 2>&1 </dev/null &
            echo $!
            read -r _
            kill -KILL $!; wait $!
            rm -rf "$folder"; rmdir --ignore-fail-on-non-empty "${folder%/*}"
        "#;
        let mut keeper = Command::new("bash")
            .args(["-c", script, "keeper"])
            .arg(&folder)
            .args([
                "java",
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                &class_path,
                "kafka.Kafka",
            ])
            .arg(&settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash runs");
        let alive = keeper.stdin.take().expect("a pipe");
        let mut pid = String::new();
        let told = BufReader::new(keeper.stdout.take().expect("a pipe")).read_line(&mut pid);
        told.expect("the keeper tells whom it keeps");
        Self { keeper, alive, pid: pid.trim().to_owned() }
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        for node in self.nodes.drain(..) {
            let Node { mut keeper, alive, .. } = node;
            drop(alive);
            let _ = keeper.wait();
        }
    }
}

fn properties(folder: &Path, node: usize, ports: &[(u16, u16)], access: &Access) -> String {
    let (port, controller) = ports[node];
    let voters: Vec<String> =
        ports.iter().enumerate().map(|(id, (_, port))| format!("{id}@127.0.0.1:{port}")).collect();
    let Access { protocol, settings, .. } = access;
    let copies = ports.len();
    let least = if copies > 1 { 2 } else { 1 };
    format!(
        "process.roles=broker,controller\n\
         node.id={node}\n\
         controller.quorum.voters={}\n\
         controller.listener.names=CONTROLLER\n\
         listeners={protocol}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners={protocol}://127.0.0.1:{port}\n\
         listener.security.protocol.map={protocol}:{protocol},CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name={protocol}\n\
         log.dirs={}/data\n\
         offsets.topic.num.partitions=3\n\
         offsets.topic.replication.factor={copies}\n\
         transaction.state.log.num.partitions=3\n\
         transaction.state.log.replication.factor={copies}\n\
         transaction.state.log.min.isr={least}\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n\
         broker.session.timeout.ms=3000\n\
         broker.heartbeat.interval.ms=500\n\
         auto.create.topics.enable=true\n\
         {settings}",
        voters.join(","),
        folder.display(),
    )
}

/// All at once, so that they differ.
fn free_ports(n_ports: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..n_ports).map(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a free port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("an address").port()).collect()
}

pub fn event(user: &str, id: u128) -> Event {
    Event {
        id: EventId(id),
        user: user.into(),
        item: "tea".into(),
        action: Action::Click,
        value: None,
        at: Timestamp::from_millis(1_700_000_000_000 + id as i64),
        details: None,
    }
}

/// Events `ids` of some 50 users.
pub fn events(ids: std::ops::Range<u128>) -> Vec<Event> {
    ids.map(|id| event(&format!("user{}", id * 7 % 50), id)).collect()
}
