//! What a search found, for people and for machines.

use crate::output;
use reco_train::tune::{Assignment, Domain, Judgement, Outcome, Space, Standing};
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub(super) metric: String,
    pub(super) model: String,
    /// Where journal, configuration and report are.
    pub(super) folder: PathBuf,
    /// The best configuration.
    pub(super) configuration: PathBuf,
    /// What the configuration as it stood has in the space.
    pub(super) as_configured: Assignment,
    pub(super) best: Standing,
    pub(super) on_test: OnTest,
    pub(super) leaderboard: Vec<Standing>,
    /// What to know about it.
    pub(super) remarks: Vec<String>,
}

/// Figures on the part of the data that no trial saw.
#[derive(Debug, Serialize)]
pub(super) struct OnTest {
    pub(super) best: Judgement,
    pub(super) as_configured: Judgement,
}

/// Share of a range that is its end.
const END: f64 = 0.02;

/// Which of the best settings lie at the end of their range, one line each.
pub(super) fn at_the_end(space: &Space, best: &Assignment) -> Vec<String> {
    let ranges = space.parameters().iter().filter(|it| !matches!(it.domain, Domain::Choices(_)));
    let line = |parameter: &reco_train::tune::Parameter| {
        let value = best.get(&parameter.path)?;
        let place = parameter.domain.place(value)?;
        let is_end = !(END..=1.0 - END).contains(&place);
        is_end.then(|| {
            format!(
                "the best {}, {value}, is at the end of its range; a wider one may hold better",
                parameter.path
            )
        })
    };
    ranges.filter_map(line).collect()
}

/// Places that people see; machines see all.
const PLACES: usize = 10;

pub(super) fn rendered(found: &Found) -> String {
    let Found { metric, leaderboard, .. } = found;
    let mut table = output::table(["place", "trial", metric.as_str(), "95 % interval", "users", ""]);
    for standing in leaderboard.iter().take(PLACES) {
        table.add_row(row(standing));
    }
    let mut text = format!("{table}\n");
    let failed = leaderboard.iter().filter(|standing| standing.rank.is_none()).count();
    let more = leaderboard.len().saturating_sub(PLACES);
    if more > 0 || failed > 0 {
        text.push_str(&format!("{} trials, {failed} of them failed\n", leaderboard.len()));
    }
    text.push_str(&settings(found));
    let on = |judgement: &Judgement| {
        let interval =
            judgement.interval.map_or_else(String::new, |(low, high)| format!(" ({low:.4} to {high:.4})"));
        format!("{:.4}{interval}", judgement.value)
    };
    let of_configured = leaderboard.iter().find(|standing| standing.trial == 0).and_then(Standing::value);
    let mut parts = output::table(["", "validation", "test, seen by no trial"]);
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    parts.add_row(["as configured".to_owned(), shown(of_configured), on(&found.on_test.as_configured)]);
    parts.add_row([
        format!("trial {}", found.best.trial),
        shown(found.best.value()),
        on(&found.on_test.best),
    ]);
    let (config, folder) = (found.configuration.display(), found.folder.display());
    text.push_str(&format!(
        "{parts}\nwrote {config}; train with it: reco train --config {config}\nplots and all trials: {folder}/report.html"
    ));
    text
}

fn row(standing: &Standing) -> [String; 6] {
    let place = standing.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string());
    let users = format!("{:.0} %", standing.share * 100.0);
    let trial = standing.trial.to_string();
    let said = if standing.trial == 0 { "as configured" } else { "" };
    match &standing.outcome {
        Outcome::Judged(Judgement { value, interval, .. }) => {
            let interval =
                interval.map_or_else(|| "-".to_owned(), |(low, high)| format!("{low:.4} to {high:.4}"));
            [place, trial, format!("{value:.4}"), interval, users, said.to_owned()]
        }
        Outcome::Failed { error } => [place, trial, "-".to_owned(), "-".to_owned(), users, error.clone()],
    }
}

/// What the best trial sets beside what was configured.
fn settings(found: &Found) -> String {
    let mut table = output::table(["setting", "as configured", "best"]);
    let shown = |value: Option<&Value>| match value {
        None => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    for (path, value) in &found.best.settings {
        table.add_row([path.clone(), shown(found.as_configured.get(path)), shown(Some(value))]);
    }
    format!("{table}\n")
}
