//! `reco bench restart`: how soon a server knows its users again.

use crate::args::RestartArgs;
use crate::{Failure, Session, output};
use reco_core::event::{Action, Event, EventId};
use reco_core::live::{Live, LiveLimits};
use reco_core::time::Timestamp;
use serde::Serialize;
use std::fs;
use std::time::Instant;

#[derive(Debug, Serialize)]
struct Restarted {
    users: usize,
    events: usize,
    megabytes: f64,
    /// How long events are held up while a checkpoint is taken.
    held_up_s: f64,
    /// How long it is written in the background.
    write_s: f64,
    /// How long the next process reads it.
    read_s: f64,
}

/// Items that events are on.
const ITEMS: usize = 10_000;

pub(crate) fn run(session: &Session, args: &RestartArgs) -> Result<(), Failure> {
    let (users, each) = (args.users.max(1), args.events.max(1));
    let limits = || LiveLimits { users: users * 2, ..LiveLimits::default() };
    let config = &session.config;
    let half_life = config.train.trend_half_life_days;
    let live = Live::new(config.weights.clone(), half_life, limits());
    session.progress.begin("events of users", users as u64);
    for user in 0..users {
        (0..each).for_each(|number| live.apply(&event(user, number, each)));
        session.progress.advance(1);
    }
    session.progress.end(&format!("{} events", users * each));
    let path = args.folder.join(format!("reco-bench-{}.checkpoint", std::process::id()));
    let begun = Instant::now();
    let checkpoint = live.checkpoint();
    let held_up = begun.elapsed();
    let begun = Instant::now();
    checkpoint.write(&path)?;
    let write = begun.elapsed();
    drop(live);
    let begun = Instant::now();
    let resumed = Live::resume(&path, config.weights.clone(), half_life, limits())?;
    let read = begun.elapsed();
    let bytes = fs::metadata(&path)?.len();
    fs::remove_file(&path)?;
    let n_users = resumed.map(|live| live.checkpoint().n_users()).unwrap_or_default();
    if n_users != users {
        return Err(format!("of {users} users {n_users} are known again").into());
    }
    let restarted = Restarted {
        users,
        events: users * each,
        megabytes: bytes as f64 / 1e6,
        held_up_s: held_up.as_secs_f64(),
        write_s: write.as_secs_f64(),
        read_s: read.as_secs_f64(),
    };
    session.output.result(&restarted, |restarted| {
        let mut table = output::table(["users", "events", "MB", "held up s", "write s", "read s"]);
        let Restarted { users, events, megabytes, held_up_s, write_s, read_s } = restarted;
        let seconds = |seconds: &f64| format!("{seconds:.2}");
        table.add_row(
            [users.to_string(), events.to_string(), format!("{megabytes:.0}")]
                .into_iter()
                .chain([held_up_s, write_s, read_s].map(seconds)),
        );
        table.to_string()
    })
}

/// Some of a month's events, of items that not all like equally.
fn event(user: usize, number: usize, each: usize) -> Event {
    let turn = user * each + number;
    let item = turn.wrapping_mul(2_654_435_761) % ITEMS * (turn % 7 + 1) / 7;
    let action = if turn.is_multiple_of(5) { Action::Purchase } else { Action::View };
    Event {
        id: EventId(turn as u128),
        user: format!("user{user}").into(),
        item: format!("item{item}").into(),
        action,
        value: None,
        at: Timestamp::from_secs(1_700_000_000 + (turn * 7_919 % 2_592_000) as i64),
        details: None,
    }
}
