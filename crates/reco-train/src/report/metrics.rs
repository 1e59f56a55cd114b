//! How good the candidates are, beside one another and beside baselines.

use super::plots::{self, Line, Names};
use super::{Facts, figures};
use crate::flow::{Figure, Judged, Judgement, Verdict};
use crate::track::Metric;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Metrics that are means over users, and what they say.
const ACCURACY: [(&str, &str); 6] = [
    ("ndcg", "gain by place, 1 for the best order"),
    ("hr", "users with a hit"),
    ("recall", "share of what they took that is on the list"),
    ("precision", "share of the list that they took"),
    ("map", "precision at every hit"),
    ("mrr", "1 / place of the first hit"),
];
const EXPOSURE: [(&str, &str); 4] = [
    ("coverage", "share of the catalogue on any list"),
    ("gini", "0: all items alike, towards 1: few get everything"),
    ("novelty", "surprise of what is shown, in bits"),
    ("diversity", "how unlike the items of a list are"),
];

/// The outcome in a sentence.
pub(super) fn headline(facts: &Facts<'_>) -> Markup {
    let metric = &facts.judge.metric;
    let name = facts.candidates.get(facts.chosen).map_or("", |(name, _)| name);
    let figure = facts.test.judgement().and_then(|judgement| pipeline(judgement)?.figures.get(metric));
    html! {
        @if let Some(Figure { value: Some(value), interval, versus }) = figure {
            (name) " reaches " (metric) " " (format!("{value:.4}"))
            @if let Some((low, high)) = interval { (format!(" (95 % {low:.4} to {high:.4})")) }
            " on the latest data, which nothing was chosen by."
            @if let Some((baseline, difference, (low, high))) = versus {
                " That is " (format!("{difference:+.4}")) " beside " (baseline) ", the best baseline ("
                (format!("95 % {low:+.4} to {high:+.4}")) ", paired): "
                @if *low > 0.0 { "better" } @else if *high < 0.0 { "worse" } @else { "no difference can be told" }
                "."
            }
        } @else {
            (name) " was fitted, but not judged: " (facts.test.problem())
        }
    }
}

fn pipeline(judgement: &Judgement) -> Option<&Judged> {
    judgement.models.first()
}

