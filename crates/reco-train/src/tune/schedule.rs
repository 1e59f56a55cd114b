//! Which trial comes when, and what each of them may know: the reason why a search finds the same on any number
//! of threads.
//!
//! Tasks are numbered, and what a task is depends on the outcomes of a number of first tasks that is fixed beforehand
//! ([`Schedule::needs`]). A task begins once these are known, whatever else is or is not finished by then.

use super::space::{Assignment, Space};
use super::tpe;
use rand::SeedableRng;
use rand::distr::{Distribution, StandardUniform};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How trials are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By what went well before: the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), after ten
    /// trials drawn at random.
    #[default]
    Tpe,
    /// Drawn evenly and without regard to one another (Bergstra & Bengio, JMLR 2012).
    Random,
    /// Successive halving (Jamieson & Talwalkar, AISTATS 2016): all trials on a share of the users, the best third
    /// of them on three times as many, and so on to all users. Unlike its asynchronous variant (Li et al., MLSys
    /// 2020) it waits for the slowest of a round, so that who goes on does not depend on who finished first.
    Halving,
}

/// One judgement to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its number; the first is 0.
    pub task: usize,
    /// The trial it belongs to; with successive halving a trial may have several tasks. Trial 0 is the
    /// configuration as it stands.
    pub trial: usize,
    /// Share of the users it is judged on, above 0 and at most 1.
    pub share: f64,
    /// What it sets.
    pub settings: Assignment,
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The task.
    #[serde(flatten)]
    pub task: Task,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Seconds it took.
    pub seconds: f64,
}

/// How a task went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
pub enum Outcome {
    /// It has figures.
    Judged(Judgement),
    /// It could not be judged.
    Failed {
        /// Why.
        error: String,
    },
}

/// The figures of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The metric searched for.
    pub value: f64,
    /// Its 95 % interval, for metrics that have one.
    pub interval: Option<(f64, f64)>,
    /// All metrics that are numbers.
    pub metrics: BTreeMap<String, f64>,
    /// Users that all means are over.
    #[serde(default)]
    pub users: usize,
}

impl Judgement {
    /// What to know about figures over so few users, if they are few.
    pub fn remark(&self) -> Option<String> {
        crate::evaluate::on_few(self.users)
    }
}

impl Finished {
    /// The metric searched for; `None` after a failure.
    pub fn value(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Judged(judgement) => Some(judgement.value),
            Outcome::Failed { .. } => None,
        }
    }
}

/// The plan of a search.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What may change.
    pub space: Space,
    /// How trials are chosen.
    pub method: Method,
    /// Trials in all, the configuration as it stands included; at least 1.
    pub trials: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// With [`Method::Tpe`], how many tasks may go on at once: a suggestion knows all tasks but the latest `lag - 1`
    /// before it; at least 1.
    pub lag: usize,
    /// Whether less is better.
    pub minimize: bool,
    /// What the configuration as it stands has in the space.
    pub as_configured: Assignment,
}

