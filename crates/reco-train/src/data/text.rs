//! Text files: separated values and JSON Lines.

use super::DataError;
use super::error::{BadRow, shortened};
use super::spec::{Bare, Format};
use super::tables::{BATCH_ROWS, Batch, RowNumbers, Table};
use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use serde_json::Value;
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines longer than this are refused: they are no rows.
const LONGEST_LINE: usize = 1 << 20;

/// Rows under way to a batch.
struct Rows {
    path: PathBuf,
    columns: Vec<StringBuilder>,
    numbers: Vec<u64>,
    bad: Vec<BadRow>,
}

impl Rows {
    fn new(path: &Path, n_columns: usize) -> Self {
        let columns = (0..n_columns).map(|_| StringBuilder::new()).collect();
        Self { path: path.to_owned(), columns, numbers: Vec::new(), bad: Vec::new() }
    }

    fn push<'a>(&mut self, number: u64, cells: impl Iterator<Item = Cow<'a, str>>) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.append_option(Some(cell).filter(|cell| !cell.is_empty()));
        }
        self.numbers.push(number);
    }

    fn refuse(&mut self, row: u64, value: &str, want: impl Into<String>) {
        let (file, value) = (self.path.clone(), shortened(value));
        self.bad.push(BadRow { file, row, column: String::new(), value, want: want.into() });
    }

    fn is_full(&self) -> bool {
        self.numbers.len() >= BATCH_ROWS || self.bad.len() >= BATCH_ROWS
    }

    fn finish(&mut self) -> Option<Batch> {
        if self.numbers.is_empty() && self.bad.is_empty() {
            return None;
        }
        let columns = self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        let numbers = std::mem::take(&mut self.numbers);
        let bad = std::mem::take(&mut self.bad);
        Some(Batch { columns, n_rows: numbers.len(), rows: RowNumbers::Each(numbers), bad })
    }
}

/// UTF-8 as it is; anything else as Latin-1, which older data sets are written in.
fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// Fields divided by a separator of one or more characters.
pub(super) fn separated(
    opened: File,
    path: &Path,
    format: Format,
    separator: &'static str,
) -> Result<Table, DataError> {
    if let [byte] = separator.as_bytes() {
        return quoted(opened, path, format, *byte);
    }
    let Format::Bare(Bare { columns, .. }) = format else {
        return Err(DataError::Spec(format!(
            "{}: a header needs a separator of one character",
            path.display()
        )));
    };
    let mut lines = BufReader::new(opened);
    let (mut rows, mut line, mut number) = (Rows::new(path, columns.len()), Vec::new(), 0);
    let batches = std::iter::from_fn(move || {
        while !rows.is_full() {
            line.clear();
            match lines.read_until(b'\n', &mut line) {
                Err(cause) => return Some(Err(DataError::io(&rows.path, cause))),
                Ok(0) => break,
                Ok(_) => number += 1,
            }
            let text = decoded(line.strip_suffix(b"\n").unwrap_or(&line));
            let text = text.trim_end_matches('\r');
            let n_fields = text.split(separator).count();
            if n_fields == columns.len() {
                rows.push(number, text.split(separator).map(Cow::Borrowed));
            } else if !text.is_empty() {
                let want = format!("has {n_fields} fields, must have {}", columns.len());
                rows.refuse(number, text, want);
            }
        }
        rows.finish().map(Ok)
    });
    let names = columns.iter().map(|name| (*name).to_owned()).collect();
    Ok(Table { names, batches: Box::new(batches), n_rows: None })
}

/// CSV and its kin, with quotes as RFC 4180 has them.
fn quoted(opened: File, path: &Path, format: Format, separator: u8) -> Result<Table, DataError> {
    let wrong = |cause: csv::Error| DataError::format(path, format.name(), cause);
    let has_header = !matches!(format, Format::Bare(_));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(has_header)
        .quoting(separator == b',')
        .flexible(true)
        .from_reader(opened);
    let names: Vec<String> = match format {
        Format::Bare(bare) => bare.columns.iter().map(|name| (*name).to_owned()).collect(),
        _ => {
            reader.byte_headers().map_err(wrong)?.iter().map(|name| header(&decoded(name), format)).collect()
        }
    };
    if names.is_empty() {
        return Err(DataError::format(path, format.name(), "the file is empty, it must begin with a header"));
    }
    let n_columns = names.len();
    let (mut rows, mut record) = (Rows::new(path, n_columns), csv::ByteRecord::new());
    let mut broken = false;
    let batches = std::iter::from_fn(move || {
        while !rows.is_full() && !broken {
            match reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Err(cause) => {
                    // The reader cannot tell where the next row begins.
                    broken = true;
                    return Some(Err(DataError::format(&rows.path, format.name(), cause)));
                }
                Ok(true) => {}
            }
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() == n_columns {
                rows.push(line, record.iter().map(decoded));
            } else {
                let text = record
                    .iter()
                    .map(decoded)
                    .collect::<Vec<_>>()
                    .join(char::from(separator).to_string().as_str());
                rows.refuse(line, &text, format!("has {} fields, must have {n_columns}", record.len()));
            }
        }
        rows.finish().map(Ok)
    });
    Ok(Table { names, batches: Box::new(batches), n_rows: None })
}

