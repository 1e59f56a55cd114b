//! `reco bench`: how fast pages are made and events taken in, what vector indexes find, how long ranking takes, how
//! often tests err, how well new users are served.

mod cache;
mod experiments;
mod histogram;
mod http;
mod index;
mod ingest;
mod launch;
mod newcomers;
mod rank;
mod restart;
mod usage;

use crate::args::{Bench, BenchArgs};
use crate::{Failure, Session, model, output};
use histogram::{Latencies, Summary};
use http::{Ask, Load};
use reco_core::pipeline::Recommender;
use reco_core::request::Request;
use std::time::{Duration, Instant};

/// What is out of range.
pub(crate) fn slips(args: &BenchArgs) -> Vec<String> {
    match &args.what {
        Bench::Index(args) => index::slips(args),
        Bench::Cache(args) => cache::slips(args),
        Bench::Newcomers(args) => newcomers::slips(args),
        _ => Vec::new(),
    }
}

pub(crate) fn run(session: &Session, args: &BenchArgs) -> Result<(), Failure> {
    let (latencies, summary) = match &args.what {
        Bench::Index(args) => return index::run(session, args),
        Bench::Cache(args) => return cache::run(session, args),
        Bench::Experiments(args) => return experiments::run(session, args),
        Bench::Rank(args) => return rank::run(session, args),
        Bench::Launch(args) => return launch::run(session, args),
        Bench::Ingest(args) => return ingest::run(session, args),
        Bench::Restart(args) => return restart::run(session, args),
        Bench::Newcomers(args) => return newcomers::run(session, args),
        Bench::Request { model, requests } => {
            let recommender = model::recommender(session, model::snapshot(session, model)?)?;
            in_process(&recommender, *requests)?
        }
        Bench::Http { address, connections, seconds, count } => {
            let targets = http::users(*address)?;
            let target = |user: String| format!("/recommendations?user_id={user}&count={count}");
            let targets: Vec<String> = targets.into_iter().map(target).collect();
            let load = Load {
                address: *address,
                connections: (*connections).max(1),
                warm_up: Duration::from_secs(1),
                duration: Duration::from_secs((*seconds).clamp(1, 600)),
            };
            let ask = |turn: u64| Ask::Get(targets[turn as usize % targets.len()].clone());
            load.run(ask, |status, _| status == 200)?
        }
    };
    session.output.result(&summary, |summary| rendered(&latencies, summary))
}

/// Pages for all users in turn, on this thread.
fn in_process(recommender: &Recommender, requests: usize) -> Result<(Latencies, Summary), Failure> {
    let snapshot = recommender.snapshot();
    let users = snapshot.users.keys();
    if users.is_empty() {
        return Err("the data has no users".into());
    }
    let mut latencies = Latencies::new();
    let warm_up = requests / 10;
    let mut begun = Instant::now();
    for turn in 0..requests + warm_up {
        if turn == warm_up {
            begun = Instant::now();
        }
        let request = Request::for_user(users[turn % users.len()].as_str());
        let start = Instant::now();
        let page = recommender.recommend_now(request)?;
        if turn >= warm_up {
            latencies.record(start.elapsed());
        }
        std::hint::black_box(page);
    }
    let summary = latencies.summary(begun.elapsed(), 0);
    Ok((latencies, summary))
}

fn rendered(latencies: &Latencies, summary: &Summary) -> String {
    let mut table = output::table([
        "requests",
        "failures",
        "per second",
        "p50 us",
        "p90 us",
        "p99 us",
        "p99.9 us",
        "max us",
    ]);
    let number = |value: f64| format!("{value:.0}");
    table.add_row([
        summary.requests.to_string(),
        summary.failures.to_string(),
        number(summary.per_second),
        number(summary.p50_us),
        number(summary.p90_us),
        number(summary.p99_us),
        number(summary.p999_us),
        number(summary.max_us),
    ]);
    format!("{table}\n{}", latencies.bars())
}
