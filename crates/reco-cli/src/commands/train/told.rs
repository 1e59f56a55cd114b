//! What training says at its end.

use super::places::Places;
use crate::output;
use reco_core::interactions::ActionTally;
use reco_core::registry::Alias;
use reco_core::snapshot::Snapshot;
use reco_train::data::clean::Cleaned;
use reco_train::flow::{self, Judged, Judgement, Ranking, Run, Step, Task, Verdict};
use reco_train::publish;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Serialize)]
pub(super) struct Trained {
    /// The file, where one was written.
    pub(super) snapshot: Option<PathBuf>,
    /// The registry and the version in it, where one was published.
    pub(super) registry: Option<PathBuf>,
    pub(super) published: Option<String>,
    /// What that version is to the registry by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<Alias>,
    pub(super) version: String,
    pub(super) users: usize,
    pub(super) items: usize,
    pub(super) models: Vec<String>,
    pub(super) bytes: Option<u64>,
    /// How the learned ranker did on what training kept from it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metrics: BTreeMap<String, f64>,
    /// What was left out of the data.
    pub(super) cleaned: Cleaned,
    /// What the actions weigh.
    pub(super) weights: Vec<ActionTally>,
    pub(super) remarks: Vec<String>,
    /// How it was judged, where it was.
    pub(super) run: Option<RunTold>,
}

impl Trained {
    pub(super) fn new(
        places: &Places,
        snapshot: &Snapshot,
        bytes: Option<u64>,
        published: Option<u64>,
        weights: Vec<ActionTally>,
    ) -> Self {
        Self {
            snapshot: places.out.clone(),
            registry: places.versions.as_ref().map(|versions| versions.registry.root().to_owned()),
            published: published.map(|number| format!("v{number}")),
            role: places
                .versions
                .as_ref()
                .zip(published)
                .and_then(|(versions, number)| versions.role(number)),
            version: snapshot.version.to_string(),
            users: snapshot.users.len(),
            items: snapshot.catalog.len(),
            models: snapshot.models.names().map(ToString::to_string).collect(),
            bytes,
            metrics: publish::learned(snapshot),
            cleaned: Cleaned::default(),
            weights,
            remarks: Vec::new(),
            run: None,
        }
    }
}

/// A run and its findings.
#[derive(Debug, Serialize)]
pub(super) struct RunTold {
    id: String,
    folder: PathBuf,
    /// Whether it was begun before.
    resumed: bool,
    steps: Vec<Step>,
    /// What candidates were chosen by.
    metric: String,
    /// The candidates on valid.
    valid: Vec<CandidateTold>,
    chosen: String,
    /// The chosen one on test, beside the baselines.
    test: Verdict,
    /// What orders pages, in the fits that were judged and in the one to all data.
    ranked_by: Ranking,
    /// Whether the figures on test are those of the model that was fitted to all data: false where another ranker orders it.
    is_as_tested: bool,
    /// What to know of the figures.
    #[serde(skip)]
    remarks: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CandidateTold {
    name: String,
    value: Option<f64>,
    interval: Option<(f64, f64)>,
    /// What ordered its pages.
    ranked_by: Option<String>,
    /// Why it could not be judged.
    #[serde(skip_serializing_if = "str::is_empty")]
    problem: String,
}

impl RunTold {
    pub(super) fn new(run: &Run<'_>, task: &Task<'_>, trained: &flow::Trained) -> Self {
        let metric = &task.judge.metric;
        let of_candidate = |(name, verdict): (String, &Verdict)| {
            let figure = verdict.judgement().and_then(|judgement| figure(judgement.models.first(), metric));
            let (value, interval) = figure.unwrap_or_default();
            let ranked_by =
                verdict.judgement().and_then(|judgement| judgement.models.first()?.ranked_by.clone());
            CandidateTold { name, value, interval, ranked_by, problem: verdict.problem().to_owned() }
        };
        Self {
            id: run.id().to_string(),
            folder: run.folder().to_owned(),
            resumed: run.resumed(),
            steps: run.steps(),
            metric: metric.clone(),
            chosen: trained.names[trained.chosen].clone(),
            valid: trained.names.iter().cloned().zip(&trained.valid).map(of_candidate).collect(),
            test: trained.test.clone(),
            ranked_by: trained.ranking.clone(),
            is_as_tested: trained.ranking.is_as_tested(),
            remarks: trained.remarks(),
        }
    }

