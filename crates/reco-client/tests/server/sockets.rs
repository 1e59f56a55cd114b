//! Over real connections, which something in between breaks in every way there is.

use crate::world::{Server, builder, click};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use reco_client::{ClientConfig, EventId};
use reco_http::HttpConfig;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a connection, which carries one request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Through,
    CutAtOnce,
    HalfTheRequest,
    NoAnswer,
    HalfTheAnswer,
    Unavailable,
}

const FATES: [Fate; 6] = [
    Fate::Through,
    Fate::CutAtOnce,
    Fate::HalfTheRequest,
    Fate::NoAnswer,
    Fate::HalfTheAnswer,
    Fate::Unavailable,
];

const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";

pub(crate) async fn serve(server: &Server) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = server.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// A proxy that draws the fate of every connection.
async fn proxy(server: SocketAddr, seed: u64) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut random = Pcg64::seed_from_u64(seed);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let fate = FATES[random.random_range(0..FATES.len())];
            // One that breaks is what this is about.
            let _ = exchange(client, server, fate).await;
        }
    });
    Ok(address)
}

async fn exchange(mut client: TcpStream, server: SocketAddr, fate: Fate) -> io::Result<()> {
    if matches!(fate, Fate::CutAtOnce) {
        return Ok(());
    }
    let request = whole_message(&mut client).await?;
    if matches!(fate, Fate::Unavailable) {
        return client.write_all(UNAVAILABLE).await;
    }
    let mut upstream = TcpStream::connect(server).await?;
    if matches!(fate, Fate::HalfTheRequest) {
        return upstream.write_all(&request[..request.len() / 2]).await;
    }
    upstream.write_all(&request).await?;
    let answer = whole_message(&mut upstream).await?;
    match fate {
        Fate::NoAnswer => Ok(()),
        Fate::HalfTheAnswer => client.write_all(&answer[..answer.len() - 9]).await,
        _ => client.write_all(&answer).await,
    }
}

/// Reads a message of HTTP/1.1 that says its length.
async fn whole_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        if let Some(end) = end_of(&message)
            && message.len() >= end
        {
            return Ok(message);
        }
        if stream.read_buf(&mut message).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// How long a message is, once its head is there.
fn end_of(message: &[u8]) -> Option<usize> {
    let head = message.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&message[..head]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some(head + length.map_or(0, |length| length.trim().parse().expect("a number")))
}

#[tokio::test]
async fn every_event_counts_once_over_connections_that_break() {
    let seed = 2026;
    let server = Server::new(HttpConfig::default());
    let address = proxy(serve(&server).await.unwrap(), seed).await.unwrap();
    let config =
        ClientConfig { url: format!("http://{address}"), base_ms: 1, cap_ms: 2, ..ClientConfig::default() };
    let config = ClientConfig { most_events: 7, buffer_bytes: 9_000, ..config };
    let (builder, losses) = builder(config);
    let client = builder.start().unwrap();
    let mut ids: Vec<EventId> = Vec::new();
    for item in 0..400 {
        ids.push(client.track(click(item)).await.unwrap());
    }
    assert_eq!(client.close(Duration::from_mins(5)).await, [], "seed {seed}");
    let ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
    assert_eq!(server.ids().await, ids, "seed {seed}");
    let stats = client.stats();
    assert_eq!((stats.sent, stats.refused + stats.dropped, losses.take()), (400, 0, vec![]), "seed {seed}");
    assert!(stats.repeats > 20 && stats.duplicates > 20, "seed {seed}: the proxy did its work: {stats:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_gets_everything_once_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config =
        ClientConfig { url: format!("http://{address}"), base_ms: 1, cap_ms: 2, ..ClientConfig::default() };
    let (builder, _) = builder(config);
    let client = builder.start().unwrap();
    let id = client.track(click(1)).await.unwrap();
    let server = Server::new(HttpConfig::default());
    let flushed = client.flush();
    let comes = async {
        while client.stats().repeats < 3 {
            tokio::task::yield_now().await;
        }
        let listener = TcpListener::bind(address).await.unwrap();
        let router = server.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
    };
    tokio::join!(flushed, comes);
    assert_eq!(server.ids().await, [id.to_string()]);
}
