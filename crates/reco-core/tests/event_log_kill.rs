//! A process that writes to the event log is killed at random moments, again and again: nothing that it was told was
//! kept is lost, and what is sent again counts once.

use futures_util::future::join_all;
use reco_core::event::{Action, Details, Event, EventId};
use reco_core::store::{Delivery, DurableLog, EventSink, LogConfig};
use reco_core::time::{SystemClock, Timestamp};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Tells a process that it is the one to be killed.
const FOLDER: &str = "RECO_TEST_LOG_FOLDER";
/// What each writer goes on with, divided by commas.
const NEXT: &str = "RECO_TEST_LOG_NEXT";

const WRITERS: usize = 4;
const KILLS: usize = 40;
const BATCH: u64 = 7;

/// Small segments, so that some kills fall on the beginning of a new one.
fn open(folder: &Path) -> DurableLog {
    let config = LogConfig { segment_mb: 1, ..LogConfig::default() };
    let (log, recovery) = DurableLog::open(folder, &config, Arc::new(SystemClock)).expect("the log opens");
    assert_eq!(recovery.damaged, [], "a kill leaves an unfinished end at most");
    log
}

fn event(writer: usize, number: u64) -> Event {
    // Some weight, so that writing takes its time.
    let other = [("note".to_owned(), "n".repeat(500).into())].into_iter().collect();
    Event {
        id: EventId((writer as u128) << 64 | u128::from(number)),
        user: format!("user{writer}").into(),
        item: "tea".into(),
        action: Action::Click,
        value: None,
        at: Timestamp::from_millis(1_700_000_000_000),
        details: Some(Box::new(Details { other, ..Details::default() })),
    }
}

/// The process that is killed. Run as a test of its own it has nothing to do.
#[test]
fn writes_until_it_is_killed() {
    let (Ok(folder), Ok(next)) = (std::env::var(FOLDER), std::env::var(NEXT)) else { return };
    let log = open(Path::new(&folder));
    let next: Vec<u64> = next.split(',').map(|number| number.parse().expect("a number")).collect();
    let writers = next.into_iter().enumerate().map(async |(writer, mut next)| {
        loop {
            let batch: Vec<Event> = (next..next + BATCH).map(|number| event(writer, number)).collect();
            log.append(&batch).await.expect("appending works");
            next += BATCH;
            // Nobody may be told before this point.
            writeln!(std::io::stdout(), "\nkept {writer} {next}").expect("the other side listens");
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(join_all(writers));
}

/// Starts the writers where they left off and kills them once they have told `after` times that something was kept.
fn run_and_kill(folder: &Path, next: &mut [u64], after: usize) {
    let list: Vec<String> = next.iter().map(u64::to_string).collect();
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "writes_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(NEXT, list.join(","))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the writers start");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut told = 0;
    let mut note = |line: std::io::Result<String>| {
        let line = line.expect("text");
        let Some(kept) = line.strip_prefix("kept ") else { return 0 };
        // The last line may be cut by the kill; then nobody was told.
        let Some((writer, end)) = kept.split_once(' ') else { return 0 };
        let (Ok(writer), Ok(end)) = (writer.parse::<usize>(), end.parse::<u64>()) else { return 0 };
        if end == next[writer] + BATCH {
            next[writer] = end;
        }
        1
    };
    while told < after {
        told += note(lines.next().expect("it goes on until it is killed"));
    }
    child.kill().expect("it can be killed");
    // What was told before the kill was told.
    lines.for_each(|line| {
        note(line);
    });
    child.wait().expect("it ends");
}

#[test]
fn nothing_kept_is_lost_and_nothing_counts_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut next = [0; WRITERS];
    // Steps that divide into nothing: 0, 37, 15, 52, …
    for after in (0..KILLS).map(|kill| kill * 37 % 59) {
        run_and_kill(folder.path(), &mut next, after);
    }
    let log = open(folder.path());
    let mut seen: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (expected, found) in (0..).zip(log.scan(0)) {
        let Delivery { place, event } = found.expect("everything can be read");
        assert_eq!(place.offset, expected, "positions have no gaps");
        seen.entry((event.id.0 >> 64) as u64).or_default().push(event.id.0 as u64);
    }
    for (writer, told) in (0..).zip(next) {
        let numbers = seen.remove(&writer).unwrap_or_default();
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "each once and in order");
        assert!(numbers.len() as u64 >= told, "{told} were kept, {} are there", numbers.len());
        assert!(told > 0, "it came to something");
    }
}
