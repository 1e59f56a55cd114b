//! `reco experiment start` and `stop`.

use super::no_such;
use crate::events::Keep;
use crate::states::{States, Turn};
use crate::{Failure, Session};
use reco_core::experiment::{Experiments, State};
use reco_core::time::{Clock, SystemClock};
use serde_json::json;

/// Puts an experiment into a state, which a running server notices with its next look.
pub(super) fn turn(session: &Session, name: &str, state: State, why: &str) -> Result<(), Failure> {
    let config = &session.config;
    if config.events.keep == Keep::Memory {
        let problem = "events.keep is memory: a server would not find what is said here; set `state` in the configuration";
        return Err(problem.into());
    }
    let configured = &config.experiments;
    if !configured.contains_key(name) {
        return Err(no_such(configured, name).into());
    }
    let by = format!("reco experiment {}", if state == State::Running { "start" } else { "stop" });
    let turn = Turn { at: SystemClock.wall(), state, by, why: why.to_owned() };
    States::beside(&config.events.path).turn(name, turn, |turns| {
        let together = Experiments::new(turns.applied(configured), config.holdouts.clone());
        together.map(drop).map_err(|problems| problems.join("\n").into())
    })?;
    let look = config.rollout.look_secs;
    session.output.result(&json!({ "experiment": name, "state": state }), |_| {
        format!("{name} is {state}; a server that runs notices within {look} seconds")
    })
}
