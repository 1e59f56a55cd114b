//! Events as JSON, read field by field so that everything wrong can be named at once.

use super::rules::{self, FieldProblem};
use super::{Action, Details, Event, EventId};
use crate::id::{ItemKey, UserKey};
use crate::time::Timestamp;
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What an event is as JSON, as a JSON Schema (draft 2020-12) for clients in any language.
///
/// Fields beyond these are kept, so events of a newer client lose nothing here. The schema's version rises when a
/// field changes its meaning; an event may say the `version` that it is written by.
pub const SCHEMA: &str = include_str!("schema.json");

/// The version of [`SCHEMA`].
const VERSION: i64 = 1;

/// When an event arrived, by two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Ours.
    pub now: Timestamp,
    /// The client's when it sent the event, where it says so: what its clock is off by is put right.
    pub sent_at: Option<Timestamp>,
}

impl Arrival {
    /// Less than this is the time that the network took rather than a wrong clock.
    const LEAST_SKEW_MILLIS: i64 = 5_000;

    /// By the clock of the server alone.
    pub fn at(now: Timestamp) -> Self {
        Self { now, sent_at: None }
    }

    /// Now, by the clock that the client has.
    fn by_the_client(self) -> Timestamp {
        self.sent_at.unwrap_or(self.now)
    }

    /// What the client's clock called `at`, by ours.
    fn corrected(self, at: Timestamp) -> Timestamp {
        let skew = self.now.millis().saturating_sub(self.by_the_client().millis());
        if skew.saturating_abs() < Self::LEAST_SKEW_MILLIS {
            at
        } else {
            Timestamp::from_millis(at.millis().saturating_add(skew).max(0))
        }
    }
}

/// An event as a client wrote it: without an id or a time, perhaps, but right in all that it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    id: Option<EventId>,
    user: UserKey,
    item: ItemKey,
    action: Action,
    value: Option<f32>,
    at: Option<Timestamp>,
    details: Details,
}

impl Draft {
    /// Reads an event that arrived just now.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, field by field.
    ///
    /// ```
    /// use reco_core::event::{Arrival, Draft};
    /// use reco_core::time::Timestamp;
    ///
    /// let event = serde_json::json!({"user_id": "ann", "action": "rating", "position": 0});
    /// let problems = Draft::read(&event, Arrival::at(Timestamp::from_secs(0))).unwrap_err();
    /// let said: Vec<String> = problems.iter().map(|wrong| format!("{} {}", wrong.field, wrong.problem)).collect();
    /// assert_eq!(said, [
    ///     "item_id is missing",
    ///     "value is missing, a rating needs one",
    ///     "position is 0, must be 1 for the first place or more",
    /// ]);
    /// ```
    pub fn read(value: &Value, arrival: Arrival) -> Result<Self, Vec<FieldProblem>> {
        let Value::Object(object) = value else {
            return Err(vec![FieldProblem::new("event", format!("is {}, must be an object", kind(value)))]);
        };
        let mut fields = Fields { object, problems: Vec::new() };
        fields.optional("version", version);
        let id = fields.optional("id", id);
        let session = fields.optional("session_id", |value| text(value, rules::name));
        let user = fields.user(session);
        let item = fields.required("item_id", |value| text(value, rules::key));
        let action = fields.required("action", action);
        let value = fields.value(action.as_ref());
        let at = fields.optional("timestamp", |value| time(value, arrival.by_the_client()));
        let details = fields.details(session);
        match (fields.problems.is_empty(), user, item, action) {
            (true, Some(user), Some(item), Some(action)) => {
                Ok(Self { id, user, item: item.into(), action, value, at, details })
            }
            _ => Err(fields.problems),
        }
    }

    /// Names of the fields that are kept without being understood.
    pub fn unknown_fields(&self) -> impl Iterator<Item = &str> {
        self.details.other.keys().map(String::as_str)
    }

    /// The event, with what the client left out: without a time it happened now; without an id it gets one made of
    /// what it says, so that it counts once however often it is sent, or `new_id` if it does not say when.
    pub fn complete(self, arrival: Arrival, new_id: impl FnOnce() -> EventId) -> Event {
        let Self { id, user, item, action, value, at, details } = self;
        let unnamed = EventId(0);
        let said = at.unwrap_or(arrival.now);
        let mut event = Event { id: unnamed, user, item, action, value, at: said, details: details.if_any() };
        event.id = match (id, at) {
            (Some(id), _) => id,
            (None, Some(_)) => EventId::derived(&event),
            (None, None) => new_id(),
        };
        event.at = at.map_or(arrival.now, |at| arrival.corrected(at));
        event
    }
}

