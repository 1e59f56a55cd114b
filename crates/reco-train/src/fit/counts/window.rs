//! How far back popularity should look, by what told most of those who came last.

use crate::progress::Progress;
use reco_core::event::ActionWeights;
use reco_core::id::ItemId;
use reco_core::interactions::InteractionLog;
use reco_core::time::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How many days before the end of the data popularity counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Window {
    /// As many as tell most of new users.
    #[default]
    Auto,
    /// So many.
    Days(f64),
}

impl Window {
    /// How many days it is over these data, nothing for all of them. What was chosen is told.
    pub(super) fn days(
        self,
        log: &InteractionLog,
        weights: &ActionWeights,
        progress: &dyn Progress,
    ) -> Option<f64> {
        match self {
            Self::Auto => chosen(log, weights, progress),
            Self::Days(days) => Some(days),
        }
    }
}

fn chosen(log: &InteractionLog, weights: &ActionWeights, progress: &dyn Progress) -> Option<f64> {
    progress.begin("popular", 1);
    let Choice { days, n_users } = Choice::of(log, weights);
    let counted = days.map_or_else(|| "all of the data".to_owned(), |days| format!("the last {days} days"));
    progress.end(&match n_users {
        0 => format!("{counted}: too few new users to choose by"),
        _ => format!("{counted}, by what {n_users} new users took first"),
    });
    days
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Days(days) => serializer.serialize_f64(*days),
        }
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsWritten)
    }
}

struct AsWritten;

