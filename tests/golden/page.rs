//! A page as text that a person can review.

use reco::catalog::Catalog;
use reco::explain::{reasons, why_not_sentence};
use reco::page::{Evidence, PageItem, Why, WhyNot};
use reco::pipeline::Recommender;
use reco::request::Request;

/// Answers the request and writes the page down.
pub(crate) fn text(recommender: &Recommender, about: &str, request: Request) -> String {
    let asked = match &request.filter {
        Some(filter) => format!("{}, filter {}", request.surface, filter.source()),
        None => request.surface.to_string(),
    };
    let page = recommender.recommend_now(request).expect("a sound request");
    assert!(page.faults.is_empty(), "{about}: {:?}", page.faults);
    let catalog = &recommender.snapshot().catalog;
    let mut text = format!("{about}\nsurface {asked}\nrung {}, {} items\n\n", page.rung, page.items.len());
    text.extend(page.items.iter().map(|item| place(item, catalog)));
    if !page.why_not.is_empty() {
        text.push('\n');
    }
    text.extend(page.why_not.iter().map(|answer| missing(answer, catalog)));
    text
}

/// Rank, score, title; what it is; the reasons as people read them; the figures behind.
fn place(item: &PageItem, catalog: &Catalog) -> String {
    let labels = [catalog.category(), catalog.subcategory(), catalog.brand()];
    let mut about: Vec<String> =
        labels.iter().filter_map(|column| column.get(item.id)).map(str::to_owned).collect();
    about.extend(catalog.price(item.id).map(|price| format!("{price:.2}")));
    let why = item.why.as_ref().expect("reasons are given unless declined");
    let reasons: String =
        reasons(why, catalog).iter().map(|reason| format!("           {reason}\n")).collect();
    format!(
        "{:>2}  {:.3}  {}\n           ({})\n{reasons}           [{}]\n",
        item.rank,
        item.score,
        catalog.title(item.id),
        about.join(" · "),
        behind(item, why, catalog)
    )
}

/// Every vote, the strongest evidence but the item itself, every move.
fn behind(item: &PageItem, why: &Why, catalog: &Catalog) -> String {
    let votes = why.sources.iter().map(|vote| format!("{} #{} {:.3}", vote.source, vote.rank, vote.score));
    let evidence = |own: &Evidence| {
        let share = own.share * 100.0;
        format!("{} gives {share:.0} % of {}", title(catalog, own.item.as_str()), own.source)
    };
    let moves = why.moves.iter().map(|step| format!("{} {} to {}", step.rule, step.from, step.to));
    let strongest = why.because.iter().find(|own| own.item != item.key).map(evidence);
    let all: Vec<String> = votes.chain(strongest).chain(moves).collect();
    all.join("; ")
}

fn missing(answer: &WhyNot, catalog: &Catalog) -> String {
    format!("why not {}: {}\n", title(catalog, answer.item.as_str()), why_not_sentence(&answer.reason))
}

fn title<'a>(catalog: &'a Catalog, key: &'a str) -> &'a str {
    catalog.id(key).map_or(key, |id| catalog.title(id))
}
