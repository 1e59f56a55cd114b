//! A server that keeps events in memory, and ways to it that can be told to fail.

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use bytes::Bytes;
use parking_lot::Mutex;
use reco_client::{
    Action, Answer, Client, ClientBuilder, ClientConfig, Event, EventId, Lost, Transport, Unanswered, Who,
};
use reco_core::pipeline::PipelineConfig;
use reco_core::snapshot::Snapshot;
use reco_core::store::{EventSource, MemoryLog};
use reco_core::time::{ManualClock, Timestamp};
use reco_http::{Api, HttpConfig};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tower::ServiceExt;

/// What every clock says.
pub(crate) const NOW: i64 = 1_700_000_000_000;

/// A server and what it has kept.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) router: Router,
    log: Arc<MemoryLog>,
}

impl Server {
    pub(crate) fn new(config: HttpConfig) -> Self {
        let log = Arc::new(MemoryLog::default());
        let pipeline = PipelineConfig { sources: [].into(), ..PipelineConfig::default() };
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOW)));
        let builder = pipeline.builder(Snapshot::default()).expect("a sound configuration");
        let recommender =
            builder.clock(clock).events(Arc::clone(&log) as _).build().expect("a sound configuration");
        Self { router: Api::new(recommender, config).router(), log }
    }

    /// The ids of everything that was kept, in order.
    pub(crate) async fn ids(&self) -> Vec<String> {
        let mut reader = self.log.reader("test");
        // Polling an empty log would wait for ever.
        let events = tokio::select! {
            biased;
            events = reader.poll(usize::MAX) => events.expect("it is in memory"),
            () = std::future::ready(()) => Vec::new(),
        };
        events.into_iter().map(|kept| kept.event.id.to_string()).collect()
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It is answered.
    Through,
    /// It does not arrive.
    Cut,
    /// It arrives, and the answer does not.
    AnswerLost,
    /// It arrives, and the answer never ends.
    Hangs,
    /// Something in between answers, with this status and `Retry-After`.
    Status(u16, Option<u64>),
}

/// A way to the server in the same process, which says when which request came.
#[derive(Debug)]
pub(crate) struct Way {
    server: Server,
    /// What becomes of the next requests; later ones go through.
    pub(crate) fates: Mutex<VecDeque<Fate>>,
    /// When requests came, and how many events they had.
    pub(crate) requests: Mutex<Vec<(Instant, usize)>>,
}

impl Way {
    pub(crate) fn new(server: &Server, fates: impl IntoIterator<Item = Fate>) -> Arc<Self> {
        let fates = Mutex::new(fates.into_iter().collect());
        Arc::new(Self { server: server.clone(), fates, requests: Mutex::default() })
    }

    /// Seconds from `begin` to each request.
    pub(crate) fn seconds(&self, begin: Instant) -> Vec<f64> {
        self.requests.lock().iter().map(|(at, _)| (*at - begin).as_secs_f64()).collect()
    }

    /// Events of each request.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.requests.lock().iter().map(|(_, n_events)| *n_events).collect()
    }

    async fn forward(&self, body: Bytes) -> Answer {
        let request = Request::post("/interactions").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).expect("a valid request");
        let response = self.server.router.clone().oneshot(request).await.expect("the router always answers");
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("it is in memory");
        Answer { status: head.status.as_u16(), retry_after: None, body }
    }
}

#[async_trait]
impl Transport for Way {
    async fn post(&self, body: Bytes) -> Result<Answer, Unanswered> {
        let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let n_events = json["events"].as_array().expect("a list").len();
        self.requests.lock().push((Instant::now(), n_events));
        let fate = self.fates.lock().pop_front().unwrap_or(Fate::Through);
        match fate {
            Fate::Through => Ok(self.forward(body).await),
            Fate::Cut => Err(Unanswered("cut".into())),
            Fate::AnswerLost => {
                self.forward(body).await;
                Err(Unanswered("the answer was lost".into()))
            }
            Fate::Hangs => {
                self.forward(body).await;
                std::future::pending().await
            }
            Fate::Status(status, seconds) => {
                Ok(Answer { status, retry_after: seconds.map(Duration::from_secs), body: Bytes::new() })
            }
        }
    }
}

/// What was reported as lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(Arc<Mutex<Vec<Lost>>>);

impl Losses {
    pub(crate) fn take(&self) -> Vec<Lost> {
        std::mem::take(&mut self.0.lock())
    }
}

/// A client whose clock stands still, and what it reports.
pub(crate) fn builder(config: ClientConfig) -> (ClientBuilder, Losses) {
    let losses = Losses::default();
    let heard = losses.clone();
    let builder =
        Client::builder(config).seed(7).clock(|| NOW).on_lost(move |lost| heard.0.lock().push(lost));
    (builder, losses)
}

pub(crate) fn client(config: ClientConfig, way: &Arc<Way>) -> (Client, Losses) {
    let (builder, losses) = builder(config);
    (builder.transport(Arc::clone(way) as _).start().expect("a sound configuration"), losses)
}

pub(crate) fn click(item: impl std::fmt::Display) -> Event {
    Event::new(Who::user("ann"), Action::Click, format!("item{item}"))
}

pub(crate) async fn track(client: &Client, n_events: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for item in 0..n_events {
        ids.push(client.track(click(item)).await.expect("there is room"));
    }
    ids.iter().map(EventId::to_string).collect()
}
