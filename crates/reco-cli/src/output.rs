//! What goes to the terminal: results to standard output, everything else to standard error.

use crate::Session;
use comfy_table::{ContentArrangement, Table, presets};
use reco_train::data::BadRow;
use serde::Serialize;
use serde_json::json;
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

/// What to know about the data; with `--json` it is in the result.
pub(crate) fn remarks(session: &Session, lines: &[String]) {
    if !session.json {
        lines.iter().for_each(|line| note(line));
    }
}

/// A remark that is no result.
pub(crate) fn note(line: &str) {
    // A reader that has gone is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// An error with its causes.
pub(crate) fn complain(error: &dyn std::error::Error) {
    note(&format!("error: {error}"));
    for cause in causes(error) {
        note(&format!("  because: {cause}"));
    }
}

/// An error for machines: one line, `{"error": {"kind", "message", "causes"}}`, and `row` where one cell is to
/// blame.
pub(crate) fn complain_in_json(kind: &str, message: &str, causes: &[String], row: Option<&BadRow>) {
    let mut error = json!({ "kind": kind, "message": message, "causes": causes });
    if let Some(row) = row {
        error["row"] = json!(row);
    }
    note(&json!({ "error": error }).to_string());
}

/// What lies behind an error, the nearest first.
pub(crate) fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.map(ToString::to_string).collect()
}

/// An empty table with a header, as wide as the terminal.
pub(crate) fn table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}
