//! A primary, a replica, and three sentinels that watch them.

use super::{Process, Server, direct, eventually, free_port, quick, random};
use reco_redis::{RedisConfig, Topology};
use std::collections::HashMap;
use tempfile::TempDir;

/// Two servers and who watches them.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) primary: Server,
    pub(crate) replica: Server,
    pub(crate) sentinels: Vec<(Process, u16)>,
    /// The sentinels': they tell nobody else.
    password: String,
    _folder: TempDir,
}

impl Watched {
    /// How long a primary may be silent before it counts as gone.
    const DOWN_AFTER_MS: u32 = 500;

    pub(crate) fn start() -> Self {
        let primary = Server::start(&[]);
        let replica = Server::start(&["replicaof", &format!("127.0.0.1 {}", primary.port)]);
        eventually("the replica follows", || info(&replica, "master_link_status") == "up");
        let folder = TempDir::new().expect("a temporary folder");
        let password = format!("{:x}", random());
        let sentinels: Vec<(Process, u16)> =
            (0..3).map(|_| sentinel(&folder, primary.port, &password)).collect();
        for (_, port) in &sentinels {
            eventually("the sentinels know all", || {
                let state = state(*port, &password);
                state["num-other-sentinels"] == "2" && state["num-slaves"] == "1"
            });
        }
        Self { primary, replica, sentinels, password, _folder: folder }
    }

    /// A configuration that follows the primary.
    pub(crate) fn config(&self) -> RedisConfig {
        let addresses = self.sentinels.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
        let (service, user, password) = ("shop".to_owned(), String::new(), self.password.as_str().into());
        let topology = Topology::Sentinel { addresses, service, user, password };
        RedisConfig { topology, answer_ms: 500, call_ms: 2_000, ..quick() }
    }

    /// Waits until all sentinels say that the replica has become the primary.
    pub(crate) fn await_promotion(&self) {
        let promoted = self.replica.port.to_string();
        for (_, port) in &self.sentinels {
            eventually("the sentinels promote the replica", || {
                state(*port, &self.password)["port"] == promoted
            });
        }
    }
}

/// A line of what a server says of its replication; nothing while it says nothing.
pub(crate) fn info(server: &Server, name: &str) -> String {
    // A server hangs up when it becomes a replica.
    let text = || -> redis::RedisResult<String> {
        let mut connection = redis::Client::open(("127.0.0.1", server.port))?.get_connection()?;
        redis::cmd("INFO").arg("replication").query(&mut connection)
    };
    let text = text().unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().to_owned()
}

fn sentinel(folder: &TempDir, primary: u16, password: &str) -> (Process, u16) {
    let port = free_port();
    let place = folder.path().join(format!("sentinel-{port}"));
    std::fs::create_dir(&place).expect("a folder for a sentinel");
    let settings = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor shop 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds shop {}\nsentinel failover-timeout shop 5000\n\
         requirepass {password}\nsentinel sentinel-pass {password}\n",
        place.display(),
        Watched::DOWN_AFTER_MS,
    );
    let file = place.join("sentinel.conf");
    std::fs::write(&file, settings).expect("a configuration for a sentinel");
    let process = Process::start("redis-sentinel", &[file.display().to_string()]);
    eventually("a sentinel takes connections", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (process, port)
}

fn state(port: u16, password: &str) -> HashMap<String, String> {
    let mut connection = direct(port);
    redis::cmd("AUTH").arg(password).exec(&mut connection).expect("the password is right");
    redis::cmd("SENTINEL").arg("MASTER").arg("shop").query(&mut connection).expect("a sentinel answers")
}
