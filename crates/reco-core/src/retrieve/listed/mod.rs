//! Lists that were computed in advance.

mod file;
mod reader;
#[cfg(test)]
mod tests;

pub use file::{ListFileError, ListWriter};
pub use reader::ListFile;

use super::RemoteHit;
use crate::id::ItemKey;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One place of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedItem {
    /// Its place, from 1.
    pub rank: u32,
    /// The item.
    pub item: ItemKey,
    /// What its order rests on, finite.
    pub score: f32,
    /// Why it is there, for people; empty if nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub explanation: String,
}

/// A user's list that was computed in advance.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredList {
    /// When it was computed.
    pub computed_at: Timestamp,
    /// When it is not to be used any more.
    pub expires_at: Timestamp,
    /// How many items it has, read or not.
    pub n_items: usize,
    /// The items that were asked for, from rank 1 on.
    pub items: Vec<ListedItem>,
}

impl StoredList {
    /// Most items of a list.
    pub const LONGEST: usize = 1_000;

    /// A list of items with scores and explanations, best first.
    pub fn new(
        computed_at: Timestamp,
        expires_at: Timestamp,
        items: impl IntoIterator<Item = (ItemKey, f32, String)>,
    ) -> Self {
        let ranked = (1..).zip(items);
        let items: Vec<ListedItem> = ranked
            .map(|(rank, (item, score, explanation))| ListedItem { rank, item, score, explanation })
            .collect();
        Self { computed_at, expires_at, n_items: items.len(), items }
    }

    /// What is wrong with it, if anything is: its length, a rank or a score.
    pub fn problem(&self) -> Option<String> {
        if self.items.len() > Self::LONGEST {
            return Some(format!("it has {} items, must have at most {}", self.items.len(), Self::LONGEST));
        }
        (1..).zip(&self.items).find_map(|(place, ListedItem { rank, item, score, .. })| {
            if *rank != place {
                return Some(format!("rank of `{item}` is {rank}, must be {place}, its place"));
            }
            (!score.is_finite()).then(|| format!("score of `{item}` is {score}, must be finite"))
        })
    }

    /// Its items as a generator proposes them: lists are ordered by more than the score, hits by nothing else.
    pub fn into_hits(self) -> Vec<RemoteHit> {
        let hit = |listed: ListedItem| RemoteHit { item: listed.item, score: listed.score };
        let mut hits: Vec<RemoteHit> = self.items.into_iter().map(hit).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits
    }
}
