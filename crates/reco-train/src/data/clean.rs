//! Leaving out what would mislead training: other times, bots, impossible values.

mod bots;
mod outliers;
#[cfg(test)]
mod tests;

use super::Dataset;
use super::moments::written;
use bots::Sign;
use reco_core::interactions::{InteractionLog, UserTable};
use reco_core::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// What of a data set is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleanParams {
    /// The first moment that counts.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub from: Option<Timestamp>,
    /// The first moment that no longer counts.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub until: Option<Timestamp>,
    /// Days before `until`, or before the end of the data, that count, above 0.
    pub last_days: Option<f64>,
    /// Users with more events than this within some minute are bots, and all that they did is left out; 0 keeps
    /// them. What the user was shown is no event of theirs; what they bought at one moment is one basket and one
    /// event, and so is what they did by an action of your own, such as a return. But who fills ten baskets within
    /// that minute, or within an hour at sixty times this number, does not do so by hand: every line of theirs counts,
    /// so that whole seconds and whole minutes hide no bot. Data that know the hour at best cannot tell fast ones.
    pub bots_per_minute: u32,
    /// Users with more lines than this in one basket, at one moment of any clock, are bots, too; 0 keeps them. Over
    /// data of whole days a basket is what was bought on a day.
    pub bots_per_basket: u32,
    /// How many times the usual distance from the usual value of its action a value may lie, on a logarithmic
    /// scale, at least 1; 0 keeps what is finite. See [`clean`].
    pub outliers: f32,
}

impl Default for CleanParams {
    fn default() -> Self {
        Self {
            from: None,
            until: None,
            last_days: None,
            bots_per_minute: 100,
            bots_per_basket: 1_000,
            outliers: 10.0,
        }
    }
}

impl CleanParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            problems.push(format!("from is {}, must be before until, {}", written(from), written(until)));
        }
        if let Some(days) = self.last_days.filter(|days| !(*days > 0.0 && days.is_finite())) {
            problems.push(format!("last_days is {days}, must be above 0"));
        }
        if self.outliers != 0.0 && !(self.outliers >= 1.0 && self.outliers.is_finite()) {
            problems.push(format!("outliers is {}, must be 0 or at least 1", self.outliers));
        }
        problems
    }

    /// Whether only some times count.
    fn is_range(&self) -> bool {
        self.from.is_some() || self.until.is_some() || self.last_days.is_some()
    }
}

/// What was left out of a data set, by reason; each interaction counts once, for the first that applies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cleaned {
    /// Interactions that were read.
    pub read: usize,
    /// Interactions that stay.
    pub kept: usize,
    /// Interactions before or after what counts.
    pub out_of_range: usize,
    /// Users taken for bots.
    pub bots: usize,
    /// How many of these by the size of a basket alone.
    pub bots_by_basket: usize,
    /// What all of these did.
    pub by_bots: usize,
    /// Interactions whose value is infinite, by action.
    pub not_finite: BTreeMap<String, usize>,
    /// Interactions whose value is absurdly far from the usual ones of their action, by action.
    pub outliers: BTreeMap<String, usize>,
}

impl Cleaned {
    /// What was left out and by which setting, one line per reason.
    pub fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut tell = |n: usize, line: String| {
            if n > 0 {
                lines.push(format!("left out: {line}"));
            }
        };
        let Self { out_of_range, bots, bots_by_basket, by_bots, .. } = self;
        tell(
            *out_of_range,
            format!("{out_of_range} interactions outside clean.from, clean.until and clean.last_days"),
        );
        let who = if *bots == 1 { "user who looks like a bot" } else { "users who look like bots" };
        let by = match bots_by_basket {
            0 => "clean.bots_per_minute".to_owned(),
            n if n == bots => "clean.bots_per_basket".to_owned(),
            n => format!("clean.bots_per_minute; {n} by clean.bots_per_basket"),
        };
        tell(*bots, format!("{bots} {who}, with {by_bots} interactions ({by})"));
        for (action, n) in &self.not_finite {
            tell(*n, format!("{n} of `{action}` whose value is infinite"));
        }
        for (action, n) in &self.outliers {
            tell(*n, format!("{n} of `{action}` whose value is far from all others (clean.outliers)"));
        }
        lines
    }
}

/// Why nothing is left to train on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// Settings out of range; all of them.
    #[error("clean: {}", .0.join("; "))]
    Params(Vec<String>),
    /// A range of times over data without any.
    #[error("clean.from, clean.until and clean.last_days need interactions with a timestamp")]
    NoTimes,
    /// Everything was left out.
    #[error("none of the {} interactions is left: {}", .0.read, .0.remarks().join("; "))]
    NothingLeft(Box<Cleaned>),
}

