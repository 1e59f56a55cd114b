use super::*;
use proptest::prelude::*;
use reco_core::event::{Action, Event, EventId};
use reco_core::store::Place;
use reco_core::time::{ManualClock, SystemClock, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DAY: i64 = 20_000 * 86_400;

/// Than all events.
const LATER: Timestamp = Timestamp::from_secs(DAY + 86_400);

/// What a user did in a minute of the day.
fn delivery(offset: u64, user: &str, item: &str, action: Action, minute: i64) -> Delivery {
    let event = Event {
        id: EventId(1 + u128::from(offset)),
        user: user.into(),
        item: item.into(),
        action,
        value: None,
        at: Timestamp::from_secs(DAY + 60 * minute),
        details: None,
    };
    Delivery { place: Place { partition: 0, offset }, event }
}

fn view(offset: u64, user: &str, item: &str, minute: i64) -> Delivery {
    delivery(offset, user, item, Action::View, minute)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

fn open(folder: &Path) -> io::Result<SessionWriter> {
    SessionWriter::open(folder, Arc::new(SystemClock))
}

fn take(sessions: &mut SessionWriter, deliveries: &[Delivery]) {
    block_on(sessions.take(deliveries)).expect("it takes in");
}

fn flush(sessions: &mut SessionWriter) {
    block_on(sessions.flush()).expect("it writes");
}

/// The lines of all files, in the order of their dates.
fn written(folder: &Path) -> Vec<Value> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    paths.sort();
    let lines = paths.iter().map(|path| fs::read_to_string(path).expect("text"));
    lines
        .flat_map(|text| {
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn a_long_pause_ends_a_session_and_late_events_find_theirs() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sessions = open(folder.path()).expect("it opens");
    let events = [
        view(0, "ann", "tea", 0),
        delivery(1, "ann", "ad", Action::Impression, 25),
        view(2, "ann", "jam", 56),
        // It came late, and joins the two.
        view(3, "ann", "mug", 28),
        delivery(4, "ann", "tea", Action::Purchase, 57),
        view(5, "ann", "hat", 88),
    ];
    take(&mut sessions, &events);
    flush(&mut sessions);
    assert!(written(folder.path()).is_empty(), "more may come");
    take(&mut sessions, &[view(6, "bob", "tea", 149)]);
    flush(&mut sessions);
    let first = json!({
        "user": "ann", "started": "2024-10-04T00:00:00Z", "ended": "2024-10-04T00:57:00Z", "events": 5,
        "actions": {"impression": 1, "purchase": 1, "view": 3}, "items": ["tea", "mug", "jam"], "late": false,
    });
    let second = json!({
        "user": "ann", "started": "2024-10-04T01:28:00Z", "ended": "2024-10-04T01:28:00Z", "events": 1,
        "actions": {"view": 1}, "items": ["hat"], "late": false,
    });
    assert_eq!(written(folder.path()), [first, second]);
}

#[test]
fn events_that_come_too_late_make_a_session_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sessions = open(folder.path()).expect("it opens");
    take(&mut sessions, &[view(0, "ann", "tea", 0), view(1, "bob", "tea", 600)]);
    flush(&mut sessions);
    // A telephone was without a network.
    take(&mut sessions, &[view(2, "ann", "jam", 5), view(3, "ann", "mug", 6), view(4, "bob", "tea", 661)]);
    flush(&mut sessions);
    let told: Vec<(Value, Value)> = written(folder.path())
        .into_iter()
        .map(|line| (line["items"].clone(), line["late"].clone()))
        .collect();
    let expected = [
        (json!(["tea"]), json!(false)),
        (json!(["jam", "mug"]), json!(true)),
        (json!(["tea"]), json!(false)),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_clock_that_is_fast_ends_nobodys_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::starting_at(Timestamp::from_secs(DAY + 60 * 10));
    let mut sessions = SessionWriter::open(folder.path(), Arc::new(clock.clone())).expect("it opens");
    take(&mut sessions, &[view(0, "ann", "tea", 0), view(1, "bob", "tea", 1_200), view(2, "ann", "jam", 9)]);
    flush(&mut sessions);
    assert!(written(folder.path()).is_empty(), "bob is hours ahead");
    clock.advance(Duration::from_hours(2));
    take(&mut sessions, &[view(3, "cat", "tea", 129)]);
    flush(&mut sessions);
    let lines = written(folder.path());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["items"], &lines[0]["late"]), (&json!(["tea", "jam"]), &json!(false)));
}

#[test]
fn of_too_many_the_quietest_are_finished_early() {
    let mut running = Running::default();
    for (offset, user) in ["ann", "bob", "cat", "dan"].iter().enumerate() {
        running.add(&view(offset as u64, user, "tea", offset as i64).event, LATER);
    }
    let early: Vec<String> = running.finish(3).into_iter().map(|session| session.user.to_string()).collect();
    assert_eq!(early, ["ann"]);
    assert!(running.finish(3).is_empty());
}

#[test]
fn files_without_their_beginnings_are_refused_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sessions = open(folder.path()).expect("it opens");
    take(&mut sessions, &[view(0, "ann", "tea", 0), view(1, "bob", "tea", 600)]);
    flush(&mut sessions);
    let running = folder.path().join(SessionWriter::RUNNING);
    for harm in [|path: &Path| fs::write(path, "none"), |path: &Path| fs::remove_file(path)] {
        harm(&running).expect("it is there");
        let why = open(folder.path()).expect_err("not all is there").to_string();
        assert!(why.contains("running.sessions") && why.contains("move"), "{why}");
        assert_eq!(written(folder.path()).len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Killed after any flush, with lines behind what holds, and given the same events again.
    #[test]
    fn every_event_is_in_one_session_whenever_it_is_killed(
        minutes in prop::collection::vec((0..3_u8, 0..90_i64), 1..60),
        kills in prop::collection::vec(any::<bool>(), 60),
        torn in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sessions = open(folder.path()).expect("it opens");
        let mut at = 0;
        let mut events: Vec<Delivery> = (0..).zip(&minutes).map(|(offset, (user, pause))| {
            at += pause;
            view(offset, &format!("user{user}"), "tea", at)
        }).collect();
        // All that came before is finished by it.
        events.push(view(events.len() as u64, "last", "tea", at + 100));
        let mut first = 0;
        for (n, kill) in (0..events.len()).zip(kills) {
            take(&mut sessions, &events[first..=n]);
            first = n + 1;
            if kill {
                // What is finished is written, but not which events that was.
                let state = sessions.state.lock();
                let begun = folder.path().join(SessionWriter::RUNNING);
                if !begun.exists() {
                    Kept::default().write(&begun).expect("it writes");
                }
                let finished = state.kept.running.clone().finish(usize::MAX);
                state.kept.files.append(folder.path(), &finished).expect("it writes");
                drop(state);
                sessions = open(folder.path()).expect("it opens");
                first = sessions.applied().next(0, 0) as usize;
            } else if torn || n % 3 == 0 {
                flush(&mut sessions);
            }
        }
        take(&mut sessions, &events);
        flush(&mut sessions);
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for line in written(folder.path()) {
            *counted.entry(line["user"].as_str().expect("a user").to_owned()).or_default() +=
                line["events"].as_u64().expect("a number");
        }
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        for delivery in &events[..minutes.len()] {
            *expected.entry(delivery.event.user.to_string()).or_default() += 1;
        }
        prop_assert_eq!(counted, expected);
    }

    /// Of an hour, whose events are never late.
    #[test]
    fn sessions_follow_from_events_not_from_their_order(
        (minutes, order) in prop::collection::vec(0..=60_i64, 1..12).prop_flat_map(|minutes| {
            let order = Just((0..minutes.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(minutes), order)
        }),
    ) {
        let event = |offset: usize| view(offset as u64, "ann", &format!("item{}", offset % 4), minutes[offset]).event;
        let finished = |order: &[usize]| {
            let mut running = Running::default();
            order.iter().for_each(|&offset| running.add(&event(offset), LATER));
            running.add(&view(99, "bob", "tea", 500).event, LATER);
            let of_ann = running.finish(usize::MAX).into_iter().filter(|session| session.user.as_str() == "ann");
            let when_seen_does_not_matter = |mut session: Finished| {
                session.visit.seen = Timestamp::default();
                session.visit
            };
            of_ann.map(when_seen_does_not_matter).collect::<Vec<_>>()
        };
        let in_order: Vec<usize> = (0..minutes.len()).collect();
        prop_assert_eq!(finished(&order), finished(&in_order));
    }
}
