//! `reco rebuild`: what is known of users, trends and new items, from the log alone.

use crate::args::RebuildArgs;
use crate::events::{Events, EventsConfig, Keep};
use crate::{Failure, Session, model};
use reco_core::live::Live;
use reco_core::snapshot::Snapshot;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, Serialize)]
struct Rebuilt {
    events: u64,
    users: usize,
    seconds: f64,
    /// Whether what the server keeps is the same, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    same: Option<bool>,
}

pub(crate) fn run(session: &Session, args: &RebuildArgs) -> Result<(), Failure> {
    let EventsConfig { keep, path, .. } = &session.config.events;
    if *keep == Keep::Disk && !path.is_dir() {
        return Err(format!("{}: no events are kept here", path.display()).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let events = Events::of(session, runtime.handle())?;
    let events = events.ok_or("events.keep is `memory`, so nothing is kept to rebuild from")?;
    if events.log.is_unused() {
        return Err(format!("{}: there is no event to rebuild from", path.display()).into());
    }
    let kept = if args.force { None } else { events.live(session)? };
    if let Some(kept) = &kept {
        nothing_is_gone(&events, kept, args.check)?;
    }
    let snapshot = Arc::new(model::snapshot(session, &args.model)?);
    let begun = Instant::now();
    let rebuilt = told_all(session, &snapshot, model::live(session), &events)?;
    let checkpoint = rebuilt.checkpoint();
    let mut outcome = Rebuilt {
        events: checkpoint.applied().count(),
        users: checkpoint.n_users(),
        seconds: begun.elapsed().as_secs_f64(),
        same: None,
    };
    if args.check {
        let kept = kept.ok_or_else(|| format!("{}: there is none to check", events.checkpoint.display()))?;
        let kept = told_all(session, &snapshot, kept, &events)?;
        outcome.same = Some(same(&events.checkpoint, &rebuilt, &kept)?);
    } else {
        checkpoint.write(&events.checkpoint)?;
    }
    session.output.result(&outcome, |Rebuilt { events, users, seconds, same }| {
        let what = match same {
            None => "rebuilt",
            Some(true) => "the same as what the server keeps",
            Some(false) => "not the same as what the server keeps",
        };
        format!("{events} events of {users} users in {seconds:.1} s: {what}")
    })?;
    if outcome.same == Some(false) {
        return Err(format!(
            "{} is not what the log says; `reco rebuild` makes it anew",
            events.checkpoint.display()
        )
        .into());
    }
    Ok(())
}

/// Refuses to make anew, or to compare with, what the log can no longer tell whole.
fn nothing_is_gone(events: &Events, kept: &Live, is_check: bool) -> Result<(), Failure> {
    let n_gone = events.gone(&kept.applied())?;
    if n_gone == 0 {
        return Ok(());
    }
    let so = if is_check { "so that it cannot be checked" } else { "add --force to do without them" };
    let checkpoint = events.checkpoint.display();
    Err(format!("{n_gone} events that {checkpoint} holds have left the log; {so}").into())
}

/// A live layer that knows everything in the log.
fn told_all(
    session: &Session,
    snapshot: &Arc<Snapshot>,
    live: Live,
    events: &Events,
) -> Result<Arc<Live>, Failure> {
    let live = Arc::new(live);
    let builder = session.config.pipeline.builder(Arc::clone(snapshot))?;
    // Events of items that came while serving are counted apart.
    let recommender = builder.live(Arc::clone(&live)).items(events.items()?).build()?;
    events.restore(session, &recommender)?;
    Ok(live)
}

/// Whether two are the same byte for byte, once written.
fn same(beside: &Path, one: &Live, other: &Live) -> Result<bool, Failure> {
    let bytes = |live: &Live, name: &str| {
        let path = beside.with_extension(name);
        live.checkpoint().write(&path)?;
        let bytes = fs::read(&path)?;
        fs::remove_file(path)?;
        Ok::<Vec<u8>, Failure>(bytes)
    };
    Ok(bytes(one, "rebuilt")? == bytes(other, "kept")?)
}