impl Schedule {
    /// Trials drawn at random before suggestions begin.
    pub const DRAWN: usize = 10;
    /// Successive halving keeps one in so many.
    pub const KEEP_ONE_IN: usize = 3;
    /// Rounds of successive halving, if there are trials enough.
    pub const ROUNDS: usize = 3;

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.rounds().iter().sum()
    }

    /// The shares of all tasks together: about how many judgements on all users they amount to.
    pub fn work(&self) -> f64 {
        self.rounds().iter().enumerate().map(|(round, n)| *n as f64 * self.share(round)).sum()
    }

    /// The share of the users of every round; one round but for successive halving.
    pub fn shares(&self) -> Vec<f64> {
        (0..self.rounds().len()).map(|round| self.share(round)).collect()
    }

    /// Whether there is nothing to do, which takes a schedule without trials.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many first tasks must be finished before this one is known.
    pub fn needs(&self, task: usize) -> usize {
        match self.method {
            Method::Random => 0,
            Method::Tpe if task < Self::DRAWN => 0,
            Method::Tpe => (task + 1).saturating_sub(self.lag),
            Method::Halving => self.round_of(task).1,
        }
    }

    /// Most tasks that can ever go on at once.
    pub fn most_at_once(&self) -> usize {
        match self.method {
            Method::Tpe => self.lag,
            Method::Random | Method::Halving => self.trials,
        }
    }

    /// A task; `finished` are the first tasks, at least as many as it [`needs`](Self::needs).
    pub fn task(&self, task: usize, finished: &[&Finished]) -> Task {
        let known = &finished[..self.needs(task)];
        if self.method == Method::Halving {
            return self.halved(task, known);
        }
        let settings = match known {
            _ if task == 0 => self.as_configured.clone(),
            [] => self.drawn(task),
            known => {
                let seen: Vec<&Assignment> =
                    self.best_first(known).iter().map(|done| &done.task.settings).collect();
                tpe::suggest(&self.space, &seen, &mut self.rng(task))
            }
        };
        Task { task, trial: task, share: 1.0, settings }
    }

    /// The best first; failures last; the earlier of equals.
    pub fn best_first<'a>(&self, finished: &[&'a Finished]) -> Vec<&'a Finished> {
        let worst = f64::NEG_INFINITY;
        let merit =
            |done: &Finished| done.value().map_or(worst, |value| if self.minimize { -value } else { value });
        let mut ordered = finished.to_vec();
        ordered.sort_by(|a, b| merit(b).total_cmp(&merit(a)).then(a.task.task.cmp(&b.task.task)));
        ordered
    }

    fn halved(&self, task: usize, known: &[&Finished]) -> Task {
        let (round, begin) = self.round_of(task);
        let share = self.share(round);
        if round == 0 {
            let settings = if task == 0 { self.as_configured.clone() } else { self.drawn(task) };
            return Task { task, trial: task, share, settings };
        }
        let (_, before) = self.round_of(begin - 1);
        let ahead = self.best_first(&known[before..])[task - begin];
        Task { task, share, trial: ahead.task.trial, settings: ahead.task.settings.clone() }
    }

    /// The round of a task, and the task with which it begins.
    fn round_of(&self, task: usize) -> (usize, usize) {
        let mut begin = 0;
        for (round, n) in self.rounds().into_iter().enumerate() {
            if task < begin + n {
                return (round, begin);
            }
            begin += n;
        }
        (0, begin)
    }

    /// Share of the users that a round is judged on.
    fn share(&self, round: usize) -> f64 {
        (Self::KEEP_ONE_IN as f64).powi(-((self.rounds().len() - 1 - round) as i32))
    }

    /// Tasks of every round.
    fn rounds(&self) -> Vec<usize> {
        let kept = |n: &usize| Some(n / Self::KEEP_ONE_IN).filter(|n| *n > 0);
        match self.method {
            Method::Halving => std::iter::successors(Some(self.trials), kept).take(Self::ROUNDS).collect(),
            Method::Random | Method::Tpe => vec![self.trials],
        }
    }

    fn drawn(&self, trial: usize) -> Assignment {
        let mut rng = self.rng(trial);
        self.space.draw(|parameter| parameter.domain.at(StandardUniform.sample(&mut rng)))
    }

    fn rng(&self, trial: usize) -> Pcg64 {
        Pcg64::seed_from_u64(self.seed.rotate_left(32) ^ trial as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schedule(method: Method, trials: usize) -> Schedule {
        let written = json!({ "x": { "min": 0.0, "max": 1.0 }, "y": ["a", "b"] });
        let space = Space::read(written.as_object().unwrap()).unwrap();
        let as_configured = [("x".to_owned(), json!(0.5))].into();
        Schedule { space, method, trials, seed: 7, lag: 4, minimize: false, as_configured }
    }

    /// Runs all tasks, each as late or as early as it may be known; the nearer x to 0.3 the better.
    fn played(schedule: &Schedule, at_once: bool) -> Vec<Finished> {
        let mut finished: Vec<Finished> = Vec::new();
        for task in 0..schedule.len() {
            let known = if at_once { schedule.needs(task) } else { finished.len() };
            let first: Vec<&Finished> = finished.iter().take(known).collect();
            let task = schedule.task(task, &first);
            let x = task.settings["x"].as_f64().unwrap();
            let judgement = Judgement { value: -(x - 0.3).abs(), ..Judgement::default() };
            finished.push(Finished { task, outcome: Outcome::Judged(judgement), seconds: 0.0 });
        }
        finished
    }

    #[test]
    fn what_else_is_finished_changes_nothing() {
        for method in [Method::Random, Method::Tpe, Method::Halving] {
            let schedule = schedule(method, 30);
            assert_eq!(played(&schedule, true), played(&schedule, false), "{method:?}");
        }
    }

    #[test]
    fn more_trials_go_on_from_the_same_ones() {
        for method in [Method::Random, Method::Tpe] {
            let longer = played(&schedule(method, 25), true);
            assert_eq!(longer[..14], played(&schedule(method, 14), true), "{method:?}");
        }
    }

    #[test]
    fn halving_promotes_the_best_third_to_three_times_the_users() {
        let tasks = played(&schedule(Method::Halving, 27), true);
        let shares: Vec<f64> = tasks.iter().map(|done| (done.task.share * 9.0).round()).collect();
        assert_eq!(shares, [vec![1.0; 27], vec![3.0; 9], vec![9.0; 3]].concat());
        let mut first: Vec<(f64, usize)> =
            tasks[..27].iter().map(|done| (done.value().unwrap(), done.task.trial)).collect();
        first.sort_by(|a, b| b.0.total_cmp(&a.0));
        let last: Vec<usize> = tasks[36..].iter().map(|done| done.task.trial).collect();
        assert_eq!(last, [first[0].1, first[1].1, first[2].1]);
        assert_eq!(schedule(Method::Halving, 2).len(), 2);
    }

    #[test]
    fn failures_are_last_and_promoted_only_for_want_of_others() {
        let schedule = schedule(Method::Halving, 6);
        let done = |task: usize| {
            let task = schedule.task(task, &[]);
            let outcome = if task.trial == 4 {
                Outcome::Judged(Judgement { value: -9.0, ..Judgement::default() })
            } else {
                Outcome::Failed { error: "no".to_owned() }
            };
            Finished { task, outcome, seconds: 0.0 }
        };
        let finished: Vec<Finished> = (0..6).map(done).collect();
        let first: Vec<&Finished> = finished.iter().collect();
        assert_eq!([schedule.task(6, &first).trial, schedule.task(7, &first).trial], [4, 0]);
    }

    #[test]
    fn suggestions_do_better_than_draws() {
        let mean = |method| {
            let tasks = played(&schedule(method, 60), true);
            tasks[20..].iter().map(|done| done.value().unwrap()).sum::<f64>() / 40.0
        };
        assert!(mean(Method::Tpe) > mean(Method::Random) + 0.1);
    }

    #[test]
    fn outcomes_survive_writing() {
        let task = Task { task: 1, trial: 1, share: 1.0, settings: Assignment::new() };
        let judged =
            Outcome::Judged(Judgement { value: 0.5, interval: Some((0.4, 0.6)), ..Judgement::default() });
        for outcome in [judged, Outcome::Failed { error: "x".to_owned() }] {
            let done = Finished { task: task.clone(), outcome, seconds: 1.0 };
            let line = serde_json::to_string(&done).unwrap();
            assert_eq!(serde_json::from_str::<Finished>(&line).unwrap(), done, "{line}");
        }
    }
}
