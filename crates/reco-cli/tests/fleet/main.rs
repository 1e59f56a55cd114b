//! Servers that share Kafka and Redis, of which each may be killed or cut off at any time. `scripts/stack run` starts what
//! they need. What happens is drawn from the seed `RECO_FLEET_SEED`.

#![allow(clippy::print_stderr, reason = "what happened and what is not done must be said")]

mod chaos;
mod oracle;
mod proxy;
mod stack;
#[path = "../command/support.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;
mod traffic;

use oracle::Log;
use serde_json::{Value, json};
use stack::{Fleet, NAMES};
use std::thread::sleep;
use std::time::{Duration, Instant};
use traffic::Traffic;

/// A step that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is drawn if the environment does not say.
const SEED: u64 = 20_240_229;

/// Waits until something is right; says what it was at last, if it never is.
fn eventually<T: std::fmt::Debug>(look: impl Fn() -> T, is_right: impl Fn(&T) -> bool) -> T {
    let begun = Instant::now();
    loop {
        let found = look();
        if is_right(&found) {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it stayed {found:?}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_fleet_counts_every_accepted_event_once_whoever_is_killed_or_cut_off() {
    let seed = std::env::var("RECO_FLEET_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    let Some(fleet) = Fleet::new(seed) else { return };
    for name in NAMES {
        fleet.start(name);
    }
    let traffic = Traffic::new(seed);
    chaos::rage(&fleet, &traffic, seed);
    all_counted(&fleet, &traffic);
    // What the last to be killed had read and not committed comes again, to others.
    NAMES.iter().for_each(|name| fleet.kill(name));
    fleet.start("a");
    traffic.write_once(&fleet);
    let log = all_counted(&fleet, &traffic);
    for (user, interactions) in log.interactions() {
        assert_eq!(fleet.get("a", &format!("/features?user_id={user}"))["interactions"], interactions);
    }
    fleet.stop("a");
    assert_eq!(fleet.run(&["rebuild", "--check"], "a")["same"], true, "the log says the same");
    pages_and_lists_are_shared(&fleet);
    exposures_are_copied(&fleet);
}

/// Waits until the documents are those that the log amounts to, which has every accepted event.
fn all_counted(fleet: &Fleet, traffic: &Traffic) -> Log {
    let log = Log::read(&fleet.kafka());
    let accepted = traffic.accepted();
    let lost: Vec<_> = accepted.iter().filter(|id| !log.has(**id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} accepted events are not in the log: {lost:?}",
        lost.len(),
        accepted.len()
    );
    assert_eq!(log.n_events(), accepted.len(), "nobody sent anything else");
    eventually(|| log.differences(), Vec::is_empty);
    fleet.note(&format!(
        "counted {} events, {} of which are in the log more than once",
        log.n_events(),
        log.n_repeated()
    ));
    log
}

/// What one server computes the other finds, until the user does something anywhere.
fn pages_and_lists_are_shared(fleet: &Fleet) {
    let written = fleet.run(&["precompute"], "lists");
    assert_eq!((&written["users"], &written["kept"]), (&json!(8), &json!(0)), "{written}");
    let [here, there] = ["a", "b"];
    fleet.start(here);
    fleet.start(there);
    let found = |name| fleet.get(name, "/recommendations?user_id=u1&count=2")["found"].clone();
    assert_eq!(found(here), Value::Null);
    eventually(|| found(there), |found| *found != Value::Null);
    let event = json!({"user_id": "u1", "item_id": "i3", "action": "purchase"}).to_string();
    assert_eq!(fleet.ask(here, "POST", "/interactions", &event).expect("an answer").0, 202);
    eventually(|| fleet.get(there, "/features?user_id=u1")["interactions"].clone(), |known| known == 1);
}

/// Exposures to experiments are in the log, and in a topic of their own.
fn exposures_are_copied(fleet: &Fleet) {
    NAMES[..2].iter().for_each(|name| fleet.stop(name));
    fleet.configure(
        "[[experiments.look.variants]]\nname = \"A\"\n[[experiments.look.variants]]\nname = \"B\"\n",
    );
    fleet.start("a");
    for user in 0..8 {
        fleet.get("a", &format!("/recommendations?user_id=u{user}&count=1"));
    }
    let topic = fleet.kafka().of_experiments().expect("a topic of exposures");
    let copied = eventually(|| Log::read(&topic).exposures(), |copied| copied.len() == 8);
    assert_eq!(copied, Log::read(&fleet.kafka()).exposures());
}