impl Visitor<'_> for AsWritten {
    type Value = Window;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of days, \"auto\" or false")
    }

    fn visit_f64<E: Error>(self, days: f64) -> Result<Window, E> {
        Ok(Window::Days(days))
    }

    fn visit_i64<E: Error>(self, days: i64) -> Result<Window, E> {
        Ok(Window::Days(days as f64))
    }

    fn visit_u64<E: Error>(self, days: u64) -> Result<Window, E> {
        Ok(Window::Days(days as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Window, E> {
        if text == "auto" {
            Ok(Window::Auto)
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }
}

/// A window that was chosen, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    /// Days; nothing for all of the data.
    pub(super) days: Option<f64>,
    /// New users whose first items it was chosen by; 0 where there were too few of them.
    pub(super) n_users: usize,
}

impl Choice {
    /// What there is to choose from beside the usual; nothing is all of the data. Shorter ones are for trends.
    const LONGER: [Option<f64>; 3] = [Some(180.0), Some(365.0), None];
    /// Where nothing else is better for sure, or there are too few new users to tell.
    const USUAL: Option<f64> = Some(90.0);
    /// New users that it takes.
    const LEAST_USERS: usize = 50;
    /// Standard errors of the mean difference by which another window must be better than the usual one.
    const SURE: f64 = 3.0;
    /// The first items of a new user that are to be found.
    const FIRST: usize = 10;
    /// The most popular items that are to find them.
    const SHOWN: usize = 10;
    /// The share of the interactions that comes before the new users.
    const EARLIER: f64 = 2.0 / 3.0;

    /// The window whose most popular items found most of what new users took first. New are those who came in the last third of
    /// the interactions; popular is what was by then.
    pub(super) fn of(log: &InteractionLog, weights: &ActionWeights) -> Self {
        let weight = log.weights(weights);
        let mut rows: Vec<usize> = (0..log.len()).filter(|&row| weight[row] > 0.0).collect();
        rows.sort_by_key(|&row| log.at[row]);
        let at = |place: usize| rows.get(place).map(|&row| log.at[row]);
        let few = Self { days: Self::USUAL, n_users: 0 };
        let Some(cut) = at((rows.len() as f64 * Self::EARLIER) as usize) else { return few };
        let (earlier, later) = rows.split_at(rows.partition_point(|&row| log.at[row] < cut));
        let firsts = firsts(log, earlier, later);
        if firsts.len() < Self::LEAST_USERS {
            return few;
        }
        let latest = latest(log, earlier);
        let found = |window: Option<f64>| -> Vec<f64> {
            let since = window.map_or(Timestamp::from_millis(i64::MIN), |days| cut.plus_days(-days));
            let top = most_taken(&latest, since);
            let share = |items: &Vec<ItemId>| {
                items.iter().filter(|item| top.contains(item)).count() as f64 / items.len() as f64
            };
            firsts.iter().map(share).collect()
        };
        let usual = found(Self::USUAL);
        let better =
            Self::LONGER.into_iter().filter_map(|days| Some((sure_gain(&found(days), &usual)?, days)));
        // Of equal ones the longest, which counts most.
        let best = better.max_by(|a, b| a.0.total_cmp(&b.0));
        Self { days: best.map_or(Self::USUAL, |(_, days)| days), n_users: firsts.len() }
    }
}

/// The mean by which users found more, if that is no chance.
fn sure_gain(found: &[f64], usual: &[f64]) -> Option<f64> {
    let gains: Vec<f64> = found.iter().zip(usual).map(|(found, usual)| found - usual).collect();
    let n = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / n;
    let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean > 0.0 && mean >= Choice::SURE * (variance / n).sqrt()).then_some(mean)
}

/// What users of the `later` rows took first who are not among the `earlier` ones.
fn firsts(log: &InteractionLog, earlier: &[usize], later: &[usize]) -> Vec<Vec<ItemId>> {
    let known: FxHashSet<u32> = earlier.iter().map(|&row| log.user[row]).collect();
    let mut firsts: FxHashMap<u32, Vec<ItemId>> = FxHashMap::default();
    for &row in later.iter().filter(|&&row| !known.contains(&log.user[row])) {
        let (items, item) = (firsts.entry(log.user[row]).or_default(), log.item[row]);
        if items.len() < Choice::FIRST && !items.contains(&item) {
            items.push(item);
        }
    }
    // In an order that does not depend on the hash: sums of fractions do on theirs.
    let mut firsts: Vec<(u32, Vec<ItemId>)> = firsts.into_iter().collect();
    firsts.sort_unstable_by_key(|(user, _)| *user);
    firsts.into_iter().map(|(_, items)| items).collect()
}

/// When each user took each item last.
fn latest(log: &InteractionLog, rows: &[usize]) -> Vec<(ItemId, Timestamp)> {
    let mut latest: FxHashMap<(u32, ItemId), Timestamp> = FxHashMap::default();
    for &row in rows {
        // Rows are in the order of their times.
        latest.insert((log.user[row], log.item[row]), log.at[row]);
    }
    latest.into_iter().map(|((_, item), at)| (item, at)).collect()
}

/// The items that most users took since then.
fn most_taken(latest: &[(ItemId, Timestamp)], since: Timestamp) -> Vec<ItemId> {
    let mut users: FxHashMap<ItemId, u32> = FxHashMap::default();
    latest.iter().filter(|(_, at)| *at >= since).for_each(|(item, _)| *users.entry(*item).or_default() += 1);
    let mut items: Vec<(ItemId, u32)> = users.into_iter().collect();
    items.sort_unstable_by_key(|(item, n_users)| (std::cmp::Reverse(*n_users), *item));
    items.into_iter().take(Choice::SHOWN).map(|(item, _)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reco_core::event::Action;

    /// A user a day takes the classics, items 0 to 9, and in the last fifty days what is the fashion, 10 to 19. Then come new users,
    /// who take the ten items from `first` on.
    fn log(n_days: u32, n_new: u32, first: u32) -> InteractionLog {
        let mut log = InteractionLog::default();
        let mut take = |user: String, first: u32, day: u32| {
            let (user, at) = (log.users.intern(&user), Timestamp::from_secs(i64::from(day) * 86_400));
            for item in first..first + 10 {
                log.push(user, ItemId::new(item), &Action::Purchase, None, at);
            }
        };
        (0..n_days).for_each(|day| take(format!("old{day}"), if day + 50 < n_days { 0 } else { 10 }, day));
        (0..n_new).for_each(|user| take(format!("new{user}"), first, n_days));
        log
    }

    #[test]
    fn what_told_most_of_new_users_is_chosen_and_of_equals_the_longest() {
        let of = |first| Choice::of(&log(400, 250, first), &ActionWeights::default());
        assert_eq!(of(10), Choice { days: Choice::USUAL, n_users: 250 }, "fashion");
        assert_eq!(of(0), Choice { days: None, n_users: 250 }, "classics");
    }

    #[test]
    fn what_may_be_chance_changes_nothing() {
        let (half, none) = (vec![0.5; 100], vec![0.0; 100]);
        assert_eq!(sure_gain(&half, &none), Some(0.5));
        assert_eq!(sure_gain(&none, &none), None);
        // One of a hundred found something.
        let one: Vec<f64> = std::iter::once(1.0).chain(none[1..].iter().copied()).collect();
        assert_eq!(sure_gain(&one, &none), None);
    }

    #[test]
    fn too_few_new_users_tell_nothing() {
        for log in [InteractionLog::default(), log(10, 49, 0)] {
            let choice = Choice::of(&log, &ActionWeights::default());
            assert_eq!(choice, Choice { days: Choice::USUAL, n_users: 0 });
        }
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        for (text, window) in [("\"auto\"", Window::Auto), ("30.0", Window::Days(30.0))] {
            assert_eq!(serde_json::from_str::<Window>(text).unwrap(), window);
            assert_eq!(serde_json::to_string(&window).unwrap(), text);
        }
        let error = serde_json::from_str::<Window>("\"week\"").unwrap_err().to_string();
        assert!(error.contains("a number of days, \"auto\" or false"), "{error}");
    }
}
