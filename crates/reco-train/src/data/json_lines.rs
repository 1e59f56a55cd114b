//! JSON Lines: one object a line.

use super::DataError;
use super::error::{BadRow, shortened};
use super::rows::{LONGEST_LINE, decoded, read_line};
use super::tables::{BATCH_ROWS, Batch, RowNumbers, Table};
use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Objects with more keys than this are no rows of a table: their keys are data.
const MOST_KEYS: usize = 4_096;

/// Opens a file. It is read twice, for a key may appear in its last line only. A list of texts becomes a
/// list, other nested values their JSON, numbers the text they are written as.
pub(super) fn open(opened: File, path: &Path) -> Result<Table, DataError> {
    let mut source = BufReader::new(opened);
    let keys = keys(&mut source, path)?;
    source.seek(SeekFrom::Start(0)).map_err(|cause| DataError::io(path, cause))?;
    let names: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
    let mut lines = Lines { source, path: path.to_owned(), number: 0, keys };
    if names.is_empty() {
        if let Some(bad) = lines.take()?.and_then(|batch| batch.bad.into_iter().next()) {
            return Err(DataError::BadRow(bad));
        }
        let cause = "the file is empty, it must hold one object a line";
        return Err(DataError::format(path, "JSON Lines", cause));
    }
    let batches = std::iter::from_fn(move || lines.take().transpose());
    Ok(Table::untyped(names, Box::new(batches)))
}

/// A column: a key that some object has.
struct Key {
    name: String,
    /// Whether it ever holds a list.
    is_list: bool,
}

/// The keys of all objects, in order of first sight.
fn keys(source: &mut impl BufRead, path: &Path) -> Result<Vec<Key>, DataError> {
    let (mut keys, mut line) = (Vec::<Key>::new(), Vec::new());
    while read_line(source, &mut line).map_err(|cause| DataError::io(path, cause))?.is_some() {
        let text = decoded(&line);
        let Ok(object) = parse(&text) else { continue };
        for (place, (name, value)) in object.0.into_iter().enumerate() {
            let is_list = value.get().starts_with('[');
            // Objects mostly repeat the keys of the one before in the same order.
            let place = match keys.get(place) {
                Some(key) if key.name == name => Some(place),
                _ => keys.iter().position(|key| key.name == name),
            };
            match place {
                Some(place) => keys[place].is_list |= is_list,
                None if keys.len() == MOST_KEYS => {
                    let cause = format!("the objects have more than {MOST_KEYS} different keys");
                    return Err(DataError::format(path, "JSON Lines", cause));
                }
                None => keys.push(Key { name: name.into_owned(), is_list }),
            }
        }
    }
    Ok(keys)
}

/// An object as it is written: keys in their order, values unread.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format_args!("the key `{name}` stands there twice")));
                    }
                    if members.len() == MOST_KEYS {
                        return Err(A::Error::custom(format_args!("it has more than {MOST_KEYS} keys")));
                    }
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }
        from.deserialize_map(Members)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The object of a line, or what is wrong with it.
fn parse(text: &str) -> Result<Object<'_>, String> {
    if text.len() > LONGEST_LINE {
        return Err(format!("is longer than {LONGEST_LINE} bytes"));
    }
    serde_json::from_str(text.trim()).map_err(|error| {
        if text.trim_start().starts_with('[') {
            "must be a JSON object: one a line, not in an array".to_owned()
        } else {
            format!("must be a JSON object: {error}")
        }
    })
}

struct Lines {
    source: BufReader<File>,
    path: PathBuf,
    number: u64,
    keys: Vec<Key>,
}

impl Lines {
    /// The next batch; `None` at the end.
    fn take(&mut self) -> Result<Option<Batch>, DataError> {
        let mut columns: Vec<Cells> = self.keys.iter().map(Cells::new).collect();
        let (mut numbers, mut bad, mut line) = (Vec::new(), Vec::new(), Vec::new());
        while numbers.len() < BATCH_ROWS && bad.len() < BATCH_ROWS {
            let read = read_line(&mut self.source, &mut line);
            if read.map_err(|cause| DataError::io(&self.path, cause))?.is_none() {
                break;
            }
            self.number += 1;
            let text = decoded(&line);
            if text.trim().is_empty() {
                continue;
            }
            match parse(&text) {
                Ok(object) => {
                    numbers.push(self.number);
                    for (place, (column, key)) in columns.iter_mut().zip(&self.keys).enumerate() {
                        column.push(object.value(&key.name, place));
                    }
                }
                Err(want) => {
                    let (file, value) = (self.path.clone(), shortened(text.trim()));
                    bad.push(BadRow { file, row: self.number, column: String::new(), value, want });
                }
            }
        }
        if numbers.is_empty() && bad.is_empty() {
            return Ok(None);
        }
        let columns = columns.into_iter().map(Cells::finish).collect();
        Ok(Some(Batch { columns, n_rows: numbers.len(), rows: RowNumbers::Each(numbers), bad }))
    }
}

impl Object<'_> {
    /// The value of a key, which most objects have at `place`.
    fn value(&self, name: &str, place: usize) -> Option<&str> {
        let there = self.0.get(place).filter(|(key, _)| key == name);
        let found = there.or_else(|| self.0.iter().find(|(key, _)| key == name));
        found.map(|(_, value)| value.get())
    }
}

/// A column under way.
enum Cells {
    Texts(StringBuilder),
    Lists(ListBuilder<StringBuilder>),
}

impl Cells {
    fn new(key: &Key) -> Self {
        if key.is_list {
            Self::Lists(ListBuilder::new(StringBuilder::new()))
        } else {
            Self::Texts(StringBuilder::new())
        }
    }

    /// Appends a value as it is written; a single one is a list of one.
    fn push(&mut self, value: Option<&str>) {
        match self {
            Self::Texts(cells) => cells.append_option(value.and_then(as_text)),
            Self::Lists(cells) => {
                let values = match value.map(serde_json::from_str::<Vec<&RawValue>>) {
                    Some(Ok(values)) => values.into_iter().map(RawValue::get).collect(),
                    _ => Vec::from_iter(value),
                };
                let texts: Vec<Cow<'_, str>> = values.into_iter().filter_map(as_text).collect();
                texts.iter().for_each(|text| cells.values().append_value(text));
                cells.append(!texts.is_empty());
            }
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Texts(mut cells) => Arc::new(cells.finish()),
            Self::Lists(mut cells) => Arc::new(cells.finish()),
        }
    }
}

/// A value as text: that of a string, else as it is written.
fn as_text(value: &str) -> Option<Cow<'_, str>> {
    let text = match value.as_bytes() {
        [b'"', ..] => serde_json::from_str::<Name<'_>>(value).ok()?.0,
        b"null" => return None,
        _ => Cow::Borrowed(value),
    };
    (!text.is_empty()).then_some(text)
}
