//! `reco import`: any supported format into reco's own.

use crate::args::ImportArgs;
use crate::{Failure, Session, demo, output};
use reco_train::data::{self, ImportReport};

pub(crate) fn run(session: &Session, args: &ImportArgs) -> Result<(), Failure> {
    let Some(spec) = session.config.import(&args.data)? else {
        demo::load()?.save(&args.out)?;
        output::note(&format!("wrote the demo data to {}", args.out.display()));
        return Ok(());
    };
    let (dataset, report) = data::read(&spec, &*session.progress)?;
    dataset.save(&args.out)?;
    if session.json {
        return output::json(&report);
    }
    output::text(&table(&report));
    output::note(&format!("wrote items, users and interactions to {}", args.out.display()));
    Ok(())
}

fn table(report: &ImportReport) -> String {
    let mut table = output::table(["read", "rows", "columns kept as attributes"]);
    let [items, users, interactions] = &report.kept_columns;
    table.add_row(["items", &report.items.to_string(), &items.join(", ")]);
    table.add_row(["  without a row of their own", &report.items_without_row.to_string(), ""]);
    table.add_row(["users", &report.users.to_string(), &users.join(", ")]);
    table.add_row(["interactions", &report.interactions.to_string(), &interactions.join(", ")]);
    for (action, count) in &report.actions {
        table.add_row([&format!("  {action}"), &count.to_string(), ""]);
    }
    table.add_row(["bad rows left out", &report.bad_rows.to_string(), ""]);
    let mut text = table.to_string();
    for bad in &report.bad_examples {
        text.push_str(&format!("\nleft out: {bad}"));
    }
    text
}
