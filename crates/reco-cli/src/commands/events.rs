//! `reco events`: what a server keeps.

use crate::args::{Events as What, EventsArgs};
use crate::events::{Events, EventsConfig};
use crate::output::table;
use crate::{Failure, Session};
use reco_core::event::{Event, SCHEMA};
use reco_core::store::{DeadLetter, DeadLetters, Delivery, DurableLog, Outstanding, ReplayError, Replayed};
use reco_core::time::{Clock, SystemClock};
use reco_train::data::written;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

pub(crate) fn run(session: &Session, args: &EventsArgs) -> Result<(), Failure> {
    let mut config = session.config.events.clone();
    if let Some(path) = &args.path {
        config.path.clone_from(path);
    }
    if matches!(args.what, What::Schema) {
        let schema: Value = serde_json::from_str(SCHEMA)?;
        return session.output.result(&schema, |_| SCHEMA.to_owned());
    }
    // Where the log is in Kafka, what was rejected is here all the same.
    let is_there = match args.what {
        What::Rejected => config.path.is_dir(),
        _ => DurableLog::is_in(&config.path),
    };
    if !is_there {
        let path = config.path.display();
        return Err(format!("{path}: no events are kept here; `reco serve` keeps them in events.path").into());
    }
    match &args.what {
        What::List { from, limit, user } => list(session, &config, *from, *limit, user.as_deref()),
        What::Check => check(session, &config),
        What::Rejected => rejected(session, &config),
        What::Replay => replay(session, &config),
        What::Schema => Ok(()),
    }
}

#[derive(Debug, Serialize)]
struct Positioned {
    position: u64,
    #[serde(flatten)]
    event: Event,
}

fn list(
    session: &Session,
    config: &EventsConfig,
    from: u64,
    limit: usize,
    user: Option<&str>,
) -> Result<(), Failure> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let mut events = Vec::new();
    for found in DurableLog::look(&config.path, from)? {
        match found {
            Ok(found) if user.is_some_and(|user| found.event.user.as_str() != user) => {}
            Ok(Delivery { place, event }) => events.push(Positioned { position: place.offset, event }),
            Err(error) => session.output.note(&error.to_string()),
        }
        if events.len() == limit {
            break;
        }
    }
    session.output.result(&events, |events| {
        let mut table = table(["position", "time", "user", "action", "item", "value"]);
        for Positioned { position, event: Event { user, item, action, value, at, .. } } in events {
            let value = value.map(|value| value.to_string()).unwrap_or_default();
            let texts = [user.to_string(), action.to_string(), item.to_string(), value];
            table.add_row([position.to_string(), written(*at)].into_iter().chain(texts));
        }
        table.to_string()
    })
}

/// What reading everything found.
#[derive(Debug, Default, Serialize)]
struct Checked {
    events: u64,
    rejected: usize,
    damaged: Vec<String>,
}

fn check(session: &Session, config: &EventsConfig) -> Result<(), Failure> {
    let mut checked = Checked::default();
    for found in DurableLog::look(&config.path, 0)? {
        match found {
            Ok(_) => checked.events += 1,
            Err(error) => checked.damaged.push(error.to_string()),
        }
    }
    let outstanding = dead(config, 0)?;
    checked.rejected = outstanding.total;
    checked.damaged.extend(outstanding.unreadable.iter().map(ToString::to_string));
    session.output.result(&checked, |Checked { events, rejected, .. }| {
        format!("{events} events can be read; {rejected} rejected ones wait")
    })?;
    if checked.damaged.is_empty() { Ok(()) } else { Err(checked.damaged.join("\n").into()) }
}

#[derive(Debug, Serialize)]
struct Numbered {
    number: u64,
    #[serde(flatten)]
    letter: DeadLetter,
}

fn rejected(session: &Session, config: &EventsConfig) -> Result<(), Failure> {
    let Outstanding { letters, unreadable, .. } = dead(config, usize::MAX)?;
    unreadable.iter().for_each(|error| session.output.note(&error.to_string()));
    let numbered = letters.into_iter().map(|(number, letter)| Numbered { number, letter });
    session.output.result(&numbered.collect::<Vec<_>>(), |letters| {
        let mut table = table(["number", "came", "event", "wrong"]);
        for Numbered { number, letter: DeadLetter { at, event, problems, .. } } in letters {
            let wrong = problems.iter().map(|wrong| format!("{} {}", wrong.field, wrong.problem));
            let wrong: Vec<String> = wrong.collect();
            table.add_row_with_lines([number.to_string(), written(*at), event.to_string()], &wrong);
        }
        table.to_string()
    })
}

/// Letters that are not settled; there are none where nothing was ever rejected.
fn dead(config: &EventsConfig, limit: usize) -> Result<Outstanding, Failure> {
    let folder = config.dead();
    if folder.is_dir() { Ok(DeadLetters::look(&folder, None, limit)?) } else { Ok(Outstanding::default()) }
}

fn replay(session: &Session, config: &EventsConfig) -> Result<(), Failure> {
    let events = Events::open(session, config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let sink = events.log.sink();
    let keep = |usable: Vec<Event>| {
        let sink = &sink;
        // Whatever is wrong with an event was found before.
        async move { sink.append(&usable).await.map(|_| BTreeSet::new()) }
    };
    let replayed = runtime.block_on(events.dead.replay(SystemClock.wall(), keep));
    let replayed = replayed.map_err(|error| match error {
        ReplayError::Fault(fault) => fault.message(),
        other => other.to_string(),
    })?;
    session.output.result(&replayed, |Replayed { settled, left }| {
        format!("{settled} events count now; {left} still cannot be used (`reco events rejected` says why)")
    })
}
