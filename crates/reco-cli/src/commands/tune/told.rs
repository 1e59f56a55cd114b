//! How a search is told while it runs.

use crate::Talk;
use crate::output::say;
use indicatif::{ProgressBar, ProgressStyle};
use reco_train::tune::{Bytes, Finished, Outcome, Schedule, Task, Watch};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A line a trial, and a bar below them where there is a terminal.
pub(super) struct Told<'a> {
    schedule: &'a Schedule,
    metric: String,
    talk: Talk,
    bar: ProgressBar,
    state: Mutex<State>,
}

/// Trials count by their share of the users.
#[derive(Default)]
struct State {
    /// By this run and by earlier ones.
    done: f64,
    /// What they took in all.
    seconds: f64,
    /// Tasks under way, and since when.
    under_way: BTreeMap<usize, Instant>,
    /// Most that were under way at once.
    at_once: usize,
    /// Trial, share and figure of the best.
    best: Option<(usize, f64, f64)>,
}

impl<'a> Told<'a> {
    /// Begins to tell; `kept` are tasks that earlier runs finished.
    pub(super) fn new(schedule: &'a Schedule, metric: String, talk: Talk, kept: &[Finished]) -> Self {
        let bar = match talk {
            Talk::Bars => ProgressBar::new(schedule.len() as u64),
            Talk::Lines | Talk::Nothing => ProgressBar::hidden(),
        };
        let style = "{spinner:.cyan} {msg:40} {bar:30.cyan/dim} {pos}/{len} {elapsed:>4}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position(kept.len() as u64);
        bar.enable_steady_tick(Duration::from_millis(100));
        let (done, seconds) =
            (kept.iter().map(|it| it.task.share).sum(), kept.iter().map(|it| it.seconds).sum());
        let mut state = State { done, seconds, ..State::default() };
        kept.iter().for_each(|finished| state.compare(finished, schedule.minimize));
        Self { schedule, metric, talk, bar, state: Mutex::new(state) }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, line: &str) {
        match self.talk {
            Talk::Nothing => {}
            Talk::Lines => say(line),
            Talk::Bars => self.bar.println(line),
        }
    }
}

impl State {
    /// What is left to do: `work` in all, then two judgements on the test part, one after the other. A trial under way
    /// has taken time without being done, or the slow ones would be forgotten until their end (the likelihood of
    /// times cut short is greatest at all the time by all that is done).
    fn left(&self, work: f64) -> Duration {
        let begun: f64 = self.under_way.values().map(|begun| begun.elapsed().as_secs_f64()).sum();
        let each = (self.seconds + begun) / self.done.max(f64::MIN_POSITIVE);
        let trials = (work - self.done).max(0.0) * each / self.at_once.max(1) as f64;
        Duration::from_secs_f64((trials + TESTED * each).min(1e9))
    }

    fn compare(&mut self, finished: &Finished, minimize: bool) {
        let (trial, share) = (finished.task.trial, finished.task.share);
        let Some(value) = finished.value() else { return };
        let is_better = |(_, best_share, best): (usize, f64, f64)| {
            let is_ahead = if minimize { value < best } else { value > best };
            share > best_share || (share >= best_share && is_ahead)
        };
        if self.best.is_none_or(is_better) {
            self.best = Some((trial, share, value));
        }
    }
}

/// Judgements on the test part.
const TESTED: f64 = 2.0;

impl Watch for Told<'_> {
    fn begun(&self, task: &Task) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.under_way.insert(task.task, Instant::now());
        state.at_once = state.at_once.max(state.under_way.len());
    }

    fn finished(&self, finished: &Finished, done: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Finished { task, outcome, seconds } = finished;
        state.under_way.remove(&task.task);
        state.done += task.share;
        state.seconds += seconds;
        state.compare(finished, self.schedule.minimize);
        let how = match outcome {
            Outcome::Judged(judgement) => format!("{} {:.4}", self.metric, judgement.value),
            Outcome::Failed { error } => format!("failed: {error}"),
        };
        let best = state
            .best
            .map_or_else(String::new, |(trial, _, best)| format!(", best {best:.4} by trial {trial}"));
        let users = if task.share < 1.0 {
            format!(" on {:.0} % of the users", task.share * 100.0)
        } else {
            String::new()
        };
        let eta = shown(state.left(self.schedule.work()));
        let total = self.schedule.len();
        self.line(&format!(
            "trial {}{users}: {how}, {seconds:.1} s{best}; {done} of {total} done, eta {eta}",
            task.trial
        ));
        self.bar.set_position(done as u64);
        self.bar.set_message(format!("tuning{best}, eta {eta}"));
    }

    fn measured(&self, trial: Bytes, at_once: usize) {
        let trials = if at_once == 1 { "one trial runs" } else { "so many trials run" };
        self.line(&format!("a trial takes about {trial} of memory; {trials} at once: {at_once}"));
    }
}

fn shown(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_trials_and_the_test_part_are_not_forgotten() {
        // Four quick ones in forty seconds, two at a time; six are left.
        let state = State { done: 4.0, seconds: 40.0, at_once: 2, ..State::default() };
        assert_eq!(state.left(10.0).as_secs(), 6 * 10 / 2 + 2 * 10);
        // The same with one under way for a minute: trials take as long again and half.
        let Some(long_ago) = Instant::now().checked_sub(Duration::from_mins(1)) else { return };
        let state = State { under_way: [(4, long_ago)].into(), ..state };
        assert_eq!(state.left(10.0).as_secs(), 6 * 25 / 2 + 2 * 25);
    }
}
