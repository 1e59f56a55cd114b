//! Servers that a test starts for itself: on free ports of 127.0.0.1, with data in a temporary folder, stopped when
//! the test ends.

pub(crate) mod certificates;
pub(crate) mod cluster;
pub(crate) mod sentinel;
pub(crate) mod toxiproxy;

use reco_core::time::SystemClock;
use reco_redis::{RedisClient, RedisConfig, Topology};
use rustix::process::{Pid, Signal, kill_process};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest that anything may take to get ready.
const READY: Duration = Duration::from_mins(1);

/// False if there is no server to start, which is said then.
pub(crate) fn present() -> bool {
    let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("not run: redis-server is missing; scripts/test installs it");
    }
    found
}

/// A process that ends with the test.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(program: &str, arguments: &[String]) -> Self {
        let mut command = Command::new(program);
        let command =
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the program starts"))
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().expect("a child can be asked").is_none()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("a child can be killed");
        self.0.wait().expect("a child can be waited for");
    }

    /// SIGSTOP.
    pub(crate) fn stop(&self) {
        kill_process(Pid::from_child(&self.0), Signal::STOP).expect("a child can be stopped");
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) {
        kill_process(Pid::from_child(&self.0), Signal::CONT).expect("a child can be continued");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    options: Vec<String>,
}

impl Server {
    /// Starts one with the given options, `["maxmemory", "2mb"]` say, and waits until it answers.
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        // Somebody else may take a free port before the server does.
        for _ in 0..10 {
            let port = free_port();
            if let Some(process) = launch(port, &folder, &options) {
                return Self { process, port, folder, options };
            }
        }
        panic!("no server with {options:?} became ready");
    }

    /// The same again on the same port, after its process ended.
    pub(crate) fn restart(&mut self) {
        let process = launch(self.port, &self.folder, &self.options);
        self.process = process.expect("the server starts again");
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A configuration for it, with short times.
    pub(crate) fn config(&self) -> RedisConfig {
        RedisConfig { topology: Topology::Single { address: self.address() }, ..quick() }
    }

    /// A client of it.
    pub(crate) fn client(&self) -> RedisClient {
        client(self.config())
    }

    /// A connection of its own, past what is tested.
    pub(crate) fn direct(&self) -> redis::Connection {
        direct(self.port)
    }
}

fn launch(port: u16, folder: &TempDir, options: &[String]) -> Option<Process> {
    let mut arguments: Vec<String> =
        ["--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0", "--dir"]
            .map(str::to_owned)
            .to_vec();
    arguments.push(folder.path().display().to_string());
    let socket = folder.path().join("socket");
    arguments.extend(["--unixsocket".to_owned(), socket.display().to_string()]);
    let encrypted = options.iter().any(|option| option == "tls-cert-file");
    let ports = if encrypted { [("port", 0), ("tls-port", port)] } else { [("port", port), ("tls-port", 0)] };
    for (name, port) in ports {
        arguments.extend([format!("--{name}"), port.to_string()]);
    }
    for pair in options.chunks(2) {
        arguments.extend([format!("--{}", pair[0]), pair[1].clone()]);
    }
    let mut process = Process::start("redis-server", &arguments);
    let mut ended = false;
    // At the port, whoever took it first may answer. The socket is this server's alone, and opened once it has the port.
    eventually("the server takes connections", || {
        ended = !process.runs();
        ended || UnixStream::connect(&socket).is_ok()
    });
    (!ended).then_some(process)
}

/// Asks until it holds, with a bound.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < READY, "{what}, but not within {READY:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The same without holding up a runtime's thread.
pub(crate) async fn eventually_async<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < READY, "{what}, but not within {READY:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

pub(crate) fn direct(port: u16) -> redis::Connection {
    let client = redis::Client::open(("127.0.0.1", port)).expect("a client");
    client.get_connection().expect("a connection")
}

/// A client that also holds a test on a busy machine.
pub(crate) fn client(config: RedisConfig) -> RedisClient {
    RedisClient::new(config, Arc::new(SystemClock), random()).expect("a sound configuration")
}

/// A number that nobody knew before.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Times that suit a busy machine on loopback.
pub(crate) fn quick() -> RedisConfig {
    RedisConfig { answer_ms: 2_000, call_ms: 10_000, ..RedisConfig::default() }
}

/// Lets time pass for all keys of a server: takes it off what each has left to live.
pub(crate) fn age(port: u16, by: Duration) {
    let script = "for _, key in ipairs(redis.call('KEYS', '*')) do
        local left = redis.call('PTTL', key)
        if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
    end";
    let mut connection = direct(port);
    redis::cmd("EVAL")
        .arg(script)
        .arg(0)
        .arg(by.as_millis() as u64)
        .exec(&mut connection)
        .expect("time passes");
}
