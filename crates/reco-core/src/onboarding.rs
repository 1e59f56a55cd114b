//! What a page for somebody new is made of, and what newcomers are asked.

use crate::id::{ItemId, ItemKey, UserKey};
use crate::query::Query;
use crate::request::Surface;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hasher};

/// What a page of the home surface is made of while its user is new. What is neither popular in the chosen categories nor
/// exploration is the usual page; who has chosen nothing and explores nothing gets the usual page alone.
///
/// ```
/// use reco_core::onboarding::OnboardingConfig;
///
/// assert_eq!(OnboardingConfig::default().explore, 0.0, "what measures best");
/// let exploring = OnboardingConfig::exploring();
/// assert_eq!((exploring.popular, exploring.explore, exploring.explore_later), (0.3, 0.7, 0.3));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnboardingConfig {
    /// Interactions from which on a user is not new, at least 1.
    pub until: usize,
    /// Share of the page that is popular in the chosen categories, 0 to 1; with `explore` at most 1.
    pub popular: f64,
    /// Share of the page that explores, 0 to 1.
    pub explore: f64,
    /// The same after `days`.
    pub explore_later: f64,
    /// Days after a user's first event for which `explore` holds, at least 0.
    pub days: f64,
    /// Categories that exploration goes through before it comes to one again, at least 1.
    pub categories: usize,
    /// Share of the items, the most popular, that are not explored, 0 to below 1.
    pub head: f64,
}

impl Default for OnboardingConfig {
    fn default() -> Self {
        Self {
            until: 10,
            popular: 0.3,
            explore: 0.0,
            explore_later: 0.0,
            days: 7.0,
            categories: 10,
            head: 0.05,
        }
    }
}

impl OnboardingConfig {
    /// Name of the source that proposes what is popular in the chosen categories.
    pub const INTERESTS: &'static str = "interests";

    /// Name of the source that explores.
    pub const EXPLORE: &'static str = "explore";

    /// Seven places of ten explore for a week, then three.
    pub fn exploring() -> Self {
        Self { explore: 0.7, explore_later: 0.3, ..Self::default() }
    }

    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, value) in [("until", self.until), ("categories", self.categories)] {
            if value == 0 {
                problems.push(format!("{name} is 0, must be at least 1"));
            }
        }
        let shares =
            [("popular", self.popular), ("explore", self.explore), ("explore_later", self.explore_later)];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                problems.push(format!("{name} is {share}, must be 0 to 1"));
            } else if name != "popular" && share + self.popular > 1.0 + 1e-9 {
                problems
                    .push(format!("{name} is {share}, must be at most 1 with popular ({})", self.popular));
            }
        }
        if !(self.days.is_finite() && self.days >= 0.0) {
            problems.push(format!("days is {}, must be at least 0", self.days));
        }
        if !(0.0..1.0).contains(&self.head) {
            problems.push(format!("head is {}, must be at least 0 and below 1", self.head));
        }
        problems
    }

    /// Whether anything is ever explored.
    pub fn explores(&self) -> bool {
        self.explore > 0.0 || self.explore_later > 0.0
    }

    /// Whether the page is one of those that are made up for somebody new.
    pub(crate) fn applies(&self, query: &Query) -> bool {
        query.request.surface == Surface::Home && query.n_interactions() < self.until
    }

    /// The share that explores at this moment.
    pub(crate) fn explored(&self, query: &Query) -> f64 {
        let since = query.began().map_or(0.0, |began| query.now.days_since(began));
        if since < self.days { self.explore } else { self.explore_later }
    }
}

/// A number that looks drawn at random, the same for the same user, seed and UTC day.
pub(crate) fn drawn(query: &Query, item: ItemId) -> f64 {
    let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
    hasher.write(query.request.user.as_str().as_bytes());
    hasher.write_u64(query.request.seed);
    hasher.write_i64(query.now.millis().div_euclid(86_400_000));
    hasher.write_u32(item.raw());
    // The last steps of splitmix64 (Steele, Lea & Flood, OOPSLA 2014), for a fast hash is not a mixed one.
    let mut mixed = hasher.finish();
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// What newcomers are asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Categories to choose from, that with the most users first.
    pub categories: Vec<Choice>,
    /// Items to rate, the most telling first.
    pub samples: Vec<ItemId>,
}

/// A category to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its name.
    pub category: String,
    /// Items in it that somebody took.
    pub items: usize,
    /// Its most popular item, which stands for it.
    pub example: ItemId,
}

/// What a newcomer answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// Who.
    pub user: UserKey,
    /// Names of the chosen categories.
    pub categories: Vec<String>,
    /// Items with ratings.
    pub ratings: Vec<(ItemKey, f32)>,
}
