//! The lower rungs: what is popular, and the page when nothing could be computed.

use crate::error::{Fault, Rung};
use crate::id::ItemId;
use crate::page::{Page, PageItem};
use crate::query::Query;
use crate::request::Surface;
use crate::retrieve::popular::Popularity;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// How many of the user's categories count as theirs.
const FAVOURITE_CATEGORIES: usize = 3;

/// Popular items of the categories that matter here, in turn, then of the whole catalogue,
/// then the catalogue itself. May name an item more than once.
pub(super) fn popular_items(query: &Query) -> impl Iterator<Item = ItemId> + '_ {
    let popularity = query.snapshot.models.get::<Popularity>(Popularity::NAME);
    let lists: Vec<&[ItemId]> = categories(query)
        .into_iter()
        .filter_map(|category| popularity.map(|popularity| popularity.top(Some(category))))
        .collect();
    let longest = lists.iter().map(|list| list.len()).max().unwrap_or(0);
    let in_turn = (0..longest).flat_map(move |place| {
        let of_place: Vec<ItemId> = lists.iter().filter_map(|list| list.get(place).copied()).collect();
        of_place
    });
    let everywhere = popularity.map_or(&[][..], |popularity| popularity.top(None));
    in_turn.chain(everywhere.iter().copied()).chain(query.snapshot.catalog.ids())
}

/// The surface's own category, else those of its anchors by how often they occur.
fn categories(query: &Query) -> Vec<u32> {
    let labels = query.snapshot.catalog.category();
    if let Surface::Category(name) = &query.request.surface {
        return labels.find(name).into_iter().collect();
    }
    let mut counts: FxHashMap<u32, usize> = FxHashMap::default();
    for code in query.anchors().iter().filter_map(|&item| labels.code(item)) {
        *counts.entry(code).or_default() += 1;
    }
    let mut counts: Vec<(u32, usize)> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts.into_iter().take(FAVOURITE_CATEGORIES).map(|(code, _)| code).collect()
}

/// The last rung: needs no part that could be stuck, so it is answered even when the pool is.
/// Keeps only what is never optional: inactive, excluded, rejected and unmatched items stay out.
pub(super) fn static_page(query: &Query, faults: Vec<Fault>) -> Page {
    let catalog = &query.snapshot.catalog;
    let request = &*query.request;
    let rules = request.filter.as_ref().and_then(|filter| filter.bind(catalog).ok());
    let anchor = if let Surface::Similar(_) = request.surface { query.anchors() } else { &[] };
    let in_category = |id| match &request.surface {
        Surface::Category(name) => catalog.category().get(id) == Some(name),
        _ => true,
    };
    let mut shown = Vec::with_capacity(request.count);
    for id in popular_items(query) {
        if shown.len() == request.count {
            break;
        }
        let admitted = catalog.is_active(id)
            && catalog.stock(id).is_none_or(|stock| stock > 0.0)
            && !shown.contains(&id)
            && !anchor.contains(&id)
            && !request.exclude.contains(catalog.key(id))
            && in_category(id)
            && query.touch(id).is_none_or(|touch| !touch.rejected)
            && rules.as_ref().is_none_or(|rules| rules.matches(catalog, id));
        if admitted {
            shown.push(id);
        }
    }
    let items = shown.into_iter().zip(1..).map(|(id, rank)| PageItem {
        id,
        key: catalog.key(id).clone(),
        rank,
        score: -(rank as f32),
        why: request.explain.then(crate::page::Why::default),
    });
    Page {
        items: items.collect(),
        why_not: Vec::new(),
        rung: Rung::Static,
        faults,
        snapshot: Arc::clone(&query.snapshot.version),
    }
}
