//! Events over HTTP: how many a second, and how soon they can be read.

use super::histogram::{Latencies, Summary};
use super::http::{self, Ask, Connection, Load};
use crate::args::IngestArgs;
use crate::consumers::Consumers;
use crate::events::{Events, EventsConfig};
use crate::fleet::Fleet;
use crate::{Failure, Session, model, output};
use reco_http::{Api, HttpConfig, serve};
use serde::Serialize;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
struct Ingested {
    events_per_second: f64,
    events_per_request: usize,
    connections: usize,
    /// From sending a request to its 202.
    accepted: Summary,
    /// From sending one event to having read it among the features of its user, over HTTP and under that load.
    readable: Summary,
}

pub(super) fn run(session: &Session, args: &IngestArgs) -> Result<(), Failure> {
    let server = args.address.is_none().then(|| Server::start(session, args)).transpose()?;
    let address = args.address.or(server.as_ref().map(|server| server.address));
    let ingested = measured(address.ok_or("there is no server")?, args)?;
    session.output.result(&ingested, rendered)
}

/// A server in this process, over a folder that goes when it does.
struct Server {
    address: SocketAddr,
    folder: PathBuf,
    consumers: Option<Consumers>,
    /// `None` once it has ended.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    fn start(session: &Session, args: &IngestArgs) -> Result<Self, Failure> {
        let folder = args.folder.join(format!("reco-bench-{}", std::process::id()));
        let snapshot = model::snapshot(session, &args.model)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let mut server = Self { address, folder, consumers: None, runtime: Some(runtime) };
        let config = EventsConfig { path: server.folder.clone(), ..session.config.events.clone() };
        let events = Events::open(session, &config)?;
        let recommender = model::recommender_with(session, snapshot, Some(&events), |builder, _| builder)?;
        let http = HttpConfig { max_events: args.batch.max(1), ..session.config.http.clone() };
        if let Some(runtime) = &server.runtime {
            let fleet = Fleet::default();
            let consumers = Consumers::start(session, runtime.handle(), &events, &recommender, &fleet, None)?;
            server.consumers = Some(consumers);
            let router = Api::new(recommender, http).dead_letters(events.dead).router();
            runtime.spawn(serve(listener, router, std::future::pending()));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            if let Some(consumers) = self.consumers.take() {
                runtime.block_on(consumers.stop());
            }
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        // What cannot be removed is told by the system to whoever looks.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn measured(address: SocketAddr, args: &IngestArgs) -> io::Result<Ingested> {
    let (users, items) = (http::users(address)?, http::items(address)?);
    let batch = args.batch.max(1);
    let load = Load {
        address,
        connections: args.connections.max(1),
        warm_up: Duration::from_secs(1),
        duration: Duration::from_secs(args.seconds.clamp(1, 600)),
    };
    // Another run's events are others, also where every process has the same number.
    let run = RandomState::new().hash_one("run") as u32;
    let event = |number: u64| {
        let (user, item) = (&users[number as usize % users.len()], &items[number as usize * 7 % items.len()]);
        format!(
            r#"{{"id":"{run:08x}{number:024x}","user_id":"{user}","item_id":"{item}","action":"click","position":3}}"#
        )
    };
    let ask = |turn: u64| {
        let events: Vec<String> = (0..batch as u64).map(|n| event(turn * batch as u64 + n)).collect();
        Ask::Post("/interactions", format!("[{}]", events.join(",")))
    };
    let all_counted = format!("{{\"accepted\":{batch},");
    let is_right = |status: u16, body: &[u8]| status == 202 && body.starts_with(all_counted.as_bytes());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let probe = scope.spawn(|| probed(address, &items, &stop));
        let accepted = load.run(ask, is_right);
        stop.store(true, Ordering::Release);
        let readable = probe.join().map_err(|_| io::Error::other("the probe panicked"))??;
        let accepted = accepted?.1;
        Ok(Ingested {
            events_per_second: (accepted.requests - accepted.failures) as f64 * batch as f64
                / accepted.seconds,
            events_per_request: batch,
            connections: load.connections,
            accepted,
            readable,
        })
    })
}

/// Sends single events and looks for each among the features of its user until it is there.
fn probed(address: SocketAddr, items: &[String], stop: &AtomicBool) -> io::Result<Summary> {
    const PAUSE: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(10);
    let mut connection = Connection::open(address)?;
    let (mut latencies, mut failures) = (Latencies::new(), 0);
    let begun = Instant::now();
    for number in 0_usize.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let (user, item) = (format!("probe{}x{number}", std::process::id()), &items[number % items.len()]);
        let event = format!(r#"{{"user_id":"{user}","item_id":"{item}","action":"click"}}"#);
        let sent = Instant::now();
        let status = connection.exchange(&Ask::Post("/interactions", event))?;
        if status == 202 {
            let look = Ask::Get(format!("/history?user_id={user}"));
            let named = format!("\"item_id\":\"{item}\"");
            while !connection.tells(&look, &named)? {
                if sent.elapsed() > LONGEST {
                    return Err(io::Error::other("an event that was accepted was not to be read for 10 s"));
                }
            }
            latencies.record(sent.elapsed());
        } else {
            failures += 1;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(latencies.summary(begun.elapsed(), failures))
}

fn rendered(ingested: &Ingested) -> String {
    let mut table = output::table(["", "requests", "failures", "p50 ms", "p90 ms", "p99 ms", "max ms"]);
    for (name, Summary { requests, failures, p50_us, p90_us, p99_us, max_us, .. }) in
        [("accepted", &ingested.accepted), ("readable", &ingested.readable)]
    {
        let millis = [p50_us, p90_us, p99_us, max_us].map(|micros| format!("{:.2}", micros / 1_000.0));
        let counts = [name.to_owned(), requests.to_string(), failures.to_string()];
        table.add_row(counts.into_iter().chain(millis));
    }
    format!(
        "{:.0} events a second, {} a request, {} connections\n{table}",
        ingested.events_per_second, ingested.events_per_request, ingested.connections
    )
}
