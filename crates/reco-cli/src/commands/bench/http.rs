//! A small closed-loop load generator: keep-alive connections, one request at a time each.

use super::histogram::{Latencies, Summary};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One load run against a server on this machine.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) address: SocketAddr,
    pub(super) connections: usize,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Get(String),
    /// To a target, JSON.
    Post(&'static str, String),
}

impl Load {
    /// Runs it: all connections together take the turns in order. Answers that are not right and broken connections
    /// count as failures.
    pub(super) fn run(
        &self,
        ask: impl Fn(u64) -> Ask + Sync,
        is_right: impl Fn(u16, &[u8]) -> bool + Sync,
    ) -> io::Result<(Latencies, Summary)> {
        let (next, stop, measuring) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        let connection = || {
            let mut connection = Connection::open(self.address)?;
            let (mut latencies, mut failures) = (Latencies::new(), 0);
            while !stop.load(Ordering::Acquire) {
                let ask = ask(next.fetch_add(1, Ordering::Relaxed));
                let begun = Instant::now();
                let status = connection.exchange(&ask)?;
                if measuring.load(Ordering::Acquire) {
                    latencies.record(begun.elapsed());
                    failures += u64::from(!is_right(status, &connection.body));
                }
            }
            Ok((latencies, failures))
        };
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..self.connections).map(|_| scope.spawn(connection)).collect();
            std::thread::sleep(self.warm_up);
            measuring.store(true, Ordering::Release);
            let begun = Instant::now();
            std::thread::sleep(self.duration);
            let took = begun.elapsed();
            stop.store(true, Ordering::Release);
            let (mut all, mut failures) = (Latencies::new(), 0);
            for handle in handles {
                let ended: io::Result<(Latencies, u64)> =
                    handle.join().map_err(|_| io::Error::other("a connection panicked"))?;
                let (latencies, failed) = ended?;
                all.merge(&latencies);
                failures += failed;
            }
            let summary = all.summary(took, failures);
            Ok((all, summary))
        })
    }
}

/// A connection that is kept alive.
#[derive(Debug)]
pub(super) struct Connection {
    address: SocketAddr,
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// Of the latest answer.
    pub(super) body: Vec<u8>,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let writer = TcpStream::connect(address)?;
        writer.set_nodelay(true)?;
        writer.set_read_timeout(Some(Duration::from_secs(10)))?;
        let reader = BufReader::with_capacity(64 * 1024, writer.try_clone()?);
        Ok(Self { address, reader, writer, body: Vec::new() })
    }

    /// Asks, waits for the answer and returns its status.
    pub(super) fn exchange(&mut self, ask: &Ask) -> io::Result<u16> {
        let host = self.address;
        let request = match ask {
            Ask::Get(target) => format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            Ask::Post(target, body) => format!(
                "POST {target} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        };
        self.writer.write_all(request.as_bytes())?;
        read_response(&mut self.reader, &mut self.body)
    }

    /// Whether the answer has these words.
    pub(super) fn tells(&mut self, ask: &Ask, words: &str) -> io::Result<bool> {
        self.exchange(ask)?;
        Ok(String::from_utf8_lossy(&self.body).contains(words))
    }
}

/// Reads one response with a content length and returns its status.
pub(super) fn read_response(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<u16> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split_ascii_whitespace().nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| broken("no HTTP status line"))?;
    let mut length = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(broken("the connection ended inside the headers"));
        }
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| broken("a content length that is no number"))?;
        }
    }
    body.clear();
    reader.take(length).read_to_end(body)?;
    Ok(status)
}

/// Users that the server knows, to ask for.
pub(super) fn users(address: SocketAddr) -> io::Result<Vec<String>> {
    listed(address, "users", "user_id")
}

/// Items that the server knows.
pub(super) fn items(address: SocketAddr) -> io::Result<Vec<String>> {
    listed(address, "items", "item_id")
}

/// Ids of what a server knows.
fn listed(address: SocketAddr, what: &str, id: &str) -> io::Result<Vec<String>> {
    let mut connection = Connection::open(address)?;
    let status = connection.exchange(&Ask::Get(format!("/{what}?limit=1000")))?;
    let answer: serde_json::Value = serde_json::from_slice(&connection.body)?;
    let ids = answer[what].as_array().into_iter().flatten().filter_map(|known| known[id].as_str());
    // Ids that would need escaping are left out: this measures the server, not URLs.
    let plain = |id: &&str| id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let ids: Vec<String> = ids.filter(plain).map(str::to_owned).collect();
    if status != 200 || ids.is_empty() {
        return Err(io::Error::other(format!("{address} answered {status} and named no {what}")));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_servers_send() {
        let sent = b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\nx: y\r\n\r\nsorryHTTP/1.1 200 OK\r\n\r\n";
        let (mut reader, mut body) = (&sent[..], Vec::new());
        assert_eq!(read_response(&mut reader, &mut body).unwrap(), 503);
        assert_eq!(body, b"sorry");
        assert_eq!(read_response(&mut reader, &mut body).unwrap(), 200);
        assert!(read_response(&mut reader, &mut body).is_err());
    }
}
