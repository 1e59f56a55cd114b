//! Pages and items as JSON.

use reco_core::catalog::Catalog;
use reco_core::explain::{reasons, why_not_sentence};
use reco_core::id::{ItemId, UserKey};
use reco_core::page::{Page, PageItem, Warning, Why, WhyNot};
use serde::Serialize;

/// A page as it leaves the process.
#[derive(Debug, Serialize)]
pub struct PageJson<'a> {
    request_id: &'a str,
    user_id: &'a str,
    items: Vec<PageItemJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why_not: Vec<WhyNotJson<'a>>,
    rung: reco_core::error::Rung,
    degraded: bool,
    warnings: Vec<Warning>,
    snapshot: &'a str,
}

#[derive(Debug, Serialize)]
struct PageItemJson<'a> {
    #[serde(flatten)]
    item: ItemJson<'a>,
    rank: u32,
    score: f32,
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a Why>,
}

#[derive(Debug, Serialize)]
struct WhyNotJson<'a> {
    #[serde(flatten)]
    answer: &'a WhyNot,
    message: String,
}

/// What a card shows of an item.
#[derive(Debug, Serialize)]
pub(crate) struct ItemJson<'a> {
    item_id: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subcategory: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<f32>,
}

impl<'a> ItemJson<'a> {
    pub(crate) fn new(catalog: &'a Catalog, id: ItemId) -> Self {
        Self {
            item_id: catalog.key(id).as_str(),
            title: catalog.title(id),
            category: catalog.category().get(id),
            subcategory: catalog.subcategory().get(id),
            brand: catalog.brand().get(id),
            tags: catalog.tags().get(id).collect(),
            price: catalog.price(id),
        }
    }
}

impl<'a> PageJson<'a> {
    /// `catalog` must be that of the page's snapshot.
    pub fn new(request_id: &'a str, user: &'a UserKey, page: &'a Page, catalog: &'a Catalog) -> Self {
        let item = |item: &'a PageItem| PageItemJson {
            item: ItemJson::new(catalog, item.id),
            rank: item.rank,
            // JSON has no infinity.
            score: if item.score.is_finite() { item.score } else { f32::MIN },
            reasons: item.why.as_ref().map(|why| reasons(why, catalog)).unwrap_or_default(),
            why: item.why.as_ref(),
        };
        let why_not = |answer: &'a WhyNot| WhyNotJson { answer, message: why_not_sentence(&answer.reason) };
        Self {
            request_id,
            user_id: user.as_str(),
            items: page.items.iter().map(item).collect(),
            why_not: page.why_not.iter().map(why_not).collect(),
            rung: page.rung,
            degraded: page.is_degraded(),
            warnings: page.warnings(),
            snapshot: &page.snapshot,
        }
    }
}
