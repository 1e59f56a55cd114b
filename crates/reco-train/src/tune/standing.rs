//! The leaderboard.

use super::schedule::{Finished, Outcome, Schedule};
use super::space::Assignment;
use serde::Serialize;
use std::collections::BTreeMap;

/// A trial's place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// From 1; none after a failure.
    pub rank: Option<usize>,
    /// The trial; 0 is the configuration as it stood.
    pub trial: usize,
    /// Share of the users of its latest judgement.
    pub share: f64,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it set.
    pub settings: Assignment,
}

/// Every trial by its latest judgement: those judged on more users first, then the better, then the earlier; failures
/// last.
pub fn leaderboard(schedule: &Schedule, finished: &[Finished]) -> Vec<Standing> {
    let mut latest: BTreeMap<usize, &Finished> = BTreeMap::new();
    for done in finished {
        latest.insert(done.task.trial, done);
    }
    let latest: Vec<&Finished> = latest.into_values().collect();
    let mut ordered = schedule.best_first(&latest);
    // Stable: among those judged on equally many the order stays.
    let users = |done: &Finished| done.value().map_or(f64::NEG_INFINITY, |_| done.task.share);
    ordered.sort_by(|a, b| users(b).total_cmp(&users(a)));
    let standing = |(place, done): (usize, &Finished)| Standing {
        rank: done.value().map(|_| place + 1),
        trial: done.task.trial,
        share: done.task.share,
        outcome: done.outcome.clone(),
        settings: done.task.settings.clone(),
    };
    ordered.into_iter().enumerate().map(standing).collect()
}

impl Standing {
    /// The figure, or why there is none.
    pub fn told(&self) -> String {
        match &self.outcome {
            Outcome::Judged(judgement) => judgement.value.to_string(),
            Outcome::Failed { error } => error.clone(),
        }
    }

    /// The metric searched for; `None` after a failure.
    pub fn value(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Judged(judgement) => Some(judgement.value),
            Outcome::Failed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::{Judgement, Method, Task};
    use super::super::space::Space;
    use super::*;
    use serde_json::json;

    #[test]
    fn more_users_count_before_higher_figures_and_failures_are_last() {
        let written = json!({ "x": [1, 2] });
        let schedule = Schedule {
            space: Space::read(written.as_object().unwrap()).unwrap(),
            method: Method::Halving,
            trials: 5,
            seed: 1,
            lag: 1,
            minimize: false,
            as_configured: Assignment::new(),
        };
        let done = |task, trial, share, value: Option<f64>| Finished {
            task: Task { task, trial, share, settings: Assignment::new() },
            outcome: match value {
                Some(value) => Outcome::Judged(Judgement { value, ..Judgement::default() }),
                None => Outcome::Failed { error: "no".to_owned() },
            },
            seconds: 0.0,
        };
        let finished = [
            done(0, 0, 0.5, Some(0.9)),
            done(1, 1, 0.5, Some(0.9)),
            done(2, 2, 0.5, None),
            done(3, 3, 0.5, Some(0.95)),
            done(4, 3, 1.0, Some(0.2)),
        ];
        let places: Vec<(Option<usize>, usize)> =
            leaderboard(&schedule, &finished).iter().map(|row| (row.rank, row.trial)).collect();
        assert_eq!(places, [(Some(1), 3), (Some(2), 0), (Some(3), 1), (None, 2)]);
    }
}
