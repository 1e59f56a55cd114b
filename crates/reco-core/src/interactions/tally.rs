//! What a log consists of, action by action.

use super::InteractionLog;
use crate::event::{Action, ActionWeights};
use serde::Serialize;
use std::fmt;

/// The interactions of one action.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionTally {
    /// The action.
    pub action: Action,
    /// How many there are.
    pub rows: usize,
    /// How many of them have a weight above 0.
    pub weighted: usize,
    /// Lowest and highest value, where any has one.
    pub values: Option<(f32, f32)>,
    /// The weight of those that have one.
    pub weight: f32,
    /// The value from which on they have it.
    pub at_least: f32,
}

impl InteractionLog {
    /// Counts the interactions of every action, the most frequent action first.
    pub fn tally(&self, weights: &ActionWeights) -> Vec<ActionTally> {
        let of = |action: &Action| ActionTally {
            action: action.clone(),
            rows: 0,
            weighted: 0,
            values: None,
            weight: weights.get(action),
            at_least: weights.at_least(action),
        };
        let mut tallies: Vec<ActionTally> = self.actions.iter().map(of).collect();
        let weighted = self.weights(weights).into_iter().map(|weight| weight > 0.0);
        for ((&code, &value), weighted) in self.action.iter().zip(&self.value).zip(weighted) {
            let tally = &mut tallies[code as usize];
            tally.rows += 1;
            tally.weighted += usize::from(weighted);
            if !value.is_nan() {
                let (least, most) = tally.values.unwrap_or((value, value));
                tally.values = Some((least.min(value), most.max(value)));
            }
        }
        tallies.retain(|tally| tally.rows > 0);
        tallies.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.action.cmp(&b.action)));
        tallies
    }
}

impl ActionTally {
    /// How to make interactions count of which none does; `None` where some do or none ever should.
    pub fn hint(&self) -> Option<String> {
        let name = &self.action;
        if self.weighted > 0 || name.is_rejection() || *name == Action::Impression {
            return None;
        }
        Some(match self.values {
            _ if self.undoes() => format!(
                "`{name}` {}, so it speaks for no item and has no weight; to take back what it undoes, write a row as the \
                 action undone, with a value below 0",
                if UNDOING.contains(&name.name()) {
                    "undoes something by its name"
                } else {
                    "has values below 0 alone"
                }
            ),
            Some((_, most)) if self.weight > 0.0 => format!(
                "`{name}` counts from {} on and its values end at {most}; to make lower ones count say --set \
                 weights.at_least.{name}={most}",
                self.at_least
            ),
            _ => format!(
                "`{name}` has no weight; to make it count say --set weights.{name}=1, or {name} = 1 under [weights]"
            ),
        })
    }
}

/// Actions that say that something earlier did not last.
const UNDOING: [&str; 9] = [
    "return",
    "returned",
    "refund",
    "refunded",
    "cancel",
    "cancelled",
    "canceled",
    "remove_from_cart",
    "unlike",
];

impl ActionTally {
    /// Whether it takes something back, by its name or by all of its values.
    fn undoes(&self) -> bool {
        UNDOING.contains(&self.action.name()) || self.values.is_some_and(|(_, most)| most < 0.0)
    }
}

impl fmt::Display for ActionTally {
    /// As "`rating` (9 rows, 5 of them from 4 on)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, rows, weighted, weight, at_least, .. } = self;
        write!(f, "`{action}` ({rows} row{}", if *rows == 1 { "" } else { "s" })?;
        if action.is_rejection() {
            f.write_str(", a rejection")?;
        } else if *weight <= 0.0 {
            f.write_str(", no weight")?;
        } else if weighted < rows {
            write!(f, ", {weighted} of them from {at_least} on")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ItemId;
    use crate::time::Timestamp;

    #[test]
    fn rows_are_counted_by_action() {
        let mut log = InteractionLog::default();
        let user = log.users.intern("ann");
        let mut add = |action: &str, value| {
            log.push(user, ItemId::new(0), &action.into(), value, Timestamp::default());
        };
        [Some(5.0), Some(1.0), None].into_iter().for_each(|value| add("rating", value));
        add("star", None);
        add("hide", None);
        add("view", Some(2.0));
        let tallies = log.tally(&ActionWeights::default());
        assert_eq!((tallies[0].weighted, tallies[0].values, tallies[3].values), (2, Some((1.0, 5.0)), None));
        let hints: Vec<bool> = tallies.iter().map(|tally| tally.hint().is_some()).collect();
        assert_eq!(hints, [false, false, false, true]);
        for (action, value, said) in [
            ("return", Some(2.0), "undoes something by its name"),
            ("Remove from cart", None, "undoes something by its name"),
            ("storno", Some(-1.0), "has values below 0 alone"),
            ("star", Some(1.0), "--set weights.star=1"),
        ] {
            let mut log = InteractionLog::default();
            let user = log.users.intern("ann");
            log.push(user, ItemId::new(0), &action.into(), value, Timestamp::default());
            let hint = log.tally(&ActionWeights::default())[0].hint().unwrap_or_default();
            assert!(hint.contains(said) && hint.contains("weights") == (action == "star"), "{hint}");
        }
        let lines: Vec<String> = tallies.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "`rating` (3 rows, 2 of them from 4 on)",
                "`view` (1 row)",
                "`hide` (1 row, a rejection)",
                "`star` (1 row, no weight)"
            ]
        );
    }
}
