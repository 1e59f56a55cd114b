//! Pages of which most were asked for before: how soon those are there.

use super::histogram::{Latencies, Summary};
use crate::args::CacheArgs;
use crate::fleet::{Fleet, SharedBy};
use crate::{Failure, Session, model, output};
use reco_core::cache::Layer;
use reco_core::error::RecommendError;
use reco_core::id::UserKey;
use reco_core::pipeline::Recommender;
use reco_core::request::Request;
use reco_core::snapshot::Snapshot;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::runtime::Runtime;

/// Pages by where they were found.
#[derive(Debug, Serialize)]
struct Cached {
    callers: usize,
    /// Share of all requests for pages that had been asked for.
    hits: f64,
    /// In the process that was asked.
    near: Summary,
    /// In the cache that processes share, where there is one.
    far: Option<Summary>,
    /// Those that had not been asked for.
    computed: Summary,
}

/// Latencies by where a page was found, and how many pages there were.
#[derive(Debug)]
struct Found {
    near: Latencies,
    far: Latencies,
    computed: Latencies,
}

pub(super) fn slips(args: &CacheArgs) -> Vec<String> {
    let wrong = |name, given: usize, least: usize, most: usize| {
        let problem = || format!("--{name} is {given}, must be between {least} and {most}");
        (!(least..=most).contains(&given)).then(problem)
    };
    [
        wrong("requests", args.requests, 10, 10_000_000),
        wrong("callers", args.callers, 1, 1_000),
        wrong("percent", args.percent, 1, 99),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn run(session: &Session, args: &CacheArgs) -> Result<(), Failure> {
    if session.config.cache.pages_mb == 0 {
        return Err("cache.pages_mb is 0, so no page is kept: there is nothing to measure".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let fleet = Fleet::connect(session, runtime.handle())?;
    let snapshot = Arc::new(model::snapshot(session, &args.model)?);
    if snapshot.users.is_empty() {
        return Err("the data has no users".into());
    }
    let process = || server(session, &fleet, &snapshot);
    let mut found = Found::none();
    let begun = Instant::now();
    // What is known to one process stays near to it, so every round is a process of its own.
    let mut asked = Asked { users: snapshot.users.keys().to_vec().into(), percent: args.percent, fresh: 0 };
    let warm = process()?;
    asked.once(&runtime, &warm, args.callers)?;
    session.progress.begin("asking for pages", args.requests as u64);
    let mut n_requests = 0;
    while n_requests < args.requests {
        let (round, n_before) = (asked.round(&runtime, &warm, args.callers)?, found.near.count());
        found.merge(&round);
        if session.config.cache.shared != SharedBy::None {
            found.merge(&asked.round(&runtime, &process()?, args.callers)?);
        }
        let n_found = (found.near.count() - n_before) as usize;
        if n_found == 0 {
            return Err("no page was found again: cache.pages_mb may be too small".into());
        }
        n_requests += n_found;
        session.progress.advance(n_found as u64);
    }
    session.progress.end(&format!("{n_requests} pages found again"));
    let took = begun.elapsed();
    let cached = Cached {
        callers: args.callers,
        hits: args.percent as f64 / 100.0,
        near: found.near.summary(took, 0),
        far: (found.far.count() > 0).then(|| found.far.summary(took, 0)),
        computed: found.computed.summary(took, 0),
    };
    session.output.result(&cached, rendered)
}

/// A recommender as a server has it.
fn server(session: &Session, fleet: &Fleet, snapshot: &Arc<Snapshot>) -> Result<Recommender, Failure> {
    let joined = |builder, clock: &_| fleet.joined(session, builder, clock);
    model::recommender_with(session, Arc::clone(snapshot), None, joined)
}

/// Requests of all users, most of which come again.
#[derive(Clone, Debug)]
struct Asked {
    users: Arc<[UserKey]>,
    /// How many of a hundred do.
    percent: usize,
    /// How many there have been that do not.
    fresh: u64,
}

impl Asked {
    /// Pages that come again, as many as are kept anywhere.
    const AGAIN: usize = 1_000;

    fn again(&self, turn: usize) -> Request {
        Request::for_user(self.users[turn % self.users.len()].clone()).seed((turn / self.users.len()) as u64)
    }

    /// For the first time.
    fn once(&self, runtime: &Runtime, recommender: &Recommender, callers: usize) -> Result<Found, Failure> {
        let this = self.clone();
        all(runtime, recommender, callers, Self::AGAIN, move |turn| this.again(turn))
    }

    /// Every page that comes again, with others between them.
    fn round(
        &mut self,
        runtime: &Runtime,
        recommender: &Recommender,
        callers: usize,
    ) -> Result<Found, Failure> {
        let n_requests = Self::AGAIN * 100 / self.percent;
        let (this, first) = (self.clone(), 1 << 32 | self.fresh);
        self.fresh += n_requests as u64;
        all(runtime, recommender, callers, n_requests, move |turn| {
            // Spread evenly: of `n` turns so far, the share that comes again is as wanted.
            let [before, now] = [turn, turn + 1].map(|turns| turns * this.percent / 100);
            if now > before { this.again(before) } else { this.again(turn).seed(first + turn as u64) }
        })
    }
}

/// So many requests, by callers of which each waits for its answer.
fn all(
    runtime: &Runtime,
    recommender: &Recommender,
    callers: usize,
    n_requests: usize,
    request: impl Fn(usize) -> Request + Clone + Send + 'static,
) -> Result<Found, Failure> {
    let turns = Arc::new(AtomicUsize::new(0));
    let caller = || {
        let (turns, recommender, request) = (Arc::clone(&turns), recommender.clone(), request.clone());
        async move {
            let mut found = Found::none();
            loop {
                let turn = turns.fetch_add(1, Ordering::Relaxed);
                if turn >= n_requests {
                    return Ok::<Found, RecommendError>(found);
                }
                let (request, begun) = (request(turn), Instant::now());
                let page = recommender.recommend(request).await?;
                found.of(page.found).record(begun.elapsed());
            }
        }
    };
    let callers: Vec<_> = (0..callers).map(|_| runtime.spawn(caller())).collect();
    let mut found = Found::none();
    for caller in callers {
        found.merge(&runtime.block_on(caller)??);
    }
    Ok(found)
}

impl Found {
    fn none() -> Self {
        Self { near: Latencies::new(), far: Latencies::new(), computed: Latencies::new() }
    }

    fn of(&mut self, found: Option<Layer>) -> &mut Latencies {
        match found {
            Some(Layer::Near) => &mut self.near,
            Some(_) => &mut self.far,
            None => &mut self.computed,
        }
    }

    fn merge(&mut self, others: &Self) {
        self.near.merge(&others.near);
        self.far.merge(&others.far);
        self.computed.merge(&others.computed);
    }
}

fn rendered(cached: &Cached) -> String {
    let mut table = output::table(["found", "pages", "p50 us", "p90 us", "p99 us", "p99.9 us"]);
    let rows = [
        ("in process", Some(&cached.near)),
        ("shared", cached.far.as_ref()),
        ("computed", Some(&cached.computed)),
    ];
    for (name, summary) in rows {
        let Some(Summary { requests, p50_us, p90_us, p99_us, p999_us, .. }) = summary else { continue };
        let micros = [p50_us, p90_us, p99_us, p999_us].map(|micros| format!("{micros:.0}"));
        table.add_row([name.to_owned(), requests.to_string()].into_iter().chain(micros));
    }
    format!("{:.0} % asked for before, {} callers\n{table}", 100.0 * cached.hits, cached.callers)
}
