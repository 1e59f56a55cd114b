//! `reco rebuild`: what is known of users, trends and new items, from the log alone.

use crate::args::RebuildArgs;
use crate::events::Events;
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
    let events = Events::open(session, &session.config.events)?;
    let kept = events.live(session)?;
    if let Some(kept) = kept.as_ref().filter(|_| !args.check && !args.force) {
        nothing_is_gone(&events, kept)?;
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

/// Refuses to make anew what the log can no longer tell whole.
fn nothing_is_gone(events: &Events, kept: &Live) -> Result<(), Failure> {
    let first = events.log.range().start;
    let n_gone = kept.applied().count_before(0, first);
    if n_gone == 0 {
        return Ok(());
    }
    Err(format!(
        "{n_gone} events that {} holds have left the log, which begins at position {first}; \
         add --force to do without them",
        events.checkpoint.display()
    )
    .into())
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
    let recommender = builder.live(Arc::clone(&live)).build()?;
    events.restore(session, &recommender);
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
