//! The same expressions over what is known of whoever asks, as JSON, instead of over columns of a catalogue.

use super::{Name, Node, Order, Predicate, PredicateError, Value};
use crate::time::date;
use serde_json::Map;

type Attributes = Map<String, serde_json::Value>;

impl Predicate {
    /// Whether attributes match. Texts, numbers, flags and lists of texts are looked at; an attribute that is `null`, or of
    /// another kind than what it is compared with, matches no comparison, as if it were missing.
    ///
    /// ```
    /// use reco_core::predicate::Predicate;
    ///
    /// let only: Predicate = "country in (\"AT\", \"DE\") and age >= 18".parse()?;
    /// let somebody = serde_json::json!({"country": "AT", "age": 40});
    /// assert!(only.matches_attributes(somebody.as_object().unwrap()));
    /// # Ok::<(), reco_core::predicate::PredicateError>(())
    /// ```
    pub fn matches_attributes(&self, attributes: &Attributes) -> bool {
        holds(&self.root, attributes)
    }

    /// Whether it can be asked of attributes.
    ///
    /// # Errors
    ///
    /// Names a comparison by order with what is neither a number nor a time.
    pub fn check_attributes(&self) -> Result<(), PredicateError> {
        check(&self.root, &self.source)
    }
}

fn check(node: &Node, source: &str) -> Result<(), PredicateError> {
    match node {
        Node::Any(nodes) | Node::All(nodes) => nodes.iter().try_for_each(|node| check(node, source)),
        Node::Not(node) => check(node, source),
        Node::Compare(name, _, value) if number(value).is_none() => {
            let message = format!(
                "`{}` is compared by order with what is neither a number nor a time like \"2017-06-01\"",
                name.text
            );
            Err(PredicateError::new(source, name.column, message))
        }
        Node::Compare(..) | Node::In(..) | Node::Missing(_) => Ok(()),
    }
}

fn holds(node: &Node, attributes: &Attributes) -> bool {
    match node {
        Node::Any(nodes) => nodes.iter().any(|node| holds(node, attributes)),
        Node::All(nodes) => nodes.iter().all(|node| holds(node, attributes)),
        Node::Not(node) => !holds(node, attributes),
        Node::Missing(name) => found(name, attributes).is_none(),
        Node::Compare(name, order, wanted) => {
            let pair = found(name, attributes).and_then(as_number).zip(number(wanted));
            pair.is_some_and(|(value, wanted)| match order {
                Order::Less => value < wanted,
                Order::AtMost => value <= wanted,
                Order::Greater => value > wanted,
                Order::AtLeast => value >= wanted,
            })
        }
        Node::In(name, wanted) => {
            found(name, attributes).is_some_and(|value| wanted.iter().any(|wanted| equals(value, wanted)))
        }
    }
}

fn found<'a>(name: &Name, attributes: &'a Attributes) -> Option<&'a serde_json::Value> {
    let is_there = |value: &&serde_json::Value| match value {
        serde_json::Value::Null => false,
        serde_json::Value::Array(values) => !values.is_empty(),
        _ => true,
    };
    attributes.get(&name.text).filter(is_there)
}

fn equals(value: &serde_json::Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (serde_json::Value::Array(values), _) => values.iter().any(|value| equals(value, wanted)),
        (serde_json::Value::String(text), Value::Text(wanted)) => text == wanted,
        (serde_json::Value::Bool(flag), Value::Flag(wanted)) => flag == wanted,
        (serde_json::Value::Number(number), Value::Number(wanted)) => number.as_f64() == Some(*wanted),
        _ => false,
    }
}

/// A constant that has an order: a number, or the milliseconds of a time.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Text(text) => Some(date::parse(text)?.millis() as f64),
        Value::Flag(_) => None,
    }
}

fn as_number(value: &serde_json::Value) -> Option<f64> {
    match value {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => Some(date::parse(text)?.millis() as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(only: &str, attributes: serde_json::Value) -> bool {
        let only: Predicate = only.parse().unwrap();
        only.check_attributes().unwrap();
        only.matches_attributes(attributes.as_object().unwrap())
    }

    #[test]
    fn attributes_of_every_kind_are_compared() {
        for (only, expected) in [
            ("country = 'AT'", true),
            ("country in ('DE', 'CH')", false),
            ("age >= 18 and age < 65", true),
            ("beta = true", true),
            ("tags has 'new'", true),
            ("tags any ('old', 'older')", false),
            ("since >= '2024-01-01'", true),
            ("since < '2024-01-01'", false),
            ("plan is missing and country is present", true),
            ("plan != 'free'", false),
            ("not plan = 'free'", true),
            ("nothing is missing and none is missing", true),
            ("country > 3", false),
            ("age = 'forty'", false),
        ] {
            let somebody = json!({"country": "AT", "age": 40, "beta": true, "tags": ["new"],
                                  "since": "2024-05-01", "nothing": null, "none": []});
            assert_eq!(matches(only, somebody), expected, "{only}");
        }
    }

    #[test]
    fn orders_without_sense_are_named() {
        let only: Predicate = "age > 3 or country < 'AT'".parse().unwrap();
        assert!(only.check_attributes().unwrap_err().to_string().contains("`country`"));
    }
}
