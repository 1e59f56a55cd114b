//! The report of an experiment: what is known of it, how that came to be day by day, and what to do.

use super::plots::{self, Line, Names};
use super::{document, figures, rows_of};
use maud::{Markup, html};
use reco_core::experiment::{Comparison, Decision, ExperimentReport, MetricReport, Verdict};

/// What a report of an experiment tells.
#[derive(Clone, Copy, Debug)]
pub struct ExperimentFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// What was known at the end of each day with events, by days since the first exposure; the last is what is known now.
    pub days: &'a [(f64, ExperimentReport)],
    /// What to do.
    pub decision: &'a Decision,
    /// Who started and stopped it, one line each.
    pub turns: &'a [String],
}

/// The report of an experiment as one page of HTML that needs nothing else: the decision with its reasons, every metric with
/// the interval of its difference day by day, and whether users came in as they should.
pub fn render_experiment(facts: &ExperimentFacts<'_>) -> String {
    let Some((days, now)) = facts.days.last() else {
        let header = html! { h1 { "Experiment " (facts.name) } p class="headline" { "Nobody was exposed to it yet." } };
        return document(&format!("Experiment {}", facts.name), &header, Vec::new());
    };
    let header = html! {
        h1 { "Experiment " (facts.name) }
        p class="soft" { (format!("{days:.1}")) " days after the first user was exposed to it" }
        p class="headline" { (verdict(facts.decision)) }
        ul { @for reason in &facts.decision.reasons { li { (reason) } } }
    };
    let mut sections = vec![("users", "Users".to_owned(), users(facts, now))];
    sections.push(("metrics", "Metrics".to_owned(), metrics(now)));
    sections.push(("differences", "Differences day by day".to_owned(), differences(facts, now)));
    if now.segments.len() > 1 {
        sections.push(("segments", "Kinds of users".to_owned(), segments(now)));
    }
    sections.push(("health", "Whether it can be believed".to_owned(), health(facts)));
    document(&format!("Experiment {}", facts.name), &header, sections)
}

fn verdict(decision: &Decision) -> String {
    let variant = decision.variant.as_deref().unwrap_or("it");
    match decision.verdict {
        Verdict::Promote => format!("Promote: give {variant} to everybody."),
        Verdict::RollBack => format!("Roll back: take {variant} away from everybody."),
        Verdict::KeepRunning => "Keep running: nothing is decided yet.".to_owned(),
        Verdict::Invalid => "Invalid: something is wrong with the experiment itself.".to_owned(),
    }
}

fn users(facts: &ExperimentFacts<'_>, now: &ExperimentReport) -> Markup {
    html! {
        p {
            (now.mixed) " users saw more than one variant and count for none."
        }
        table {
            thead { tr { th scope="col" class="text" { "variant" } th scope="col" { "users" } } }
            tbody { @for arm in &now.arms { tr { th scope="row" { (arm.variant) } td { (arm.users) } } } }
        }
        @if !facts.turns.is_empty() { ul { @for line in facts.turns { li { (line) } } } }
    }
}

