//! What goes to the terminal: results to standard output, everything else to standard error.

use crate::Failure;
use comfy_table::{ContentArrangement, presets};
use reco_core::time::Timestamp;
use reco_train::data::BadRow;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::io::{self, Write};

/// Speaks to people, or to machines: then results are JSON, and so is every line on standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Whether machines listen.
    pub(crate) json: bool,
}

impl Output {
    /// The result of a command; `rendered` is how people see it.
    pub(crate) fn result<T: Serialize>(
        self,
        value: &T,
        rendered: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = if self.json { serde_json::to_string_pretty(value)? } else { rendered(value) };
        print(text.trim_end())
    }

    /// What to know that is in the result for machines.
    pub(crate) fn remarks(self, lines: &[String]) {
        if !self.json {
            self.notes(lines);
        }
    }

    /// As [`note`](Self::note), each.
    pub(crate) fn notes(self, lines: &[String]) {
        lines.iter().for_each(|line| self.note(line));
    }

    /// What to know; `{"note": "…"}` for machines.
    pub(crate) fn note(self, line: &str) {
        self.mention("note", line);
    }

    /// What went wrong without an end to it all; `{"warning": "…"}` for machines.
    pub(crate) fn warning(self, line: &str) {
        self.mention("warning", line);
    }

    fn mention(self, kind: &str, line: &str) {
        if self.json { say_json(&json!({ kind: line })) } else { say(&format!("{kind}: {line}")) }
    }

    /// An error with its causes.
    pub(crate) fn complain(self, error: &Complaint<'_>) {
        if self.json {
            return say_json(&json!({ "error": error }));
        }
        say(&format!("error: {}", error.message));
        error.causes.iter().for_each(|cause| say(&format!("  because: {cause}")));
    }
}

/// An error as it is told: `kind` is for machines, and so is the row where one cell is to blame.
#[derive(Debug, Serialize)]
pub(crate) struct Complaint<'a> {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// What lies behind it, the nearest first.
    pub(crate) causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) row: Option<&'a BadRow>,
}

impl<'a> Complaint<'a> {
    /// A command that failed.
    pub(crate) fn failure(error: &(dyn std::error::Error + 'static), row: Option<&'a BadRow>) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let causes = causes.map(ToString::to_string).collect();
        Self { kind: "failure", message: error.to_string(), causes, row }
    }

    /// A command line that makes no sense.
    pub(crate) fn usage(message: &str) -> Self {
        Self { kind: "usage", message: message.to_owned(), causes: Vec::new(), row: None }
    }
}

/// A line on standard error.
pub(crate) fn say(line: &str) {
    // A reader that has gone is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}

/// A line of JSON on standard error.
pub(crate) fn say_json(line: &Value) {
    say(&line.to_string());
}

/// Text on standard output, all of it or an error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = unless_unread(writeln!(out, "{text}").and_then(|()| out.flush()));
    Ok(written.map_err(|cause| format!("cannot write the result: {cause}"))?)
}

/// A reader that has seen enough (`| head`) is no error.
pub(crate) fn unless_unread(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A table for people. What comes from outside cannot speak to their terminal in it.
#[derive(Debug)]
pub(crate) struct Table(comfy_table::Table);

/// A moment as people read it.
pub(crate) fn moment(at: Timestamp) -> String {
    let known = jiff::Timestamp::from_millisecond(at.millis());
    known.map_or_else(|_| at.millis().to_string(), |moment| moment.to_string())
}

/// An empty table with a header, as wide as the terminal.
pub(crate) fn table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.into_iter().map(harmless));
    Table(table)
}

impl Table {
    /// Another row at the end.
    pub(crate) fn add_row(&mut self, cells: impl IntoIterator<Item: AsRef<str>>) {
        self.0.add_row(cells.into_iter().map(|cell| harmless(cell.as_ref())));
    }

    /// A row whose last cell has several lines.
    pub(crate) fn add_row_with_lines(
        &mut self,
        cells: impl IntoIterator<Item: AsRef<str>>,
        lines: &[impl AsRef<str>],
    ) {
        let cells = cells.into_iter().map(|cell| vec![cell.as_ref().to_owned()]);
        self.add_row_of_lines(cells.chain([lines.iter().map(|line| line.as_ref().to_owned()).collect()]));
    }

    /// A row of which each cell may have several lines.
    pub(crate) fn add_row_of_lines(&mut self, cells: impl IntoIterator<Item = Vec<String>>) {
        let lines = |cell: Vec<String>| cell.iter().map(|line| harmless(line)).collect::<Vec<_>>().join("\n");
        self.0.add_row(cells.into_iter().map(lines));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// With control characters, and those that turn the direction of writing, as escapes such as `\u{1b}`.
fn harmless(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut told = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) { told.extend(c.escape_default()) } else { told.push(c) }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_table_cannot_speak_to_the_terminal() {
        let mut rows = table(["user", "why"]);
        rows.add_row(["\u{1b}[2J\nann\u{202e}", "naïve 日本 \u{7}"]);
        rows.add_row_with_lines(["bob"], &["one\rline", "another"]);
        let text = rows.to_string();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        for told in [r"\u{1b}[2J\nann\u{202e}", r"naïve 日本 \u{7}", r"one\rline"] {
            assert!(text.contains(told), "{told} in {text}");
        }
    }
}
