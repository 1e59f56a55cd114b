//! A version on trial as an experiment.

use crate::experiment::{DecisionRules, ExperimentConfig, Split, VariantConfig};
use crate::registry::Rollout;

/// A version that part of the users get instead of the one that serves.
///
/// Each share is an experiment of its own, so that nobody counts for both variants when they come into the trial. The hash is
/// the same for all of them: a larger share takes users in and lets nobody go.
///
/// ```
/// use reco_core::experiment::rollout::Trial;
/// use reco_core::registry::Rollout;
///
/// let trial = Trial::of(&Rollout { stable: Some(6), canary: Some((7, 100)) }).unwrap();
/// assert_eq!(trial.experiment(), "rollout-v7-100");
/// assert_eq!(trial.config(None).ranges(), [0.0..0.9, 0.9..1.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The version on trial.
    pub version: u64,
    /// Its share of users, in per mille.
    pub per_mille: u16,
}

impl Trial {
    /// The variant that gets what everybody got.
    pub const CONTROL: &str = "control";
    /// The variant that gets the version on trial.
    pub const CANARY: &str = "canary";

    /// The one that goes on; none where no version is tried, or none serves to try it against.
    pub fn of(rollout: &Rollout) -> Option<Self> {
        let (version, per_mille) = rollout.canary.filter(|_| rollout.stable.is_some())?;
        Some(Self { version, per_mille })
    }

    /// The name of its experiment.
    pub fn experiment(&self) -> String {
        format!("rollout-v{}-{}", self.version, self.per_mille)
    }

    /// Its experiment, which decides by a metric, if one is named.
    pub fn config(&self, metric: Option<&str>) -> ExperimentConfig {
        let canary = f64::from(self.per_mille.min(1_000)) / 1_000.0;
        let variant = |name: &str, weight, version| VariantConfig {
            name: name.to_owned(),
            weight: Some(weight),
            version,
            ..VariantConfig::default()
        };
        let rules = DecisionRules::default();
        ExperimentConfig {
            seed: Some(format!("rollout-v{}", self.version)),
            split: Split::Weights,
            variants: vec![
                variant(Self::CONTROL, 1.0 - canary, None),
                variant(Self::CANARY, canary, Some(self.version)),
            ],
            decide: DecisionRules { metric: metric.map_or(rules.metric.clone(), str::to_owned), ..rules },
            ..ExperimentConfig::default()
        }
    }
}
