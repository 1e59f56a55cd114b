//! `reco import`: any supported format into reco's own.

use crate::args::ImportArgs;
use crate::{Failure, Session, demo, output, remarks};
use reco_core::interactions::ActionTally;
use reco_train::data::{self, Dataset, ImportReport};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Imported<'a> {
    /// Where it was written to.
    folder: &'a Path,
    #[serde(flatten)]
    report: ImportReport,
    /// What the actions weigh.
    weights: Vec<ActionTally>,
    remarks: Vec<String>,
}

pub(crate) fn run(session: &Session, args: &ImportArgs) -> Result<(), Failure> {
    Dataset::check_target(&args.out)?;
    let (dataset, report) = if let Some(spec) = session.config.import(&args.data)? {
        data::read(&spec, &*session.progress)?
    } else {
        let demo = demo::load()?;
        let report = ImportReport::of(&demo);
        (demo, report)
    };
    dataset.save(&args.out)?;
    let weights = &session.config.weights;
    let mut remarks = remarks::on_reading(&report);
    remarks.extend(remarks::on_actions(&dataset.log, weights));
    remarks.extend(remarks::on_impressions(&dataset.log, weights, &session.config.train));
    remarks.extend(remarks::on_repeats(&dataset.log, session.config.pipeline.seen));
    let imported = Imported { folder: &args.out, report, weights: dataset.log.tally(weights), remarks };
    session.output.result(&imported, rendered)?;
    session.output.remarks(&imported.remarks);
    Ok(())
}

fn rendered(Imported { folder, report, weights, .. }: &Imported<'_>) -> String {
    let mut table = output::table(["read", "rows", "that count", "columns kept as attributes"]);
    let [items, users, interactions] = &report.kept_columns;
    let weighted: usize = weights.iter().map(|tally| tally.weighted).sum();
    table.add_row(["items", &report.items.to_string(), "", &items.join(", ")]);
    table.add_row(["  without a row of their own", &report.items_without_row.to_string(), "", ""]);
    table.add_row(["users", &report.users.to_string(), "", &users.join(", ")]);
    let of_all = [report.interactions.to_string(), weighted.to_string(), interactions.join(", ")];
    table.add_row(["interactions", &of_all[0], &of_all[1], &of_all[2]]);
    for ActionTally { action, rows, weighted, .. } in weights {
        table.add_row([&format!("  {action}"), &rows.to_string(), &weighted.to_string(), ""]);
    }
    table.add_row(["bad rows left out", &report.bad_rows.to_string(), "", ""]);
    format!("{table}\nwrote items, users and interactions to {}", folder.display())
}
