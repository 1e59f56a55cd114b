//! While serving: which version is on trial, and whether it moves on or goes.

use crate::experiments::Trials;
use crate::registry::Versions;
use reco_core::experiment::Decision;
use reco_core::experiment::rollout::{Controller, Outcome, RolloutConfig, Trial};
use reco_core::registry::Rollout;
use reco_core::time::{SystemClock, Timestamp};
use std::sync::Arc;
use tokio::sync::Notify;
use tracing::{debug, info, warn};

/// Looks after versions on trial.
pub(crate) struct Rollouts {
    versions: Versions,
    config: RolloutConfig,
    controller: Controller,
    trials: Trials,
    /// Asked to look for another champion at once.
    champion: Arc<Notify>,
    /// Whether what is served goes with the next look.
    is_leaving: bool,
    /// Why the registry cannot be read.
    unreadable: Option<String>,
}

impl Rollouts {
    /// `by` says on record who changes what.
    pub(crate) fn new(
        versions: Versions,
        config: RolloutConfig,
        trials: &Trials,
        by: String,
        champion: Arc<Notify>,
    ) -> Self {
        let controller = Controller::new(
            Arc::new(versions.registry.clone()),
            &*versions.model,
            by,
            config.clone(),
            Arc::new(SystemClock),
            trials.traffic.clone(),
        );
        let trials = trials.clone();
        Self { versions, config, controller, trials, champion, is_leaving: false, unreadable: None }
    }

    /// Moves on what is on trial, or takes it back, and says what is to be served; `now` is the time in which users act.
    pub(crate) async fn look(&mut self, serving: Option<Trial>, now: Timestamp) -> Option<Trial> {
        let (metrics, metric) = (&self.trials.metrics, self.config.metric.as_deref());
        let decide = |trial: &Trial| {
            let config = trial.config(Some(metric?));
            Some(Decision::new(&metrics.report(&trial.experiment(), &config), &config.decide, now))
        };
        match self.controller.look(decide).await {
            Ok(Outcome::Changed(change)) => info!("{}", change.why),
            Ok(Outcome::Waits { why, .. }) => debug!("the version on trial goes on: {why}"),
            Ok(Outcome::Nothing | Outcome::Overtaken) => {}
            Err(error) => {
                self.note_unreadable(self.versions.told(error).to_string());
                return serving;
            }
        }
        match self.versions.rollout() {
            Ok(rollout) => {
                self.unreadable = None;
                self.next(&rollout, serving)
            }
            Err(why) => {
                self.note_unreadable(why.to_string());
                serving
            }
        }
    }

    /// Takes a version back that cannot be served.
    pub(crate) async fn refuse(&mut self, trial: &Trial, why: &str) {
        warn!("v{} cannot be served on trial: {why}", trial.version);
        if let Err(error) = self.controller.refuse(trial, &format!("it cannot be served: {why}")).await {
            self.note_unreadable(self.versions.told(error).to_string());
        }
    }

    /// What to serve by a rollout.
    fn next(&mut self, rollout: &Rollout, serving: Option<Trial>) -> Option<Trial> {
        let trial = Trial::of(rollout);
        let became_champion = serving.is_some_and(|before| rollout.stable == Some(before.version));
        if trial.is_none() && became_champion && !self.is_leaving {
            // Its users keep it until it serves everybody.
            self.champion.notify_one();
            self.is_leaving = true;
            return serving;
        }
        self.is_leaving = false;
        trial
    }

    /// Once for each reason; what is served stays as it is meanwhile.
    fn note_unreadable(&mut self, why: String) {
        if self.unreadable.as_ref() != Some(&why) {
            warn!("nobody looks after versions on trial: {why}");
            self.unreadable = Some(why);
        }
    }
}
