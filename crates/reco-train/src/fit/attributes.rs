//! Making features of what users' own columns say.

#[cfg(test)]
mod tests;

use crate::data::extra::as_number;
use crate::data::moments;
use reco_core::catalog::{Catalog, Column, Labels, TagSets, Value};
use reco_core::features::{FeatureConfig, UserAttributes, UserAttributesBuilder as Builder};
use reco_core::id::ItemId;
use reco_core::interactions::Histories;
use reco_core::linalg::Matrix;
use reco_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A text becomes a feature if this share of the users who have any have it, and this many users at least: fewer say
/// little of others, and much of themselves.
const LEAST_SHARE: f64 = 0.01;
const FEWEST_USERS: usize = 5;

/// Texts of a column that become features, the most frequent ones.
const MOST_TEXTS: usize = 20;

/// Items that a value's users would have to take for their own habits to count as much as everybody's.
const PRIOR: f64 = 20.0;

/// Columns that an error names.
const MOST_NAMED: usize = 30;

/// What is known of each user, by row.
type Users = [BTreeMap<String, Value>];

/// Columns that are to be features and cannot be, one line each.
pub(super) fn problems(users: &Users, config: &FeatureConfig) -> Vec<String> {
    if config.user_columns.is_empty() {
        return Vec::new();
    }
    let there: BTreeSet<&str> = users.iter().flat_map(|user| user.keys().map(String::as_str)).collect();
    let problem = |(place, name): (usize, &String)| {
        let is = if config.user_columns[..place].contains(name) {
            "is named twice".to_owned()
        } else if there.is_empty() {
            "is no column of the users: nothing was read of them but their ids".to_owned()
        } else if !there.contains(name.as_str()) {
            let listed: Vec<&str> = there.iter().copied().take(MOST_NAMED).collect();
            let more = if there.len() > MOST_NAMED { " and more" } else { "" };
            format!("is no column of the users; there are {listed:?}{more}")
        } else {
            match column(users, users.len(), name) {
                Column::Tags(_) => "holds lists, which are no features".to_owned(),
                Column::Labels(labels) if frequent(&labels, users.len()).is_empty() => {
                    "has no text that enough users share".to_owned()
                }
                _ => return None,
            }
        };
        Some(format!("user_columns: `{name}` {is}"))
    };
    config.user_columns.iter().enumerate().filter_map(problem).collect()
}

/// The features of all users as of `until`, the end of what `histories` tell; `None` where no column is to be one.
///
/// Which texts become features depends on the users alone, so that it is the same at every cut of their interactions.
pub(super) fn fit(
    users: &Users,
    histories: &Histories,
    catalog: &Catalog,
    until: Timestamp,
    config: &FeatureConfig,
) -> Option<UserAttributes> {
    if config.user_columns.is_empty() {
        return None;
    }
    let takes = Takes { histories, categories: catalog.category() };
    let n_users = histories.n_users();
    let mut table = UserAttributes::builder(n_users);
    for name in &config.user_columns {
        let column = column(users, n_users, name);
        table = with_column(table, name, &column, n_users, until);
        let Some((of_users, n_values)) = values(&column, n_users) else { continue };
        if takes.categories.cardinality() > 0 {
            let about = format!(
                "log2 of the share of its category in what users of the same `{name}` took, by that in what all took"
            );
            let lifts = takes.lifts(&of_users, n_values);
            table = table.taste(&format!("{name}.category_lift"), &about, &of_users, lifts);
        }
    }
    Some(table.build())
}

/// With what a column says of the user alone.
fn with_column(mut table: Builder, name: &str, column: &Column, n_users: usize, until: Timestamp) -> Builder {
    let about = format!("the user's own column `{name}`");
    match column {
        Column::Numbers(numbers) => table.column(name, &about, numbers.iter().map(|&number| number as f32)),
        Column::Flags(flags) => table.column(name, &about, flags.iter().map(|&flag| is(flag, true))),
        Column::Times(times) => {
            let days = |at: &Option<Timestamp>| at.map_or(f32::NAN, |at| until.days_since(at) as f32);
            table.age(name, &format!("days since {about}, as ln(1 + n)"), times.iter().map(days))
        }
        Column::Labels(labels) => {
            let codes = frequent(labels, n_users);
            let names = distinct(codes.iter().map(|&code| written(labels.name(code))));
            for (&code, value) in codes.iter().zip(names) {
                let about =
                    format!("1 for users whose own column `{name}` is `{}`, else 0", labels.name(code));
                let flags = (0..n_users as u32).map(|user| is(labels.code(ItemId::new(user)), code));
                table = table.column(&format!("{name}={value}"), &about, flags);
            }
            table
        }
        _ => table,
    }
}

/// Which of how many values each user has, of a column of flags or texts; none where it is not known or not frequent.
fn values(column: &Column, n_users: usize) -> Option<(Vec<Option<u32>>, usize)> {
    match column {
        Column::Flags(flags) => Some((flags.iter().map(|flag| flag.map(u32::from)).collect(), 2)),
        Column::Labels(labels) => {
            let codes = frequent(labels, n_users);
            let place =
                |code| codes.iter().zip(0..).find(|(known, _)| **known == code).map(|(_, place)| place);
            let of_users = (0..n_users as u32).map(|user| labels.code(ItemId::new(user)).and_then(place));
            Some((of_users.collect(), codes.len()))
        }
        _ => None,
    }
}

