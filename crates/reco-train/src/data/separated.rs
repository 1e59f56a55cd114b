//! Fields divided by a separator: CSV, TSV, RecBole's atomic files, MovieLens' `::`.

use super::DataError;
use super::rows::{LONGEST_LINE, Rows, decoded, read_line};
use super::spec::{FileSpec, Format};
use super::tables::{Batches, Table, Text};
use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;

/// Lines that one quoted field may span. More means that a quote was never closed.
const LONGEST_QUOTE: u64 = 1_000;

pub(super) fn open(opened: File, file: &FileSpec, format: Format) -> Result<Table, DataError> {
    let usual = if format == Format::Csv { "," } else { "\t" };
    let separator = file.separator.as_deref().unwrap_or(usual);
    match (separator.as_bytes(), file.names.clone()) {
        ([byte], names) => quoted(opened, file, format, *byte, names),
        ([_, _, ..], Some(names)) => Ok(bare(opened, file, separator.to_owned(), names)),
        ([_, _, ..], None) => Err(DataError::Spec(format!(
            "{}: with a separator of several characters the columns must be named: set `names`",
            file.path.display()
        ))),
        ([], _) => Err(DataError::Spec(format!("{}: the separator is empty", file.path.display()))),
    }
}

/// Lines without quotes, header and escapes.
fn bare(opened: File, file: &FileSpec, separator: String, names: Vec<String>) -> Table {
    let mut lines = BufReader::new(opened);
    let (mut rows, mut line, mut number) =
        (Rows::new(&file.path, &vec![Text::Untyped; names.len()]), Vec::new(), 0);
    let batches = std::iter::from_fn(move || {
        while !rows.is_full() {
            match read_line(&mut lines, &mut line) {
                Err(cause) => return Some(Err(DataError::io(&rows.path, cause))),
                Ok(None) => break,
                Ok(Some(())) => number += 1,
            }
            let text = decoded(&line);
            let n_fields = text.split(&separator).count();
            if text.len() > LONGEST_LINE {
                rows.refuse(number, "", &text, format!("is longer than {LONGEST_LINE} bytes"));
            } else if n_fields == rows.n_columns() {
                rows.push(number, text.split(&separator).map(Cow::Borrowed));
            } else if !text.is_empty() {
                rows.refuse(number, "", &text, field_count(n_fields, rows.n_columns()));
            }
        }
        rows.finish().map(Ok)
    });
    Table::untyped(names, Box::new(batches))
}

fn field_count(has: usize, must: usize) -> String {
    let s = if has == 1 { "" } else { "s" };
    format!("has {has} field{s}, must have {must}")
}

/// CSV and its kin. Where the separator is a comma or a semicolon, quotes are those of RFC 4180: between them there may be
/// separators and ends of lines. Elsewhere quotes are often a part of the text, so that a field is taken as it is unless
/// it is [quoted](unquoted) as a whole.
fn quoted(
    opened: File,
    file: &FileSpec,
    format: Format,
    separator: u8,
    names: Option<Vec<String>>,
) -> Result<Table, DataError> {
    let path = &file.path;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(names.is_none())
        .quoting(quotes_protect(separator))
        .flexible(true)
        .from_reader(opened);
    let header = if let Some(names) = names {
        names
    } else {
        let names = reader.byte_headers().map_err(|cause| DataError::format(path, format.name(), cause))?;
        let bare = |name| decoded(name).trim_start_matches('\u{feff}').trim().to_owned();
        names.iter().map(|name| cell(Cow::Owned(bare(name)), separator).into_owned()).collect()
    };
    if header.is_empty() {
        return Err(DataError::format(path, format.name(), "the file is empty, it must begin with a header"));
    }
    if header.iter().any(|name| name.contains('\0')) {
        return Err(DataError::format(path, format.name(), "its first line is no text"));
    }
    let (names, texts): (Vec<String>, Vec<Text>) = match format {
        Format::Recbole => header.iter().map(|name| atomic(name)).unzip(),
        _ => header.into_iter().map(|name| (name, Text::Untyped)).unzip(),
    };
    let rows = Rows::new(path, &texts);
    let batches = records(reader, rows, names.clone(), format.name(), separator);
    Ok(Table { names, texts, batches, n_rows: None, canonical: false })
}

