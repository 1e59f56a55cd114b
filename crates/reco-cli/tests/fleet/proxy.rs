//! A network that can be cut: proxies between the far server and what it needs.

use crate::stack::signal;
use crate::{PATIENCE, eventually};
use rand::{Rng, RngExt};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// The ways of the far server to Redis and to Kafka.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) redis: Proxy,
    pub(crate) kafka: Proxy,
}

/// What is cut, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    how: How,
    redis: bool,
    kafka: bool,
}

/// How connections are cut.
#[derive(Clone, Copy, Debug)]
enum How {
    /// Questions are lost. Connections end when the cut does.
    QuestionsLost,
    /// Every question arrives, but answers are lost. Connections end when the cut does.
    AnswersLost,
    /// What is sent either way arrives when the cut ends.
    Late,
    /// Connections are reset as soon as something is sent.
    Reset,
    /// There are no connections.
    Refused,
}

impl Cut {
    pub(crate) fn draw(random: &mut impl Rng) -> Self {
        let hows = [How::QuestionsLost, How::AnswersLost, How::Late, How::Reset, How::Refused];
        let (redis, kafka) = [(true, false), (false, true), (true, true)][random.random_range(0..3)];
        Self { how: hows[random.random_range(0..hows.len())], redis, kafka }
    }
}

impl Network {
    /// One that leads to a primary and to all brokers; none if there is no such program, which is said then.
    pub(crate) fn start(primary: String) -> Option<Self> {
        let Ok(program) = std::env::var("TOXIPROXY_SERVER") else {
            eprintln!("nobody is cut off: TOXIPROXY_SERVER is not set; scripts/test sets it");
            return None;
        };
        let brokers = std::env::var("RECO_STACK_PROXIED").expect("the stack says where they are");
        let pair = |pair: &str| pair.split_once('=').map(|(listen, target)| (listen.into(), target.into()));
        let brokers = brokers.split(',').map(|it| pair(it).expect("where it listens and where it leads"));
        Some(Self {
            redis: Proxy::start(&program, [("127.0.0.1:0".to_owned(), primary)]),
            kafka: Proxy::start(&program, brokers),
        })
    }

    fn concerned(&self, cut: Cut) -> impl Iterator<Item = &Proxy> {
        let both = [(&self.redis, cut.redis), (&self.kafka, cut.kafka)];
        both.into_iter().filter(|(_, is_cut)| *is_cut).map(|(proxy, _)| proxy)
    }

    pub(crate) fn cut(&self, cut: Cut) {
        self.concerned(cut).for_each(|proxy| proxy.cut(cut.how));
    }

    /// All is well again after a cut.
    pub(crate) fn heal(&self, cut: Cut) {
        self.concerned(cut).for_each(|proxy| proxy.heal(cut.how));
    }
}

/// A process of toxiproxy, which ends with the test.
#[derive(Debug)]
pub(crate) struct Proxy {
    process: Child,
    control: String,
    /// Where it listens, for each of its targets.
    pub(crate) listens: Vec<String>,
}

impl Proxy {
    /// Listens at the first of each pair and leads to the second.
    fn start(program: &str, pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        let mut command = Command::new(program);
        command.args(["-host", "127.0.0.1", "-port", &port.to_string()]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.expect("the proxy starts");
        let mut proxy = Self { process, control: format!("127.0.0.1:{port}"), listens: Vec::new() };
        eventually(|| TcpStream::connect(&proxy.control).is_ok(), |connects| *connects);
        for (number, (listen, target)) in pairs.into_iter().enumerate() {
            let way =
                json!({"name": number.to_string(), "listen": listen, "upstream": target, "enabled": true});
            let added = proxy.post("/proxies", &way);
            proxy.listens.push(added["listen"].as_str().expect("an address").to_owned());
        }
        proxy
    }

    /// Leads its only way to somewhere else; connections end.
    pub(crate) fn lead(&self, target: &str) {
        self.post("/proxies/0", &json!({"upstream": target}));
    }

    fn cut(&self, how: How) {
        let toxic = |kind: &str, stream: &str| {
            let toxic = json!({"type": kind, "stream": stream, "attributes": {"timeout": 0}});
            self.each("/toxics", &toxic);
        };
        match how {
            How::QuestionsLost => toxic("timeout", "upstream"),
            How::AnswersLost => toxic("timeout", "downstream"),
            How::Late => signal("STOP", self.process.id()),
            How::Reset => toxic("reset_peer", "upstream"),
            How::Refused => self.each("", &json!({"enabled": false})),
        }
    }

    fn heal(&self, how: How) {
        match how {
            How::Late => signal("CONT", self.process.id()),
            _ => drop(self.post("/reset", &json!({}))),
        }
    }

    fn each(&self, path: &str, body: &Value) {
        for number in 0..self.listens.len() {
            self.post(&format!("/proxies/{number}{path}"), body);
        }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(&self.control).expect("the proxy takes connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let (body, length) = (body.to_string(), body.to_string().len());
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\nContent-Length: {length}");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).expect("the proxy reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the proxy answers");
        assert!(answer.starts_with("HTTP/1.1 2"), "{path} {body}: {answer}");
        answer
            .split_once("\r\n\r\n")
            .and_then(|(_, body)| serde_json::from_str(body).ok())
            .unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
