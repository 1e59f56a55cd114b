//! How a search is told while it runs.

use crate::Talk;
use crate::output::say;
use indicatif::{ProgressBar, ProgressStyle};
use reco_train::tune::{Bytes, Finished, Outcome, Schedule, Watch};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A line a trial, and a bar below them where there is a terminal.
pub(super) struct Told<'a> {
    schedule: &'a Schedule,
    metric: String,
    talk: Talk,
    bar: ProgressBar,
    begun: Instant,
    state: Mutex<State>,
}

/// Trials count by their share of the users.
#[derive(Default)]
struct State {
    /// By this run and by earlier ones.
    done: f64,
    /// By this run.
    done_now: f64,
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
        let mut state = State { done: kept.iter().map(|done| done.task.share).sum(), ..State::default() };
        kept.iter().for_each(|finished| state.compare(finished, schedule.minimize));
        Self { schedule, metric, talk, bar, begun: Instant::now(), state: Mutex::new(state) }
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

impl Watch for Told<'_> {
    fn finished(&self, finished: &Finished, done: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Finished { task, outcome, seconds } = finished;
        state.done += task.share;
        state.done_now += task.share;
        state.compare(finished, self.schedule.minimize);
        let left = (self.schedule.work() - state.done).max(0.0) / state.done_now;
        let eta = Duration::from_secs_f64((self.begun.elapsed().as_secs_f64() * left).min(1e9));
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
        let eta = shown(eta);
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
