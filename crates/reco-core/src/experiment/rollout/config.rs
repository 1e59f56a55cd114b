//! How far, how fast, and when not.

use super::Guards;
use serde::{Deserialize, Serialize};

/// How a version on trial comes to serve everybody.
///
/// ```
/// use reco_core::experiment::rollout::RolloutConfig;
///
/// let config: RolloutConfig = serde_json::from_str(
///     r#"{"steps": [{"percent": 1, "hours": 2}, {"percent": 50, "hours": 24}], "guards": {"latency": 1.2}}"#,
/// )?;
/// assert!(config.problems().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RolloutConfig {
    /// Whether trials go on to the next step by themselves. Broken guards take a version back either way.
    pub automatic: bool,
    /// Shares of users and how long each lasts; after the last, the version serves everybody.
    pub steps: Vec<RolloutStep>,
    /// Seconds between two looks, above 0.
    pub look_secs: f64,
    /// Answers of the version, by each server, before which no step ends; at least 1. So many are judged together, too.
    pub least_answers: u64,
    /// The metric of experiments by which the version must not be worse for sure than what serves now; `false` for none.
    #[serde(with = "crate::switch")]
    pub metric: Option<String>,
    /// What may not happen.
    pub guards: Guards,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutStep {
    /// The share of users, above 0 to 100.
    pub percent: f64,
    /// How long it lasts at least.
    pub hours: f64,
}

impl RolloutStep {
    /// The share as a registry keeps it.
    pub fn per_mille(&self) -> u16 {
        (self.percent * 10.0).round() as u16
    }
}

impl Default for RolloutConfig {
    fn default() -> Self {
        let step = |percent, hours| RolloutStep { percent, hours };
        Self {
            automatic: true,
            steps: vec![step(10.0, 1.0), step(25.0, 6.0), step(50.0, 24.0)],
            look_secs: 20.0,
            least_answers: 500,
            metric: Some("ctr".to_owned()),
            guards: Guards::default(),
        }
    }
}

impl RolloutConfig {
    /// What is wrong with it, one line each, with the path of the field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.guards.problems();
        let mut check = |fine: bool, problem: String| problems.extend((!fine).then_some(problem));
        check(!self.steps.is_empty(), "steps are none, must be at least one".to_owned());
        check(
            self.look_secs.is_finite() && self.look_secs > 0.0,
            format!("look_secs is {}, must be above 0", self.look_secs),
        );
        check(self.least_answers > 0, "least_answers is 0, must be at least 1".to_owned());
        for (n, step) in self.steps.iter().enumerate() {
            let RolloutStep { percent, hours } = step;
            check(
                (0.1..=100.0).contains(percent),
                format!("steps[{n}].percent is {percent}, must be 0.1 to 100"),
            );
            check(
                hours.is_finite() && *hours >= 0.0,
                format!("steps[{n}].hours is {hours}, must be at least 0"),
            );
            let before = n.checked_sub(1).map_or(0, |n| self.steps[n].per_mille());
            check(
                step.per_mille() > before,
                format!("steps[{n}].percent is {percent}, must be above that of the step before"),
            );
        }
        problems
    }

    /// The first step of all, or the first above a share.
    pub(super) fn above(&self, per_mille: u16) -> Option<&RolloutStep> {
        self.steps.iter().find(|step| step.per_mille() > per_mille)
    }

    /// The step that a share, in per mille, belongs to: the last that does not exceed it. One below all steps belongs to none.
    pub fn step(&self, per_mille: u16) -> Option<&RolloutStep> {
        self.steps.iter().rfind(|step| step.per_mille() <= per_mille)
    }
}