    /// What to know of its figures.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut lines = self.remarks.clone();
        if let Verdict::Impossible(why) = &self.test {
            lines.push(format!("trained, but not judged: {why}"));
        }
        let found: Vec<&str> =
            self.steps.iter().filter(|step| step.found).map(|step| step.name.as_str()).collect();
        if !found.is_empty() {
            lines.push(format!("steps that were done before: {}", found.join(", ")));
        }
        lines
    }
}

/// A mean and its interval.
type Shown = (Option<f64>, Option<(f64, f64)>);

fn figure(model: Option<&Judged>, metric: &str) -> Option<Shown> {
    let figure = model?.figures.get(metric)?;
    Some((figure.value, figure.interval))
}

pub(super) fn rendered(trained: &Trained) -> String {
    let Trained { version, users, items, models, .. } = trained;
    let mut text = trained.run.as_ref().map(rendered_run).unwrap_or_default();
    text.push_str(&format!("snapshot {version}: {users} users, {items} items, models {}", models.join(", ")));
    if let (Some(path), Some(bytes)) = (&trained.snapshot, trained.bytes) {
        let path = path.display();
        text.push_str(&format!(
            "\nwrote {bytes} bytes to {path}\nserve it with: reco serve --snapshot {path}"
        ));
    }
    if let (Some(path), Some(version)) = (&trained.registry, &trained.published) {
        let path = path.display();
        text.push_str(&format!("\npublished {version} to {path}"));
        text.push_str(&match trained.role {
            Some(Alias::Champion) => format!("\n{version} is champion: it is what serves"),
            _ => format!("\nlet it serve with: reco models promote {version} --registry {path}"),
        });
    }
    text
}

fn rendered_run(run: &RunTold) -> String {
    let RunTold { metric, chosen, .. } = run;
    let mut text = String::new();
    if run.valid.len() > 1 {
        let mut table = output::table(["candidate", &format!("{metric} on valid"), "95 %", "ordered by", ""]);
        for candidate in &run.valid {
            let [value, interval] = shown((candidate.value, candidate.interval));
            let note = if candidate.name == *chosen { "chosen" } else { &candidate.problem };
            let ranked_by = candidate.ranked_by.as_deref().unwrap_or_default();
            table.add_row([&candidate.name, &value, &interval, ranked_by, note]);
        }
        text.push_str(&format!("{table}\n"));
    }
    if let Verdict::Judged(judgement) = &run.test {
        text.push_str(&beside_baselines(judgement, metric, chosen));
    }
    if let Ranking { test: Some(test), published, .. } = &run.ranked_by
        && !run.is_as_tested
    {
        text.push_str(&format!(
            "NOT the figures of what is published: {test} ordered these pages, {published} orders what was fitted to all data\n"
        ));
    }
    text.push_str(&format!("run {}: {}\n", run.id, run.folder.display()));
    text
}

fn beside_baselines(judgement: &Judgement, metric: &str, chosen: &str) -> String {
    let mut table = output::table(["on test", metric, "95 %", "beside the best baseline"]);
    for model in &judgement.models {
        let name = if model.baseline { model.name.clone() } else { format!("{chosen} (pipeline)") };
        let [value, interval] = shown(figure(Some(model), metric).unwrap_or_default());
        let versus = model.figures.get(metric).and_then(|figure| figure.versus.as_ref());
        let versus = versus.map_or_else(String::new, |(baseline, difference, (low, high))| {
            format!("{difference:+.4} to {baseline}, {low:+.4} to {high:+.4}")
        });
        table.add_row([name, value, interval, versus]);
    }
    format!("{table}\nover {} users who came back\n", judgement.users)
}

fn shown((value, interval): Shown) -> [String; 2] {
    [
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}")),
        interval.map_or_else(String::new, |(low, high)| format!("{low:.4} to {high:.4}")),
    ]
}
