//! What a search may change: settings by their path, and the values each of them may take.

use super::units::{Scale, significant};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Values of settings by their path, as `train.als.factors`.
pub type Assignment = BTreeMap<String, Value>;

/// The settings that a search may change, in the order of their paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    parameters: Vec<Parameter>,
}

/// A setting with the values it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Path of the setting.
    pub path: String,
    /// Its values.
    pub domain: Domain,
}

/// The values of one setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// One of several; at least one.
    Choices(Vec<Value>),
    /// Numbers from `min` to `max`, spread evenly or, with `log`, evenly over their logarithms.
    Real {
        /// The least.
        min: f64,
        /// The most, above `min`.
        max: f64,
        /// Whether factors matter, not differences; `min` is above 0 then.
        log: bool,
    },
    /// Whole numbers, likewise.
    Whole {
        /// The least.
        min: i64,
        /// The most, above `min`.
        max: i64,
        /// As above.
        log: bool,
    },
}

/// A range as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    min: Value,
    max: Value,
    #[serde(default)]
    log: bool,
    integer: Option<bool>,
}

impl Space {
    /// Reads a space: lists are choices, tables with `min` and `max` are ranges, other tables lead to longer paths, so
    /// that `"train.als.factors" = …` and `[train.als]` with `factors = …` mean the same.
    ///
    /// ```
    /// use reco_train::tune::Space;
    ///
    /// let written = serde_json::json!({
    ///     "train.als.factors": { "min": 16, "max": 256, "log": true },
    ///     "train": { "item_item": { "weighting": ["cosine", "bm25"] } },
    /// });
    /// let space = Space::read(written.as_object().unwrap()).unwrap();
    /// assert_eq!(space.parameters().len(), 2);
    /// ```
    ///
    /// # Errors
    ///
    /// All that is wrong, one line each, with its path.
    pub fn read(written: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
        collect("", written, &mut found, &mut problems);
        if found.is_empty() && problems.is_empty() {
            problems.push("the space is empty: it needs at least one setting to search over".to_owned());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let parameters = found.into_iter().map(|(path, domain)| Parameter { path, domain });
        Ok(Self { parameters: parameters.collect() })
    }

    /// The parameters, by ascending path.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The space as [`read`](Self::read) reads it.
    pub fn written(&self) -> Map<String, Value> {
        self.parameters.iter().map(|Parameter { path, domain }| (path.clone(), domain.written())).collect()
    }

    /// Values for all parameters, drawn one after the other; those of what another one switches off are left out.
    pub(super) fn draw(&self, mut value: impl FnMut(&Parameter) -> Value) -> Assignment {
        let mut drawn = Assignment::new();
        for parameter in &self.parameters {
            if !is_off(&parameter.path, &drawn) {
                drawn.insert(parameter.path.clone(), value(parameter));
            }
        }
        drawn
    }
}

/// Whether a setting above this one is `false`. Paths ascend, so it was drawn before.
fn is_off(path: &str, drawn: &Assignment) -> bool {
    let mut above = path.match_indices('.').map(|(at, _)| &path[..at]);
    above.any(|above| drawn.get(above) == Some(&Value::Bool(false)))
}

fn collect(
    prefix: &str,
    table: &Map<String, Value>,
    found: &mut BTreeMap<String, Domain>,
    problems: &mut Vec<String>,
) {
    for (name, value) in table {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Object(inner) if !(inner.contains_key("min") || inner.contains_key("max")) => {
                if inner.is_empty() {
                    problems.push(format!("{path}: is empty, must be {WANTED}"));
                }
                collect(&path, inner, found, problems);
            }
            value => {
                let noted = Domain::read(value).and_then(|domain| match found.insert(path.clone(), domain) {
                    Some(_) => Err("is named twice".to_owned()),
                    None => Ok(()),
                });
                problems.extend(noted.err().map(|problem| format!("{path}: {problem}")));
            }
        }
    }
}

const WANTED: &str = "a list of choices or a range, as { min = 1, max = 100, log = true }";

