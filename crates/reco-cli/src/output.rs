//! What goes to the terminal: results to standard output, everything else to standard error.

use crate::Failure;
use comfy_table::{ContentArrangement, Table, presets};
use reco_train::data::BadRow;
use serde::Serialize;
use serde_json::{Value, json};
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
        Ok(print(text.trim_end()).map_err(|cause| format!("cannot write the result: {cause}"))?)
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
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    unless_unread(writeln!(out, "{text}").and_then(|()| out.flush()))
}

/// A reader that has seen enough (`| head`) is no error.
pub(crate) fn unless_unread(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// An empty table with a header, as wide as the terminal.
pub(crate) fn table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}
