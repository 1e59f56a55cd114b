//! Filters: a boolean expression with the request, one for every page, and what a caller learns from a wrong one.
//!
//! `cargo run --example filters`

mod shop;

use reco::error::RecommendError;
use reco::explain::why_not_sentence;
use reco::pipeline::{PipelineConfig, Recommender};
use reco::predicate::{Predicate, PredicateError};
use reco::request::Request;
use std::error::Error;
use std::io::{self, Write};

const FILTERS: [&str; 4] = [
    "price < 10",
    "category in (\"green tea\", \"black tea\") and tags has \"organic\"",
    "not (brand = \"Uji\" or tags any (\"bags\", \"powder\"))",
    "tags is missing and price >= 6",
];

/// The first is no expression, the second one is none for this catalogue.
const MISTAKES: [&str; 2] = ["price < 10 und brand = \"Uji\"", "prize < 10"];

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}

/// Writes filtered pages, and the complaints about wrong filters, to `out`.
pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    // What the shop never shows, whatever a request asks for.
    let config = PipelineConfig { only: Some("category != \"pantry\"".parse()?), ..shop::pipeline() };
    let recommender = config.builder(shop::snapshot()?)?.build()?;
    for filter in FILTERS {
        writeln!(out, "{filter}\n  {}", shown(&recommender, filter.parse()?)?)?;
    }
    for text in MISTAKES {
        match filter_of(text) {
            // Wrong in itself: known before there is a request.
            Err(error) => writeln!(out, "\nno filter: {error}")?,
            // Wrong for this catalogue: the request is refused and says which field is to blame.
            Ok(filter) => match recommender.recommend_now(Request::for_user("ann").filter(filter)) {
                Err(RecommendError::InvalidRequest { field, problem }) => {
                    writeln!(out, "\n{field}: {problem}")?
                }
                other => writeln!(out, "\nunexpected: {other:?}")?,
            },
        }
    }
    writeln!(out)?;
    why_not(&recommender, out)
}

fn filter_of(text: &str) -> Result<Predicate, PredicateError> {
    text.parse()
}

fn shown(recommender: &Recommender, filter: Predicate) -> Result<String, Box<dyn Error>> {
    let page = recommender.recommend_now(Request::for_user("ann").filter(filter))?;
    let keys: Vec<&str> = page.items.iter().map(|item| item.key.as_str()).collect();
    Ok(keys.join(", "))
}

/// A page can be asked why an item is missing; a filter answers for what it dropped.
fn why_not(recommender: &Recommender, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let request = Request::for_user("ann").filter("price < 10".parse()?);
    let page = recommender.recommend_now(request.why_not(["matcha", "honey", "sencha", "anvil"]))?;
    for answer in &page.why_not {
        writeln!(out, "why not {}: {}", answer.item, why_not_sentence(&answer.reason))?;
    }
    Ok(())
}