/// Leaves out what happened outside the range, then bots, then interactions with impossible values. Users of whom
/// nothing is left are forgotten; the catalogue stays.
///
/// A value is absurd if |ln(1 + |value|) - m| > `outliers` s, where m is the median of ln(1 + |value|) over the
/// action and s = 1.4826 times the median distance from m: the modified z-score of Iglewicz & Hoaglin ("How to
/// Detect and Handle Outliers", 1993) for amounts, whose spread is a matter of factors, not of differences. s is at
/// least ln 2, so that where most values are the same a few times as much is no outlier: with the default 10, a
/// value lies at least a thousandfold off. A return goes with its purchase, for signs do not count.
///
/// # Errors
///
/// [`CleanError`] for parameters that make no sense, or that leave nothing of what was there.
pub fn clean(dataset: Dataset, params: &CleanParams) -> Result<(Dataset, Cleaned), CleanError> {
    let problems = params.problems();
    if !problems.is_empty() {
        return Err(CleanError::Params(problems));
    }
    let log = &dataset.log;
    if params.is_range() && !log.has_times() && !log.is_empty() {
        return Err(CleanError::NoTimes);
    }
    let mut cleaned = Cleaned { read: log.len(), ..Cleaned::default() };
    let mut rows = in_range(log, params);
    cleaned.out_of_range = log.len() - rows.len();

    let signs = bots::bots(log, &rows, params);
    cleaned.bots = signs.iter().flatten().count();
    cleaned.bots_by_basket = signs.iter().flatten().filter(|sign| **sign == Sign::Basket).count();
    rows.retain(|&row| signs[log.user[row as usize] as usize].is_none());
    cleaned.by_bots = log.len() - cleaned.out_of_range - rows.len();

    outliers::remove(log, &mut rows, params.outliers, &mut cleaned);
    cleaned.kept = rows.len();
    if rows.len() == log.len() {
        return Ok((dataset, cleaned));
    }
    if rows.is_empty() {
        return Err(CleanError::NothingLeft(Box::new(cleaned)));
    }
    Ok((without_the_lost(&dataset, &rows), cleaned))
}

/// Rows of the times that count, ascending.
fn in_range(log: &InteractionLog, params: &CleanParams) -> Vec<u32> {
    let rows = 0..log.len() as u32;
    if !params.is_range() {
        return rows.collect();
    }
    // The end of the data counts itself, hence the millisecond.
    let end = log.span().map(|(_, last)| Timestamp::from_millis(last.millis().saturating_add(1)));
    let until = params.until.or(end).unwrap_or_default();
    let latest = params.last_days.map(|days| until.plus_days(-days));
    let from = params.from.max(latest);
    let counts = |row: &u32| {
        let at = log.at[*row as usize];
        at < until && from.is_none_or(|from| at >= from)
    };
    rows.filter(counts).collect()
}

/// The rows named, without the users who had rows and now have none.
fn without_the_lost(dataset: &Dataset, rows: &[u32]) -> Dataset {
    let mut some = dataset.select(rows);
    let n_users = some.log.users.len();
    let with_rows = |log: &InteractionLog| {
        let mut has_rows = vec![false; n_users];
        log.user.iter().for_each(|&user| has_rows[user as usize] = true);
        has_rows
    };
    let (before, after) = (with_rows(&dataset.log), with_rows(&some.log));
    let mut users = UserTable::default();
    let mut attributes = Vec::new();
    let mut row_of = vec![0u32; n_users];
    for (old, key) in some.log.users.keys().iter().enumerate().filter(|(old, _)| after[*old] || !before[*old])
    {
        row_of[old] = users.intern(key.as_str());
        attributes.push(some.users.get(old).cloned().unwrap_or_default());
    }
    some.log.user.iter_mut().for_each(|user| *user = row_of[*user as usize]);
    some.log.users = users;
    some.users = attributes;
    some
}

#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn write<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    moment.map(written).serialize(serializer)
}

/// A date, with a time of day or without, or milliseconds since 1970.
fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Millis(i64),
        Text(String),
    }
    Ok(match Option::<Written>::deserialize(deserializer)? {
        None => None,
        Some(Written::Millis(millis)) => Some(Timestamp::from_millis(millis)),
        Some(Written::Text(text)) => Some(text.parse().map_err(serde::de::Error::custom)?),
    })
}
