//! How strongly each action speaks for an item, and from which value on.

use super::Action;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// How strongly each action speaks for an item. Zero is "says nothing".
///
/// The defaults call a purchase, a rating and a like 1, and everything weaker
/// a share of that. A rejection has no weight: it blocks the item instead.
///
/// An action may need a value to speak for its item: by default a rating counts from 4 on, as on a scale
/// of five stars. One below still says that the user knows the item, but not that they like it. Of every
/// action a value below 0 (and below what the action needs) takes an earlier one back; an event without a value
/// is judged by its action alone.
///
/// ```
/// # use reco_core::event::{Action, ActionWeights};
/// let mut weights = ActionWeights::default();
/// assert_eq!(weights.of(&Action::Rating, Some(5.0)), 1.0);
/// assert_eq!(weights.of(&Action::Rating, Some(1.0)), 0.0);
/// // On a scale of ten.
/// weights.set_at_least(Action::Rating, 8.0);
/// assert_eq!(weights.of(&Action::Rating, Some(5.0)), 0.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionWeights {
    #[serde(flatten, deserialize_with = "by_action")]
    weights: BTreeMap<Action, f32>,
    #[serde(default = "usual_at_least", deserialize_with = "by_action")]
    at_least: BTreeMap<Action, f32>,
}

/// What an event means for its item, its value considered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It speaks for the item with this weight; 0 for an action without one.
    Speaks(f32),
    /// Its value is too low to speak for the item.
    Silent,
    /// It undoes an earlier event of its action, which had this weight.
    TakesBack(f32),
}

impl Verdict {
    /// Of an action of `weight` that needs `at_least`; `value` is NaN where there is none.
    pub(crate) fn new(weight: f32, at_least: f32, value: f32) -> Self {
        // No value is not below anything.
        if value < at_least.min(0.0) {
            Self::TakesBack(weight)
        } else if value < at_least {
            Self::Silent
        } else {
            Self::Speaks(weight)
        }
    }

    /// What the event speaks for its item with; 0 for one that does not.
    pub fn weight(self) -> f32 {
        match self {
            Self::Speaks(weight) => weight,
            Self::Silent | Self::TakesBack(_) => 0.0,
        }
    }

    /// Whether an event of that action is part of a history: whether it speaks for its item or against it, makes the
    /// item the user's, or undoes what did. What a user was merely shown is not, nor is an action without weight.
    pub fn leaves_trace(self, action: &Action) -> bool {
        self.takes_back() || self.weight() > 0.0 || action.is_rejection() || action.is_consumption()
    }

    /// Whether an event of that action is kept in mind of its user: what is part of a history, and what they said to be
    /// interested in.
    pub fn is_remembered(self, action: &Action) -> bool {
        *action == Action::Interest || self.leaves_trace(action)
    }

    /// Whether it undoes an earlier event.
    pub fn takes_back(self) -> bool {
        matches!(self, Self::TakesBack(_))
    }
}

fn usual_at_least() -> BTreeMap<Action, f32> {
    [(Action::Rating, 4.0)].into()
}

/// Numbers by action. Two spellings of one action are an error: one of them would silently lose.
fn by_action<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Action, f32>, D::Error> {
    let named = BTreeMap::<String, f32>::deserialize(deserializer)?;
    let (mut numbers, mut spelt) = (BTreeMap::new(), BTreeMap::<Action, String>::new());
    for (name, number) in named {
        let action = Action::from(name.as_str());
        if let Some(other) = spelt.get(&action) {
            return Err(D::Error::custom(format!("`{other}` and `{name}` are the same action")));
        }
        numbers.insert(action.clone(), number);
        spelt.insert(action, name);
    }
    Ok(numbers)
}

impl Default for ActionWeights {
    fn default() -> Self {
        let weights = [
            (Action::View, 0.2),
            (Action::Click, 0.3),
            (Action::AddToCart, 0.6),
            (Action::Purchase, 1.0),
            (Action::Rating, 1.0),
            (Action::Like, 1.0),
        ];
        Self { weights: weights.into(), at_least: usual_at_least() }
    }
}

impl ActionWeights {
    /// The weight of `action` when its value suffices; 0 for one that is not listed.
    pub fn get(&self, action: &Action) -> f32 {
        self.weights.get(action).copied().unwrap_or(0.0)
    }

    /// The weight of an event: that of its action, or 0 when its value is too low.
    pub fn of(&self, action: &Action, value: Option<f32>) -> f32 {
        self.verdict(action, value).weight()
    }

    /// What an event means for its item.
    pub fn verdict(&self, action: &Action, value: Option<f32>) -> Verdict {
        Verdict::new(self.get(action), self.at_least(action), value.unwrap_or(f32::NAN))
    }

    /// The value from which on `action` has its weight; 0 for one that is not listed.
    pub fn at_least(&self, action: &Action) -> f32 {
        self.at_least.get(action).copied().unwrap_or(0.0)
    }

