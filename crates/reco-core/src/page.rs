//! What a caller gets: the page, its reasons and how good an answer it is.

use crate::cache::Layer;
use crate::error::{Fault, FaultKind, Rung};
use crate::id::{ItemId, ItemKey};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A finished page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Items, best first.
    pub items: Vec<PageItem>,
    /// One answer per item of the request's `why_not`.
    pub why_not: Vec<WhyNot>,
    /// How good an answer this is.
    pub rung: Rung,
    /// What went wrong on the way.
    pub faults: Vec<Fault>,
    /// What the request asked for in vain, one line each, such as a category that no item has; nothing failed.
    pub remarks: Vec<String>,
    /// The moment that it was made for, by the clock of the pipeline unless the request named one.
    pub at: Timestamp,
    /// Version of the snapshot that answered; the ids in `items` belong to it.
    pub snapshot: Arc<str>,
    /// Items that are new and have a place for that reason; each counts as one of its exposures.
    pub introduced: Vec<ItemKey>,
    /// Where it was found; nothing if it was computed for this request.
    pub found: Option<Layer>,
}

impl Page {
    /// Whether something is missing from the best possible answer.
    pub fn is_degraded(&self) -> bool {
        self.rung != Rung::Full || !self.faults.is_empty()
    }

    /// The faults in a form that can leave the process.
    pub fn warnings(&self) -> Vec<Warning> {
        let warning = |fault: &Fault| Warning {
            component: Arc::clone(&fault.component),
            kind: fault.kind,
            message: fault.message(),
        };
        self.faults.iter().map(warning).collect()
    }
}

/// A [`Fault`] as the response shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    /// Which part.
    pub component: Arc<str>,
    /// The class of failure.
    pub kind: FaultKind,
    /// One line for people.
    pub message: String,
}

/// One place on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageItem {
    /// The item, inside the page's snapshot.
    pub id: ItemId,
    /// Its key, which outlives the snapshot.
    pub key: ItemKey,
    /// Place on the page, 1 for the best.
    pub rank: u32,
    /// The score it was ordered by; comparable only within this page.
    pub score: f32,
    /// The probability, given the request and what stands above it, with which it came to this place, above 0 to 1; nothing
    /// where the pipeline does not explore.
    pub propensity: Option<f64>,
    /// Why it is there, when the request asked.
    pub why: Option<Why>,
}

/// Why an item is on the page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The generators that proposed it, best rank first.
    pub sources: Vec<SourceReason>,
    /// The user's own items it rests on, strongest first.
    pub because: Vec<Evidence>,
    /// The rules that moved it, in the order they ran.
    pub moves: Vec<Move>,
}

/// One generator's vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceReason {
    /// The generator; [`Self::FILLER`] for an item that none proposed.
    pub source: Arc<str>,
    /// Place in its list, 1 for the best.
    pub rank: u32,
    /// Its own score; of a filler, its users as a share of those of the most popular item.
    pub score: f32,
}

impl SourceReason {
    /// What stands for a generator where popularity, or the mere catalogue, fills a page that would be short.
    pub const FILLER: &'static str = "filler";

    /// What stands for a generator where an item has its place because it is new.
    pub const NEW: &'static str = "new";

    /// What stands for a generator where chance put an item in its place.
    pub const EXPLORED: &'static str = "explored";
}

/// An item of the user's own that speaks for another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The generator that says so.
    pub source: Arc<str>,
    /// The user's item.
    pub item: ItemKey,
    /// Share of that generator's score it accounts for, 0..1.
    pub share: f32,
}

/// A change of place between ranking and page: the rule moved the item, or took out what stood before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// The rule.
    pub rule: Arc<str>,
    /// Place before, 1 for the best.
    pub from: u32,
    /// Place after.
    pub to: u32,
}

/// Why an item is not on the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhyNot {
    /// The item asked for.
    pub item: ItemKey,
    /// The reason.
    #[serde(flatten)]
    pub reason: WhyNotReason,
}

/// What kept an item off the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhyNotReason {
    /// The catalogue does not have it.
    UnknownItem,
    /// It is on the page.
    Shown {
        /// Where.
        rank: u32,
    },
    /// No generator proposed it.
    NeverProposed,
    /// A filter dropped it.
    Filtered {
        /// Which.
        filter: Arc<str>,
        /// The filter's words.
        because: String,
    },
    /// A re-ranking rule took it out.
    Removed {
        /// Which.
        rule: Arc<str>,
        /// Its place before that rule, 1 for the best.
        rank: u32,
    },
    /// Others were better.
    Outranked {
        /// Its place, 1 for the best.
        rank: u32,
        /// Its score.
        score: f32,
        /// The score of the last item on the page.
        needed: f32,
    },
}