/// The fields of one event, and what was wrong with those read so far. Null counts as absent.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    problems: Vec<FieldProblem>,
}

/// Every field that has a meaning.
const KNOWN: [&str; 12] = [
    "version",
    "id",
    "user_id",
    "session_id",
    "item_id",
    "action",
    "value",
    "timestamp",
    "request_id",
    "position",
    "propensity",
    "context",
];

impl<'a> Fields<'a> {
    fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.object.get(field).filter(|value| !value.is_null())?;
        match read(value) {
            Ok(read) => Some(read),
            Err(problem) => {
                self.problems.push(FieldProblem::new(field, problem));
                None
            }
        }
    }

    fn required<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, String>,
    ) -> Option<T> {
        if self.is_absent(field) {
            self.problems.push(FieldProblem::new(field, "is missing"));
        }
        self.optional(field, read)
    }

    fn is_absent(&self, field: &str) -> bool {
        self.object.get(field).is_none_or(Value::is_null)
    }

    fn user(&mut self, session: Option<&str>) -> Option<UserKey> {
        let named = self.optional("user_id", |value| text(value, rules::key)).map(UserKey::from);
        if self.is_absent("user_id") && self.is_absent("session_id") {
            let problem = "is missing, and so is session_id, which visitors without a name need";
            self.problems.push(FieldProblem::new("user_id", problem));
        }
        named.or_else(|| session.map(UserKey::of_session))
    }

    fn value(&mut self, action: Option<&Action>) -> Option<f32> {
        let value = self.optional("value", number);
        if self.is_absent("value") && action == Some(&Action::Rating) {
            let problem = rules::value(&Action::Rating, None).err().unwrap_or_default();
            self.problems.push(FieldProblem::new("value", problem));
        }
        value.map(|value| value as f32)
    }

    fn details(&mut self, session: Option<&str>) -> Details {
        let request = self.optional("request_id", |value| text(value, rules::name));
        let position = self.optional("position", position);
        let propensity = self.optional("propensity", propensity);
        let context = self.optional("context", |value| match value {
            Value::Object(context) => Ok(context.clone()),
            other => Err(format!("is {}, must be an object", kind(other))),
        });
        let context = context.unwrap_or_default();
        let is_other = |(name, _): &(&String, &Value)| !KNOWN.contains(&name.as_str());
        let other = self.object.iter().filter(is_other);
        let other = other.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Err(problem) = rules::size(&context, &other) {
            self.problems.push(FieldProblem::new("context", problem));
        }
        Details {
            session: session.map(Arc::from),
            request: request.map(Arc::from),
            position,
            propensity,
            context,
            other,
        }
    }
}

fn version(value: &Value) -> Result<(), String> {
    match whole(value) {
        Some(VERSION) => Ok(()),
        _ => Err(format!(
            "is {}, must be {VERSION}, the version of the schema that is read here",
            shown(value)
        )),
    }
}

fn id(value: &Value) -> Result<EventId, String> {
    let digits = || "must be 32 hexadecimal digits (a UUID)".to_owned();
    match value {
        Value::String(text) => EventId::try_from(text.clone()).map_err(|_| digits()),
        other => Err(format!("is {}, must be a UUID as a text", kind(other))),
    }
}

fn text(value: &Value, rule: fn(&str) -> Result<(), String>) -> Result<&str, String> {
    match value {
        Value::String(text) => rule(text).map(|()| text.as_str()),
        other => Err(format!("is {}, must be a text", kind(other))),
    }
}

fn action(value: &Value) -> Result<Action, String> {
    let action = Action::from(text(value, rules::key)?);
    // Spaces alone are no name.
    rules::key(action.name()).map(|()| action)
}

fn number(value: &Value) -> Result<f64, String> {
    let number = value.as_f64().ok_or_else(|| format!("is {}, must be a number", kind(value)))?;
    let fits = (number as f32).is_finite();
    if fits { Ok(number) } else { Err(format!("is {number}, must be between -3.4e38 and 3.4e38")) }
}

fn time(value: &Value, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || format!("is {}, must be whole milliseconds since 1970", kind(value));
    let at = whole(value).map(Timestamp::from_millis).ok_or_else(wrong)?;
    rules::time(at, now).map(|()| at)
}

