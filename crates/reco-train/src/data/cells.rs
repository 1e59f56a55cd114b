//! Cells of a column as what a field needs: text, numbers, moments, lists.

use super::moments;
use super::tables::Text;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};
use reco_core::catalog::Value;
use reco_core::time::Timestamp;
use std::borrow::Cow;

const LONGEST_KEY: usize = 512;

/// Whole numbers up to this size are floating-point numbers, too.
const LARGEST_EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// One column of a batch.
pub(super) struct Cells<'a> {
    name: &'a str,
    values: Values<'a>,
}

enum Values<'a> {
    Text(&'a StringArray),
    /// Text whose words are a list, as RecBole's `token_seq`.
    Words(&'a StringArray),
    Whole(&'a Int64Array),
    Number(&'a Float64Array),
    Flag(&'a BooleanArray),
    Moment(&'a TimestampMillisecondArray),
    List(&'a ListArray),
}

/// A cell that does not fit its field: its column, its value and what would be right.
pub(super) struct Misfit {
    pub(super) column: String,
    pub(super) value: String,
    pub(super) want: &'static str,
}

/// The kind of values in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    List,
}

/// The key of a user or an item.
pub(super) enum Id<'a> {
    /// As the file has it.
    Text(Cow<'a, str>),
    /// A whole number, which needs no text to be found again.
    Whole(i64),
}

impl<'a> Cells<'a> {
    pub(super) fn new(name: &'a str, column: &'a ArrayRef, text: Text) -> Self {
        let values = match column.data_type() {
            DataType::Int64 => Values::Whole(column.as_primitive::<Int64Type>()),
            DataType::Float64 => Values::Number(column.as_primitive::<Float64Type>()),
            DataType::Boolean => Values::Flag(column.as_boolean()),
            DataType::Timestamp(..) => Values::Moment(column.as_primitive::<TimestampMillisecondType>()),
            DataType::List(_) => Values::List(column.as_list()),
            _ if text == Text::Words => Values::Words(column.as_string()),
            _ => Values::Text(column.as_string()),
        };
        Self { name, values }
    }

    pub(super) fn kind(&self) -> Kind {
        match &self.values {
            // As a floating-point number it would become another one.
            Values::Whole(column) if column.iter().flatten().any(is_inexact) => Kind::Text,
            Values::Text(_) => Kind::Text,
            Values::Whole(_) | Values::Number(_) | Values::Moment(_) => Kind::Number,
            Values::Flag(_) => Kind::Flag,
            Values::Words(_) | Values::List(_) => Kind::List,
        }
    }

    /// Whether a cell holds several texts.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.values, Values::Words(_) | Values::List(_))
    }

    /// Whether the file says that the cells are moments.
    pub(super) fn is_moment(&self) -> bool {
        matches!(self.values, Values::Moment(_))
    }

    fn is_missing(&self, row: usize) -> bool {
        match &self.values {
            Values::Text(column) | Values::Words(column) => {
                column.is_null(row) || column.value(row).trim().is_empty()
            }
            Values::Whole(column) => column.is_null(row),
            Values::Number(column) => column.is_null(row),
            Values::Flag(column) => column.is_null(row),
            Values::Moment(column) => column.is_null(row),
            Values::List(column) => column.is_null(row),
        }
    }

    /// Anything as text, as the file has it; `None` when missing.
    pub(super) fn text(&self, row: usize) -> Option<Cow<'a, str>> {
        if self.is_missing(row) {
            return None;
        }
        Some(match &self.values {
            Values::Text(column) | Values::Words(column) => Cow::Borrowed(column.value(row)),
            Values::Whole(column) => Cow::Owned(column.value(row).to_string()),
            Values::Number(column) => Cow::Owned(column.value(row).to_string()),
            Values::Flag(column) => Cow::Owned(column.value(row).to_string()),
            Values::Moment(column) => Cow::Owned(column.value(row).to_string()),
            Values::List(_) => Cow::Owned(self.list(row).join(", ")),
        })
    }

    pub(super) fn id(&self, row: usize) -> Result<Id<'a>, Misfit> {
        match &self.values {
            Values::Whole(column) if !column.is_null(row) => Ok(Id::Whole(column.value(row))),
            _ => self.key(row).map(Id::Text),
        }
    }

    /// The key of a user or an item as text.
    pub(super) fn key(&self, row: usize) -> Result<Cow<'a, str>, Misfit> {
        let Some(key) = self.text(row) else { return Err(self.misfit(row, "is empty, must be an id")) };
        if matches!(&self.values, Values::Number(column) if !column.value(row).is_finite()) {
            return Err(self.misfit(row, "must be an id"));
        }
        // A quote that is never closed swallows the rest of its file; it must not become an id.
        if key.len() > LONGEST_KEY || key.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(self.misfit(row, "must be an id: at most 512 bytes, no line breaks"));
        }
        Ok(key)
    }

    /// A number that 32 bits can hold.
    pub(super) fn number(&self, row: usize) -> Result<Option<f32>, Misfit> {
        if self.is_missing(row) {
            return Ok(None);
        }
        let number = self.float(row).map(|number| number as f32).filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| self.misfit(row, "must be a finite number"))
    }

    /// The number that the cell holds, be it as text; `None` where it holds none.
    pub(super) fn float(&self, row: usize) -> Option<f64> {
        let number = match &self.values {
            _ if self.is_missing(row) => None,
            Values::Whole(column) => Some(column.value(row) as f64),
            Values::Number(column) => Some(column.value(row)),
            Values::Moment(column) => Some(column.value(row) as f64),
            Values::Text(column) | Values::Words(column) => column.value(row).trim().parse().ok(),
            Values::Flag(_) | Values::List(_) => None,
        };
        number.filter(|number| number.is_finite())
    }

    pub(super) fn flag(&self, row: usize) -> Result<Option<bool>, Misfit> {
        let flag = match &self.values {
            _ if self.is_missing(row) => return Ok(None),
            Values::Flag(column) => Some(column.value(row)),
            _ => self.text(row).and_then(|text| match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "t" | "y" => Some(true),
                "false" | "0" | "no" | "f" | "n" => Some(false),
                _ => None,
            }),
        };
        flag.map(Some).ok_or_else(|| self.misfit(row, "must be true or false"))
    }

    /// A moment of the years 1 to 9999, before 1970 perhaps; `None` also where it is written that nobody
    /// knows it.
    pub(super) fn moment(&self, row: usize) -> Result<Option<Timestamp>, Misfit> {
        const WANT: &str =
            "must be seconds, milli- or microseconds since 1970, or a date such as 2017-06-01T12:30:00Z";
        let moment = match &self.values {
            _ if self.is_missing(row) => return Ok(None),
            Values::Moment(column) => Some(Timestamp::from_millis(column.value(row))),
            Values::Whole(column) => Some(moments::from_number(column.value(row))),
            Values::Number(column) => moments::from_fraction(column.value(row)),
            Values::Text(column) => moments::from_text(column.value(row).trim()),
            _ => None,
        };
        let moment = moment.and_then(moments::within_reason).ok_or_else(|| self.misfit(row, WANT))?;
        Ok(Some(moment).filter(|&at| !moments::is_unknown(at)))
    }

    /// Texts of a list; text is split at `|` or, without any, at commas. A JSON list is understood too.
    pub(super) fn list(&self, row: usize) -> Vec<String> {
        match &self.values {
            _ if self.is_missing(row) => Vec::new(),
            Values::List(column) => {
                let values = column.value(row);
                let values: &StringArray = values.as_string();
                values.iter().flatten().filter(|value| !value.is_empty()).map(str::to_owned).collect()
            }
            Values::Words(column) => column.value(row).split_whitespace().map(str::to_owned).collect(),
            _ => self.text(row).map(|text| split_list(&text)).unwrap_or_default(),
        }
    }

    /// Whatever it is; `None` when missing. Text stays text: see [`settle`](super::extra::settle).
    pub(super) fn value(&self, row: usize) -> Option<Value> {
        if self.is_missing(row) {
            return None;
        }
        Some(match &self.values {
            Values::Whole(column) if is_inexact(column.value(row)) => {
                Value::Text(column.value(row).to_string())
            }
            Values::Whole(_) | Values::Number(_) | Values::Moment(_) => Value::Number(self.float(row)?),
            Values::Flag(column) => Value::Flag(column.value(row)),
            Values::List(_) | Values::Words(_) => Value::List(self.list(row)),
            Values::Text(column) => Value::Text(column.value(row).to_owned()),
        })
    }

    pub(super) fn misfit(&self, row: usize, want: &'static str) -> Misfit {
        let value = self.text(row).unwrap_or_default().into_owned();
        Misfit { column: self.name.to_owned(), value, want }
    }
}

fn is_inexact(number: i64) -> bool {
    number.unsigned_abs() > LARGEST_EXACT
}

fn split_list(text: &str) -> Vec<String> {
    if text.starts_with(['[', '{'])
        && let Ok(json) = serde_json::from_str::<serde_json::Value>(text)
    {
        let mut found = Vec::new();
        collect_labels(&json, &mut found);
        return found;
    }
    let separator = if text.contains('|') { '|' } else { ',' };
    text.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The labels in JSON: texts of a list, or values of an object, at any depth.
fn collect_labels(json: &serde_json::Value, found: &mut Vec<String>) {
    match json {
        serde_json::Value::String(label) if !label.trim().is_empty() => found.push(label.trim().to_owned()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect_labels(value, found)),
        serde_json::Value::Object(values) => values.values().for_each(|value| collect_labels(value, found)),
        _ => {}
    }
}