fn metrics(now: &ExperimentReport) -> Markup {
    let figures = ["value", "difference", "95 %, one look", "95 %, any look", "better"];
    html! {
        p {
            "Differences are to the control. An interval for one look is narrower, and right only for a look at a moment that was fixed "
            "before; decisions rest on the one that holds however often one looks."
        }
        div class="wide" {
            table {
                thead {
                    tr {
                        @for name in ["metric", "variant"] { th scope="col" class="text" { (name) } }
                        @for name in figures { th scope="col" { (name) } }
                    }
                }
                tbody {
                    @for metric in &now.metrics {
                        @for (number, arm) in now.arms.iter().enumerate() {
                            tr {
                                th scope="row" { @if number == 0 { (metric.name) } }
                                td class="text" { (arm.variant) }
                                @for cell in cells(metric, number) { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Value and difference of an arm.
fn cells(metric: &MetricReport, number: usize) -> [String; 5] {
    let value =
        metric.arms.get(number).copied().flatten().map_or_else(String::new, |value| format!("{value:.4}"));
    let Some(of) = compared(metric, number) else {
        return [value, String::new(), String::new(), String::new(), String::new()];
    };
    let interval = |low: f64, high: f64| format!("{low:+.4} to {high:+.4}");
    [
        value,
        format!("{:+.4}", of.absolute.estimate),
        interval(of.absolute.interval.low, of.absolute.interval.high),
        interval(of.anytime.interval.low, of.anytime.interval.high),
        of.better.map_or_else(String::new, |chance| format!("{:.0} %", chance * 100.0)),
    ]
}

fn compared(metric: &MetricReport, number: usize) -> Option<&Comparison> {
    metric.compared.get(number.checked_sub(1)?)?.as_ref()
}

fn differences(facts: &ExperimentFacts<'_>, now: &ExperimentReport) -> Markup {
    html! {
        @for (place, metric) in now.metrics.iter().enumerate() {
            h3 { (metric.name) }
            (difference(facts, now, place))
        }
    }
}

/// The difference of every variant by one metric, day by day, with the interval that holds however often one looks.
fn difference(facts: &ExperimentFacts<'_>, now: &ExperimentReport, place: usize) -> Markup {
    let mut lines = Vec::new();
    for (number, arm) in now.arms.iter().enumerate().skip(1) {
        let known = facts.days.iter().filter_map(|(day, report)| {
            let of = compared(report.metrics.get(place)?, number)?;
            let interval = of.anytime.interval;
            let is_known = interval.low.is_finite() && interval.high.is_finite();
            is_known.then_some(((*day, of.absolute.estimate), (interval.low, interval.high)))
        });
        let (points, band) = known.unzip();
        lines.push(Line { name: arm.variant.clone(), points, band });
    }
    if lines.iter().all(|line| line.points.is_empty()) {
        return html! { p { "Too little is known yet." } };
    }
    let rows = lines.iter().flat_map(|line| {
        line.points.iter().zip(&line.band).map(|((day, estimate), (low, high))| {
            let numbers = [estimate, low, high].map(|x| format!("{x:+.4}"));
            let [estimate, low, high] = numbers;
            vec![format!("{} {day:.1}", line.name), estimate, low, high]
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let names = Names {
        caption: "The difference to the control, with the interval of 95 % that holds however often one looks",
        x: "days since the first user was exposed",
        y: "difference",
    };
    let header = ["variant and day", "difference", "from", "to"].map(str::to_owned);
    html! {
        (plots::lines(&names, &lines, false))
        (figures(&header, &rows))
    }
}

/// The deciding metric among users of each kind.
fn segments(now: &ExperimentReport) -> Markup {
    let rows = now.segments.iter().flat_map(|segment| {
        now.arms.iter().enumerate().skip(1).map(move |(number, arm)| {
            let compared = segment.metric.as_ref().and_then(|metric| compared(metric, number));
            let users = |number: usize| segment.arms.get(number).map_or(0, |arm| arm.users).to_string();
            let difference = compared.map(|of| format!("{:+.4}", of.absolute.estimate));
            let interval = compared
                .map(|of| format!("{:+.4} to {:+.4}", of.anytime.interval.low, of.anytime.interval.high));
            let p = segment.adjusted.get(number - 1).filter(|_| compared.is_some());
            vec![
                format!("{} {}: {}", segment.segment, segment.value, arm.variant),
                users(number),
                users(0),
                difference.unwrap_or_default(),
                interval.unwrap_or_default(),
                p.map(|p| format!("{p:.4}")).unwrap_or_default(),
            ]
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let metric = now.segments.iter().find_map(|segment| segment.metric.as_ref());
    let header =
        ["users", "theirs", "control's", "difference", "95 %, any look", "p, adjusted"].map(str::to_owned);
    html! {
        p {
            "The deciding metric" @if let Some(metric) = metric { ", " (metric.name) "," }
            " among users of each kind. Some of them differ by chance, the more of them the more; the p is for any time and for looking "
            "at all of them (Benjamini and Hochberg)."
        }
        (rows_of(&header, &rows))
    }
}

/// What users of the arms must have in common, and what they have not.
fn before(now: &ExperimentReport) -> Markup {
    html! {
        @for before in &now.before {
            p {
                "Before they were exposed, users of " (before.variant) " differed from the control's by "
                (format!("{:+.4}", before.difference)) " of " (before.metric) " each: "
                @if before.alarms() { "they were not divided by chance" } @else { "no more than chance explains" }
                (format!(" (p {:.3}).", before.p))
            }
        }
        @if let Some((n_different, n_compared)) = now.seem_different() {
            p {
                "The variants change nothing here, as in a test of the experiment itself (A/A): " (n_different) " of " (n_compared)
                " comparisons have a p below 0.05 for one look, where chance alone gives "
                (format!("{:.1}.", n_compared as f64 * 0.05))
            }
        }
    }
}

/// Whether users came into the arms as they should, day by day.
fn health(facts: &ExperimentFacts<'_>) -> Markup {
    let mixed = |report: &ExperimentReport| {
        let all = report.arms.iter().map(|arm| arm.users).sum::<u64>() + report.mixed;
        report.mixed as f64 / all.max(1) as f64
    };
    let rows: Vec<Vec<String>> = facts
        .days
        .iter()
        .map(|(day, report)| {
            let told = report.mismatch.map_or_else(String::new, |mismatch| {
                format!("{:.4}{}", mismatch.p, if mismatch.alarms() { ", an alarm" } else { "" })
            });
            vec![format!("{day:.1}"), told, format!("{:.2} %", mixed(report) * 100.0)]
        })
        .collect();
    let alarms =
        facts.days.iter().filter(|(_, report)| report.mismatch.is_some_and(|of| of.alarms())).count();
    let points = facts.days.iter().filter_map(|(day, report)| Some((*day, report.mismatch?.p)));
    let line = Line { name: "p".to_owned(), points: points.collect(), band: Vec::new() };
    let names = Names {
        caption: "How probable arms of these sizes are, were users divided as meant; below 0.001 something is wrong",
        x: "days since the first user was exposed",
        y: "p of the sizes",
    };
    let header = ["day", "p of the sizes", "saw several variants"].map(str::to_owned);
    html! {
        p {
            @if alarms == 0 { "Users came into the arms in the ratio that was meant, on every day." }
            @else { "On " (alarms) " days users had not come into the arms in the ratio that was meant." }
        }
        @if let Some((_, now)) = facts.days.last() { (before(now)) }
        @if !line.points.is_empty() { (plots::lines(&names, &[line], false)) }
        (figures(&header, &rows))
    }
}
