//! What goes to the terminal: results to standard output, everything else to standard error.
#![allow(clippy::print_stderr, reason = "this is the one place that prints")]

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::Write;

/// A result for machines.
pub(crate) fn json(value: &impl Serialize) -> Result<(), crate::Failure> {
    text(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A result for people. A reader that has seen enough (`| head`) is no error.
pub(crate) fn text(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A remark that is no result.
pub(crate) fn note(line: &str) {
    eprintln!("{line}");
}

/// An error with its causes.
pub(crate) fn complain(error: &dyn std::error::Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}

/// An empty table with a header, as wide as the terminal.
pub(crate) fn table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}