fn position(value: &Value) -> Result<u32, String> {
    let wrong = || format!("is {}, must be a whole number from 1", shown(value));
    let place = whole(value).ok_or_else(wrong)?;
    rules::position(place).map(|()| place as u32)
}

fn propensity(value: &Value) -> Result<f32, String> {
    let share = number(value)?;
    // What single precision rounds to 0 cannot be divided by.
    rules::propensity(f64::from(share as f32)).map(|()| share as f32)
}

/// A whole number, however it is written: to JSON 5.0 is one, too.
fn whole(value: &Value) -> Option<i64> {
    let exact = |number: &f64| number.fract() == 0.0 && number.abs() < (1_u64 << 53) as f64;
    value.as_i64().or_else(|| value.as_f64().filter(exact).map(|number| number as i64))
}

/// A number as it is; of anything else the kind.
fn shown(value: &Value) -> String {
    if value.is_number() { value.to_string() } else { kind(value).to_owned() }
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

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("user_id", &self.user)?;
        map.serialize_entry("item_id", &self.item)?;
        map.serialize_entry("action", &self.action)?;
        optional(&mut map, "value", self.value)?;
        map.serialize_entry("timestamp", &self.at)?;
        if let Some(details) = &self.details {
            let Details { session, request, position, propensity, context, other } = &**details;
            optional(&mut map, "session_id", session.as_deref())?;
            optional(&mut map, "request_id", request.as_deref())?;
            optional(&mut map, "position", *position)?;
            optional(&mut map, "propensity", *propensity)?;
            optional(&mut map, "context", (!context.is_empty()).then_some(context))?;
            other.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        }
        map.end()
    }
}

fn optional<M: SerializeMap>(
    map: &mut M,
    field: &str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(field, &value))
}

