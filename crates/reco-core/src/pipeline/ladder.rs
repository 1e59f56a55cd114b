//! The lower rungs: what is popular, and the page when nothing could be computed.

use super::guarded::guarded;
use super::merge::Merge;
use super::parts::Parts;
use crate::candidate::{Candidates, KeepMask};
use crate::error::{Fault, OnFault, RecommendError, Rung};
use crate::id::ItemId;
use crate::page::{Page, PageItem};
use crate::query::Query;
use crate::request::Surface;
use crate::retrieve::popular::Popularity;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// How many of the user's categories count as theirs.
const FAVOURITE_CATEGORIES: usize = 3;

/// How many popular items of each come before those of the whole catalogue.
const FAVOURITES_EACH: usize = 20;

/// Items filtered at a time.
const BLOCK: usize = 1_024;

/// Popular items of the categories that matter here, in turn, then of the whole catalogue,
/// then the catalogue itself; none twice.
///
/// Beside an item that has a category, nothing of another one: it would not be similar.
pub(super) fn popular_items(query: &Query) -> Box<dyn Iterator<Item = ItemId> + '_> {
    let catalog = &query.snapshot.catalog;
    let popularity = query.snapshot.models.get::<Popularity>(Popularity::NAME);
    let asked = query.categories();
    // Rules may cap a category, so the favourites must not crowd out all others.
    let (categories, most) = if asked.is_empty() {
        let favourites = favourite_categories(query);
        let most = FAVOURITES_EACH * favourites.len();
        (favourites, most)
    } else {
        (asked.clone(), usize::MAX)
    };
    let first = popularity.map(|popularity| popularity.in_turn(&categories));
    let everywhere = popularity.map_or(&[][..], |popularity| popularity.top(None)).iter().copied();
    let mut seen = FxHashSet::default();
    let all = first.into_iter().flatten().take(most).chain(everywhere).chain(catalog.ids());
    let all = all.filter(move |&id| seen.insert(id));
    match (&query.request.surface, asked.first().copied()) {
        (Surface::Similar(_), Some(category)) => {
            Box::new(all.filter(move |&id| catalog.category().code(id) == Some(category)))
        }
        _ => Box::new(all),
    }
}

/// The categories of what the user took lately, by how often they occur.
fn favourite_categories(query: &Query) -> Vec<u32> {
    let labels = query.snapshot.catalog.category();
    let mut counts: FxHashMap<u32, usize> = FxHashMap::default();
    for code in query.anchors().iter().filter_map(|&item| labels.code(item)) {
        *counts.entry(code).or_default() += 1;
    }
    let mut counts: Vec<(u32, usize)> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts.into_iter().take(FAVOURITE_CATEGORIES).map(|(code, _)| code).collect()
}

/// The next of `items` that `filter` lets through, about `limit` of them, looked at block by block for as long as
/// `go_on` says so: a filter that few items pass is searched for through all of them. No item comes twice.
pub(super) fn admitted<E>(
    items: &mut impl Iterator<Item = ItemId>,
    limit: usize,
    go_on: impl Fn() -> bool,
    mut filter: impl FnMut(&mut Candidates) -> Result<(), E>,
) -> Result<Vec<ItemId>, E> {
    let mut admitted = Vec::new();
    while admitted.len() < limit && go_on() {
        let mut block = Merge::new(Arc::default());
        if block.fill(&items.by_ref().take(BLOCK).collect::<Vec<_>>()) == 0 {
            break;
        }
        let mut set = block.set().clone();
        filter(&mut set)?;
        admitted.extend_from_slice(set.ids());
    }
    Ok(admitted)
}

/// Popular items that the last rung looks at for every one that it shows, so that rules have a choice.
const STATIC_CHOICE: usize = 8;

/// The last rung: needs no model and no thread of the pool, so it is answered even when those are stuck.
/// Of the filters and rules it keeps those that are never optional, and what the user rejected stays out.
pub(super) fn static_page(parts: &Parts, query: &Query, faults: Vec<Fault>) -> Result<Page, RecommendError> {
    let (catalog, request) = (&query.snapshot.catalog, &*query.request);
    let mut popular = popular_items(query).filter(|&id| query.touch(id).is_none_or(|touch| !touch.rejected));
    let obligatory = |set: &mut Candidates| -> Result<(), RecommendError> {
        for filter in parts.filters.iter().filter(|filter| filter.on_fault == OnFault::Fail) {
            let mut keep = KeepMask::all(set.len());
            guarded(&filter.name, || filter.part.apply(query, set, &mut keep))?;
            set.retain(&keep);
        }
        Ok(())
    };
    let mut choice = Merge::new(Arc::default());
    choice.fill(&admitted(&mut popular, STATIC_CHOICE * request.count, || true, obligatory)?);
    choice.mark_all();
    let mut set = choice.set().clone();
    for rule in parts.rerankers.iter().filter(|rule| rule.on_fault != OnFault::Skip) {
        let mut next = set.clone();
        if guarded(&rule.name, || rule.part.rerank(query, &mut next, request.count)).is_ok() {
            set = next;
        }
    }
    let items = set.ids().iter().take(request.count).zip(1..).map(|(&id, rank)| PageItem {
        id,
        key: catalog.key(id).clone(),
        rank,
        score: -(rank as f32),
        propensity: parts.explores().then_some(1.0),
        why: request.explain.then(crate::page::Why::default),
    });
    Ok(Page {
        items: items.collect(),
        why_not: Vec::new(),
        rung: Rung::Static,
        faults,
        remarks: query.remarks(),
        at: query.now,
        snapshot: Arc::clone(&query.snapshot.version),
        introduced: Vec::new(),
        found: None,
    })
}
