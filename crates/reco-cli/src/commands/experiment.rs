//! `reco experiment`: who is put where.

use crate::args::{AssignArgs, Experiment, ExperimentArgs, LogArgs};
use crate::output::table;
use crate::{Failure, Session};
use reco_core::experiment::{
    Comparison, Decision, ExperimentConfig, ExperimentReport, Experiments, HashVersion, MetricReport,
    Metrics, NoMemory, Subject, Unit, Verdict,
};
use reco_core::id::UserKey;
use reco_core::request::Surface;
use reco_core::store::DurableLog;
use reco_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(crate) fn run(session: &Session, args: &ExperimentArgs) -> Result<(), Failure> {
    match &args.what {
        Experiment::Assign(args) => assign(session, args),
        Experiment::Status(log) => status(session, log),
        Experiment::Report { experiment, log } => report(session, experiment, log),
    }
}

/// Where a value stands.
#[derive(Serialize)]
struct Assigned<'a> {
    seed: &'a str,
    value: &'a str,
    hash_version: u8,
    /// From 0 to below 1; none by a hash that there is not.
    bucket: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<InExperiment>,
}

#[derive(Serialize)]
struct InExperiment {
    name: String,
    /// None outside of it.
    variant: Option<String>,
    /// Its position, 0 for the control.
    index: Option<u8>,
    /// What the header `X-Experiment` says.
    header: Option<String>,
}

fn assign(session: &Session, args: &AssignArgs) -> Result<(), Failure> {
    let found = args.experiment.as_deref().map(|name| experiment(session, args, name)).transpose()?;
    let config = found.as_ref().map(|(_, config)| config);
    let named = config.and_then(|config| config.seed.clone()).or_else(|| Some(found.as_ref()?.0.clone()));
    let seed = args.seed.clone().or(named).unwrap_or_default();
    let version = args.hash_version.or_else(|| Some(config?.hash_version.into())).unwrap_or(2);
    let hash = HashVersion::try_from(version);
    if let Err(problem) = &hash {
        session.output.note(problem);
    }
    let assigned = Assigned {
        seed: &seed,
        value: &args.value,
        hash_version: version,
        bucket: hash.ok().map(|hash| hash.place(&seed, &args.value)),
        experiment: found.map(|(name, config)| in_experiment(args, name, config)).transpose()?,
    };
    session.output.result(&assigned, |assigned| rendered(assigned))
}

/// The experiment that is meant, with the seed and the hash that were asked for.
fn experiment(
    session: &Session,
    args: &AssignArgs,
    text: &str,
) -> Result<(String, ExperimentConfig), Failure> {
    let known = &session.config.experiments;
    let (name, mut config) = if text.trim_start().starts_with('{') {
        let config = serde_json::from_str(text).map_err(|cause| format!("--experiment: {cause}"))?;
        ("experiment".to_owned(), config)
    } else {
        let config = known.get(text).ok_or_else(|| format!("--experiment {}", no_such(known, text)))?;
        (text.to_owned(), config.clone())
    };
    config.seed = args.seed.clone().or(config.seed);
    if let Some(version) = args.hash_version {
        config.hash_version = HashVersion::try_from(version)?;
    }
    Ok((name, config))
}

fn in_experiment(args: &AssignArgs, name: String, config: ExperimentConfig) -> Result<InExperiment, Failure> {
    let attributes: Map<String, Value> = match &args.attributes {
        Some(text) => serde_json::from_str(text).map_err(|cause| format!("--attributes: {cause}"))?,
        None => Map::new(),
    };
    let surface = config.surfaces.first().map_or(Surface::Home, |name| match name.as_str() {
        "similar" => Surface::Similar("".into()),
        "category" => Surface::Category("".into()),
        _ => Surface::Home,
    });
    // A session is hashed by the key that stands for it.
    let session = (config.by == Unit::Session).then_some(args.value.as_str());
    let experiments = Experiments::new(BTreeMap::from([(name.clone(), config)]), BTreeMap::new())
        .map_err(|problems| problems.join("\n"))?;
    let user = UserKey::from(args.value.as_str());
    let subject = Subject { user: &user, session, attributes: &attributes };
    let assigned = experiments.assign(subject, &surface, &NoMemory);
    let variant = assigned.first();
    Ok(InExperiment {
        name,
        variant: variant.map(|of| of.variant.to_string()),
        index: variant.map(|of| of.arm.0),
        header: Experiments::header(&assigned),
    })
}

fn rendered(assigned: &Assigned<'_>) -> String {
    let Assigned { seed, value, hash_version, bucket, experiment } = assigned;
    let place = bucket.map_or_else(|| "none".to_owned(), |bucket| format!("{bucket} of 1"));
    let line =
        format!("bucket     {place} (hash version {hash_version} of `{value}` with the seed `{seed}`)");
    let Some(InExperiment { name, variant, header, .. }) = experiment else { return line };
    match (variant, header) {
        (Some(variant), Some(header)) => {
            format!("{line}\nexperiment {name}\nvariant    {variant}\nheader     X-Experiment: {header}")
        }
        _ => format!("{line}\nexperiment {name}\nvariant    none: does not take part"),
    }
}

/// What is known of an experiment, and what to do about it.
#[derive(Serialize)]
struct Judged {
    report: ExperimentReport,
    decision: Decision,
}

/// Judges experiments of the configuration by the events of a log.
struct Judge {
    metrics: Metrics,
    now: Timestamp,
}

impl Judge {
    /// Events that are taken in at a time.
    const BATCH: usize = 10_000;

