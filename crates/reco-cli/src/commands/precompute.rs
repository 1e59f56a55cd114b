//! `reco precompute`: long lists of all who are active, written where servers find them.

use crate::args::PrecomputeArgs;
use crate::config::ListsConfig;
use crate::fleet::fingerprint;
use crate::lists::Lists;
use crate::{Failure, Session, model};
use rayon::prelude::*;
use reco_core::error::RecommendError;
use reco_core::explain::reasons;
use reco_core::file;
use reco_core::id::UserKey;
use reco_core::pipeline::{PipelineConfig, Recommender};
use reco_core::request::Request;
use reco_core::retrieve::StoredList;
use reco_core::snapshot::Snapshot;
use reco_core::time::{Clock, SystemClock, Timestamp};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Users computed and written at a time: what is lost at most when the run is interrupted.
const BLOCK: usize = 64;

/// What a run came to.
#[derive(Debug, Serialize)]
struct Precomputed {
    users: usize,
    /// Of those, users whose lists an interrupted run had written.
    kept: usize,
    items: usize,
    seconds: f64,
}

/// How far a run has come, for one that goes on where it was interrupted.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// What the lists depend on.
    run: String,
    begun: Timestamp,
    users: usize,
}

pub(crate) fn run(session: &Session, args: &PrecomputeArgs) -> Result<(), Failure> {
    let config = &session.config.lists;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Nobody should wait for training to learn that lists have nowhere to go.
    Lists::check(session, &runtime)?;
    let snapshot = model::snapshot(session, &args.model)?;
    let users = active(&snapshot, config.active_days);
    let recommender = wide(&session.config.pipeline, config.count).builder(snapshot)?.build()?;
    let snapshot = recommender.snapshot();
    let at = model::end_of_old_data(session, &snapshot);
    let mut state = State::resumed(&args.state, depends_on(session, args, &snapshot)?, config)?;
    let (mut lists, kept) = Lists::open(session, state.users.min(users.len()))?;
    state.users = kept;
    let begun = Instant::now();
    let mut n_items = 0;
    session.progress.begin("computing lists", (users.len() - kept) as u64);
    for block in users[kept..].chunks(BLOCK) {
        let computed = block.par_iter().map(|user| Ok((user, list(&recommender, user, at, config)?)));
        let computed: Vec<(&UserKey, StoredList)> = computed.collect::<Result<_, RecommendError>>()?;
        n_items += computed.iter().map(|(_, list)| list.n_items).sum::<usize>();
        lists.write(&runtime, computed)?;
        state.users += block.len();
        state.write(&args.state)?;
        session.progress.advance(block.len() as u64);
    }
    session.progress.end(&format!("{} users", users.len()));
    lists.finish()?;
    // Nothing is left to go on with; the next run begins anew.
    fs::remove_file(&args.state).or_else(unless_absent)?;
    let seconds = begun.elapsed().as_secs_f64();
    let outcome = Precomputed { users: users.len(), kept, items: n_items, seconds };
    session.output.result(&outcome, |Precomputed { users, kept, items, seconds }| {
        let hours = config.ttl_hours;
        format!(
            "lists of {users} users, {kept} of them written before; {items} items in {seconds:.1} s, good for {hours} hours"
        )
    })
}

/// What lists depend on. Models that were trained just now have another version each time; they are of the same data by the
/// same settings.
fn depends_on(session: &Session, args: &PrecomputeArgs, snapshot: &Snapshot) -> Result<String, Failure> {
    let settings = fingerprint(&session.config);
    if args.model.snapshot.is_some() || model::versions(session, &args.model)?.is_some() {
        return Ok(format!("{} {settings}", snapshot.version));
    }
    let (users, items, until) = (snapshot.users.len(), snapshot.catalog.len(), snapshot.data_until.millis());
    Ok(format!("{:?}: {users} users, {items} items until {until}, {settings}", args.model.data))
}

/// Users with an event in the last days of the data.
fn active(snapshot: &Snapshot, days: f64) -> Vec<UserKey> {
    let since = snapshot.data_until.plus_days(-days);
    let is_active = |row: u32| snapshot.histories.of(row).iter().any(|touch| touch.last >= since);
    let users = (0..).zip(snapshot.users.keys());
    users.filter(|(row, _)| is_active(*row)).map(|(_, user)| user.clone()).collect()
}

/// The pipeline with sources that propose enough for long lists.
fn wide(pipeline: &PipelineConfig, count: usize) -> PipelineConfig {
    let mut wide = pipeline.clone();
    let total: usize = wide.sources.values().map(|source| source.quota).sum();
    let times = (2 * count).div_ceil(total.max(1)).max(1);
    for source in wide.sources.values_mut() {
        source.quota *= times;
    }
    wide.max_count = wide.max_count.max(count);
    wide
}

fn list(
    recommender: &Recommender,
    user: &UserKey,
    at: Option<Timestamp>,
    config: &ListsConfig,
) -> Result<StoredList, RecommendError> {
    /// Long lists take longer than pages, and nobody waits.
    const PATIENCE: Duration = Duration::from_mins(1);
    let mut request = Request::for_user(user.clone()).count(config.count).within(PATIENCE);
    request.context.time = at;
    let page = recommender.recommend_now(request)?;
    let snapshot = recommender.snapshot();
    let because = |why| reasons(&why, &snapshot.catalog).join("; ");
    let items = page.items.into_iter();
    let items = items.map(|item| (item.key, item.score, item.why.map(because).unwrap_or_default()));
    let now = SystemClock.wall();
    Ok(StoredList::new(now, now.plus_days(config.ttl_hours / 24.0), items))
}

impl State {
    /// That of an interrupted run, if it was to write the same and its lists are still good; else of one that begins.
    fn resumed(path: &Path, run: String, config: &ListsConfig) -> Result<Self, Failure> {
        let now = SystemClock.wall();
        let fresh = Self { run, begun: now, users: 0 };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(fresh),
            Err(cause) => return Err(format!("{}: {cause}", path.display()).into()),
        };
        let known: Option<Self> = serde_json::from_slice(&text).ok();
        let is_good = |known: &Self| {
            known.run == fresh.run && now.days_since(known.begun) * 24.0 < config.ttl_hours / 2.0
        };
        Ok(known.filter(is_good).unwrap_or(fresh))
    }

    fn write(&self, path: &Path) -> Result<(), Failure> {
        Ok(file::replace(path, |file| Ok(serde_json::to_writer(file, self)?))?)
    }
}

fn unless_absent(cause: io::Error) -> io::Result<()> {
    if cause.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(cause) }
}