impl Domain {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(choices) if choices.is_empty() => Err("has no choices".to_owned()),
            Value::Array(choices) => {
                let is_twice = |at: &usize| choices[..*at].contains(&choices[*at]);
                match (0..choices.len()).find(is_twice) {
                    Some(at) => Err(format!("has the choice {} twice", choices[at])),
                    None => Ok(Self::Choices(choices.clone())),
                }
            }
            Value::Object(_) => {
                let range = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
                Self::range(&range)
            }
            other => Err(format!("is {other}, must be {WANTED}")),
        }
    }

    fn range(range: &Range) -> Result<Self, String> {
        let number = |name: &str, value: &Value| {
            let number = value.as_f64().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("{name} is {value}, must be a number"))
        };
        let (min, max, log) = (number("min", &range.min)?, number("max", &range.max)?, range.log);
        if min >= max {
            return Err(format!("min is {min}, must be below max, {max}"));
        }
        if log && min <= 0.0 {
            return Err(format!("min is {min}, must be above 0 where log is true"));
        }
        match (range.integer, range.min.as_i64(), range.max.as_i64()) {
            (None | Some(true), Some(min), Some(max)) => Ok(Self::Whole { min, max, log }),
            (Some(true), ..) => Err("min and max must be whole numbers where integer is true".to_owned()),
            _ => Ok(Self::Real { min, max, log }),
        }
    }

    fn written(&self) -> Value {
        match self {
            Self::Choices(choices) => Value::Array(choices.clone()),
            Self::Real { min, max, log } => {
                serde_json::json!({ "min": min, "max": max, "log": log, "integer": false })
            }
            Self::Whole { min, max, log } => serde_json::json!({ "min": min, "max": max, "log": log }),
        }
    }

    /// The values at the ends of the domain, or all choices: if a setting takes these, it takes the others.
    pub fn ends(&self) -> Vec<Value> {
        match self {
            Self::Choices(choices) => choices.clone(),
            Self::Real { min, max, .. } => vec![(*min).into(), (*max).into()],
            Self::Whole { min, max, .. } => vec![(*min).into(), (*max).into()],
        }
    }

    /// The value at a place between 0 and 1.
    pub(super) fn at(&self, place: f64) -> Value {
        match self {
            Self::Choices(choices) => {
                let at = (place * choices.len() as f64) as usize;
                choices[at.min(choices.len() - 1)].clone()
            }
            Self::Real { min, max, log } => {
                let value = significant(Scale::new(*min, *max, *log).value(place));
                value.clamp(*min, *max).into()
            }
            Self::Whole { min, max, log } => {
                let value = Self::whole(*min, *max, *log).value(place).round() as i64;
                value.clamp(*min, *max).into()
            }
        }
    }

    /// Where a value lies between 0 and 1; `None` for one outside the domain.
    pub fn place(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Choices(choices) => {
                let at = choices.iter().position(|choice| equals(choice, value))?;
                Some((at as f64 + 0.5) / choices.len() as f64)
            }
            Self::Real { min, max, log } => {
                let value = value.as_f64().filter(|value| (*min..=*max).contains(value))?;
                Some(Scale::new(*min, *max, *log).place(value))
            }
            Self::Whole { min, max, log } => {
                let value = value.as_i64().filter(|value| (*min..=*max).contains(value))?;
                Some(Self::whole(*min, *max, *log).place(value as f64))
            }
        }
    }

    /// Every whole number has a stretch of its own.
    fn whole(min: i64, max: i64, log: bool) -> Scale {
        Scale::new(min as f64 - 0.5, max as f64 + 0.5, log)
    }
}

/// Numbers are equal however they are written.
fn equals(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|a| Some(a) == b.as_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(written: Value) -> Result<Space, Vec<String>> {
        Space::read(written.as_object().unwrap())
    }

    #[test]
    fn quoted_and_nested_paths_mean_the_same() {
        let quoted = json!({ "a.b": [1, 2], "a.c.d": { "min": 1, "max": 9 } });
        let nested = json!({ "a": { "b": [1, 2], "c": { "d": { "min": 1, "max": 9 } } } });
        let space = read(quoted).unwrap();
        assert_eq!(read(nested), Ok(space.clone()));
        assert_eq!(Space::read(&space.written()), Ok(space));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let told = read(json!({
            "a": 3, "b": [], "c": { "min": 3, "max": 1 }, "d": { "min": 0, "max": 1, "log": true },
            "e": { "min": 0.5, "max": 1, "integer": true }, "f": { "min": 0, "max": 1, "lag": true },
            "g": [1, 1], "h.i": [1], "h": { "i": [2] }, "j": { "min": "x", "max": 1 }, "k": {}, "l": { "min": 1 },
        }));
        let told = told.unwrap_err().join("\n");
        for part in [
            "a: is 3, must be a list",
            "b: has no choices",
            "c: min is 3, must be below max, 1",
            "d: min is 0, must be above 0 where log",
            "e: min and max must be whole",
            "f: unknown field `lag`",
            "g: has the choice 1 twice",
            "h.i: is named twice",
            "j: min is \"x\", must be a number",
            "k: is empty",
            "l: missing field `max`",
        ] {
            assert!(told.contains(part), "{part} is not in\n{told}");
        }
        assert!(read(json!({})).unwrap_err()[0].contains("is empty"));
    }

    #[test]
    fn what_is_switched_off_has_no_settings() {
        let space = read(json!({ "m": [true, false], "m.x": [1, 2], "mm.x": [1] })).unwrap();
        let off = space.draw(|parameter| parameter.domain.ends().pop().unwrap());
        assert_eq!(off.keys().collect::<Vec<_>>(), ["m", "mm.x"]);
        assert_eq!(space.draw(|parameter| parameter.domain.at(0.0)).len(), 3);
    }

    proptest! {
        #[test]
        fn places_and_values_agree(place in 0.0f64..=1.0, min in 1i64..50, more in 1i64..1000, log: bool) {
            let max = min + more;
            let domains = [
                Domain::Whole { min, max, log },
                Domain::Real { min: min as f64, max: max as f64, log },
                Domain::Choices((min..max.min(min + 9)).map(Value::from).collect()),
            ];
            for domain in domains {
                let value = domain.at(place);
                let there = domain.place(&value);
                prop_assert!(there.is_some_and(|there| (0.0..=1.0).contains(&there)), "{domain:?} {value}");
                prop_assert_eq!(domain.at(there.unwrap()), value, "{:?}", domain);
            }
        }
    }
}
