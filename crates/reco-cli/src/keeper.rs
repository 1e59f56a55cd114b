//! While serving: experiments begin and end, versions on trial come and go, and pages are made accordingly.

use crate::experiments::{Trials, Wanted, Workshop};
use crate::rollouts::Rollouts;
use crate::states::States;
use reco_core::experiment::rollout::Trial;
use std::convert::Infallible;
use std::time::Duration;
use tracing::{info, warn};

/// Keeps what is served to what is wanted.
pub(crate) struct Keeper<'a> {
    pub(crate) workshop: &'a Workshop<'a>,
    pub(crate) trials: Trials,
    pub(crate) states: States,
    /// None where one version serves for good.
    pub(crate) rollouts: Option<Rollouts>,
    /// What is served, as far as it is not what the configuration says.
    pub(crate) serving: Wanted,
    /// What was said last of something that cannot be served.
    pub(crate) told: Option<String>,
}

impl Keeper<'_> {
    /// Looks every so often, for ever.
    ///
    /// Making pipelines takes seconds where a version has to be read. Nobody waits for that: this runs on the main thread, and
    /// requests are answered on others.
    pub(crate) async fn run(mut self, every: Duration) -> Infallible {
        loop {
            self.look().await;
            tokio::time::sleep(every).await;
        }
    }

    async fn look(&mut self) {
        let now = self.workshop.main().clock().wall();
        let trial = match &mut self.rollouts {
            Some(rollouts) => rollouts.look(self.serving.trial, now).await,
            None => None,
        };
        let turns = match self.states.read() {
            Ok(turns) => turns,
            Err(why) => return self.tell(format!("experiments go on as they are: {why}")),
        };
        let wanted = Wanted { trial, turns };
        if wanted == self.serving {
            return;
        }
        match self.workshop.variants(&wanted) {
            Ok(variants) => {
                self.trials.variants.put(variants);
                said(&self.serving, &wanted);
                (self.serving, self.told) = (wanted, None);
            }
            Err(why) => match (trial.filter(|_| trial != self.serving.trial), &mut self.rollouts) {
                (Some(trial), Some(rollouts)) => rollouts.refuse(&trial, &why.to_string()).await,
                _ => self.tell(format!("experiments go on as they are: {why}")),
            },
        }
    }

    /// Once, however often it happens.
    fn tell(&mut self, why: String) {
        if self.told.as_ref() != Some(&why) {
            warn!("{why}");
            self.told = Some(why);
        }
    }
}

/// What is served otherwise than before.
fn said(before: &Wanted, now: &Wanted) {
    match now.trial {
        trial if trial == before.trial => {}
        Some(Trial { version, per_mille }) => {
            info!("v{version} is on trial: {} % of users get it", f64::from(per_mille) / 10.0);
        }
        None => info!("no version is on trial any more"),
    }
    for (experiment, turn) in now.turns.all_latest() {
        if before.turns.latest(experiment) != Some(turn) {
            info!("the experiment {experiment} is {} now: {}", turn.state, turn.why);
        }
    }
}
