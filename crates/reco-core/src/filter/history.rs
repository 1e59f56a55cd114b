//! What the user had already, or does not want.

use super::Filter;
use crate::candidate::{Candidates, DropCode, KeepMask};
use crate::error::Fault;
use crate::query::Query;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether items the user bought or rated may come again.
///
/// Where people come back for the same things (groceries), dropping them drops the best answers;
/// where they do not (films), showing them wastes the page. In TOML: `"never"`, `"always"` or
/// `{ within_days = 30 }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenPolicy {
    /// Nothing is dropped.
    #[default]
    Never,
    /// Dropped for so many days after the last time.
    WithinDays(f64),
    /// Dropped for ever.
    Always,
}

impl SeenPolicy {
    /// Whether it drops, at `now`, an item that the user last bought or rated at `consumed`.
    pub fn drops(self, consumed: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::Never => false,
            Self::WithinDays(days) => now.days_since(consumed) <= days,
            Self::Always => true,
        }
    }

    /// What is wrong with it, if anything.
    pub fn problem(self) -> Option<String> {
        match self {
            Self::WithinDays(days) if !(days > 0.0 && days.is_finite()) => {
                Some(format!("within_days is {days}, must be above 0"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for SeenPolicy {
    /// As what follows "items the user bought or rated".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("may come again"),
            Self::WithinDays(days) => write!(f, "do not come again within {days} days"),
            Self::Always => f.write_str("never come again"),
        }
    }
}

/// Applies a [`SeenPolicy`]; items of the running session count as had just now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen(pub SeenPolicy);

impl Seen {
    const CONSUMED: DropCode = 0;
    const AT_HAND: DropCode = 1;
}

impl Filter for Seen {
    fn name(&self) -> &'static str {
        "seen"
    }

    fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
        if self.0 == SeenPolicy::Never {
            return Ok(());
        }
        for (row, &id) in set.ids().iter().enumerate() {
            if query.had(id).is_some_and(|at| self.0.drops(at, query.now)) {
                let consumed = query.touch(id).and_then(|touch| touch.consumed);
                let code = if consumed.is_some() { Self::CONSUMED } else { Self::AT_HAND };
                keep.drop_row(row, code);
            }
        }
        Ok(())
    }

    fn reason(&self, code: DropCode) -> String {
        match self.0 {
            _ if code == Self::AT_HAND => "belongs to the running session".to_owned(),
            SeenPolicy::WithinDays(days) => {
                format!("was bought or rated by this user within the last {days} days")
            }
            _ => "was bought or rated by this user before".to_owned(),
        }
    }
}

/// Drops what the user disliked or hid.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rejected;

impl Filter for Rejected {
    fn name(&self) -> &'static str {
        "rejected"
    }

    fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
        if query.history().iter().any(|touch| touch.rejected) {
            for (row, &id) in set.ids().iter().enumerate() {
                if query.touch(id).is_some_and(|touch| touch.rejected) {
                    keep.drop_row(row, 0);
                }
            }
        }
        Ok(())
    }

    fn reason(&self, _: DropCode) -> String {
        "was disliked or hidden by this user".to_owned()
    }
}
