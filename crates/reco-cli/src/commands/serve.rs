//! `reco serve`: a page for everybody, over HTTP.

use crate::args::{Role, ServeArgs};
use crate::consumers::Consumers;
use crate::events::{Events, EventsConfig, Keep};
use crate::experiments::{Trials, Workshop};
use crate::fleet::Fleet;
use crate::keeper::Keeper;
use crate::output::{say, say_json};
use crate::rollouts::Rollouts;
use crate::states::States;
use crate::watch::Watch;
use crate::{Failure, Session, exposures, model, pages};
use reco_core::experiment::Exposures;
use reco_core::launch::Leased;
use reco_core::pipeline::{PageLog, Recommender, RecommenderBuilder};
use reco_core::registry::Alias;
use reco_core::time::{Clock, SystemClock};
use reco_http::{Api, Entrance, HttpConfig, Stopped, serve, shutdown_signal};
use serde_json::json;
use std::io::IsTerminal;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tracing::warn;

pub(crate) fn run(session: &Session, args: &ServeArgs) -> Result<(), Failure> {
    begin_log();
    let http = http(session, args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // The port is taken first: nobody should wait for training to learn that it is in use.
    let listener = runtime.block_on(listen(&http.listen))?;
    let address = listener.local_addr()?.to_string();
    let entrance = Entrance::default();
    let (trained, training) = oneshot::channel::<Pin<Box<dyn Future<Output = ()> + Send>>>();
    let serving = runtime.spawn(serve(listener, entrance.router(), async {
        // Until there is something to finish, a signal simply ends the process.
        if let Ok(signal) = training.await {
            signal.await;
        }
    }));
    // Nobody should wait for training to learn that another server keeps its events there, either.
    let events = Events::of(session, runtime.handle())?;
    let fleet = Fleet::connect(session, runtime.handle())?;
    let exposures = exposures::leased(session, &fleet)?;
    if let Some(exposures) = exposures.clone() {
        runtime.spawn(async move { exposures.keep().await });
    }
    let (recommender, watch) = begun(session, args, events.as_ref(), &fleet, exposures.as_ref())?;
    let versions = model::versions(session, &args.model)?;
    let workshop = Workshop::new(session, &fleet, &recommender, versions.clone());
    let trials = Trials::start(session, &workshop, runtime.handle(), events.as_ref())?;
    let consumers = events
        .as_ref()
        .map(|events| {
            Consumers::start(session, runtime.handle(), events, &recommender, &fleet, trials.as_ref())
        })
        .transpose()?;
    let mut api = Api::new(recommender.clone(), http);
    let noted = trials.as_ref().map(|trials| trials.exposures.clone());
    let champion = Arc::new(Notify::new());
    let keeper = trials.clone().map(|trials| {
        // Who serves one version for good tries no other.
        let rollouts = versions.filter(|_| watch.is_some()).map(|versions| {
            let (config, by) = (session.config.rollout.clone(), format!("server at {address}"));
            Rollouts::new(versions, config, &trials, by, Arc::clone(&champion))
        });
        let (states, serving) = (States::beside(&session.config.events.path), trials.serving.clone());
        Keeper { workshop: &workshop, trials, states, rollouts, serving, told: None }
    });
    if let Some(Trials { variants, ledger, exposures, metrics, traffic, .. }) = trials {
        api = api.experiments(variants, ledger, exposures).metrics(metrics).traffic(traffic);
    }
    if let Some(Events { dead, .. }) = events {
        api = api.dead_letters(dead);
    }
    let pages = pages::opened(session, runtime.handle())?;
    if let Some(pages) = &pages {
        api = api.pages(pages.clone());
    }
    if let Some(consumers) = &consumers {
        api = api.consumers(consumers.progress.iter().cloned()).analytics(consumers.analytics.clone());
    }
    entrance.open(api.router());
    let ended = runtime.block_on(async {
        // From here on, not from when the server's task comes to it: whoever reads that it listens may ask it to stop.
        let _ = trained.send(Box::pin(shutdown_signal()));
        announce(session, &recommender, &address);
        if let Some(watch) = watch {
            tokio::spawn(watch.run(recommender.clone(), champion));
        }
        let every = Duration::from_secs_f64(session.config.rollout.look_secs);
        let kept = async {
            match keeper {
                Some(keeper) => keeper.run(every).await,
                None => std::future::pending().await,
            }
        };
        let stopped = tokio::select! {
            stopped = serving => stopped??,
            never = kept => match never {},
        };
        let how = match stopped {
            Stopped::Drained => "requests under way were finished",
            Stopped::Cut => "connections still open after ten seconds were cut",
        };
        Unfinished { noted, pages, consumers, exposures }.finish().await;
        if session.output.json {
            say_json(&json!({ "stopped": how }));
        } else {
            say(&format!("stopped; {how}"));
        }
        Ok(())
    });
    // A thread that writes may take any time; what it leaves is gone on from.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

fn begin_log() {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("RUST_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// What is still to be done after the last request.
struct Unfinished {
    /// Exposures to experiments on their way to the log.
    noted: Option<Exposures>,
    /// Pages on their way to the disk.
    pages: Option<PageLog>,
    consumers: Option<Consumers>,
    /// Exposures of new items that this server took and did not use.
    exposures: Option<Arc<Leased>>,
}

impl Unfinished {
    async fn finish(self) {
        if let Some(noted) = self.noted
            && tokio::time::timeout(MOST_AT_THE_END, noted.flush()).await.is_err()
        {
            let n_left = noted.counts().waiting;
            warn!("the log did not take {n_left} exposures to experiments within ten seconds");
        }
        if let Some(pages) = self.pages
            && tokio::time::timeout(MOST_AT_THE_END, pages.flush()).await.is_err()
        {
            let n_left = pages.counts().waiting;
            warn!("{n_left} pages could not be written down within ten seconds");
        }
        if let Some(consumers) = self.consumers
            && tokio::time::timeout(MOST_AT_THE_END, consumers.stop()).await.is_err()
        {
            warn!("consumers of events did not finish within ten seconds; they go on at the next start");
        }
        if let Some(exposures) = self.exposures
            && tokio::time::timeout(Duration::from_secs(2), exposures.give_back()).await.is_err()
        {
            warn!("exposures of new items that were not used could not be given back; they count as used");
        }
    }
}

/// How long what was begun may take to finish after the last request. None of it is lost if it does not: events are in the log.
const MOST_AT_THE_END: Duration = Duration::from_secs(10);

/// What answers, and what looks for its successor: a version that was asked for stays, the champion gives way to the
/// next.
fn begun(
    session: &Session,
    args: &ServeArgs,
    events: Option<&Events>,
    fleet: &Fleet,
    exposures: Option<&Arc<Leased>>,
) -> Result<(Recommender, Option<Watch>), Failure> {
    let joined = |builder: RecommenderBuilder, clock: &_| {
        let builder = fleet.joined(session, builder, clock);
        match exposures {
            Some(exposures) => builder.exposures(Arc::clone(exposures) as _),
            None => builder,
        }
    };
    let versions = model::versions(session, &args.model)?.filter(|_| args.model.version.is_none());
    let Some(versions) = versions else {
        let snapshot = model::snapshot(session, &args.model)?;
        return Ok((model::recommender_with(session, snapshot, events, joined)?, None));
    };
    let champion = versions.number(Role::Named(Alias::Champion))?;
    let snapshot = model::version(session, &versions, champion)?;
    let recommender = model::recommender_with(session, snapshot, events, joined)?;
    Ok((recommender, Some(Watch::new(versions, champion, &session.config))))
}

/// The server's settings, flags included.
fn http(session: &Session, args: &ServeArgs) -> Result<HttpConfig, Failure> {
    let mut http = session.config.http.clone();
    if let Some(listen) = &args.listen {
        http.listen.clone_from(listen);
    }
    match http.problems().first() {
        Some(problem) => Err(format!("--{problem}").into()),
        None => Ok(http),
    }
}

async fn listen(address: &str) -> Result<TcpListener, Failure> {
    Ok(TcpListener::bind(address).await.map_err(|cause| format!("cannot listen on {address}: {cause}"))?)
}

/// Which time it is here, for timestamps of events are judged by it.
fn clock(recommender: &Recommender) -> String {
    let days = SystemClock.wall().days_since(recommender.clock().wall());
    if days > 1.0 {
        format!(
            "goes on from the end of the data, {days:.0} days ago; events happen then unless they say when \
             (--set clock=system for today)"
        )
    } else {
        "the system's".to_owned()
    }
}

/// What becomes of events.
fn kept(config: &EventsConfig) -> String {
    match config.keep {
        Keep::Disk => format!("kept in {}", config.path.display()),
        Keep::Memory => "in memory, gone when the server ends".to_owned(),
        Keep::Kafka => "kept in Kafka".to_owned(),
    }
}

/// What was chosen and where to look.
fn announce(session: &Session, recommender: &Recommender, address: &str) {
    let snapshot = recommender.snapshot();
    let pipeline = &session.config.pipeline;
    let sources: Vec<&str> = pipeline
        .sources
        .iter()
        .filter(|(_, source)| source.quota > 0)
        .map(|(name, _)| name.as_str())
        .collect();
    let models: Vec<&str> = snapshot.models.names().map(|name| &**name).collect();
    if session.output.json {
        return say_json(&json!({ "listening": {
            "address": address,
            "snapshot": &*snapshot.version,
            "users": snapshot.users.len(),
            "items": snapshot.catalog.len(),
            "models": models,
            "generators": sources,
            "clock": clock(recommender),
            "events": kept(&session.config.events),
        } }));
    }
    say(&format!(
        "\nsnapshot   {} with {} users, {} items\nmodels     {}\ngenerators {} (home page)\nown items  bought or rated ones {}\ndeadline   {} ms\nclock      {}\nevents     {}\n\
         \nlistening on http://{address}/ (the page), http://{address}/recommendations?user_id=…\nstop with Ctrl-C",
        snapshot.version,
        snapshot.users.len(),
        snapshot.catalog.len(),
        models.join(", "),
        sources.join(", "),
        pipeline.seen,
        pipeline.deadline_ms,
        clock(recommender),
        kept(&session.config.events),
    ));
}
