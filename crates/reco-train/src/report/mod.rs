//! The report of a run: one page of HTML that needs nothing else, to read, print and send on.

mod arrivals;
mod experiment;
mod metrics;
mod plots;
mod ranker;
#[cfg(test)]
mod tests;

pub use arrivals::plot_arrivals;
pub use experiment::{ExperimentFacts, render_experiment};

use crate::data::clean::Cleaned;
use crate::flow::{ExamplePage, Fitted, JudgeParams, Verdict};
use crate::track::RunStart;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// What a report tells.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The run.
    pub run: &'a RunStart,
    /// How it judged.
    pub judge: &'a JudgeParams,
    /// What was left out of the data.
    pub cleaned: &'a Cleaned,
    /// Names of the candidates and what valid says of them.
    pub candidates: &'a [(String, Verdict)],
    /// The number of the chosen one.
    pub chosen: usize,
    /// What test says of it.
    pub test: &'a Verdict,
    /// The last fit.
    pub fitted: &'a Fitted,
    /// What to know about the figures.
    pub remarks: &'a [String],
}

/// Sections with the ids by which they are linked.
const SECTIONS: [(&str, &str); 8] = [
    ("candidates", "Candidates"),
    ("metrics", "Metrics beside baselines"),
    ("curves", "Curves"),
    ("calibration", "Calibration"),
    ("popularity", "Popularity bias and coverage"),
    ("importance", "Feature importance"),
    ("examples", "Example pages"),
    ("data", "Data and settings"),
];

/// The page. It follows the reader's colours, has no script, asks no network for anything, and escapes whatever the
/// data hold.
pub fn render(facts: &Facts<'_>) -> String {
    let content = |id: &str| match id {
        "candidates" => metrics::candidates(facts),
        "metrics" => metrics::beside_baselines(facts),
        "curves" => metrics::curves(facts),
        "calibration" => ranker::each(facts, ranker::calibration),
        "popularity" => metrics::popularity(facts),
        "importance" => ranker::each(facts, ranker::importance),
        "examples" => examples(&facts.fitted.examples),
        _ => data(facts),
    };
    let header = html! {
        h1 { "Run " (facts.run.id) }
        p class="soft" { "Model " (facts.run.experiment) ", begun " (facts.run.began) }
        p class="headline" { (metrics::headline(facts)) }
        @for line in facts.remarks { p { (line) } }
    };
    let sections = SECTIONS.map(|(id, title)| (id, title.to_owned(), content(id)));
    document(&format!("Run {} of {}", facts.run.id, facts.run.experiment), &header, sections.into())
}

/// A page of sections, each by id, title and content.
fn document(title: &str, header: &Markup, sections: Vec<(&str, String, Markup)>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header { (header) }
                nav aria-label="Sections" {
                    ul { @for (id, title, _) in &sections { li { a href={ "#" (id) } { (title) } } } }
                }
                main {
                    @for (id, title, content) in &sections {
                        section id=(id) aria-labelledby={ (id) "-title" } {
                            h2 id={ (id) "-title" } { (title) }
                            (content)
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn examples(pages: &[ExamplePage]) -> Markup {
    html! {
        p { "What the model that was fitted to all data shows at their end, and why." }
        @for page in pages {
            @if page.user.is_empty() {
                h3 { "Somebody new" }
            } @else {
                h3 { "User " (page.user) }
                p class="soft" { "Had " (page.had) " items, the latest: " (page.latest.join(", ")) }
            }
            div class="wide" {
                table {
                    thead {
                        tr {
                            @for name in ["item", "category"] { th scope="col" class="text" { (name) } }
                            th scope="col" { "score" }
                            th scope="col" class="text" { "why" }
                        }
                    }
                    tbody {
                        @for item in &page.items {
                            tr {
                                td { (item.title) small { (item.item) } }
                                td class="text" { (item.category) }
                                td { (format!("{:.3}", item.score)) }
                                td class="text" { (item.reasons.join("; ")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn data(facts: &Facts<'_>) -> Markup {
    let Cleaned { read, kept, .. } = facts.cleaned;
    let Fitted { users, items, models, seconds, .. } = facts.fitted;
    html! {
        p {
            "The model to serve knows " (users) " users and " (items) " items and was fitted in "
            (format!("{seconds:.1}")) " s: " (models.join(", ")) "."
        }
        p { (kept) " of the " (read) " interactions that were read are used." }
        @let left_out = facts.cleaned.remarks();
        @if !left_out.is_empty() { ul { @for line in &left_out { li { (line) } } } }
        (folded("What the run was begun with", facts.run.tags.iter()))
        (folded("All settings", facts.run.parameters.iter()))
    }
}

/// Names and values that unfold.
fn folded<'a, V: ToString + 'a>(title: &str, rows: impl Iterator<Item = (&'a String, &'a V)>) -> Markup {
    html! {
        details {
            summary { (title) }
            table {
                tbody {
                    @for (name, value) in rows {
                        tr { th scope="row" { code { (name) } } td class="text" { (value.to_string()) } }
                    }
                }
            }
        }
    }
}

/// A table of figures that unfolds below a plot: what the plot shows, for those who would rather read.
fn figures(header: &[String], rows: &[Vec<String>]) -> Markup {
    html! {
        details {
            summary { "The figures" }
            (rows_of(header, rows))
        }
    }
}

/// A table whose rows each begin with what they are of.
fn rows_of(header: &[String], rows: &[Vec<String>]) -> Markup {
    html! {
        div class="wide" {
            table {
                thead { tr { @for name in header { th scope="col" { (name) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (place, cell) in row.iter().enumerate() {
                                @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
