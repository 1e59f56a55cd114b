//! Pages and items as JSON, written from borrowed data.

use crate::error::ApiError;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use reco_core::cache::Layer;
use reco_core::catalog::Catalog;
use reco_core::error::Rung;
use reco_core::experiment::Assignment;
use reco_core::explain::{reasons, why_not_sentence};
use reco_core::id::{ItemId, ItemKey, UserKey};
use reco_core::page::{Evidence, Move, Page, PageItem, SourceReason, Warning, Why, WhyNot};
use serde::Serialize;

/// Serialises a value into the body of an answer.
pub(crate) fn json(value: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(json_body(body).into_response())
}

/// A body that is JSON already.
pub(crate) fn json_body(body: Vec<u8>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], Bytes::from(body))
}

/// A page as it leaves the process.
#[derive(Debug, Serialize)]
pub struct PageJson<'a> {
    request_id: &'a str,
    user_id: &'a str,
    items: Vec<PageItemJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why_not: Vec<WhyNotJson<'a>>,
    rung: Rung,
    degraded: bool,
    warnings: Vec<Warning>,
    remarks: &'a [String],
    snapshot: &'a str,
    /// Where the page was kept, if it was not computed for this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Layer>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    experiments: &'a [Assignment],
}

#[derive(Debug, Serialize)]
struct PageItemJson<'a> {
    #[serde(flatten)]
    item: ItemJson<'a>,
    rank: u32,
    score: f32,
    /// Where the pipeline explores: how probable it was that the item stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    propensity: Option<f64>,
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<WhyJson<'a>>,
}

#[derive(Debug, Serialize)]
struct WhyJson<'a> {
    sources: Vec<SourceJson<'a>>,
    because: Vec<EvidenceJson<'a>>,
    moves: &'a [Move],
}

#[derive(Debug, Serialize)]
struct SourceJson<'a> {
    source: &'a str,
    rank: u32,
    score: f32,
}

#[derive(Debug, Serialize)]
struct EvidenceJson<'a> {
    source: &'a str,
    item: &'a str,
    title: &'a str,
    share: f32,
}

#[derive(Debug, Serialize)]
struct WhyNotJson<'a> {
    #[serde(flatten)]
    answer: &'a WhyNot,
    title: &'a str,
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
            category: catalog.category().get(id),
            subcategory: catalog.subcategory().get(id),
            brand: catalog.brand().get(id),
            tags: catalog.tags().get(id).collect(),
            price: catalog.price(id),
            ..Self::unknown(catalog.key(id), catalog.title(id))
        }
    }

    fn unknown(key: &'a ItemKey, title: &'a str) -> Self {
        let (category, subcategory, brand, price) = (None, None, None, None);
        Self { item_id: key.as_str(), title, category, subcategory, brand, tags: Vec::new(), price }
    }

    /// Looked up by key, because the catalogue may be of a younger snapshot than the page.
    fn of_key(catalog: &'a Catalog, key: &'a ItemKey) -> Self {
        catalog.id(key.as_str()).map_or_else(|| Self::unknown(key, key.as_str()), |id| Self::new(catalog, id))
    }
}

impl<'a> PageJson<'a> {
    /// `catalog` should be that of the page's snapshot; an item it lacks is shown by its key alone.
    pub fn new(request_id: &'a str, user: &'a UserKey, page: &'a Page, catalog: &'a Catalog) -> Self {
        Self {
            request_id,
            user_id: user.as_str(),
            items: page.items.iter().map(|item| PageItemJson::new(item, catalog)).collect(),
            why_not: page.why_not.iter().map(|answer| WhyNotJson::new(answer, catalog)).collect(),
            rung: page.rung,
            degraded: page.is_degraded(),
            warnings: page.warnings(),
            remarks: &page.remarks,
            snapshot: &page.snapshot,
            found: page.found,
            experiments: &[],
        }
    }

    /// Names the variants of experiments that the page was made by.
    #[must_use]
    pub fn experiments(self, assigned: &'a [Assignment]) -> Self {
        Self { experiments: assigned, ..self }
    }
}

impl<'a> PageItemJson<'a> {
    fn new(item: &'a PageItem, catalog: &'a Catalog) -> Self {
        Self {
            item: ItemJson::of_key(catalog, &item.key),
            rank: item.rank,
            score: finite(item.score),
            propensity: item.propensity,
            reasons: item.why.as_ref().map(|why| reasons(why, catalog)).unwrap_or_default(),
            why: item.why.as_ref().map(|why| WhyJson::new(why, catalog)),
        }
    }
}

impl<'a> WhyJson<'a> {
    fn new(why: &'a Why, catalog: &'a Catalog) -> Self {
        let source = |vote: &'a SourceReason| SourceJson {
            source: &vote.source,
            rank: vote.rank,
            score: finite(vote.score),
        };
        let evidence = |evidence: &'a Evidence| EvidenceJson {
            source: &evidence.source,
            item: evidence.item.as_str(),
            title: title(catalog, &evidence.item),
            share: finite(evidence.share),
        };
        Self {
            sources: why.sources.iter().map(source).collect(),
            because: why.because.iter().map(evidence).collect(),
            moves: &why.moves,
        }
    }
}

impl<'a> WhyNotJson<'a> {
    fn new(answer: &'a WhyNot, catalog: &'a Catalog) -> Self {
        Self { answer, title: title(catalog, &answer.item), message: why_not_sentence(&answer.reason) }
    }
}

fn title<'a>(catalog: &'a Catalog, key: &'a ItemKey) -> &'a str {
    catalog.id(key.as_str()).map_or(key.as_str(), |id| catalog.title(id))
}

/// JSON knows neither infinity nor NaN; both have sunk to the end of their list already.
fn finite(number: f32) -> f32 {
    if number.is_finite() { number } else { f32::MIN }
}
