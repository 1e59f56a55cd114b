//! One event as clients send it, read field by field so that a bad one can be named.

use crate::ids::LONGEST_KEY;
use reco_core::event::{Action, Event, EventId};
use reco_core::pipeline::EventProblem;
use reco_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;

const FIELDS: &str = "id, user_id, item_id, action, value, timestamp";

/// An event that has all its fields; whether they make sense is the engine's to say.
#[derive(Debug)]
pub(super) struct Incoming {
    id: Option<EventId>,
    user_id: String,
    item_id: String,
    action: Action,
    value: Option<f32>,
    timestamp: Option<Timestamp>,
}

/// What is wrong with which field.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    pub(super) field: Cow<'static, str>,
    pub(super) problem: String,
}

impl Problem {
    fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl From<EventProblem> for Problem {
    fn from(problem: EventProblem) -> Self {
        // The engine's word for the moment, in the words of this interface.
        let field = if problem.field == "at" { "timestamp" } else { problem.field };
        Self::new(field, problem.problem)
    }
}

impl Incoming {
    pub(super) fn read(value: Value) -> Result<Self, Problem> {
        let Value::Object(mut object) = value else {
            return Err(Problem::new("event", format!("is {}, must be an object", kind(&value))));
        };
        let incoming = Self {
            id: id(&mut object)?,
            user_id: key(&mut object, "user_id")?,
            item_id: key(&mut object, "item_id")?,
            action: key(&mut object, "action")?.into(),
            value: number(&mut object)?,
            timestamp: timestamp(&mut object)?,
        };
        match object.keys().next() {
            Some(unknown) => Err(Problem::new(unknown.clone(), format!("is no field; there are {FIELDS}"))),
            None => Ok(incoming),
        }
    }

    /// `now` and `new_id` stand in for what the client left out.
    pub(super) fn event(self, now: Timestamp, new_id: impl FnOnce() -> EventId) -> Event {
        Event {
            id: self.id.unwrap_or_else(new_id),
            user: self.user_id.into(),
            item: self.item_id.into(),
            action: self.action,
            value: self.value,
            at: self.timestamp.unwrap_or(now),
        }
    }
}

/// Takes a field out; null counts as absent.
fn take(object: &mut Map<String, Value>, field: &str) -> Option<Value> {
    object.remove(field).filter(|value| !value.is_null())
}

fn key(object: &mut Map<String, Value>, field: &'static str) -> Result<String, Problem> {
    match take(object, field) {
        Some(Value::String(text)) if text.len() <= LONGEST_KEY => Ok(text),
        Some(Value::String(text)) => {
            let problem = format!("has {} bytes, at most {LONGEST_KEY} are allowed", text.len());
            Err(Problem::new(field, problem))
        }
        Some(other) => Err(Problem::new(field, format!("is {}, must be a text", kind(&other)))),
        None => Err(Problem::new(field, "is missing")),
    }
}

fn id(object: &mut Map<String, Value>) -> Result<Option<EventId>, Problem> {
    let Some(value) = take(object, "id") else { return Ok(None) };
    let wrong = |problem: String| Problem::new("id", problem);
    let Value::String(text) = value else {
        return Err(wrong(format!("is {}, must be a UUID as a text", kind(&value))));
    };
    EventId::try_from(text).map(Some).map_err(|_| wrong("must be 32 hexadecimal digits (a UUID)".to_owned()))
}

fn number(object: &mut Map<String, Value>) -> Result<Option<f32>, Problem> {
    let Some(value) = take(object, "value") else { return Ok(None) };
    let number = value.as_f64().map(|number| number as f32);
    number.map(Some).ok_or_else(|| Problem::new("value", format!("is {}, must be a number", kind(&value))))
}

fn timestamp(object: &mut Map<String, Value>) -> Result<Option<Timestamp>, Problem> {
    let Some(value) = take(object, "timestamp") else { return Ok(None) };
    value.as_i64().map(|millis| Some(Timestamp::from_millis(millis))).ok_or_else(|| {
        Problem::new("timestamp", format!("is {}, must be whole milliseconds since 1970", kind(&value)))
    })
}

/// What a value is, for messages; the value itself could be large.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn problems_name_their_field() {
        let valid = json!({"user_id": "u", "item_id": "i", "action": "click", "value": null});
        assert!(Incoming::read(valid.clone()).is_ok());
        for (field, value) in [
            ("user_id", json!(7)),
            ("user_id", json!("u".repeat(LONGEST_KEY + 1))),
            ("item_id", Value::Null),
            ("action", json!([])),
            ("id", json!("no uuid")),
            ("id", json!(1)),
            ("value", json!("3")),
            ("timestamp", json!(1.5)),
            ("timestamp", json!("2020-01-01")),
            ("colour", json!("red")),
        ] {
            let mut event = valid.clone();
            event[field] = value;
            let problem = Incoming::read(event.clone()).expect_err("one field is wrong");
            assert_eq!(problem.field, field, "{event}: {problem:?}");
        }
        assert_eq!(Incoming::read(json!([1])).expect_err("no object").field, "event");
    }
}
