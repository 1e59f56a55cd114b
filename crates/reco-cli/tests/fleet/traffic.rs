//! Who sends events, each until it is accepted and some again, and who reads pages meanwhile.

use crate::PATIENCE;
use crate::stack::{Fleet, NAMES};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use reco_core::event::EventId;
use reco_core::features::TakenEvents;
use reco_core::time::{Clock, SystemClock};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Users who do something, one after the other.
const USERS: u64 = 60;

/// Events that are sent together.
const BATCH: u64 = 50;

/// How far the newest batch may be ahead of any that is on its way. One is sent again up to so many batches later, may be on
/// its way while as many begin, and what a killed server had sent may be held by a cut as long. All of that must be
/// within the events that documents know one by one, with room for those that come more than once.
const WINDOW: u64 = 60;
const _: () = assert!(3 * WINDOW * BATCH * 3 / 2 <= USERS * TakenEvents::KEPT as u64);

/// Of so many batches, one is sent again.
const AGAIN: u32 = 4;

/// Batches of events by number.
#[derive(Debug)]
pub(crate) struct Traffic {
    seed: u64,
    /// When the first event happened, in milliseconds since 1970.
    first: i64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The next that is new.
    next: u64,
    /// Those on their way.
    open: BTreeSet<u64>,
    /// What was the next when something began that holds back what is sent.
    held: Vec<u64>,
    /// How many were accepted, each as often as it was sent.
    sent: u64,
}

impl State {
    fn may_begin(&self) -> bool {
        let oldest = self.open.first().into_iter().chain(&self.held).min();
        oldest.is_none_or(|oldest| self.next < oldest + WINDOW)
    }
}

impl Traffic {
    pub(crate) fn new(seed: u64) -> Self {
        // An hour ago; a millisecond goes by with each event.
        let first = SystemClock.wall().millis() - 3_600_000;
        Self { seed, first, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    /// Sends events by the servers, one of them first, until it is over.
    pub(crate) fn write(&self, fleet: &Fleet, first: usize, is_over: impl Fn() -> bool) {
        let mut random = Pcg64Mcg::seed_from_u64(self.seed ^ first as u64);
        while !is_over() {
            let again = random.random_ratio(1, AGAIN);
            let number = if again { self.begin_again(&mut random) } else { self.begin(&is_over) };
            if let Some(number) = number {
                self.send(fleet, number, first, &mut random);
            }
        }
    }

    /// Sends one new batch more.
    pub(crate) fn write_once(&self, fleet: &Fleet) {
        let mut random = Pcg64Mcg::seed_from_u64(self.seed);
        let number = self.begin(|| false).expect("nothing is on its way");
        self.send(fleet, number, 0, &mut random);
    }

    /// A batch that was accepted of late; none if the one that is drawn is on its way.
    fn begin_again(&self, random: &mut impl Rng) -> Option<u64> {
        let mut state = self.state();
        let number = state.next.checked_sub(random.random_range(1..=WINDOW))?;
        state.open.insert(number).then_some(number)
    }

    /// A new batch, as soon as there may be one; none if it is over before.
    fn begin(&self, is_over: impl Fn() -> bool) -> Option<u64> {
        let mut state = self.state();
        while !state.may_begin() {
            if is_over() {
                return None;
            }
            (state, _) =
                self.changed.wait_timeout(state, Duration::from_millis(100)).expect("nobody panicked");
        }
        let number = state.next;
        state.next += 1;
        state.open.insert(number);
        Some(number)
    }

    /// Sends a batch to whichever server takes it, in some order, until it is accepted.
    fn send(&self, fleet: &Fleet, number: u64, first: usize, random: &mut impl Rng) {
        let mut events: Vec<Value> =
            (number * BATCH..(number + 1) * BATCH).map(|it| self.event(it)).collect();
        events.shuffle(random);
        let (batch, begun) = (Value::from(events).to_string(), Instant::now());
        for turn in first.. {
            let name = NAMES[turn % NAMES.len()];
            // Whatever else it is, the batch is not known to be kept, and sent again.
            match fleet.ask(name, "POST", "/interactions", &batch) {
                Ok((202, said)) => {
                    assert_eq!(said["rejected"], json!([]), "{name}: {said}");
                    break;
                }
                _ => sleep(Duration::from_millis(5)),
            }
            assert!(begun.elapsed() < PATIENCE, "nobody takes events");
        }
        let mut state = self.state();
        state.open.remove(&number);
        state.sent += 1;
        self.changed.notify_all();
    }

    fn event(&self, number: u64) -> Value {
        let action = ["click", "view", "purchase"][(number / USERS % 3) as usize];
        json!({
            "id": EventId(u128::from(number) + 1).to_string(),
            "user_id": format!("c{}", number % USERS),
            "item_id": format!("i{}", number / 3 % 7),
            "action": action,
            "timestamp": self.first + number as i64,
        })
    }

    /// Reads pages of all servers until it is over, each of which must be there.
    pub(crate) fn read(&self, fleet: &Fleet, is_over: impl Fn() -> bool) {
        let mut random = Pcg64Mcg::seed_from_u64(self.seed);
        while !is_over() {
            for name in NAMES {
                let Some(address) = fleet.address(name) else { continue };
                let target = format!("/recommendations?user_id=c{}&count=2", random.random_range(0..USERS));
                match fleet.ask(name, "GET", &target, "") {
                    Ok((status, page)) => assert_eq!(status, 200, "{target} at {name}: {page}"),
                    // Nobody is told but by a server that died meanwhile.
                    Err(cause) => {
                        assert_ne!(fleet.address(name), Some(address), "{target} at {name}: {cause}")
                    }
                }
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// Waits until so many batches more were accepted.
    pub(crate) fn await_more(&self, batches: u64) {
        let state = self.state();
        let enough = state.sent + batches;
        let waited = self.changed.wait_timeout_while(state, PATIENCE, |state| state.sent < enough);
        let is_late = waited.expect("nobody panicked").1.timed_out();
        assert!(!is_late, "events are not accepted any more");
    }

    /// Something holds back what is sent, for as long as this is kept, even if who sent it is dead by then.
    pub(crate) fn hold_back(&self) -> Held<'_> {
        let mut state = self.state();
        let since = state.next;
        state.held.push(since);
        Held { traffic: self, since }
    }

    /// The ids of all accepted events; of all that were sent, once nobody sends any more.
    pub(crate) fn accepted(&self) -> BTreeSet<EventId> {
        let state = self.state();
        assert!(state.open.is_empty(), "everything that was begun was accepted");
        (1..=state.next * BATCH).map(|id| EventId(id.into())).collect()
    }
}

/// Something holds back what is sent.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    traffic: &'a Traffic,
    since: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.traffic.state();
        let mine = state.held.iter().position(|held| *held == self.since).expect("it was put there");
        state.held.swap_remove(mine);
        self.traffic.changed.notify_all();
    }
}
