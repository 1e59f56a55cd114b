//! Places of a page that are kept for what is new and for what trends.

use super::Reranker;
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::id::{ItemId, ItemKey};
use crate::launch::{self, Stage};
use crate::query::Query;
use crate::request::Surface;
use crate::retrieve::CandidateGenerator;
use crate::retrieve::neighbors::NeighborGenerator;
use crate::retrieve::trending::TrendingNow;
use serde::{Deserialize, Serialize};

/// How many places of a page are for what is new and for what trends: the last ones of every `of` places. Where nothing is new or
/// trends, what is personal takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlotConfig {
    /// Places of a block, at least 1.
    pub of: usize,
    /// Places of a block for items that are new.
    pub new: usize,
    /// Places of a block for items that trend and would not be there otherwise.
    pub trending: usize,
}

impl Default for SlotConfig {
    fn default() -> Self {
        Self { of: 10, new: 1, trending: 0 }
    }
}

/// Whose a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Personal,
    New,
    Trending,
}

impl SlotConfig {
    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let Self { of, new, trending } = *self;
        let mut problems = Vec::new();
        if of == 0 {
            problems.push("of is 0, must be at least 1".to_owned());
        }
        if new.saturating_add(trending) > of {
            problems.push(format!(
                "new and trending are {new} and {trending}, must be at most of ({of}) together"
            ));
        }
        problems
    }

    /// Whose the places of a page of `count` are. A block that is not full has its share, rounded.
    fn layout(self, count: usize) -> Vec<Slot> {
        let Self { of, new, trending } = self;
        let kept = new + trending;
        let kept_up_to = |n: usize| (2 * n * kept + of) / (2 * of);
        let new_up_to = |n: usize| (kept_up_to(n) * new).div_ceil(kept.max(1));
        let mut layout = vec![Slot::Personal; count];
        for start in (0..count).step_by(of) {
            let end = count.min(start + of);
            let n_new = new_up_to(end) - new_up_to(start);
            let first = end - (kept_up_to(end) - kept_up_to(start));
            layout[first..end].fill(Slot::Trending);
            layout[first..first + n_new].fill(Slot::New);
        }
        layout
    }

    fn count(self, slot: Slot, want: usize) -> usize {
        self.layout(want).into_iter().filter(|other| *other == slot).count()
    }
}

/// A new item that is in the catalogue that a request is answered from.
#[derive(Clone, Debug, PartialEq)]
struct Launched {
    id: ItemId,
    key: ItemKey,
    stage: Stage,
    /// Where whoever asks stands among those who may see it.
    place: f64,
    /// Whether they are shown it.
    is_for_them: bool,
}

/// All of them.
struct AllLaunched(Vec<Launched>);

impl AllLaunched {
    fn new(query: &Query) -> Self {
        let user = &query.request.user;
        let launched = query.live.launches().into_iter().filter_map(|(key, counts)| {
            let (id, stage) = (query.snapshot.catalog.id(key.as_str())?, query.showing.stage(counts));
            let place = launch::place(user, &key);
            Some(Launched { id, stage, place, is_for_them: place < query.showing.share_of(stage), key })
        });
        Self(launched.collect())
    }
}

/// Items that are new and that whoever asks may be shown, for the candidates.
pub(crate) fn launched_for(query: &Query) -> Vec<ItemId> {
    if !has_slots(query) {
        return Vec::new();
    }
    query.memo(AllLaunched::new).0.iter().filter(|item| item.is_for_them).map(|item| item.id).collect()
}

/// Beside an item stands what is like it, and nothing else.
fn has_slots(query: &Query) -> bool {
    !matches!(query.request.surface, Surface::Similar(_))
}

/// The new items chosen for a page, each reserved.
#[derive(Default)]
struct Chosen(Vec<ItemId>);

