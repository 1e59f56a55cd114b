//! `reco experiment status` and `report`: what came of experiments, and what to do about them.

use super::{known, no_such};
use crate::args::LogArgs;
use crate::output::{self, table};
use crate::states::{States, Turn};
use crate::{Failure, Session};
use reco_core::experiment::{
    Comparison, Decision, ExperimentConfig, ExperimentReport, MetricReport, Metrics, Verdict,
};
use reco_core::file;
use reco_core::store::DurableLog;
use reco_core::time::Timestamp;
use reco_train::report::{ExperimentFacts, render_experiment};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

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

    /// `each_day` is shown what is known before the first event of another day.
    fn read(
        session: &Session,
        args: &LogArgs,
        mut each_day: impl FnMut(&Metrics, Timestamp),
    ) -> Result<Self, Failure> {
        const DAY_MILLIS: i64 = 86_400_000;
        let path = args.path.as_ref().unwrap_or(&session.config.events.path);
        if !DurableLog::is_in(path) {
            let path = path.display();
            return Err(
                format!("{path}: no events are kept here; `reco serve` keeps them in events.path").into()
            );
        }
        let metrics = Metrics::in_memory(&session.config.experiment_metrics());
        let (mut batch, mut latest, mut n_damaged) = (Vec::new(), Timestamp::default(), 0);
        for found in DurableLog::look(path, 0)? {
            let Ok(delivery) = found else {
                n_damaged += 1;
                continue;
            };
            let is_another_day = delivery.event.at.millis() / DAY_MILLIS > latest.millis() / DAY_MILLIS;
            if batch.len() == Self::BATCH || is_another_day {
                metrics.count(&std::mem::take(&mut batch));
            }
            if is_another_day {
                each_day(&metrics, latest);
            }
            latest = latest.max(delivery.event.at);
            batch.push(delivery);
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

pub(super) fn status(session: &Session, args: &LogArgs) -> Result<(), Failure> {
    let experiments = known(session)?;
    if experiments.is_empty() {
        return Err("no experiment is configured: see docs/experiments.md".into());
    }
    let judge = Judge::read(session, args, |_, _| {})?;
    let all: BTreeMap<&str, Judged> =
        experiments.iter().map(|(name, config)| (name.as_str(), judge.judged(name, config))).collect();
    session.output.result(&all, |all| {
        let mut table = table(["experiment", "state", "days", "users", "decision", "because"]);
        for (name, Judged { report, decision }) in all {
            let state = experiments.get(*name).map(|config| config.state.to_string());
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

pub(super) fn report(
    session: &Session,
    name: &str,
    html: Option<&Path>,
    args: &LogArgs,
) -> Result<(), Failure> {
    let known = known(session)?;
    let config = known.get(name).ok_or_else(|| no_such(&known, name))?;
    if let Some(path) = html {
        file::check(path).map_err(|cause| format!("--html {}: {cause}", path.display()))?;
    }
    let mut days = Vec::new();
    let judge = Judge::read(session, args, |metrics, at| {
        if html.is_some() {
            days.push((at, metrics.report(name, config)));
        }
    })?;
    let judged = judge.judged(name, config);
    if let Some(path) = html {
        days.push((judge.now, judged.report.clone()));
        let page = page(session, name, days, &judged)?;
        file::replace(path, |file| file.write_all(page.as_bytes()))?;
    }
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
            "users     {}{mismatch}; {mixed}\n{}{}\n{}{}\n{}",
            users.join(", "),
            health(report),
            metrics_table(report),
            segments(report),
            verdict(decision),
            reasons.join("\n")
        )
    })
}

/// Whether its numbers can be believed, by what must not differ, one line each.
fn health(report: &ExperimentReport) -> String {
    let before = report.before.iter().map(|before| {
        let so = if before.alarms() { "YES" } else { "none" };
        format!(
            "before    difference of {} in {} before exposure: {so} ({:+.4}, p {:.3})\n",
            before.variant, before.metric, before.difference, before.p
        )
    });
    let aa = report.seem_different().map(|(n_different, n_compared)| {
        format!(
            "A/A       the variants change nothing here: {n_different} of {n_compared} comparisons have a p below 0.05 for one look, \
             {:.1} would by chance\n",
            n_compared as f64 * 0.05
        )
    });
    before.chain(aa).collect()
}

/// The deciding metric among users of each kind; nothing where they are all of one.
fn segments(report: &ExperimentReport) -> String {
    let mut table = table(["segment", "variant", "users", "metric", "difference", "relative", "p, adjusted"]);
    for segment in &report.segments {
        for (number, arm) in report.arms.iter().enumerate() {
            let Some(metric) = &segment.metric else { continue };
            let users = segment.arms.get(number).map_or(0, |arm| arm.users);
            let [_, _, value, difference, _, relative, ..] = metric_row(metric, number, &arm.variant);
            let adjusted = number.checked_sub(1).and_then(|other| segment.adjusted.get(other));
            table.add_row([
                if number == 0 { format!("{} {}", segment.segment, segment.value) } else { String::new() },
                arm.variant.clone(),
                users.to_string(),
                value,
                difference,
                relative,
                adjusted.map(|p| format!("{p:.4}")).unwrap_or_default(),
            ]);
        }
    }
    if report.segments.len() < 2 {
        return String::new();
    }
    let metric = report.segments.iter().find_map(|segment| segment.metric.as_ref());
    let name = metric.map_or("the deciding metric", |metric| &metric.name);
    format!("by kind of user, {name}; the p are for any time and for looking at all of them\n{table}\n")
}

/// The report for people who would rather look.
fn page(
    session: &Session,
    name: &str,
    days: Vec<(Timestamp, ExperimentReport)>,
    Judged { decision, .. }: &Judged,
) -> Result<String, Failure> {
    let since = |(at, report): (Timestamp, ExperimentReport)| Some((at.days_since(report.first?), report));
    let days: Vec<(f64, ExperimentReport)> = days.into_iter().filter_map(since).collect();
    let turns = States::beside(&session.config.events.path).read()?;
    let turns: Vec<String> = turns
        .of(name)
        .iter()
        .map(|Turn { at, state, by, why }| format!("{}: {state} ({by}: {why})", output::moment(*at)))
        .collect();
    Ok(render_experiment(&ExperimentFacts { name, days: &days, decision, turns: &turns }))
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
