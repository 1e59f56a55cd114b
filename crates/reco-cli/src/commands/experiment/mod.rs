//! `reco experiment`: who is put where, what came of it, and what happens next.

mod assign;
mod judge;
mod plan;
mod turn;

use crate::args::{Experiment, ExperimentArgs};
use crate::states::States;
use crate::{Failure, Session};
use reco_core::experiment::{ExperimentConfig, State};
use std::collections::BTreeMap;

pub(crate) fn run(session: &Session, args: &ExperimentArgs) -> Result<(), Failure> {
    match &args.what {
        Experiment::Plan(args) => plan::plan(session, args),
        Experiment::Start { experiment, why } => turn::turn(session, experiment, State::Running, why),
        Experiment::Stop { experiment, why } => turn::turn(session, experiment, State::Stopped, why),
        Experiment::Assign(args) => assign::assign(session, args),
        Experiment::Status(log) => judge::status(session, log),
        Experiment::Report { experiment, html, log } => {
            judge::report(session, experiment, html.as_deref(), log)
        }
    }
}

/// The experiments of the configuration, as far as they were not started or stopped by hand.
fn known(session: &Session) -> Result<BTreeMap<String, ExperimentConfig>, Failure> {
    let turns = States::beside(&session.config.events.path).read()?;
    Ok(turns.applied(&session.config.experiments))
}

fn no_such(known: &BTreeMap<String, ExperimentConfig>, name: &str) -> String {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let there =
        if names.is_empty() { "none is".to_owned() } else { format!("there are {}", names.join(", ")) };
    format!("{name}: no such experiment is configured; {there}")
}