impl Chosen {
    /// Those that are most like what the user took; of those that are equally like it, each user has others.
    fn new(query: &Query, set: &Candidates, n: usize) -> Self {
        let all = query.memo(AllLaunched::new);
        let mut eligible: Vec<&Launched> =
            all.0.iter().filter(|item| item.is_for_them && set.ids().contains(&item.id)).collect();
        let items: Vec<ItemId> = eligible.iter().map(|item| item.id).collect();
        let mut likeness = vec![0.0; items.len()];
        // Without neighbours by content, none is more like it than another.
        let _ = NeighborGenerator::by_content().assess(query, &items, &mut likeness);
        let likeness =
            |item: &Launched| items.iter().position(|id| *id == item.id).map_or(0.0, |row| likeness[row]);
        eligible.sort_by(|a, b| {
            likeness(b).total_cmp(&likeness(a)).then(a.place.total_cmp(&b.place)).then(a.id.cmp(&b.id))
        });
        let reserved = eligible.into_iter().filter(|item| query.showing.reserve(&item.key, item.stage));
        Self(reserved.take(n).map(|item| item.id).collect())
    }
}

/// The new items of a request's page, which stay the same however often it is arranged.
pub(super) fn chosen(query: &Query, set: &Candidates, slots: Option<SlotConfig>, want: usize) -> Vec<ItemId> {
    let Some(slots) = slots.filter(|slots| slots.new > 0 && has_slots(query)) else { return Vec::new() };
    query.memo(|query| Chosen::new(query, set, slots.count(Slot::New, want))).0.clone()
}

/// The place of an item among the new ones chosen for a page, 0 for the first.
pub(crate) fn place_among_new(query: &Query, item: ItemId) -> Option<usize> {
    query.memo(|_| Chosen::default()).0.iter().position(|id| *id == item)
}

/// Puts what is new and what trends into their places. An item on trial has no other place: it leaves the page of whoever is not
/// among those who are shown it, whatever proposed it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slots(pub SlotConfig);

impl Reranker for Slots {
    fn name(&self) -> &'static str {
        "slots"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
        let launched = query.memo(AllLaunched::new);
        let has_trending = self.0.trending > 0 && has_slots(query);
        if launched.0.is_empty() && !has_trending {
            return Ok(());
        }
        let chosen = chosen(query, set, Some(self.0), want);
        let row_of = |id: &ItemId| set.ids().iter().position(|other| other == id).map(|row| row as u32);
        let new: Vec<u32> = chosen.iter().filter_map(row_of).collect();
        let on_trial =
            |id: &ItemId| launched.0.iter().any(|item| item.id == *id && item.stage == Stage::Trial);
        let mut others: Vec<u32> = (0..set.len() as u32)
            .filter(|row| !new.contains(row) && !on_trial(&set.ids()[*row as usize]))
            .collect();
        let n_trending = if has_trending { self.0.count(Slot::Trending, want) } else { 0 };
        let n_personal = want.saturating_sub(new.len() + n_trending).min(others.len());
        let trending = if n_trending == 0 { Vec::new() } else { TrendingNow::items(query, TRENDS) };
        let below = &others[n_personal..];
        let trending = trending.iter().filter_map(row_of).filter(|row| below.contains(row));
        let trending: Vec<u32> = trending.take(n_trending).collect();
        others.retain(|row| !trending.contains(row));
        let rows = arranged(&self.0.layout(want), &others, &new, &trending);
        set.select(&rows);
        Ok(())
    }
}

/// How many of the strongest trends may have a place.
const TRENDS: usize = 256;

/// Rows by the places of a page, then the other rows. A place that is nobody's is for the next that is personal.
fn arranged(layout: &[Slot], personal: &[u32], new: &[u32], trending: &[u32]) -> Vec<u32> {
    let (mut personal, mut new, mut trending) = (personal.iter(), new.iter(), trending.iter());
    let mut rows = Vec::new();
    for slot in layout {
        let kept = match slot {
            Slot::Personal => None,
            Slot::New => new.next(),
            Slot::Trending => trending.next(),
        };
        rows.extend(kept.or_else(|| personal.next()));
    }
    // Where the page is short of personal items, what is new stands where it can.
    rows.extend(new.chain(trending).chain(personal));
    rows
}

#[cfg(test)]
mod tests;
