//! A proxy that loses what goes through it when it is told to.

use super::{Process, eventually, free_port};
use reco_redis::{RedisConfig, RetryConfig, Topology};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A proxy in front of one server.
#[derive(Debug)]
pub(crate) struct Toxiproxy {
    _process: Process,
    control: u16,
    port: u16,
}

impl Toxiproxy {
    /// One that leads to a port; none if there is no such program, which is said then.
    pub(crate) fn before(target: u16) -> Option<Self> {
        let Ok(program) = std::env::var("TOXIPROXY_SERVER") else {
            eprintln!("not run: TOXIPROXY_SERVER is not set; scripts/test sets it");
            return None;
        };
        let (control, port) = (free_port(), free_port());
        let arguments = ["-host", "127.0.0.1", "-port", &control.to_string()].map(str::to_owned);
        let proxy = Self { _process: Process::start(&program, &arguments), control, port };
        eventually("the proxy takes connections", || TcpStream::connect(("127.0.0.1", control)).is_ok());
        let body = format!(
            r#"{{"name":"redis","listen":"127.0.0.1:{port}","upstream":"127.0.0.1:{target}","enabled":true}}"#
        );
        proxy.ask("POST", "/proxies", &body);
        Some(proxy)
    }

    /// A configuration that leads through it and tries for a long time.
    pub(crate) fn config(&self) -> RedisConfig {
        let topology = Topology::Single { address: format!("127.0.0.1:{}", self.port) };
        let retry = RetryConfig { attempts: 100, base_ms: 20, cap_ms: 50 };
        RedisConfig { topology, retry, answer_ms: 200, call_ms: 60_000, ..RedisConfig::default() }
    }

    /// From now on no answer comes through, though every question does.
    pub(crate) fn lose_answers(&self) {
        let body = r#"{"name":"lost","type":"timeout","stream":"downstream","attributes":{"timeout":0}}"#;
        self.ask("POST", "/proxies/redis/toxics", body);
    }

    /// All is well again, for new connections.
    pub(crate) fn mend(&self) {
        self.ask("DELETE", "/proxies/redis/toxics/lost", "");
    }

    fn ask(&self, method: &str, path: &str, body: &str) {
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.control)).expect("the proxy takes connections");
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\nContent-Length: {length}"
        );
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).expect("the proxy reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the proxy answers");
        assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    }
}
