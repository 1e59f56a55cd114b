//! Cells of a column as what a field needs: text, numbers, moments, lists.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, StringArray,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};
use jiff::civil;
use reco_core::catalog::Value;
use reco_core::time::Timestamp;
use std::borrow::Cow;

/// One column of a batch.
pub(super) enum Cells<'a> {
    Text(&'a StringArray),
    Whole(&'a Int64Array),
    Number(&'a Float64Array),
    Flag(&'a BooleanArray),
    Moment(&'a arrow::array::TimestampMillisecondArray),
    List(&'a ListArray),
}

/// A cell that does not fit its field: the value and what would be right.
pub(super) struct Misfit {
    pub(super) value: String,
    pub(super) want: &'static str,
}

impl<'a> Cells<'a> {
    pub(super) fn new(column: &'a ArrayRef) -> Self {
        match column.data_type() {
            DataType::Int64 => Self::Whole(column.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Number(column.as_primitive::<Float64Type>()),
            DataType::Boolean => Self::Flag(column.as_boolean()),
            DataType::Timestamp(..) => Self::Moment(column.as_primitive::<TimestampMillisecondType>()),
            DataType::List(_) => Self::List(column.as_list()),
            _ => Self::Text(column.as_string()),
        }
    }

    fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Text(column) => column.is_null(row) || column.value(row).is_empty(),
            Self::Whole(column) => column.is_null(row),
            Self::Number(column) => column.is_null(row),
            Self::Flag(column) => column.is_null(row),
            Self::Moment(column) => column.is_null(row),
            Self::List(column) => column.is_null(row),
        }
    }

    /// Anything as text; `None` when missing.
    pub(super) fn text(&self, row: usize) -> Option<Cow<'a, str>> {
        if self.is_missing(row) {
            return None;
        }
        Some(match self {
            Self::Text(column) => Cow::Borrowed(column.value(row)),
            Self::Whole(column) => Cow::Owned(column.value(row).to_string()),
            Self::Number(column) => Cow::Owned(column.value(row).to_string()),
            Self::Flag(column) => Cow::Owned(column.value(row).to_string()),
            Self::Moment(column) => Cow::Owned(column.value(row).to_string()),
            Self::List(_) => Cow::Owned(self.list(row).join(", ")),
        })
    }

    /// A whole number, where the column holds such: the fast way to ids.
    pub(super) fn whole(&self, row: usize) -> Option<i64> {
        match self {
            Self::Whole(column) if !column.is_null(row) => Some(column.value(row)),
            _ => None,
        }
    }

    pub(super) fn number(&self, row: usize) -> Result<Option<f64>, Misfit> {
        if self.is_missing(row) {
            return Ok(None);
        }
        let number = match self {
            Self::Whole(column) => Some(column.value(row) as f64),
            Self::Number(column) => Some(column.value(row)),
            Self::Text(column) => column.value(row).trim().parse().ok(),
            _ => None,
        };
        number
            .filter(|number: &f64| number.is_finite())
            .map(Some)
            .ok_or_else(|| self.misfit(row, "must be a finite number"))
    }

    pub(super) fn flag(&self, row: usize) -> Result<Option<bool>, Misfit> {
        let flag = match self {
            _ if self.is_missing(row) => return Ok(None),
            Self::Flag(column) => Some(column.value(row)),
            _ => self.text(row).and_then(|text| match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "t" | "y" => Some(true),
                "false" | "0" | "no" | "f" | "n" => Some(false),
                _ => None,
            }),
        };
        flag.map(Some).ok_or_else(|| self.misfit(row, "must be true or false"))
    }

    pub(super) fn moment(&self, row: usize) -> Result<Option<Timestamp>, Misfit> {
        const WANT: &str =
            "must be seconds, milli- or microseconds since 1970, or a date such as 2017-06-01T12:30:00Z";
        let moment = match self {
            _ if self.is_missing(row) => return Ok(None),
            Self::Moment(column) => Some(Timestamp::from_millis(column.value(row))),
            Self::Whole(column) => Some(from_number(column.value(row))),
            Self::Number(column) if column.value(row).is_finite() => from_fraction(column.value(row)),
            Self::Text(column) => from_text(column.value(row).trim()),
            _ => None,
        };
        moment.filter(|at| at.millis() >= 0).map(Some).ok_or_else(|| self.misfit(row, WANT))
    }

    /// Texts of a list; text is split at `|` or, without any, at commas.
    pub(super) fn list(&self, row: usize) -> Vec<String> {
        match self {
            _ if self.is_missing(row) => Vec::new(),
            Self::List(column) => {
                let values = column.value(row);
                let values: &StringArray = values.as_string();
                values.iter().flatten().filter(|value| !value.is_empty()).map(str::to_owned).collect()
            }
            _ => self.text(row).map(|text| split_list(&text)).unwrap_or_default(),
        }
    }

    /// Whatever it is; `None` when missing.
    pub(super) fn value(&self, row: usize) -> Option<Value> {
        if self.is_missing(row) {
            return None;
        }
        Some(match self {
            Self::Whole(column) => Value::Number(column.value(row) as f64),
            Self::Number(column) => Value::Number(column.value(row)),
            Self::Flag(column) => Value::Flag(column.value(row)),
            Self::Moment(column) => Value::Number(column.value(row) as f64),
            Self::List(_) => Value::List(self.list(row)),
            Self::Text(column) => match column.value(row).parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Number(number),
                _ => Value::Text(column.value(row).to_owned()),
            },
        })
    }

    fn misfit(&self, row: usize, want: &'static str) -> Misfit {
        Misfit { value: self.text(row).unwrap_or_default().into_owned(), want }
    }
}

pub(super) fn split_list(text: &str) -> Vec<String> {
    let separator = if text.contains('|') { '|' } else { ',' };
    text.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Seconds, milli-, micro- or nanoseconds by size: ten digits are seconds until the year 2286.
fn from_number(number: i64) -> Timestamp {
    match number.unsigned_abs() {
        0..100_000_000_000 => Timestamp::from_secs(number),
        100_000_000_000..100_000_000_000_000 => Timestamp::from_millis(number),
        100_000_000_000_000..100_000_000_000_000_000 => Timestamp::from_millis(number / 1_000),
        _ => Timestamp::from_millis(number / 1_000_000),
    }
}

fn from_fraction(number: f64) -> Option<Timestamp> {
    let whole = number.trunc();
    if whole.abs() >= 9e18 {
        return None;
    }
    let base = from_number(whole as i64);
    let is_seconds = whole.abs() < 1e11;
    Some(if is_seconds {
        Timestamp::from_millis(base.millis() + (number.fract() * 1_000.0) as i64)
    } else {
        base
    })
}

fn from_text(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(from_number(number));
    }
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then(|| from_fraction(number)).flatten();
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_millis(instant.as_millisecond()));
    }
    // As Go prints times: 2020-01-01 00:00:00 +0000 UTC.
    let go = text.strip_suffix(" UTC").unwrap_or(text);
    if let Ok(instant) = jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", go) {
        return Some(Timestamp::from_millis(instant.as_millisecond()));
    }
    // Dates without a zone are taken as UTC.
    let local = text.parse::<civil::DateTime>().ok();
    let local = local.or_else(|| civil::DateTime::strptime("%d-%b-%Y", text).ok());
    let local = local
        .or_else(|| Some(civil::Date::strptime("%d-%b-%Y", text).ok()?.to_datetime(civil::Time::midnight())));
    let zoned = local?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_recognised_by_size_and_shape() {
        for text in [
            "1496320200",
            "1496320200000",
            "1496320200000000",
            "2017-06-01T12:30:00Z",
            "2017-06-01 12:30:00",
            "1496320200.0",
        ] {
            assert_eq!(from_text(text), Some(Timestamp::from_secs(1_496_320_200)), "{text}");
        }
        assert_eq!(from_text("01-Jan-1995"), Some(Timestamp::from_secs(788_918_400)));
        assert_eq!(from_text("soon"), None);
        assert_eq!(from_text("1e300"), None);
    }
}