fn records(
    mut reader: csv::Reader<File>,
    mut rows: Rows,
    names: Vec<String>,
    format: &'static str,
    separator: u8,
) -> Batches {
    let (mut record, mut broken, mut failure) = (csv::ByteRecord::new(), false, None);
    Box::new(std::iter::from_fn(move || {
        while !rows.is_full() && !broken {
            match reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Err(cause) => {
                    // The reader cannot tell where the next row begins.
                    (broken, failure) = (true, Some(DataError::format(&rows.path, format, cause)));
                    break;
                }
                Ok(true) => {}
            }
            let line = record.position().map_or(0, csv::Position::line);
            if reader.position().line() > line + LONGEST_QUOTE {
                let cause = format!("a quote that opens in row {line} is not closed");
                (broken, failure) = (true, Some(DataError::format(&rows.path, format, cause)));
                break;
            }
            if record.len() == rows.n_columns() {
                let cells = || record.iter().map(|bytes| cell(decoded(bytes), separator));
                match rows.misfit(cells()) {
                    Some((column, cell)) => rows.refuse(line, &names[column], &cell, "must be a number"),
                    None => rows.push(line, cells()),
                }
            } else {
                let between = char::from(separator).to_string();
                let text = record.iter().map(decoded).collect::<Vec<_>>().join(&between);
                rows.refuse(line, "", &text, field_count(record.len(), rows.n_columns()));
            }
        }
        // What was read before it broke comes first: it may have bad rows, too.
        rows.finish().map(Ok).or_else(|| failure.take().map(Err))
    }))
}

/// Whether the reader itself has looked after quotes.
fn quotes_protect(separator: u8) -> bool {
    matches!(separator, b',' | b';')
}

fn cell(text: Cow<'_, str>, separator: u8) -> Cow<'_, str> {
    if quotes_protect(separator) { text } else { unquoted(text) }
}

/// A field that begins and ends with a quote without them, if those in between are doubled; any other as it is:
/// `"Weird Al" Live`, `2" pipe` and `"A" and "B"` keep their quotes.
fn unquoted(text: Cow<'_, str>) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text };
    if inner.replace("\"\"", "").contains('"') {
        return text;
    }
    match text {
        Cow::Borrowed(text) if !inner.contains('"') => Cow::Borrowed(&text[1..text.len() - 1]),
        _ => Cow::Owned(inner.replace("\"\"", "\"")),
    }
}

/// RecBole's headers are `name:type`; a `token_seq` holds words divided by spaces. A `float_seq` stays text,
/// for attributes know no lists of numbers.
fn atomic(header: &str) -> (String, Text) {
    let (name, kind) = header.split_once(':').unwrap_or((header, ""));
    let text = match kind {
        "token_seq" => Text::Words,
        "float" => Text::Number,
        "" => Text::Untyped,
        _ => Text::Typed,
    };
    (name.to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_go_where_they_hold_a_whole_field() {
        for (text, meant) in [
            ("plain", "plain"),
            ("\"1\"", "1"),
            ("\"\"", ""),
            ("\"say \"\"hi\"\"\"", "say \"hi\""),
            ("\"", "\""),
            ("\"\"\"", "\"\"\""),
            ("2\" pipe", "2\" pipe"),
            ("\"Weird Al\" Live", "\"Weird Al\" Live"),
            ("\"A\" and \"B\"", "\"A\" and \"B\""),
        ] {
            assert_eq!(unquoted(Cow::Borrowed(text)), meant, "{text}");
            assert_eq!(unquoted(Cow::Owned(text.to_owned())), meant, "{text}");
        }
    }
}
