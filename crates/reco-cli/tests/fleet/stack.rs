//! The stack that the servers need, and the servers themselves.

use crate::PATIENCE;
use crate::proxy::Network;
use crate::support::{answer, ask_at, reco};
use reco_kafka::KafkaConfig;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The servers. The last one comes to Kafka and Redis through the network.
pub(crate) const NAMES: [&str; 3] = ["a", "b", FAR];

/// The one that can be cut off.
pub(crate) const FAR: &str = "c";

/// The stack, and a folder for servers with configurations for it.
pub(crate) struct Fleet {
    stack: PathBuf,
    folder: tempfile::TempDir,
    /// Between the far server and the others; if there is no proxy, it is not far.
    pub(crate) network: Option<Network>,
    servers: Mutex<BTreeMap<&'static str, Server>>,
    seed: u64,
    begun: Instant,
    chronicle: Mutex<Vec<String>>,
}

struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    /// As hard as it can be.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Fleet {
    /// Nothing without a stack.
    pub(crate) fn new(seed: u64) -> Option<Self> {
        let settings = std::env::var_os("RECO_STACK_CONFIG").map(PathBuf::from)?;
        let folder = tempfile::tempdir().expect("a folder");
        let bought = (0..40).map(|n| format!("u{},i{},purchase,{}\n", n % 8, n % 5, 1_700_000_000 + n));
        let data: String = ["user,item,action,timestamp\n".to_owned()].into_iter().chain(bought).collect();
        fs::write(folder.path().join("interactions.csv"), data).expect("a file");
        let near = near(&fs::read_to_string(&settings).expect("the settings of the stack"));
        fs::write(folder.path().join("near.toml"), near.to_string()).expect("a file");
        let network = Network::start(primary().expect("there is a primary"));
        let far = network.as_ref().map_or(near.clone(), |network| far(near, network));
        fs::write(folder.path().join("far.toml"), far.to_string()).expect("a file");
        let stack = settings.parent().expect("a folder").to_owned();
        let (servers, chronicle) = (Mutex::default(), Mutex::default());
        Some(Self { stack, folder, network, servers, seed, begun: Instant::now(), chronicle })
    }

    /// The flags of a server whose own files are in a folder of this name.
    fn flags(name: &str) -> [String; 4] {
        let config = if name == FAR { "far.toml" } else { "near.toml" };
        ["--config", config, "--set", &format!("events.path={name}")].map(str::to_owned)
    }

    /// Adds settings for servers that start from now on, except the far one.
    pub(crate) fn configure(&self, more: &str) {
        let path = self.folder.path().join("near.toml");
        let near = fs::read_to_string(&path).expect("a file");
        fs::write(&path, format!("{near}\n{more}")).expect("a file");
    }

    /// Starts a server, as often as it takes: it cannot begin while it is cut off.
    pub(crate) fn start(&self, name: &'static str) {
        let begun = Instant::now();
        let server = loop {
            if let Some(server) = self.launch(name) {
                break server;
            }
            assert!(begun.elapsed() < PATIENCE, "{name} does not start");
        };
        self.note(&format!("{name} is there"));
        self.servers.lock().expect("nobody panicked").insert(name, server);
    }

    /// A server once it listens; nothing if it ended before.
    fn launch(&self, name: &str) -> Option<Server> {
        let log = self.log(name);
        let mut command = reco(self.folder.path());
        command
            .args(["--quiet", "--json", "serve", "--listen", "127.0.0.1:0"])
            .args(Self::flags(name))
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a file"));
        let mut server = Server { child: command.spawn().expect("the command runs"), address: String::new() };
        let begun = Instant::now();
        loop {
            let has_ended = server.child.try_wait().expect("a child can be asked").is_some();
            let told = fs::read_to_string(&log).unwrap_or_default();
            if let Some(address) = told.split_inclusive('\n').find_map(listening) {
                server.address = address;
                return Some(server);
            }
            if has_ended {
                self.note(&format!("{name} did not start: {}", told.trim()));
                return None;
            }
            assert!(begun.elapsed() < PATIENCE, "{name} does not listen: {told}");
            sleep(Duration::from_millis(10));
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// Ends a server, as hard as it can be. Nobody finds it any more before it is dead.
    pub(crate) fn kill(&self, name: &str) {
        let server = self.servers.lock().expect("nobody panicked").remove(name);
        drop(server);
    }

    /// Asks a server to end, and waits until it has.
    pub(crate) fn stop(&self, name: &str) {
        let mut server = self.servers.lock().expect("nobody panicked").remove(name).expect("it is there");
        signal("TERM", server.child.id());
        let ended = server.child.wait().expect("a child can be waited for");
        assert!(ended.success(), "{name} ended with {ended}");
    }

    /// Where a server listens, if it is there.
    pub(crate) fn address(&self, name: &str) -> Option<String> {
        self.servers.lock().expect("nobody panicked").get(name).map(|server| server.address.clone())
    }

    /// What a server answers, if it is there.
    pub(crate) fn ask(&self, name: &str, method: &str, target: &str, body: &str) -> io::Result<(u16, Value)> {
        let address = self.address(name).ok_or(io::ErrorKind::NotConnected)?;
        ask_at(&address, method, target, body)
    }

    pub(crate) fn get(&self, name: &str, target: &str) -> Value {
        let (status, body) = self.ask(name, "GET", target, "").expect("an answer");
        assert_eq!(status, 200, "{target} at {name}: {body}");
        body
    }

    pub(crate) fn run(&self, command: &[&str], name: &str) -> Value {
        let flags = Self::flags(name);
        answer(self.folder.path(), &[command, &flags.each_ref().map(String::as_str)].concat())
    }

    /// Sends a signal to one of the stack's processes.
    pub(crate) fn signal(&self, signal_name: &str, name: &str) {
        let pid = fs::read_to_string(self.stack.join(name).join("pid")).expect("it has a pid");
        signal(signal_name, pid.trim().parse().expect("a number"));
        self.note(&format!("{name}: SIG{signal_name}"));
    }

    /// Brokers by name.
    pub(crate) fn brokers(&self) -> Vec<String> {
        let names = (0..3).map(|number| format!("kafka-{number}"));
        names.filter(|name| self.stack.join(name).exists()).collect()
    }

    /// How to read the log.
    pub(crate) fn kafka(&self) -> KafkaConfig {
        let near = fs::read_to_string(self.folder.path().join("near.toml")).expect("a file");
        let near: toml::Table = near.parse().expect("TOML");
        near["kafka"].clone().try_into().expect("settings of Kafka")
    }

    /// Keeps in mind what happened, to be told if something goes wrong.
    pub(crate) fn note(&self, what: &str) {
        let line = format!("{:7.2} s: {what}", self.begun.elapsed().as_secs_f64());
        self.chronicle.lock().expect("nobody panicked").push(line);
    }
}

impl Drop for Fleet {
    /// Tells what happened if something went wrong, or if everything is to be told.
    fn drop(&mut self) {
        let Self { seed, chronicle, .. } = self;
        eprintln!("RECO_FLEET_SEED={seed}");
        // Whoever panicked had finished its line.
        let chronicle = chronicle.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        chronicle.iter().for_each(|line| eprintln!("{line}"));
        if std::thread::panicking() {
            for name in NAMES {
                let told = fs::read_to_string(self.log(name)).unwrap_or_default();
                let lines: Vec<&str> = told.lines().collect();
                eprintln!("--- {name}\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
            }
        }
    }
}

/// The address in a whole line that says where a server listens.
fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line.strip_suffix('\n')?).ok()?;
    Some(line["listening"]["address"].as_str()?.to_owned())
}

