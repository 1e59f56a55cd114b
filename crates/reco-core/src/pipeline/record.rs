//! A page as it is written down: what was asked, what was known, and what was shown.

use crate::cache::Layer;
use crate::error::Rung;
use crate::event::fingerprint;
use crate::experiment::Assignment;
use crate::id::{ItemKey, UserKey};
use crate::live::Places;
use crate::page::{Page, PageItem};
use crate::predicate::Predicate;
use crate::request::{Context, Request, Surface};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A page that was served, with everything that it takes to make it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageRecord {
    /// The request's id, by which later events name the page.
    pub id: Arc<str>,
    /// The moment that it was made for.
    pub at: Timestamp,
    /// What was asked.
    pub request: AskedPage,
    /// The variants of experiments that made it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Assignment>,
    /// Version of the snapshot.
    pub snapshot: Arc<str>,
    /// Items in the catalogue then.
    pub n_items: usize,
    /// The [fingerprint](super::Settings::fingerprint) of the pipeline's settings.
    pub settings: Arc<str>,
    /// The events that were known.
    pub events: Places,
    /// Those that were known when it was done, if some came meanwhile: nobody can say which of these it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Places>,
    /// How good an answer it was.
    pub rung: Rung,
    /// Whether anything went wrong on the way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_degraded: bool,
    /// Where it was found, if it was not made for this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Layer>,
    /// Items that had a place because they are new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introduced: Vec<ItemKey>,
    /// What was shown, from place 1 on.
    pub items: Vec<ShownItem>,
    /// 32 hexadecimal digits that only a page has that is the same in every byte: items, scores, propensities, reasons and remarks.
    pub digest: String,
}

/// What was asked. As a [`Request`], but for what is of use only while it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskedPage {
    /// Who asked.
    pub user: UserKey,
    /// Items wanted.
    pub count: usize,
    /// Where they are shown.
    pub surface: Surface,
    /// Circumstances.
    pub context: Context,
    /// Only items that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Predicate>,
    /// Never these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<ItemKey>,
    /// Whether every item says why it is there.
    pub explain: bool,
    /// Items whose absence is explained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why_not: Vec<ItemKey>,
    /// Seed of parts that draw at random.
    #[serde(default)]
    pub seed: u64,
    /// Seed of places that are filled by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<u64>,
}

/// An item on a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownItem {
    /// Its key.
    pub item: ItemKey,
    /// The score it was ordered by.
    pub score: f32,
    /// How probable it was to stand there, where the pipeline [explores](crate::rerank::Explore).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

impl AskedPage {
    /// What a request asks.
    pub fn of(request: &Request) -> Self {
        Self {
            user: request.user.clone(),
            count: request.count,
            surface: request.surface.clone(),
            context: request.context.clone(),
            filter: request.filter.clone(),
            exclude: request.exclude.clone(),
            explain: request.explain,
            why_not: request.why_not.clone(),
            seed: request.seed,
            draw: request.draw,
        }
    }

    /// The request, as it would be made at a moment.
    pub fn at(&self, moment: Timestamp) -> Request {
        let Self { user, count, surface, context, filter, exclude, explain, why_not, seed, draw } =
            self.clone();
        Request {
            count,
            surface,
            context: Context { time: Some(moment), ..context },
            filter,
            exclude,
            explain,
            why_not,
            seed,
            draw,
            ..Request::for_user(user)
        }
    }
}

impl Page {
    /// 32 hexadecimal digits that only a page has that is the same in every byte: its items with their scores, propensities and reasons,
    /// what it says of others, its rung and remarks. How long it took, where it was found and how its snapshot is called
    /// make no difference.
    pub fn digest(&self) -> String {
        let item =
            |item: &PageItem| (item.key.clone(), item.score.to_bits(), item.propensity.map(f64::to_bits));
        let items: Vec<_> = self.items.iter().map(item).collect();
        let why: Vec<_> = self.items.iter().map(|item| &item.why).collect();
        // Reasons for absence are told apart by tags, for which formats without names have no room.
        let why_not = serde_json::to_string(&self.why_not).unwrap_or_default();
        let whole = (items, why, why_not, self.rung, &self.remarks, &self.introduced);
        fingerprint(&postcard::to_stdvec(&whole).unwrap_or_default())
    }

    /// What was shown.
    pub fn shown(&self) -> Vec<ShownItem> {
        let shown = |item: &PageItem| ShownItem {
            item: item.key.clone(),
            score: item.score,
            propensity: item.propensity,
        };
        self.items.iter().map(shown).collect()
    }
}