impl<'de> Deserialize<'de> for Event {
    /// Reads a complete event; whether its time makes sense now is not asked.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let whenever = Arrival::at(Timestamp::from_millis(i64::MAX));
        let draft = Draft::read(&value, whenever).map_err(|problems| {
            let lines: Vec<String> =
                problems.into_iter().map(|wrong| format!("{} {}", wrong.field, wrong.problem)).collect();
            D::Error::custom(lines.join("; "))
        })?;
        match (draft.id, draft.at) {
            (Some(id), Some(_)) => Ok(draft.complete(whenever, || id)),
            (None, _) => Err(D::Error::missing_field("id")),
            (_, None) => Err(D::Error::missing_field("timestamp")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn read(value: &Value) -> Result<Draft, Vec<FieldProblem>> {
        Draft::read(value, Arrival::at(NOW))
    }

    fn complete(value: &Value, arrival: Arrival) -> Event {
        Draft::read(value, arrival).unwrap().complete(arrival, || EventId(7))
    }

    #[test]
    fn problems_name_their_field() {
        let valid = json!({"user_id": "u", "item_id": "i", "action": "click", "value": null});
        assert!(read(&valid).is_ok());
        for (field, value) in [
            ("user_id", json!(7)),
            ("user_id", json!("")),
            ("user_id", Value::Null),
            ("session_id", json!([])),
            ("item_id", json!("i".repeat(rules::LONGEST_KEY + 1))),
            ("item_id", Value::Null),
            ("action", json!([])),
            ("action", json!("  ")),
            ("id", json!("no uuid")),
            ("id", json!(1)),
            ("value", json!("3")),
            ("value", json!(1e39)),
            ("timestamp", json!(1.5)),
            ("timestamp", json!(-1)),
            ("timestamp", json!("2020-01-01")),
            ("timestamp", json!(NOW.plus_days(1.1).millis())),
            ("request_id", json!("r".repeat(rules::LONGEST_NAME + 1))),
            ("position", json!(0)),
            ("position", json!(1.5)),
            ("position", json!(1_u64 << 40)),
            ("propensity", json!(0)),
            ("propensity", json!(1.01)),
            ("propensity", json!(1e-60)),
            ("context", json!("phone")),
            ("context", json!({"note": "n".repeat(Details::MOST_BYTES)})),
            ("version", json!(2)),
        ] {
            let mut event = valid.clone();
            event[field] = value;
            let problems = read(&event).expect_err("one field is wrong");
            assert_eq!((problems.len(), &*problems[0].field), (1, field), "{event}: {problems:?}");
        }
        assert_eq!(read(&json!([1])).unwrap_err()[0].field, "event");
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let event =
            json!({"user_id": 1, "action": "click", "timestamp": "now", "position": 0, "propensity": 2});
        let fields: Vec<_> = read(&event).unwrap_err().into_iter().map(|wrong| wrong.field).collect();
        assert_eq!(fields, ["user_id", "item_id", "timestamp", "position", "propensity"]);
    }

    #[test]
    fn visitors_without_a_name_go_by_their_session() {
        let event = json!({"session_id": "s1", "item_id": "tea", "action": "view"});
        let event = complete(&event, Arrival::at(NOW));
        assert_eq!(event.user, UserKey::of_session("s1"));
        assert_eq!(event.details.and_then(|details| details.session).as_deref(), Some("s1"));
    }

    #[test]
    fn a_clock_that_is_wrong_is_put_right() {
        let day = 86_400_000;
        let sent = |at: i64, sent_at: i64| {
            let event = json!({"user_id": "u", "item_id": "i", "action": "click", "timestamp": at});
            let arrival = Arrival { now: NOW, sent_at: Some(Timestamp::from_millis(sent_at)) };
            complete(&event, arrival)
        };
        let now = NOW.millis();
        // Three days ahead: the event happened ten seconds before it was sent.
        let ahead = sent(now + 3 * day - 10_000, now + 3 * day);
        assert_eq!(ahead.at.millis(), now - 10_000);
        assert_eq!(sent(now - 10_000, now - 1_000).at.millis(), now - 10_000, "a second is the network's");
        let again = sent(now + 3 * day - 10_000, now + 3 * day + 60_000);
        assert_eq!(again.id, ahead.id, "an event that is sent again is the same one");
    }

    #[test]
    fn ids_are_the_clients_or_made_of_what_is_said() {
        let mut event = json!({"user_id": "u", "item_id": "i", "action": "click"});
        assert_eq!(
            complete(&event, Arrival::at(NOW)).id,
            EventId(7),
            "who says nothing of time may mean many"
        );
        event["timestamp"] = json!(5);
        let derived = complete(&event, Arrival::at(NOW)).id;
        assert_eq!(complete(&event, Arrival::at(NOW.plus_days(1.0))).id, derived);
        event["id"] = json!("01890a5d-ac96-774b-bcce-b302099a8057");
        assert_eq!(complete(&event, Arrival::at(NOW)).id.to_string(), "01890a5dac96774bbcceb302099a8057");
    }

    fn some<T: std::fmt::Debug + Clone + 'static>(
        values: impl Strategy<Value = T> + 'static,
    ) -> impl Strategy<Value = Option<T>> {
        prop::option::of(values)
    }

    fn map() -> impl Strategy<Value = Map<String, Value>> {
        let value = prop_oneof![".{0,5}".prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        let map = prop::collection::btree_map("x_[a-z]{1,4}", value, 0..4);
        map.prop_map(|map| map.into_iter().collect())
    }

    fn details() -> impl Strategy<Value = Details> {
        let session = some(".{1,9}".prop_map(Arc::from));
        let request = some("[a-z]{1,9}".prop_map(Arc::from));
        let propensity = some((1u32..=1 << 20).prop_map(|share| share as f32 / (1 << 20) as f32));
        (session, request, some(1u32..), propensity, map(), map()).prop_map(
            |(session, request, position, propensity, context, other)| Details {
                session,
                request,
                position,
                propensity,
                context,
                other,
            },
        )
    }

    proptest! {
        #[test]
        fn an_event_comes_back_from_json_as_it_was(
            (id, user, item, action) in (1..=u128::MAX, ".{1,20}", ".{1,20}", "[a-z_]{1,9}"),
            value in some(any::<f32>().prop_filter("finite", |value| value.is_finite())),
            at in 0..4_000_000_000_000i64,
            details in details(),
        ) {
            let action = Action::from(action.as_str());
            let value = value.or((action == Action::Rating).then_some(1.0));
            let at = Timestamp::from_millis(at);
            let (user, item) = (user.into(), item.into());
            let event = Event { id: EventId(id), user, item, action, value, at, details: details.if_any() };
            prop_assert_eq!(event.problems(at), vec![]);
            let json = serde_json::to_string(&event).unwrap();
            prop_assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
        }
    }
}
