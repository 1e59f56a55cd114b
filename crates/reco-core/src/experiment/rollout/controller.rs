//! Who looks at a trial, and moves it on or ends it.

use super::{RolloutConfig, Trial};
use crate::experiment::{Decision, Tally, Traffic, Verdict};
use crate::registry::{Change, ModelRegistry, RegistryError, Rollout};
use crate::time::{Clock, Timestamp};
use std::sync::Arc;

/// Moves trials on by what this process serves. Several of them, in several processes, may look after one model.
///
/// ```
/// use reco_core::experiment::Traffic;
/// use reco_core::experiment::rollout::{Controller, Outcome, RolloutConfig};
/// use reco_core::registry::{Change, MemoryRegistry, ModelRegistry, Rollout};
/// use reco_core::time::{ManualClock, Timestamp};
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let registry = Arc::new(MemoryRegistry::default());
/// registry.publish("shop", "one".into()).await?;
/// registry.publish("shop", "two".into()).await?;
/// let (at, by) = (Timestamp::from_secs(1_700_000_000), "ann".to_owned());
/// let rollout = Rollout { stable: Some(1), canary: Some((2, 100)) };
/// let change = Change { at, by, why: "tries version 2".to_owned(), rollout };
/// registry.set_rollout("shop", &Rollout::default(), change).await?;
///
/// let (clock, traffic) = (Arc::new(ManualClock::starting_at(at)), Traffic::default());
/// let config = RolloutConfig::default();
/// let mut controller = Controller::new(registry.clone(), "shop", "server-1", config, clock, traffic);
/// assert!(matches!(controller.look(|_| None).await?, Outcome::Waits { .. }));
/// # Ok::<(), reco_core::registry::RegistryError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Controller {
    registry: Arc<dyn ModelRegistry>,
    model: String,
    by: String,
    config: RolloutConfig,
    clock: Arc<dyn Clock>,
    traffic: Traffic,
    /// The rollout that is watched, since when it has been, and what was judged of it.
    watched: Option<Watched>,
}

#[derive(Debug)]
struct Watched {
    rollout: Rollout,
    since: Timestamp,
    /// What was served before this process noticed it, as in an earlier trial of the same version: of what serves, and of what
    /// is tried.
    began: [Tally; 2],
    /// The same until the last judgement.
    judged: [Tally; 2],
}

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No version is on trial.
    Nothing,
    /// It goes on as it is.
    Waits {
        /// When this step ends at the earliest.
        until: Timestamp,
        /// What it waits for.
        why: String,
    },
    /// The rollout is another from now on.
    Changed(Change),
    /// Somebody else changed it at the same moment.
    Overtaken,
}

impl Controller {
    /// One for a model in a registry. Changes are on record as made `by` it; `traffic` counts what this process serves.
    pub fn new(
        registry: Arc<dyn ModelRegistry>,
        model: impl Into<String>,
        by: impl Into<String>,
        config: RolloutConfig,
        clock: Arc<dyn Clock>,
        traffic: Traffic,
    ) -> Self {
        Self { registry, model: model.into(), by: by.into(), config, clock, traffic, watched: None }
    }

    /// Looks at the trial that goes on, if one does: takes it back where a guard is broken or `decide` finds harm in what
    /// users do, and moves it on where its step is over. `decide` says what is known of the trial's experiment.
    ///
    /// # Errors
    ///
    /// What the registry says; nothing has changed then.
    pub async fn look(
        &mut self,
        decide: impl FnOnce(&Trial) -> Option<Decision>,
    ) -> Result<Outcome, RegistryError> {
        let rollout = self.registry.rollout(&self.model).await?;
        let Some(trial) = Trial::of(&rollout) else {
            self.watched = None;
            return Ok(Outcome::Nothing);
        };
        let served = self.served(&trial);
        self.watch(&rollout, &served).await?;
        let mut broken = self.broken(&served);
        let decision = decide(&trial);
        if let Some(Decision { verdict: Verdict::RollBack, reasons, .. }) = &decision {
            broken.extend(reasons.iter().cloned());
        }
        if !broken.is_empty() {
            return self.take_back(&trial, &rollout, &broken.join("; ")).await;
        }
        match self.waits(&trial, &served, decision.as_ref()) {
            Some(waits) => Ok(waits),
            None => self.move_on(&trial, &rollout).await,
        }
    }