/// A configuration for servers beside the stack.
fn near(stack: &str) -> toml::Table {
    let shared = "clock = \"system\"\nevents.keep = \"kafka\"\nevents.checkpoint_minutes = 0.02\n\
                  features.shared = \"redis\"\ncache.shared = \"redis\"\nlists.shared = \"redis\"\n\
                  [data.interactions]\npath = \"interactions.csv\"\n";
    // Topics of its own; a reader that is killed leaves its partitions to the others soon; and who writes while nobody
    // takes events in hears of it within a test's time.
    let quick = "[kafka]\ntopic = \"fleet.events\"\ndead_letters = \"fleet.dead\"\nexperiments = \"fleet.experiments\"\npartitions = 12\n\
                 session_timeout_ms = 3000\ndelivery_timeout_ms = 15000\n";
    (shared.to_owned() + &stack.replace("[kafka]\n", quick)).parse().expect("TOML")
}

/// The same for one that comes through a network.
fn far(mut near: toml::Table, network: &Network) -> toml::Table {
    near["kafka"]["brokers"] = network.kafka.listens.join(",").into();
    let single = [("kind", "single"), ("address", &network.redis.listens[0])];
    near["redis"]["topology"] =
        toml::Table::from_iter(single.map(|(name, value)| (name.to_owned(), value.into()))).into();
    near
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().expect("kill runs");
    assert!(sent.success(), "process {pid} was there");
}

/// Where the primary is, as one of the sentinels says.
pub(crate) fn primary() -> Option<String> {
    let sentinels = std::env::var("RECO_STACK_SENTINELS").expect("the stack says where they are");
    sentinels.split(',').find_map(|sentinel| {
        let primary = redis(sentinel, &["sentinel", "get-master-addr-by-name", "reco"])?;
        let (host, port) = primary.trim().split_once('\n')?;
        Some(format!("{host}:{port}"))
    })
}

/// What a Redis server answers.
pub(crate) fn redis(address: &str, command: &[&str]) -> Option<String> {
    let (host, port) = address.split_once(':')?;
    let output = Command::new("redis-cli").args(["-h", host, "-p", port]).args(command).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
