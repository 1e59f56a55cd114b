//! The report of a search: one HTML page with its plots, readable without anything else.

use super::found::Found;
use reco_train::tune::{Finished, Outcome, PlotError, Schedule, plot_settings, plot_trials};
use serde_json::Value;

/// The plots by file name, and a page with them.
pub(super) struct Report {
    pub(super) trials: String,
    pub(super) settings: String,
    pub(super) page: String,
}

impl Report {
    /// Draws a search that is over.
    ///
    /// # Errors
    ///
    /// [`PlotError`].
    pub(super) fn new(schedule: &Schedule, finished: &[Finished], found: &Found) -> Result<Self, PlotError> {
        let trials = plot_trials(schedule, finished, &found.metric)?;
        let settings = plot_settings(schedule, finished, &found.metric)?;
        let page = page(schedule, found, &trials, &settings);
        Ok(Self { trials, settings, page })
    }
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#1c2622}\
table{border-collapse:collapse;font-size:13px}td,th{padding:.25em .7em;border-bottom:1px solid #d5dcd9;text-align:left}\
.wide{overflow-x:auto}svg{max-width:100%;height:auto}.best{font-weight:600}.failed{color:#a33}";

fn page(schedule: &Schedule, found: &Found, trials: &str, settings: &str) -> String {
    let Found { metric, model, on_test, best, .. } = found;
    let paths: Vec<&str> = schedule.space.parameters().iter().map(|it| it.path.as_str()).collect();
    let headers: String = paths.iter().map(|path| format!("<th>{}</th>", escaped(path))).collect();
    let rows: String = found.leaderboard.iter().map(|standing| row(standing, &paths)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{model}: a search for {metric}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{model}: a search for {metric}</h1>\n\
         <p>Trial {} is best. On the test part, which no trial saw, its {metric} is <b>{:.4}</b>; as configured it was \
         <b>{:.4}</b>.</p>\n\
         <h2>Trials</h2>\n<p>The line is the best so far; the large dot is the configuration as it stood.</p>\n{trials}\n\
         <h2>Settings</h2>\n<p>What each setting was and what came of it; the other settings differ, too.</p>\n{settings}\n\
         <h2>Leaderboard</h2>\n<div class=\"wide\"><table><tr><th>place</th><th>trial</th><th>{metric}</th><th>95 %</th>\
         <th>users</th>{headers}</tr>\n{rows}</table></div>\n</body></html>\n",
        best.trial, on_test.best.value, on_test.as_configured.value,
    )
}

fn row(standing: &reco_train::tune::Standing, paths: &[&str]) -> String {
    let (class, place, figure, interval) = match (&standing.outcome, standing.rank) {
        (Outcome::Judged(judgement), Some(rank)) => {
            let interval =
                judgement.interval.map_or_else(String::new, |(low, high)| format!("{low:.4}–{high:.4}"));
            let class = if rank == 1 { "best" } else { "" };
            (class, rank.to_string(), format!("{:.4}", judgement.value), interval)
        }
        (Outcome::Failed { error }, _) => ("failed", "–".to_owned(), escaped(error), String::new()),
        (Outcome::Judged(_), None) => ("", String::new(), String::new(), String::new()),
    };
    let values: String = paths
        .iter()
        .map(|path| {
            let value = standing.settings.get(*path);
            let text = value.map_or_else(String::new, |value| match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            });
            format!("<td>{}</td>", escaped(&text))
        })
        .collect();
    format!(
        "<tr class=\"{class}\"><td>{place}</td><td>{}</td><td>{figure}</td><td>{interval}</td><td>{:.0} %</td>{values}</tr>\n",
        standing.trial,
        standing.share * 100.0
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
