//! What an event must be like, field by field.

use super::{Action, Details, Event, EventId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Longest key of a user or an item and longest name of an action, in bytes: events leave them in memory, and what no
/// event may say no page is asked with.
pub const LONGEST_KEY: usize = 256;

/// Longest name of a request or a session, in bytes: with a word before it, a session's is the key of a user.
pub const LONGEST_NAME: usize = 128;

/// How far ahead of the clock an event may claim to be, in days: time zones are mistaken more often than clocks.
pub(super) const MOST_AHEAD_DAYS: f64 = 1.0;

/// What is wrong with one field of an event, named as in its JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field.
    pub field: Cow<'static, str>,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl FieldProblem {
    pub(super) fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl Event {
    /// Everything that is wrong with it at the moment `now`.
    pub fn problems(&self, now: Timestamp) -> Vec<FieldProblem> {
        let none = Details::default();
        let details = self.details.as_deref().unwrap_or(&none);
        let checks = [
            ("id", id(self.id)),
            ("user_id", key(self.user.as_str())),
            ("item_id", key(self.item.as_str())),
            ("action", key(self.action.name())),
            ("value", value(&self.action, self.value)),
            ("timestamp", time(self.at, now)),
            ("session_id", details.session.as_deref().map_or(Ok(()), name)),
            ("request_id", details.request.as_deref().map_or(Ok(()), name)),
            ("position", details.position.map_or(Ok(()), |place| position(place.into()))),
            ("propensity", details.propensity.map_or(Ok(()), |share| propensity(share.into()))),
            ("context", size(&details.context, &details.other)),
        ];
        checks
            .into_iter()
            .filter_map(|(field, checked)| Some(FieldProblem::new(field, checked.err()?)))
            .collect()
    }
}

/// Libraries write the id of zeros where they have none; only the first event that has it would count.
fn id(id: EventId) -> Result<(), String> {
    if id == EventId(0) {
        Err("is all zeros, must be an id of its own or left out".to_owned())
    } else {
        Ok(())
    }
}

pub(super) fn key(text: &str) -> Result<(), String> {
    within(text, LONGEST_KEY)
}

pub(super) fn name(text: &str) -> Result<(), String> {
    within(text, LONGEST_NAME)
}

fn within(text: &str, longest: usize) -> Result<(), String> {
    match text.len() {
        0 => Err("is empty".to_owned()),
        n_bytes if n_bytes > longest => Err(format!("has {n_bytes} bytes, at most {longest} are allowed")),
        _ => Ok(()),
    }
}

pub(super) fn value(action: &Action, value: Option<f32>) -> Result<(), String> {
    match value {
        Some(value) if !value.is_finite() => Err(format!("is {value}, must be finite")),
        None if *action == Action::Rating => Err("is missing, a rating needs one".to_owned()),
        _ => Ok(()),
    }
}

pub(super) fn time(at: Timestamp, now: Timestamp) -> Result<(), String> {
    if at.millis() >= 0 && at.days_since(now) <= MOST_AHEAD_DAYS {
        return Ok(());
    }
    Err(format!(
        "is {}, must be milliseconds since 1970 and at most a day ahead of the clock, which says {}",
        at.millis(),
        now.millis()
    ))
}

pub(super) fn position(place: i64) -> Result<(), String> {
    let fits = (1..=i64::from(u32::MAX)).contains(&place);
    if fits { Ok(()) } else { Err(format!("is {place}, must be 1 for the first place or more")) }
}

pub(super) fn propensity(share: f64) -> Result<(), String> {
    let fits = share > 0.0 && share <= 1.0;
    if fits { Ok(()) } else { Err(format!("is {share}, must be above 0 and at most 1")) }
}

/// Of what is kept without being understood, together.
pub(super) fn size(context: &Map<String, Value>, other: &Map<String, Value>) -> Result<(), String> {
    let bytes = |map: &Map<String, Value>| serde_json::to_vec(map).map_or(usize::MAX, |json| json.len());
    let n_bytes =
        [context, other].into_iter().filter(|map| !map.is_empty()).map(bytes).fold(0, usize::saturating_add);
    if n_bytes <= Details::MOST_BYTES {
        return Ok(());
    }
    Err(format!(
        "and fields of your own have {n_bytes} bytes as JSON, at most {} are allowed",
        Details::MOST_BYTES
    ))
}
