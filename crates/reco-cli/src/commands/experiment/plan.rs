//! `reco experiment plan`: how many users it takes, and how many days.

use super::{known, no_such};
use crate::args::PlanArgs;
use crate::{Failure, Session};
use reco_core::experiment::statistics::{Power, days};
use serde::Serialize;

/// What it takes to find a difference.
#[derive(Serialize)]
struct Plan {
    /// The number that decides, as it is without the change.
    base: f64,
    /// As it would be with the least change that is to be found.
    changed: f64,
    arms: usize,
    alpha: f64,
    power: f64,
    users_per_arm: u64,
    /// What users bring, those who take part, per day.
    users_per_day: Option<f64>,
    days: Option<u32>,
}

pub(super) fn plan(session: &Session, args: &PlanArgs) -> Result<(), Failure> {
    let named = args.experiment.as_deref().map(|name| {
        let known = known(session)?;
        known.get(name).cloned().ok_or_else(|| Failure::from(no_such(&known, name)))
    });
    let config = named.transpose()?.unwrap_or_default();
    let arms = args.arms.unwrap_or_else(|| config.variants.len().max(2));
    if arms < 2 {
        return Err(format!("--arms is {arms}, must be at least 2: something is compared").into());
    }
    let changed = args.base * (1.0 + args.change / 100.0);
    // Each arm is compared with the control: Bonferroni's bound of what is corrected for when it is decided.
    let alpha = config.decide.alpha / (arms - 1) as f64;
    let power = Power::new(alpha, args.power).map_err(|error| format!("--power: {error}"))?;
    let needed = match args.deviation {
        None => power.users_for_rates(args.base, changed),
        Some(deviation) => power.users_for_means((changed - args.base) / deviation),
    };
    let needed =
        needed.map_err(|error| format!("--base {} and --change {}: {error}", args.base, args.change))?;
    let least = needed.ceil().max(config.decide.least_users as f64);
    let taking_part = args.users_per_day.map(|users| users * config.coverage);
    let lasting = taking_part.map(|users| days(least, arms, users, config.decide.least_days));
    let lasting = lasting.transpose().map_err(|error| format!("--users-per-day: {error}"))?;
    let plan = Plan {
        base: args.base,
        changed,
        arms,
        alpha,
        power: args.power,
        users_per_arm: least as u64,
        users_per_day: taking_part,
        days: lasting,
    };
    session.output.result(&plan, Plan::rendered)
}

impl Plan {
    fn rendered(&self) -> String {
        let Self { base, changed, arms, power, users_per_arm, users_per_day, days, .. } = self;
        let users = format!(
            "to find a change from {base} to {changed:.4} in {:.0} of 100 cases, each of the {arms} arms takes {users_per_arm} users",
            power * 100.0
        );
        match (users_per_day, days) {
            (Some(users_per_day), Some(days)) => format!(
                "{users}\nwith {users_per_day} users a day who take part for the first time, that is {days} days, whole weeks"
            ),
            _ => format!("{users}\nwith --users-per-day it also says how many days that takes"),
        }
    }
}
