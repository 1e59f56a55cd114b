//! A search as it runs: tasks taken up one after the other, several at once, each noted in the journal.

use super::journal::{Journal, JournalError};
use super::memory::{Admission, Bytes, Room};
use super::schedule::{Finished, Judgement, Outcome, Schedule, Task};
use super::space::Assignment;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// What a search makes better.
pub trait Objective: Sync {
    /// Judges a configuration that sets these values, on a share of the users above 0 and at most 1.
    ///
    /// # Errors
    ///
    /// Why it cannot be judged; the search notes it and goes on.
    fn judge(&self, settings: &Assignment, share: f64) -> Result<Judgement, String>;

    /// About how many bytes judging it takes; 0 where there is no telling.
    fn bytes(&self, settings: &Assignment, share: f64) -> u64;
}

/// How much a search may take of the machine. Neither changes what it finds, but that a trial which does not fit into
/// memory fails.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Trials at once, at least 1.
    pub parallel: usize,
    /// Memory of the whole process; `None` for no limit.
    pub memory: Option<Bytes>,
}

/// Hears how a search comes on, one call after the other.
pub trait Watch: Sync {
    /// A task begins.
    fn begun(&self, task: &Task);
    /// A task is finished; `done` of all tasks are.
    fn finished(&self, finished: &Finished, done: usize);
    /// The first trial was measured: it took so much, and so many like it run at once.
    fn measured(&self, trial: Bytes, at_once: usize);
}

/// Runs all tasks that `kept` does not have, and gives all back in their order.
///
/// A trial that fails or panics is noted with its reason. What it gives back does not depend on `limits`, nor on
/// where an earlier run ended.
///
/// # Errors
///
/// [`JournalError`] when an outcome cannot be noted; trials under way are waited for.
pub fn search(
    schedule: &Schedule,
    objective: &dyn Objective,
    kept: Vec<Finished>,
    journal: &mut Journal,
    limits: Limits,
    watch: &dyn Watch,
) -> Result<Vec<Finished>, JournalError> {
    let mut outcomes: Vec<Option<Finished>> = (0..schedule.len()).map(|_| None).collect();
    for finished in kept {
        if let Some(outcome) = outcomes.get_mut(finished.task.task) {
            *outcome = Some(finished);
        }
    }
    let room = Room::new(limits.memory);
    let state = State { outcomes, is_begun: vec![false; schedule.len()], room, error: None, journal };
    let study =
        Study { schedule, objective, limits, watch, state: Mutex::new(state), changed: Condvar::new() };
    thread::scope(|scope| {
        for _ in 0..limits.parallel.min(schedule.most_at_once()).max(1) {
            scope.spawn(|| study.work());
        }
    });
    let State { outcomes, error, .. } = study.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match error {
        Some(error) => Err(error),
        None => Ok(outcomes.into_iter().flatten().collect()),
    }
}

struct Study<'a> {
    schedule: &'a Schedule,
    objective: &'a dyn Objective,
    limits: Limits,
    watch: &'a dyn Watch,
    state: Mutex<State<'a>>,
    /// A task was finished.
    changed: Condvar,
}

struct State<'a> {
    /// By task.
    outcomes: Vec<Option<Finished>>,
    is_begun: Vec<bool>,
    room: Room,
    error: Option<JournalError>,
    journal: &'a mut Journal,
}

/// What a thread does next.
enum Next {
    Judge { task: Task, estimate: u64, need: u64 },
    Refuse { task: Task, need: Bytes },
    Wait,
    Stop,
}

impl<'a> Study<'a> {
    /// What every thread does.
    fn work(&self) {
        let mut state = self.state();
        loop {
            match self.next(&mut state) {
                Next::Stop => return,
                Next::Wait => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Next::Refuse { task, need } => {
                    let limit = self.limits.memory.unwrap_or(need);
                    let error = format!("needs about {need} of memory, the limit is {limit}");
                    self.note(
                        &mut state,
                        Finished { task, outcome: Outcome::Failed { error }, seconds: 0.0 },
                    );
                }
                Next::Judge { task, estimate, need } => {
                    self.watch.begun(&task);
                    drop(state);
                    let begun = Instant::now();
                    let outcome = self.judged(&task);
                    state = self.state();
                    let was_measured = state.room.is_measured();
                    state.room.leave(estimate, need);
                    if !was_measured && state.room.is_measured() {
                        self.tell_measured(&state, estimate);
                    }
                    let seconds = begun.elapsed().as_secs_f64();
                    self.note(&mut state, Finished { task, outcome, seconds });
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        // A thread that panicked with the lock left nothing half done that another could not do again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first task that nobody has begun, if what it needs to know is known and there is room for it.
    fn next(&self, state: &mut State<'_>) -> Next {
        let is_open = |task: &usize| !state.is_begun[*task] && state.outcomes[*task].is_none();
        let Some(number) = (0..state.outcomes.len()).find(is_open).filter(|_| state.error.is_none()) else {
            return Next::Stop;
        };
        let needs = self.schedule.needs(number);
        let known: Vec<&Finished> = state.outcomes[..needs].iter().flatten().collect();
        if known.len() < needs {
            return Next::Wait;
        }
        let task = self.schedule.task(number, &known);
        let estimate = self.objective.bytes(&task.settings, task.share);
        let next = match state.room.enter(estimate) {
            Admission::Later => return Next::Wait,
            Admission::Now(need) => Next::Judge { task, estimate, need },
            Admission::Never(need) => Next::Refuse { task, need },
        };
        state.is_begun[number] = true;
        next
    }

    fn judged(&self, task: &Task) -> Outcome {
        let judge = || self.objective.judge(&task.settings, task.share);
        let judged = catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            Err(format!("panicked: {said}"))
        });
        match judged {
            Ok(judgement) if judgement.value.is_finite() => Outcome::Judged(judgement),
            Ok(_) => Outcome::Failed { error: "the metric is not a number here".to_owned() },
            Err(error) => Outcome::Failed { error },
        }
    }

    fn note(&self, state: &mut State<'_>, finished: Finished) {
        match state.journal.finished(&finished) {
            Ok(finished) => {
                let done = 1 + state.outcomes.iter().flatten().count();
                self.watch.finished(&finished, done);
                let task = finished.task.task;
                state.outcomes[task] = Some(finished);
            }
            Err(error) => state.error = Some(error),
        }
        self.changed.notify_all();
    }

    fn tell_measured(&self, state: &State<'_>, estimate: u64) {
        let trial = state.room.need(estimate);
        let at_once = self.limits.parallel.min(self.schedule.most_at_once());
        self.watch.measured(Bytes(trial), state.room.fitting(trial).min(at_once));
    }
}