pub(super) fn candidates(facts: &Facts<'_>) -> Markup {
    let metric = &facts.judge.metric;
    html! {
        p {
            "Each was fitted to the earlier data and judged on valid, the "
            (format!("{:.0} %", 100.0 * facts.judge.valid_share))
            " of the interactions before test; the best by " (metric) " was chosen."
        }
        div class="wide" {
            table {
                thead {
                    tr {
                        th scope="col" { "candidate" }
                        th scope="col" { (metric) " on valid" }
                        th scope="col" { "users" }
                        th scope="col" { "fit s" }
                        th scope="col" class="text" { "" }
                    }
                }
                tbody {
                    @for (number, (name, verdict)) in facts.candidates.iter().enumerate() {
                        tr class=[(number == facts.chosen).then_some("own")] {
                            th scope="row" { (name) }
                            @if let Some(model) = verdict.judgement().and_then(pipeline) {
                                (cell(model.figures.get(metric)))
                                td { (verdict.judgement().map_or(0, |judgement| judgement.users)) }
                                td { (format!("{:.1}", model.seconds)) }
                            } @else {
                                td { "–" } td { "–" } td { "–" }
                            }
                            td class="text" {
                                @if number == facts.chosen { "chosen " }
                                (verdict.problem())
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A value with its interval below.
fn cell(figure: Option<&Figure>) -> Markup {
    let value = figure.and_then(|figure| figure.value);
    let interval = figure.and_then(|figure| figure.interval);
    html! {
        td {
            @if let Some(value) = value { (format!("{value:.4}")) } @else { "–" }
            @if let Some((low, high)) = interval { small { (format!("{low:.4} to {high:.4}")) } }
        }
    }
}

pub(super) fn beside_baselines(facts: &Facts<'_>) -> Markup {
    let Verdict::Judged(judgement) = facts.test else { return not_judged(facts.test) };
    let k = cut_off(facts);
    html! {
        p {
            "Fitted to " (judgement.train_interactions) " interactions, judged on the latest "
            (judgement.test_interactions) "; means over the " (judgement.users)
            " users who took something then, below them 95 % bootstrap intervals."
        }
        (table(judgement, k, &ACCURACY))
    }
}

fn not_judged(verdict: &Verdict) -> Markup {
    html! { p { "Not judged: " (verdict.problem()) } }
}

/// The cut-off of the metric that chose.
fn cut_off<'a>(facts: &Facts<'a>) -> &'a str {
    facts.judge.metric.split_once('@').map_or("10", |(_, k)| k)
}

/// Models by these metrics at a cut-off.
fn table(judgement: &Judgement, k: &str, metrics: &[(&str, &str)]) -> Markup {
    html! {
        div class="wide" {
            table {
                thead {
                    tr {
                        th scope="col" { "at " (k) }
                        @for (name, about) in metrics { th scope="col" { (name) small { (about) } } }
                    }
                }
                tbody {
                    @for model in &judgement.models {
                        tr class=[(!model.baseline).then_some("own")] {
                            th scope="row" { (model.name) }
                            @for (name, _) in metrics { (cell(model.figures.get(&format!("{name}@{k}")))) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn curves(facts: &Facts<'_>) -> Markup {
    html! {
        @if let Verdict::Judged(judgement) = facts.test { (by_length(facts, judgement)) }
        @else { (not_judged(facts.test)) }
        @let learned = learned(&facts.fitted.curves);
        @if learned.is_empty() { p { "No model of this run logs how it learns, step by step." } }
        @for ((model, measure), points) in learned {
            @let caption = format!("How {model} came on: {measure} by step, on lists that it does not learn from.");
            (plots::lines(
                &Names { caption: &caption, x: "step", y: &measure },
                &[Line { name: model, points, band: Vec::new() }],
                false,
            ))
        }
    }
}

/// The metric that chose by the length of the lists.
fn by_length(facts: &Facts<'_>, judgement: &Judgement) -> Markup {
    let metric = facts.judge.metric.split_once('@').map_or("ndcg", |(name, _)| name);
    let mut lengths: Vec<usize> = judgement
        .models
        .iter()
        .flat_map(|model| model.figures.keys())
        .filter_map(|name| name.strip_prefix(metric)?.strip_prefix('@')?.parse().ok())
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    let figure = |model: &Judged, k: usize| {
        let figure = model.figures.get(&format!("{metric}@{k}"))?;
        Some((figure.value?, figure.interval.unwrap_or_default()))
    };
    let line = |model: &Judged| {
        let at = |&k: &usize| figure(model, k).map(|(value, band)| ((k as f64, value), band));
        let (points, band) = lengths.iter().filter_map(at).unzip();
        Line { name: model.name.clone(), points, band }
    };
    let lines: Vec<Line> = judgement.models.iter().map(line).collect();
    let header: Vec<String> =
        ["length".to_owned()].into_iter().chain(lines.iter().map(|line| line.name.clone())).collect();
    let row = |&k: &usize| {
        let of_model =
            |model| figure(model, k).map_or_else(|| "–".to_owned(), |(value, _)| format!("{value:.4}"));
        [k.to_string()].into_iter().chain(judgement.models.iter().map(of_model)).collect()
    };
    let rows: Vec<Vec<String>> = lengths.iter().map(row).collect();
    let caption = format!("{metric} on test by the length of the lists, with 95 % intervals.");
    html! {
        (plots::lines(&Names { caption: &caption, x: "length of the list", y: metric }, &lines, false))
        (figures(&header, &rows))
    }
}

/// Points by model and measure.
type Learned = BTreeMap<(String, String), Vec<(f64, f64)>>;

fn learned(curves: &[Metric]) -> Learned {
    let mut learned = Learned::new();
    for Metric { model, name, step, value, .. } in curves {
        learned.entry((model.clone(), name.clone())).or_default().push((*step as f64, *value));
    }
    learned
}

pub(super) fn popularity(facts: &Facts<'_>) -> Markup {
    let Verdict::Judged(judgement) = facts.test else { return not_judged(facts.test) };
    let k = cut_off(facts);
    let of_model = |model: &Judged| {
        let shares = model.deciles.get(&format!("deciles@{k}"))?;
        Some((format!("shown by {}", model.name), shares.to_vec()))
    };
    let taken = [("taken by users".to_owned(), judgement.taken_deciles.to_vec())];
    let series: Vec<(String, Vec<f64>)> =
        taken.into_iter().chain(judgement.models.iter().filter_map(of_model)).collect();
    let names: Vec<String> = (1..=10).map(|tenth| tenth.to_string()).collect();
    let header: Vec<String> =
        ["tenth".to_owned()].into_iter().chain(series.iter().map(|(name, _)| name.clone())).collect();
    let row = |place: usize| {
        let shares = series.iter().map(|(_, shares)| format!("{:.1} %", 100.0 * shares[place]));
        [names[place].clone()].into_iter().chain(shares).collect()
    };
    let rows: Vec<Vec<String>> = (0..10).map(row).collect();
    let caption = format!(
        "Which share of the first {k} places goes to each tenth of the catalogue, from the most popular tenth on the \
         left to the least popular, beside what users took themselves: lists above that on the left favour what is \
         popular anyway."
    );
    html! {
        (table(judgement, k, &EXPOSURE))
        (plots::bars(&Names { caption: &caption, x: "tenths of the catalogue", y: "share" }, &names, &series))
        (figures(&header, &rows))
    }
}
