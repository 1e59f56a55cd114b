//! Columns that hold no field, kept as attributes.

use super::cells::{Cells, Kind};
use reco_core::catalog::{Column, Labels, TagSets, Value};
use reco_core::id::ItemId;

/// A column that grows cell by cell; its type is that of its first cells.
#[derive(Debug, Default)]
pub(super) struct Growing {
    column: Option<Column>,
    n_rows: u32,
}

impl Growing {
    /// Makes room for cells like these. Numbers become text when text follows.
    pub(super) fn prepare(&mut self, cells: &Cells<'_>) {
        let column = match (self.column.take(), cells.kind()) {
            (None, Kind::Text) => Column::Labels(Labels::default()),
            (None, Kind::Number) => Column::Numbers(Vec::new()),
            (None, Kind::Flag) => Column::Flags(Vec::new()),
            (None, Kind::List) => Column::Tags(TagSets::default()),
            (Some(Column::Numbers(numbers)), Kind::Text) => Column::Labels(written(&numbers)),
            (Some(column), _) => column,
        };
        self.column = Some(column);
    }

    /// Appends a cell of the column last prepared for.
    pub(super) fn push(&mut self, cells: &Cells<'_>, row: usize) {
        self.n_rows += 1;
        match &mut self.column {
            Some(Column::Numbers(numbers)) => numbers.push(cells.float(row).unwrap_or(f64::NAN)),
            Some(Column::Flags(flags)) => flags.push(cells.flag(row).ok().flatten()),
            Some(Column::Tags(tags)) => tags.push(cells.list(row).iter().map(String::as_str)),
            Some(Column::Labels(labels)) => labels.push(cells.text(row).as_deref()),
            _ => {}
        }
    }

    /// The column; text of a file that knows no types becomes numbers as [`settle`] has it.
    pub(super) fn finish(self, is_untyped: bool) -> Option<Column> {
        match self.column? {
            Column::Labels(labels) if is_untyped => {
                let by_code: Option<Vec<f64>> =
                    (0..labels.cardinality() as u32).map(|code| as_number(labels.name(code))).collect();
                let Some(by_code) = by_code.filter(|known| !known.is_empty()) else {
                    return Some(Column::Labels(labels));
                };
                let number =
                    |row| labels.code(ItemId::new(row)).map_or(f64::NAN, |code| by_code[code as usize]);
                Some(Column::Numbers((0..self.n_rows).map(number).collect()))
            }
            column => Some(column),
        }
    }
}

fn written(numbers: &[f64]) -> Labels {
    let mut labels = Labels::default();
    for number in numbers {
        labels.push((!number.is_nan()).then(|| number.to_string()).as_deref());
    }
    labels
}

/// Turns the texts of a column into numbers if all of them say no more than a number does: `02139` is a
/// code, and one of it makes the whole column text.
pub(super) fn settle(values: Vec<&mut Value>) {
    let number = |value: &Value| if let Value::Text(text) = value { as_number(text) } else { None };
    let numbers: Option<Vec<f64>> = values.iter().map(|value| number(value)).collect();
    for (value, number) in values.into_iter().zip(numbers.into_iter().flatten()) {
        *value = Value::Number(number);
    }
}

/// The number that is written just like this, but for zeros at the end of a fraction.
pub(crate) fn as_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    (number.to_string() == short).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_comes_back_as_it_was() {
        for (text, number) in [
            ("7", 7.0),
            ("-3", -3.0),
            ("1995.0", 1995.0),
            ("3.50", 3.5),
            (" 4 ", 4.0),
            ("0", 0.0),
            ("0.05", 0.05),
        ] {
            assert_eq!(as_number(text), Some(number), "{text}");
        }
        for text in
            ["02139", "+49", "1e5", "inf", "NaN", "9007199254740993", ".5", "1,5", "", "00", "12.34.5"]
        {
            assert_eq!(as_number(text), None, "{text}");
        }
    }

    #[test]
    fn one_code_makes_the_whole_column_text() {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut numbers = [text("7"), text("8.50")];
        settle(numbers.iter_mut().collect());
        assert_eq!(numbers, [Value::Number(7.0), Value::Number(8.5)]);
        let mut codes = [text("12345"), text("02139")];
        settle(codes.iter_mut().collect());
        assert_eq!(codes, [text("12345"), text("02139")]);
    }
}