    /// Takes a version back that cannot be served, as one that cannot be loaded.
    ///
    /// # Errors
    ///
    /// As [`look`](Self::look).
    pub async fn refuse(&mut self, trial: &Trial, why: &str) -> Result<Outcome, RegistryError> {
        let rollout = self.registry.rollout(&self.model).await?;
        if Trial::of(&rollout).as_ref() != Some(trial) {
            return Ok(Outcome::Overtaken);
        }
        self.take_back(trial, &rollout, why).await
    }

    /// Remembers since when a rollout has been: as is on record, or from now on.
    async fn watch(&mut self, rollout: &Rollout, served: &[Tally; 2]) -> Result<(), RegistryError> {
        let known = self.watched.as_ref().is_some_and(|watched| watched.rollout == *rollout);
        if !known {
            let latest = self.registry.changes(&self.model).await?.pop();
            let latest = latest.filter(|change| change.rollout == *rollout);
            let since = latest.map_or_else(|| self.clock.wall(), |change| change.at);
            let (began, judged) = (served.clone(), served.clone());
            self.watched = Some(Watched { rollout: rollout.clone(), since, began, judged });
        }
        Ok(())
    }

    /// What this process has served, of what serves and of what is tried.
    fn served(&self, trial: &Trial) -> [Tally; 2] {
        let mut arms = self.traffic.of(&trial.experiment()).into_iter();
        [(); 2].map(|()| arms.next().unwrap_or_default())
    }

    /// Guards that are broken by what was served since enough of it was judged.
    fn broken(&mut self, served: &[Tally; 2]) -> Vec<String> {
        let Some(Watched { judged, .. }) = &mut self.watched else { return Vec::new() };
        let [serves, tried] = since(served, judged);
        if tried.answers >= self.config.least_answers {
            judged.clone_from(served);
        }
        self.config.guards.broken(&serves, &tried)
    }

    /// Why the step is not over yet.
    fn waits(&self, trial: &Trial, served: &[Tally; 2], decision: Option<&Decision>) -> Option<Outcome> {
        let Watched { since: begun, began, .. } = self.watched.as_ref()?;
        let [_, tried] = since(served, began);
        let hours = self.config.step(trial.per_mille).map_or(0.0, |step| step.hours);
        let until = begun.plus_days(hours / 24.0);
        let share = f64::from(trial.per_mille) / 10.0;
        let least = self.config.least_answers;
        let why = match decision {
            _ if !self.config.automatic => format!("{share} % until somebody sets another share"),
            Some(Decision { verdict: Verdict::Invalid, reasons, .. }) => reasons.join("; "),
            _ if self.clock.wall() < until => format!("{share} % for {hours} hours"),
            _ if tried.answers < least => {
                format!("has given {} answers here at {share} %, must give {least}", tried.answers)
            }
            _ => return None,
        };
        Some(Outcome::Waits { until, why })
    }

    async fn move_on(&mut self, trial: &Trial, rollout: &Rollout) -> Result<Outcome, RegistryError> {
        let version = trial.version;
        let (next, why) = match self.config.above(trial.per_mille) {
            Some(step) => (
                Rollout { canary: Some((version, step.per_mille())), ..rollout.clone() },
                format!("v{version} proved sound: {} % get it", step.percent),
            ),
            None => (
                Rollout { stable: Some(version), canary: None },
                format!("v{version} proved sound: everybody gets it"),
            ),
        };
        self.change(trial, rollout, next, why).await
    }

    async fn take_back(
        &mut self,
        trial: &Trial,
        rollout: &Rollout,
        why: &str,
    ) -> Result<Outcome, RegistryError> {
        let next = Rollout { canary: None, ..rollout.clone() };
        self.change(trial, rollout, next, format!("v{} is taken back: {why}", trial.version)).await
    }

    async fn change(
        &mut self,
        trial: &Trial,
        expected: &Rollout,
        rollout: Rollout,
        why: String,
    ) -> Result<Outcome, RegistryError> {
        let change = Change { at: self.clock.wall(), by: self.by.clone(), why, rollout };
        match self.registry.set_rollout(&self.model, expected, change.clone()).await {
            Ok(()) => {
                self.traffic.forget(&trial.experiment());
                Ok(Outcome::Changed(change))
            }
            Err(RegistryError::Conflict { .. }) => Ok(Outcome::Overtaken),
            Err(error) => Err(error),
        }
    }
}

/// What was served since an earlier look.
fn since(served: &[Tally; 2], earlier: &[Tally; 2]) -> [Tally; 2] {
    let [serves, tried] = served;
    [serves.since(&earlier[0]), tried.since(&earlier[1])]
}