/// RecBole headers are `name:type`; a byte-order mark is no part of a name.
fn header(name: &str, format: Format) -> String {
    let name = name.trim_start_matches('\u{feff}').trim();
    let name = if format == Format::Recbole { name.split(':').next().unwrap_or(name) } else { name };
    name.to_owned()
}

/// One JSON object a line. The columns are the keys of the first batch of objects; a list of texts
/// becomes a list, other nested values their JSON.
pub(super) fn json_lines(opened: File, path: &Path) -> Result<Table, DataError> {
    let mut lines = JsonLines { lines: BufReader::new(opened), path: path.to_owned(), number: 0 };
    let first = lines.take()?;
    let mut names: Vec<String> = Vec::new();
    for key in first.objects.iter().flat_map(|(_, object)| object.keys()) {
        if !names.contains(key) {
            names.push(key.clone());
        }
    }
    if names.is_empty() {
        if let Some(bad) = first.bad.into_iter().next() {
            return Err(DataError::BadRow(bad));
        }
        return Err(DataError::format(
            path,
            "JSON Lines",
            "the file is empty, it must hold one object a line",
        ));
    }
    let is_list: Vec<bool> = names
        .iter()
        .map(|name| first.objects.iter().any(|(_, object)| object.get(name).is_some_and(Value::is_array)))
        .collect();
    let columns = names.clone();
    let mut pending = Some(first);
    let batches = std::iter::from_fn(move || {
        let objects = match pending.take().map_or_else(|| lines.take(), Ok) {
            Ok(objects) => objects,
            Err(error) => return Some(Err(error)),
        };
        objects.into_batch(&columns, &is_list).map(Ok)
    });
    Ok(Table { names, batches: Box::new(batches), n_rows: None })
}

struct JsonLines {
    lines: BufReader<File>,
    path: PathBuf,
    number: u64,
}

#[derive(Default)]
struct Objects {
    objects: Vec<(u64, serde_json::Map<String, Value>)>,
    bad: Vec<BadRow>,
}

impl JsonLines {
    fn take(&mut self) -> Result<Objects, DataError> {
        let (mut taken, mut line) = (Objects::default(), Vec::new());
        while taken.objects.len() < BATCH_ROWS && taken.bad.len() < BATCH_ROWS {
            line.clear();
            let read =
                self.lines.read_until(b'\n', &mut line).map_err(|cause| DataError::io(&self.path, cause))?;
            if read == 0 {
                break;
            }
            self.number += 1;
            let text = decoded(&line);
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let want = match serde_json::from_str(text) {
                _ if text.len() > LONGEST_LINE => format!("is longer than {LONGEST_LINE} bytes"),
                Ok(Value::Object(object)) => {
                    taken.objects.push((self.number, object));
                    continue;
                }
                Ok(_) => "must be a JSON object".to_owned(),
                Err(error) => format!("must be a JSON object: {error}"),
            };
            let (file, value) = (self.path.clone(), shortened(text));
            taken.bad.push(BadRow { file, row: self.number, column: String::new(), value, want });
        }
        Ok(taken)
    }
}

impl Objects {
    fn into_batch(self, names: &[String], is_list: &[bool]) -> Option<Batch> {
        if self.objects.is_empty() && self.bad.is_empty() {
            return None;
        }
        let columns = names.iter().zip(is_list).map(|(name, &is_list)| {
            let cells = self.objects.iter().map(|(_, object)| object.get(name));
            if is_list { lists(cells) } else { texts(cells) }
        });
        let columns = columns.collect();
        let numbers: Vec<u64> = self.objects.iter().map(|(number, _)| *number).collect();
        Some(Batch { columns, n_rows: numbers.len(), rows: RowNumbers::Each(numbers), bad: self.bad })
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

fn texts<'a>(cells: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    let mut column = StringBuilder::new();
    cells.for_each(|cell| column.append_option(cell.and_then(as_text)));
    Arc::new(column.finish())
}

fn lists<'a>(cells: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    let mut column = ListBuilder::new(StringBuilder::new());
    for cell in cells {
        match cell {
            Some(Value::Array(values)) => {
                values.iter().for_each(|value| column.values().append_option(as_text(value)));
                column.append(true);
            }
            Some(value) if as_text(value).is_some() => {
                column.values().append_option(as_text(value));
                column.append(true);
            }
            _ => column.append(false),
        }
    }
    Arc::new(column.finish())
}
