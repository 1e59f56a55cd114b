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
    /// Request targets, taken in turn by all connections together.
    pub(super) targets: Vec<String>,
    pub(super) connections: usize,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
}

impl Load {
    /// Runs it. Answers other than 200 and broken connections count as failures.
    pub(super) fn run(&self) -> io::Result<(Latencies, Summary)> {
        let (next, stop, measuring) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..self.connections)
                .map(|_| scope.spawn(|| self.connection(&next, &measuring, &stop)))
                .collect();
            std::thread::sleep(self.warm_up);
            measuring.store(true, Ordering::Release);
            let begun = Instant::now();
            std::thread::sleep(self.duration);
            let took = begun.elapsed();
            stop.store(true, Ordering::Release);
            let (mut all, mut failures) = (Latencies::new(), 0);
            for handle in handles {
                let (latencies, failed) =
                    handle.join().map_err(|_| io::Error::other("a connection panicked"))??;
                all.merge(&latencies);
                failures += failed;
            }
            let summary = all.summary(took, failures);
            Ok((all, summary))
        })
    }

    fn connection(
        &self,
        next: &AtomicU64,
        measuring: &AtomicBool,
        stop: &AtomicBool,
    ) -> io::Result<(Latencies, u64)> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut reader = BufReader::with_capacity(64 * 1024, stream.try_clone()?);
        let mut writer = stream;
        let (mut latencies, mut failures, mut body) = (Latencies::new(), 0, Vec::new());
        while !stop.load(Ordering::Acquire) {
            let turn = next.fetch_add(1, Ordering::Relaxed) as usize;
            let target = &self.targets[turn % self.targets.len()];
            let begun = Instant::now();
            write!(writer, "GET {target} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address)?;
            let status = read_response(&mut reader, &mut body)?;
            if measuring.load(Ordering::Acquire) {
                latencies.record(begun.elapsed());
                failures += u64::from(status != 200);
            }
        }
        Ok((latencies, failures))
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
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /users?limit=1000 HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut body = Vec::new();
    let status = read_response(&mut BufReader::new(stream), &mut body)?;
    let users: serde_json::Value = serde_json::from_slice(&body)?;
    let ids = users["users"].as_array().into_iter().flatten().filter_map(|user| user["user_id"].as_str());
    // Ids that would need escaping are left out: this measures pages, not URLs.
    let plain = |id: &&str| id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let ids: Vec<String> = ids.filter(plain).map(str::to_owned).collect();
    if status != 200 || ids.is_empty() {
        return Err(io::Error::other(format!("{address} answered {status} and named no users")));
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
