//! Events in: checked, kept, and felt by the very next request.

use super::Recommender;
use crate::error::Fault;
use crate::event::{Action, Event};
use crate::retrieve::als;
use crate::time::Timestamp;
use serde::Serialize;

/// What became of a batch of events.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ingested {
    /// Events that now count.
    pub accepted: usize,
    /// Events known already; they count once.
    pub duplicates: usize,
    /// Events refused, and why.
    pub rejected: Vec<EventProblem>,
    /// Keys of accepted events' items that the catalogue does not have (yet).
    pub unknown_items: Vec<String>,
    /// Actions of accepted events that have no weight, so that no page will change.
    pub unweighted_actions: Vec<Action>,
}

/// Why one event was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventProblem {
    /// Position in the batch, from 0.
    pub index: usize,
    /// The field.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Recommender {
    /// How far ahead of the clock an event may claim to be, in days: clocks differ a little.
    const MAX_AHEAD_DAYS: f64 = 1.0;

    /// Takes events in. Bad ones are named in the answer; the good ones of the batch are kept.
    /// Once this returns, they are with the event sink and the next request sees them.
    ///
    /// # Errors
    ///
    /// A [`Fault`] of the event sink; then none of the batch counts and it may be sent again.
    pub async fn ingest(&self, events: Vec<Event>) -> Result<Ingested, Fault> {
        let now = self.0.clock.wall();
        let mut outcome = Ingested::default();
        let mut good = Vec::with_capacity(events.len());
        for (index, event) in events.into_iter().enumerate() {
            match problem(&event, now) {
                Some((field, problem)) => outcome.rejected.push(EventProblem { index, field, problem }),
                None => good.push(event),
            }
        }
        if good.is_empty() {
            return Ok(outcome);
        }
        let appended = self.0.events.append(&good).await?;
        outcome.accepted = appended.accepted;
        outcome.duplicates = appended.duplicates.len();
        let snapshot = self.snapshot();
        for (index, event) in good.iter().enumerate() {
            if appended.duplicates.binary_search(&index).is_ok() {
                continue;
            }
            self.0.live.apply(event);
            if als::is_new(&snapshot, &event.item) {
                self.0.live.welcome(event, |takers| {
                    let snapshot = self.snapshot();
                    let factors = als::newcomer(&snapshot, takers);
                    (snapshot, factors)
                });
            }
            let key = event.item.as_str();
            if snapshot.catalog.id(key).is_none() && !outcome.unknown_items.iter().any(|known| known == key) {
                outcome.unknown_items.push(key.to_owned());
            }
            let action = &event.action;
            let says_nothing = self.0.live.weights().get(action) <= 0.0
                && !action.is_rejection()
                && *action != Action::Impression;
            if says_nothing && !outcome.unweighted_actions.contains(action) {
                outcome.unweighted_actions.push(action.clone());
            }
        }
        Ok(outcome)
    }
}

/// The first thing wrong with an event.
fn problem(event: &Event, now: Timestamp) -> Option<(&'static str, String)> {
    let must = |what: &str| format!("is empty, must be {what}");
    if event.user.as_str().is_empty() {
        return Some(("user_id", must("the user's id")));
    }
    if event.item.as_str().is_empty() {
        return Some(("item_id", must("the item's id")));
    }
    if event.action.name().is_empty() {
        return Some(("action", must("an action such as click or purchase")));
    }
    match event.value {
        Some(value) if !value.is_finite() => return Some(("value", format!("is {value}, must be finite"))),
        None if event.action == Action::Rating => {
            return Some(("value", "is missing, a rating needs one".to_owned()));
        }
        _ => {}
    }
    let ahead = event.at.days_since(now);
    if event.at.millis() < 0 || ahead > Recommender::MAX_AHEAD_DAYS {
        let problem = format!(
            "is {} ms, must be milliseconds since 1970 and at most a day ahead of the server's {} ms",
            event.at.millis(),
            now.millis()
        );
        return Some(("at", problem));
    }
    None
}
