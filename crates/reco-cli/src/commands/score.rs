//! `reco score`: the best items of many users at once.

use crate::args::ScoreArgs;
use crate::{Failure, Session, model};
use reco_core::id::UserKey;
use reco_train::batch::{self, BatchOptions};
use std::path::Path;

pub(crate) fn run(session: &Session, args: &ScoreArgs) -> Result<(), Failure> {
    batch::check(&args.out)?;
    let users = args.wanted.as_deref().map(named).transpose()?;
    let snapshot = model::snapshot(session, &args.model)?;
    let options =
        BatchOptions { count: args.count, seen: session.config.pipeline.seen, part_users: args.part_users };
    let report = batch::run(&snapshot, users.as_deref(), &options, &args.out, &*session.progress)?;
    session.output.result(&report, |report| {
        format!(
            "{} users in {} parts, {} of them kept from before; {} users without a list\nwrote {} in {:.1} s",
            report.users,
            report.parts,
            report.parts_kept,
            report.without_list,
            report.out.display(),
            report.seconds,
        )
    })
}

/// The users a file names, one per line; empty lines are none.
fn named(file: &Path) -> Result<Vec<UserKey>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|cause| format!("{}: {cause}", file.display()))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(UserKey::from).collect())
}
