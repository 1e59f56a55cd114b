//! New items: who is shown them, how often, and what becomes of them.
//!
//! An item that no model knows yet is on *trial*: a small share of users see it in a slot of their pages, no more often than
//! its budget allows. Once enough people have seen it, how many of them clicked decides whether it is *promoted* to a
//! larger share or *retired* from the slots. Its trial ends for good when a snapshot is put in place that knows it.
//!
//! The stage follows from counts alone ([`LaunchConfig::stage`]), so it does not matter in which order events come, and every
//! server that has counted the same events is of the same mind.

mod exposures;
mod file_ledger;
mod leased;
mod showing;

pub use exposures::{Counted, ExposureBudget, ExposureLedger, LeaseId, MemoryLedger};
pub use file_ledger::FileLedger;
pub use leased::Leased;
pub use showing::Showing;

use crate::experiment::HashVersion;
use crate::id::{ItemKey, UserKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How new items are introduced.
///
/// ```
/// use reco_core::launch::{Counts, LaunchConfig, Stage};
///
/// let config = LaunchConfig::default();
/// assert_eq!(config.stage(Counts { impressions: 999, clicks: 500 }), Stage::Trial);
/// assert_eq!(config.stage(Counts { impressions: 1_000, clicks: 31 }), Stage::Promoted);
/// assert_eq!(config.stage(Counts { impressions: 1_000, clicks: 30 }), Stage::Retired);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LaunchConfig {
    /// The share of users who are shown an item on trial, 0 to 1; 0 shows it to nobody.
    pub share: f64,
    /// The share of users who are shown a promoted one, from `share` to 1.
    pub promoted_share: f64,
    /// Impressions after which it is judged, at least 1.
    pub impressions: u64,
    /// It is promoted if more than this share of its impressions led to a click, 0 to 1.
    pub click_through: f64,
    /// How often it may be put on a page while it is on trial, by all servers together; at least `impressions`.
    #[serde(with = "crate::switch")]
    pub budget: Option<u64>,
    /// The same all in all, once it is promoted; at least `budget`.
    #[serde(with = "crate::switch")]
    pub promoted_budget: Option<u64>,
}

impl Default for LaunchConfig {
    /// The budget is twice the impressions: not every page that is computed is looked at.
    fn default() -> Self {
        Self {
            share: 0.05,
            promoted_share: 0.2,
            impressions: 1_000,
            click_through: 0.03,
            budget: Some(2_000),
            promoted_budget: None,
        }
    }
}

/// What came of showing an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How often it was shown.
    pub impressions: u64,
    /// How often it was clicked.
    pub clicks: u64,
}

/// Where a new item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Too few have seen it to say.
    Trial,
    /// Enough of those who saw it clicked.
    Promoted,
    /// Too few did: it has no slot any more, only what its own merits bring it.
    Retired,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trial => "trial",
            Self::Promoted => "promoted",
            Self::Retired => "retired",
        })
    }
}