    fn read(session: &Session, args: &LogArgs) -> Result<Self, Failure> {
        let path = args.path.as_ref().unwrap_or(&session.config.events.path);
        if !DurableLog::is_in(path) {
            let path = path.display();
            return Err(
                format!("{path}: no events are kept here; `reco serve` keeps them in events.path").into()
            );
        }
        let metrics = Metrics::in_memory(&session.config.experiment_metrics());
        let (mut batch, mut latest, mut n_damaged) = (Vec::new(), Timestamp::default(), 0);
        let mut found = DurableLog::look(path, 0)?;
        loop {
            match found.next() {
                Some(Ok(delivery)) => {
                    latest = latest.max(delivery.event.at);
                    batch.push(delivery);
                }
                Some(Err(_)) => n_damaged += 1,
                None => break,
            }
            if batch.len() == Self::BATCH {
                metrics.count(&std::mem::take(&mut batch));
            }
        }
        metrics.count(&batch);
        if n_damaged > 0 {
            session.output.warning(&format!(
                "{n_damaged} events cannot be read and count for nothing: `reco events check`"
            ));
        }
        Ok(Self { metrics, now: args.at.unwrap_or(latest) })
    }

    fn judged(&self, name: &str, config: &ExperimentConfig) -> Judged {
        let report = self.metrics.report(name, config);
        let decision = Decision::new(&report, &config.decide, self.now);
        Judged { report, decision }
    }
}

fn status(session: &Session, args: &LogArgs) -> Result<(), Failure> {
    let experiments = &session.config.experiments;
    if experiments.is_empty() {
        return Err("no experiment is configured: see docs/experiments.md".into());
    }
    let judge = Judge::read(session, args)?;
    let all: BTreeMap<&str, Judged> =
        experiments.iter().map(|(name, config)| (name.as_str(), judge.judged(name, config))).collect();
    session.output.result(&all, |all| {
        let mut table = table(["experiment", "state", "days", "users", "decision", "because"]);
        for (name, Judged { report, decision }) in all {
            let state = experiments.get(*name).map(|config| format!("{:?}", config.state).to_lowercase());
            let users: Vec<String> =
                report.arms.iter().map(|arm| format!("{} {}", arm.variant, arm.users)).collect();
            let days = report.first.map_or(0.0, |first| judge.now.days_since(first));
            let because = decision.reasons.first().cloned().unwrap_or_default();
            table.add_row([
                (*name).to_owned(),
                state.unwrap_or_default(),
                format!("{days:.1}"),
                users.join(", "),
                verdict(decision),
                because,
            ]);
        }
        table.to_string()
    })
}

fn report(session: &Session, name: &str, args: &LogArgs) -> Result<(), Failure> {
    let known = &session.config.experiments;
    let config = known.get(name).ok_or_else(|| no_such(known, name))?;
    let judged = Judge::read(session, args)?.judged(name, config);
    session.output.result(&judged, |Judged { report, decision }| {
        let users: Vec<String> =
            report.arms.iter().map(|arm| format!("{} {}", arm.variant, arm.users)).collect();
        let mismatch = report.mismatch.map_or_else(String::new, |mismatch| {
            format!(
                "; sample-ratio mismatch: {} (p {:.3})",
                if mismatch.alarms() { "YES" } else { "none" },
                mismatch.p
            )
        });
        let mixed = format!("{} saw several variants and count for none", report.mixed);
        let reasons: Vec<String> = decision.reasons.iter().map(|reason| format!("  {reason}")).collect();
        format!(
            "users     {}{mismatch}; {mixed}\n{}\n{}\n{}",
            users.join(", "),
            metrics_table(report),
            verdict(decision),
            reasons.join("\n")
        )
    })
}

fn no_such(known: &BTreeMap<String, ExperimentConfig>, name: &str) -> String {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let there =
        if names.is_empty() { "none is".to_owned() } else { format!("there are {}", names.join(", ")) };
    format!("{name}: no such experiment is configured; {there}")
}

/// PROMOTE and the like, with the variant that is meant.
fn verdict(decision: &Decision) -> String {
    let word = match decision.verdict {
        Verdict::Promote => "PROMOTE",
        Verdict::RollBack => "ROLL BACK",
        Verdict::KeepRunning => "KEEP RUNNING",
        Verdict::Invalid => "INVALID",
    };
    decision.variant.as_ref().map_or_else(|| word.to_owned(), |variant| format!("{word} {variant}"))
}

fn metrics_table(report: &ExperimentReport) -> String {
    let mut table = table([
        "metric",
        "variant",
        "value",
        "difference",
        "95 %",
        "relative",
        "p, any time",
        "chance to be better",
    ]);
    for metric in &report.metrics {
        for (number, arm) in report.arms.iter().enumerate() {
            table.add_row(metric_row(metric, number, &arm.variant));
        }
    }
    table.to_string()
}

/// An arm of a metric; beside the control, unless it is that.
fn metric_row(metric: &MetricReport, number: usize, variant: &str) -> [String; 8] {
    let value = metric
        .arms
        .get(number)
        .copied()
        .flatten()
        .map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let name = if number == 0 { metric.name.clone() } else { String::new() };
    let compared = number.checked_sub(1).and_then(|other| metric.compared.get(other)?.as_ref());
    let Some(Comparison { absolute, relative, anytime, better, .. }) = compared else {
        let none = String::new;
        return [name, variant.to_owned(), value, none(), none(), none(), none(), none()];
    };
    [
        name,
        variant.to_owned(),
        value,
        format!("{:+.4}", absolute.estimate),
        format!("{:+.4} to {:+.4}", absolute.interval.low, absolute.interval.high),
        relative.map(|relative| format!("{:+.1} %", relative.estimate * 100.0)).unwrap_or_default(),
        format!("{:.4}", anytime.p),
        better.map(|chance| format!("{:.1} %", chance * 100.0)).unwrap_or_default(),
    ]
}
