//! `reco rollout`: versions on trial.

use crate::args::{Role, RolloutArgs, RolloutCommand};
use crate::output::{moment, table};
use crate::registry::Versions;
use crate::{Failure, Session};
use reco_core::experiment::rollout::RolloutStep;
use reco_core::registry::{Change, Rollout};
use reco_core::time::{Clock, SystemClock, Timestamp};
use serde::Serialize;

/// Who changes what here, on record.
const BY: &str = "reco rollout";

/// Changes shown to people.
const LATEST: usize = 10;

/// How things stand.
#[derive(Serialize)]
struct Status {
    /// Which version serves everybody else.
    champion: Option<String>,
    trial: Option<OnTrial>,
    /// How that came to be, the latest last.
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct OnTrial {
    version: String,
    percent: f64,
    /// The moment from which the next step may follow, in milliseconds since 1970.
    until: Option<Timestamp>,
}

pub(crate) fn run(session: &Session, args: &RolloutArgs) -> Result<(), Failure> {
    let versions = Versions::find(session, args.registry.registry.as_ref())
        .ok_or("which registry? Name its folder by --registry DIR or by registry.path")?;
    match &args.what {
        RolloutCommand::Start { version, percent, why } => {
            start(session, &versions, *version, *percent, why)?;
        }
        RolloutCommand::Status => {}
        RolloutCommand::Stop { why } => stop(&versions, why)?,
    }
    let status = Status::read(session, &versions)?;
    session.output.result(&status, Status::rendered)
}

fn start(
    session: &Session,
    versions: &Versions,
    version: Role,
    percent: Option<f64>,
    why: &str,
) -> Result<(), Failure> {
    let number = versions.number(version)?;
    let share = share(session, percent)?;
    versions.registry.open(&versions.model, number).map_err(|error| versions.told(error))?;
    let before = versions.rollout()?;
    if before.stable.is_none() {
        return Err(
            "no version serves yet to try another against; `reco models promote` names the champion".into()
        );
    }
    if before.stable == Some(number) {
        return Err(format!("v{number} is the champion: everybody gets it").into());
    }
    if let Some((other, _)) = before.canary.filter(|(other, _)| *other != number) {
        return Err(format!("v{other} is on trial; `reco rollout stop` takes it back").into());
    }
    let rollout = Rollout { canary: Some((number, share)), ..before.clone() };
    change(versions, &before, rollout, format!("v{number} comes on trial: {why}"))
}

/// The share to begin with, in per mille.
fn share(session: &Session, percent: Option<f64>) -> Result<u16, Failure> {
    let first = session.config.rollout.steps.first().map_or(10.0, |step| step.percent);
    let percent = percent.unwrap_or(first);
    if !(0.1..=100.0).contains(&percent) {
        return Err(format!("--percent is {percent}, must be 0.1 to 100").into());
    }
    Ok(RolloutStep { percent, hours: 0.0 }.per_mille())
}

fn stop(versions: &Versions, why: &str) -> Result<(), Failure> {
    let before = versions.rollout()?;
    let (number, _) = before.canary.ok_or("no version is on trial")?;
    let rollout = Rollout { canary: None, ..before.clone() };
    change(versions, &before, rollout, format!("v{number} is taken back: {why}"))
}

fn change(versions: &Versions, before: &Rollout, rollout: Rollout, why: String) -> Result<(), Failure> {
    let change = Change { at: SystemClock.wall(), by: BY.to_owned(), why, rollout };
    let changed = versions.registry.write_rollout(&versions.model, before, change);
    changed.map_err(|error| versions.told(error))
}

impl Status {
    fn read(session: &Session, versions: &Versions) -> Result<Self, Failure> {
        let Rollout { stable, canary } = versions.rollout()?;
        let changes =
            versions.registry.read_changes(&versions.model).map_err(|error| versions.told(error))?;
        let trial = canary.map(|(number, per_mille)| {
            let hours = session.config.rollout.step(per_mille).map_or(0.0, |step| step.hours);
            let since = changes.last().filter(|change| change.rollout.canary == canary);
            OnTrial {
                version: format!("v{number}"),
                percent: f64::from(per_mille) / 10.0,
                until: since.map(|change| change.at.plus_days(hours / 24.0)),
            }
        });
        Ok(Self { champion: stable.map(|number| format!("v{number}")), trial, changes })
    }

    fn rendered(&self) -> String {
        let champion = self.champion.as_deref().unwrap_or("none");
        let trial = self.trial.as_ref().map_or_else(
            || "none".to_owned(),
            |OnTrial { version, percent, until }| {
                let until = until.map(|until| format!(", until {} at least", moment(until)));
                format!("{version} for {percent} % of users{}", until.unwrap_or_default())
            },
        );
        let mut shown = table(["when", "by", "what"]);
        for Change { at, by, why, .. } in self.changes.iter().rev().take(LATEST).rev() {
            shown.add_row([&moment(*at), by, why]);
        }
        let lines = format!("champion {champion}\non trial {trial}");
        if self.changes.is_empty() { lines } else { format!("{lines}\n{shown}") }
    }
}