/// 1 where a value is the one asked for, 0 where it is another.
fn is<T: PartialEq>(value: Option<T>, asked: T) -> f32 {
    value.map_or(f32::NAN, |value| if value == asked { 1.0 } else { 0.0 })
}

/// What users took, by category.
struct Takes<'a> {
    histories: &'a Histories,
    categories: &'a Labels,
}

impl Takes<'_> {
    /// How many items of each category these users took, by its code.
    fn of(&self, users: impl Iterator<Item = u32>) -> Vec<f64> {
        let mut counts = vec![0.0; self.categories.cardinality()];
        let liked = users.flat_map(|user| self.histories.of(user)).filter(|touch| touch.is_liked());
        liked
            .filter_map(|touch| self.categories.code(touch.item))
            .for_each(|code| counts[code as usize] += 1.0);
        counts
    }

    /// How much the users of each value prefer each category: log2 of its share in what they took over that in what
    /// all took, the former held back towards the latter by [`PRIOR`] items; NaN where nobody took anything of it.
    fn lifts(&self, value_of: &[Option<u32>], n_values: usize) -> Matrix {
        let of_all = self.of(0..value_of.len() as u32);
        let n_of_all: f64 = of_all.iter().sum();
        let of_value = |value: u32| {
            let has_it = |user: &u32| value_of[*user as usize] == Some(value);
            let counts = self.of((0..value_of.len() as u32).filter(has_it));
            let n: f64 = counts.iter().sum();
            let lift = move |(count, of_all): (f64, &f64)| {
                let usual = of_all / n_of_all;
                ((count + PRIOR * usual) / (n + PRIOR) / usual).log2() as f32
            };
            counts.into_iter().zip(&of_all).map(lift).collect::<Vec<f32>>()
        };
        Matrix::from_vec(n_values, of_all.len(), (0..n_values as u32).flat_map(of_value).collect())
    }
}

/// One column of the users, of the type that all of its values have; text where they have several.
fn column(users: &Users, n_users: usize, name: &str) -> Column {
    let cells = || (0..n_users).map(|row| users.get(row).and_then(|user| user.get(name)));
    let all = |is: &dyn Fn(&Value) -> bool| cells().flatten().all(is);
    let number = |value: &Value| match value {
        Value::Number(number) => Some(*number),
        Value::Text(text) => as_number(text),
        _ => None,
    };
    let moment = |value: &Value| match value {
        // A bare number that is none, such as 02139, is a code.
        Value::Text(text) if text.trim().parse::<f64>().is_err() => moments::from_text(text.trim()),
        _ => None,
    };
    let flag = |value: &Value| if let Value::Flag(flag) = value { Some(*flag) } else { None };
    let list = |value: &Value| if let Value::List(list) = value { Some(list.clone()) } else { None };
    if all(&|value| number(value).is_some()) {
        return Column::Numbers(cells().map(|cell| cell.and_then(number).unwrap_or(f64::NAN)).collect());
    }
    if all(&|value| flag(value).is_some()) {
        return Column::Flags(cells().map(|cell| cell.and_then(flag)).collect());
    }
    if all(&|value| moment(value).is_some()) {
        return Column::Times(cells().map(|cell| cell.and_then(moment)).collect());
    }
    if all(&|value| list(value).is_some()) {
        let mut tags = TagSets::default();
        cells().for_each(|cell| tags.push(cell.and_then(list).iter().flatten().map(String::as_str)));
        return Column::Tags(tags);
    }
    let mut labels = Labels::default();
    cells().for_each(|cell| labels.push(cell.map(text).as_deref()));
    Column::Labels(labels)
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::List(list) => list.join(", "),
        _ => String::new(),
    }
}

/// Codes of the texts that enough users have, the most frequent first.
fn frequent(labels: &Labels, n_users: usize) -> Vec<u32> {
    let mut counts = vec![0usize; labels.cardinality()];
    let codes = (0..n_users as u32).filter_map(|user| labels.code(ItemId::new(user)));
    codes.for_each(|code| counts[code as usize] += 1);
    let n_known: usize = counts.iter().sum();
    let least = FEWEST_USERS.max((LEAST_SHARE * n_known as f64).ceil() as usize);
    let mut codes: Vec<u32> =
        (0..counts.len() as u32).filter(|&code| counts[code as usize] >= least).collect();
    let by_count = |&code: &u32| (std::cmp::Reverse(counts[code as usize]), labels.name(code));
    codes.sort_by(|a, b| by_count(a).cmp(&by_count(b)));
    codes.truncate(MOST_TEXTS);
    codes
}

/// A text as part of a feature's name: other tools end names at spaces, and know brackets and commas as their own.
fn written(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_alphanumeric() || "-.+".contains(letter) { letter } else { '_' })
        .collect()
}

/// The same names, numbered where one stands there already.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !known.contains(name));
        known.extend(free);
    }
    known
}
