//! `reco score`: the best items of many users at once.

use crate::args::ScoreArgs;
use crate::{Failure, Session, model};
use reco_core::id::UserKey;
use reco_train::batch::{self, BatchOptions};
use std::collections::HashSet;
use std::path::Path;

pub(crate) fn run(session: &Session, args: &ScoreArgs) -> Result<(), Failure> {
    batch::check(&args.out)?;
    let users = args.wanted.as_deref().map(|file| named(session, file)).transpose()?;
    let snapshot = model::snapshot(session, &args.model)?;
    let options =
        BatchOptions { count: args.count, seen: session.config.pipeline.seen, part_users: args.part_users };
    let report = batch::run(&snapshot, users.as_deref(), &options, &args.out, &*session.progress)?;
    session.output.result(&report, |report| {
        format!(
            "{} users in {} parts, {} of them kept from before{}; {} users without a list\nwrote {} in {:.1} s",
            report.users,
            report.parts,
            report.parts_kept,
            damaged(report.parts_damaged),
            report.without_list,
            report.out.display(),
            report.seconds,
        )
    })
}

fn damaged(n_parts: usize) -> String {
    if n_parts == 0 { String::new() } else { format!(", {n_parts} written anew, for they were damaged") }
}

/// The users a file names, one per line; empty lines are none.
fn named(session: &Session, file: &Path) -> Result<Vec<UserKey>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|cause| format!("{}: {cause}", file.display()))?;
    let (users, again) = once_each(&text);
    if let [(line, user), more @ ..] = &again[..] {
        let more =
            if more.is_empty() { String::new() } else { format!(", as are {} more lines", more.len()) };
        let file = file.display();
        session
            .output
            .note(&format!("{file}: line {line}, `{user}`, is there before{more}; each user is scored once"));
    }
    Ok(users)
}

/// The users of a text in the order in which they are first named, and the lines that name one again.
fn once_each(text: &str) -> (Vec<UserKey>, Vec<(usize, &str)>) {
    let mut known = HashSet::new();
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, user)| !user.is_empty());
    let (first, again): (Vec<_>, Vec<_>) = lines.partition(|(_, user)| known.insert(*user));
    (first.into_iter().map(|(_, user)| UserKey::from(user)).collect(), again)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named_again_is_scored_once() {
        let (users, again) = once_each("ann\n\n bob \nann\neve\nbob\n");
        assert_eq!(users, ["ann", "bob", "eve"].map(UserKey::from));
        assert_eq!(again, [(4, "ann"), (6, "bob")]);
    }
}