impl LaunchConfig {
    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, name: &str, value: String, want: String| {
            if !fine {
                problems.push(format!("{name} is {value}, must be {want}"));
            }
        };
        let Self { share, promoted_share, impressions, click_through, budget, promoted_budget } = self;
        for (name, value) in [("share", share), ("click_through", click_through)] {
            check((0.0..=1.0).contains(value), name, value.to_string(), "0 to 1".to_owned());
        }
        let least = if share.is_finite() { *share } else { 0.0 };
        let is_larger = (least..=1.0).contains(promoted_share);
        check(is_larger, "promoted_share", promoted_share.to_string(), format!("share ({least}) to 1"));
        check(*impressions > 0, "impressions", "0".to_owned(), "at least 1".to_owned());
        if let Some(budget) = budget {
            let want = format!("at least impressions ({impressions}): without them it is never judged");
            check(budget >= impressions, "budget", budget.to_string(), want);
        }
        if let Some(promoted) = promoted_budget {
            let least = budget.unwrap_or(u64::MAX);
            let want = match budget {
                Some(budget) => format!("at least budget ({budget}), of which it is a part"),
                None => "false, as budget is".to_owned(),
            };
            check(*promoted >= least, "promoted_budget", promoted.to_string(), want);
        }
        problems
    }

    /// Where an item stands after these events. It may change its mind: clicks come later than what they are clicks on.
    pub fn stage(&self, counts: Counts) -> Stage {
        let Counts { impressions, clicks } = counts;
        if impressions < self.impressions {
            Stage::Trial
        } else if clicks as f64 > self.click_through * impressions as f64 {
            Stage::Promoted
        } else {
            Stage::Retired
        }
    }

    /// The share of users who are shown an item in a slot.
    pub fn share_of(&self, stage: Stage) -> f64 {
        match stage {
            Stage::Trial => self.share,
            Stage::Promoted => self.promoted_share,
            Stage::Retired => 0.0,
        }
    }

    /// How often an item may have been put on a page, all in all; `None` for any number of times.
    pub fn budget_of(&self, stage: Stage) -> Option<u64> {
        match stage {
            Stage::Trial => self.budget,
            Stage::Promoted => self.promoted_budget,
            Stage::Retired => Some(0),
        }
    }
}

/// Where a user stands among those who may see an item, in 0..1: the share of users before them. A larger share keeps
/// all who are in a smaller one, and who sees one item says nothing about who sees another.
pub fn place(user: &UserKey, item: &ItemKey) -> f64 {
    HashVersion::V2.place(item.as_str(), user.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_makes_no_sense_is_named() {
        let check = |config: LaunchConfig, expected: &[&str]| assert_eq!(config.problems(), expected);
        let config = LaunchConfig::default();
        check(config.clone(), &[]);
        check(LaunchConfig { budget: None, ..config.clone() }, &[]);
        check(LaunchConfig { promoted_budget: Some(2_000), ..config.clone() }, &[]);
        check(
            LaunchConfig { share: 1.5, promoted_share: f64::NAN, impressions: 0, ..config.clone() },
            &[
                "share is 1.5, must be 0 to 1",
                "promoted_share is NaN, must be share (1.5) to 1",
                "impressions is 0, must be at least 1",
            ],
        );
        check(
            LaunchConfig { budget: Some(9), promoted_budget: Some(8), click_through: -1.0, ..config },
            &[
                "click_through is -1, must be 0 to 1",
                "budget is 9, must be at least impressions (1000): without them it is never judged",
                "promoted_budget is 8, must be at least budget (9), of which it is a part",
            ],
        );
    }

    #[test]
    fn as_many_see_an_item_as_should() {
        let users: Vec<UserKey> = (0..20_000).map(|user| format!("user{user}").into()).collect();
        let n_in = |item: &str, share: f64| {
            users.iter().filter(|user| place(user, &item.into()) < share).count() as f64
        };
        for share in [0.05, 0.2] {
            let expected = share * users.len() as f64;
            assert!((n_in("tea", share) - expected).abs() < 5.0 * expected.sqrt(), "{}", n_in("tea", share));
        }
        let both =
            users.iter().filter(|user| ["tea", "jam"].iter().all(|item| place(user, &(*item).into()) < 0.2));
        let both = both.count() as f64;
        assert!((both - 800.0).abs() < 150.0, "who sees one says nothing about who sees another: {both}");
    }

    proptest! {
        #[test]
        fn a_stage_is_one_of_three_and_more_clicks_never_harm(
            impressions in 0u64..5_000, clicks in 0u64..500, more in 0u64..500,
        ) {
            let config = LaunchConfig::default();
            let stage = |clicks| config.stage(Counts { impressions, clicks });
            prop_assert_eq!(stage(clicks) == Stage::Trial, impressions < 1_000);
            if stage(clicks) == Stage::Promoted {
                prop_assert_eq!(stage(clicks + more), Stage::Promoted);
            }
            let (share, budget) = (config.share_of(stage(clicks)), config.budget_of(stage(clicks)));
            prop_assert_eq!(share > 0.0, budget != Some(0));
        }
    }
}
