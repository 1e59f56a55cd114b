//! `reco stats`: the statistics of experiments against numbers that others computed.

use crate::args::StatsArgs;
use crate::{Failure, Session, output};
use reco_core::experiment::statistics::reference::{Checked, Table};
use serde::Serialize;
use std::fs;

#[derive(Debug, Serialize)]
struct Report {
    cases: usize,
    passed: usize,
    failed: usize,
    families: Vec<Checked>,
}

pub(crate) fn run(session: &Session, args: &StatsArgs) -> Result<(), Failure> {
    let named = |problem: &dyn std::error::Error| format!("{}: {problem}", args.table.display());
    let text = fs::read_to_string(&args.table).map_err(|cause| named(&cause))?;
    let families = Table::parse(&text).map_err(|error| named(&error))?.check();
    let cases = families.iter().map(|family| family.cases).sum();
    let passed = families.iter().map(|family| family.passed).sum();
    let report = Report { cases, passed, failed: cases - passed, families };
    session.output.result(&report, rendered)?;
    match report {
        Report { cases: 0, .. } => Err(format!("{}: there is no case in it", args.table.display()).into()),
        Report { failed: 0, .. } => Ok(()),
        Report { failed, .. } => Err(format!("{failed} of {cases} cases failed").into()),
    }
}

fn rendered(report: &Report) -> String {
    let mut table = output::table(["family", "cases", "passed", "failed"]);
    for family in &report.families {
        let counts = [family.cases, family.passed, family.failed()].map(|count| count.to_string());
        table.add_row([family.family.clone()].into_iter().chain(counts));
    }
    let total = format!("{} of {} cases passed", report.passed, report.cases);
    if report.failed == 0 {
        return format!("{table}\n{total}");
    }
    let mut failures = output::table(["case", "field", "expected", "got"]);
    for failure in report.families.iter().flat_map(|family| &family.failures) {
        failures.add_row([&failure.id, &failure.field, &failure.expected, &failure.got]);
    }
    format!("{table}\n{failures}\n{total}")
}