    /// Sets the weight of `action`.
    pub fn set(&mut self, action: Action, weight: f32) {
        self.weights.insert(action, weight);
    }

    /// Sets the value from which on `action` has its weight.
    pub fn set_at_least(&mut self, action: Action, value: f32) {
        self.at_least.insert(action, value);
    }

    /// The same weights whatever the value, as long as it is not below 0.
    #[must_use]
    pub fn whatever_the_value(mut self) -> Self {
        self.at_least.clear();
        self
    }

    /// All actions with a weight, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&Action, f32)> {
        self.weights.iter().map(|(action, &weight)| (action, weight))
    }

    /// All actions that need a value to have their weight, with the least one, in a fixed order.
    pub fn thresholds(&self) -> impl Iterator<Item = (&Action, f32)> {
        self.at_least.iter().map(|(action, &value)| (action, value))
    }

    /// What is wrong with these weights, one line each.
    pub fn problems(&self) -> Vec<String> {
        let bad = self.iter().filter(|(_, weight)| !weight.is_finite() || *weight < 0.0);
        let weights = bad.map(|(action, weight)| {
            format!("weight of `{action}` is {weight}, must be a finite number not below 0")
        });
        let bad = self.at_least.iter().filter(|(_, value)| !value.is_finite());
        let values =
            bad.map(|(action, value)| format!("at_least of `{action}` is {value}, must be a finite number"));
        weights.chain(values).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_weight_is_a_problem() {
        let mut weights = ActionWeights::default();
        weights.set(Action::View, -1.0);
        weights.set_at_least(Action::Rating, f32::NAN);
        assert_eq!(
            weights.problems(),
            [
                "weight of `view` is -1, must be a finite number not below 0",
                "at_least of `rating` is NaN, must be a finite number"
            ]
        );
    }

    #[test]
    fn the_value_decides_whether_an_action_speaks() {
        let mut weights = ActionWeights::default();
        let star = || Action::from("star");
        weights.set(star(), 0.5);
        weights.set_at_least(star(), 2.0);
        for (action, value, weight) in [
            (Action::Rating, Some(4.0), 1.0),
            (Action::Rating, Some(3.5), 0.0),
            (Action::Rating, None, 1.0),
            (star(), Some(2.0), 0.5),
            (star(), Some(1.9), 0.0),
            (Action::Purchase, Some(0.0), 1.0),
            (Action::Purchase, Some(-1.0), 0.0),
            (Action::Hide, Some(9.0), 0.0),
        ] {
            assert_eq!((weights.of(&action, value),), (weight,), "{action} {value:?}");
        }
        let implicit = weights.whatever_the_value();
        assert_eq!((implicit.of(&Action::Rating, Some(1.0)), implicit.of(&star(), Some(-1.0))), (1.0, 0.0));
    }

    #[test]
    fn what_was_merely_shown_leaves_no_trace() {
        let weights = ActionWeights::default();
        for (action, value, leaves) in [
            (Action::Impression, None, false),
            (Action::Impression, Some(3.0), false),
            (Action::from("star"), None, false),
            (Action::View, None, true),
            (Action::Hide, None, true),
            (Action::Rating, Some(1.0), true),
            (Action::View, Some(-1.0), true),
        ] {
            assert_eq!(weights.verdict(&action, value).leaves_trace(&action), leaves, "{action} {value:?}");
        }
    }

    #[test]
    fn weights_and_values_are_read_from_one_table() {
        let json = r#"{"star": 1, "at_least": {"star": 3}}"#;
        let weights: ActionWeights = serde_json::from_str(json).unwrap();
        assert_eq!((weights.get(&Action::from("star")), weights.at_least(&Action::from("star"))), (1.0, 3.0));
        let again: ActionWeights = serde_json::from_value(serde_json::to_value(&weights).unwrap()).unwrap();
        assert_eq!(again, weights);
        let usual: ActionWeights = serde_json::from_str(r#"{"rating": 1}"#).unwrap();
        assert_eq!((usual.get(&Action::Rating), usual.at_least(&Action::Rating)), (1.0, 4.0));
    }

    #[test]
    fn spelling_does_not_matter_but_two_spellings_do() {
        let read = |json| serde_json::from_str::<ActionWeights>(json).map_err(|error| error.to_string());
        let weights = read(r#"{"Add-to-cart": 0.5, "at_least": {"Rating": 3}}"#).unwrap();
        assert_eq!((weights.get(&Action::AddToCart), weights.at_least(&Action::Rating)), (0.5, 3.0));
        for (json, said) in [
            (r#"{"Purchase": 0, "purchase": 1}"#, "`Purchase` and `purchase` are the same action"),
            (r#"{"at_least": {"my star": 1, "My-Star": 2}}"#, "`My-Star` and `my star` are the same action"),
        ] {
            let told = read(json).unwrap_err();
            assert!(told.contains(said), "{told}");
        }
    }
}
