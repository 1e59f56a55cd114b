//! Putting together why an item is on the page.

use super::guarded::guarded;
use super::parts::Parts;
use crate::candidate::Candidates;
use crate::explain::Trail;
use crate::page::{Evidence, SourceReason, Why};
use crate::query::Query;
use crate::rerank::{is_by_chance, place_among_new};
use crate::retrieve::Support;
use crate::retrieve::popular::Popularity;
use std::sync::Arc;

/// Items of the user's own named per generator.
const SUPPORT_PER_SOURCE: usize = 3;

pub(super) fn why(parts: &Parts, query: &Query, set: &Candidates, row: usize, trail: &Trail) -> Why {
    let mut sources: Vec<(usize, SourceReason)> = set
        .hits(row)
        .iter()
        .enumerate()
        .filter_map(|(number, hit)| {
            let hit = (*hit)?;
            let source = Arc::clone(&set.sources()[number]);
            Some((number, SourceReason { source, rank: hit.rank + 1, score: hit.score }))
        })
        .collect();
    if let Some(place) = place_among_new(query, set.ids()[row]) {
        let source = Arc::from(SourceReason::NEW);
        sources.push((set.sources().len(), SourceReason { source, rank: place as u32 + 1, score: 1.0 }));
    }
    if sources.is_empty() {
        sources.push((set.sources().len(), filler(query, set, row)));
    }
    if is_by_chance(query, set.ids()[row]) {
        let source = Arc::from(SourceReason::EXPLORED);
        sources.push((set.sources().len(), SourceReason { source, rank: row as u32 + 1, score: 1.0 }));
    }
    sources.sort_by_key(|(number, reason)| (reason.rank, *number));
    let mut because = Vec::new();
    for (number, _) in &sources {
        support(parts, query, set, row, *number, &mut because);
    }
    because.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.item.cmp(&b.item)));
    Why {
        sources: sources.into_iter().map(|(_, reason)| reason).collect(),
        because,
        moves: trail.moves(set.ids()[row]),
    }
}

/// What stands for the source of an item that no generator proposed: its place among such items.
fn filler(query: &Query, set: &Candidates, row: usize) -> SourceReason {
    let is_filler = |row: &usize| set.hits(*row).iter().all(Option::is_none);
    let popularity = query.snapshot.models.get::<Popularity>(Popularity::NAME);
    SourceReason {
        source: Arc::from(SourceReason::FILLER),
        rank: (0..=row).filter(is_filler).count() as u32,
        score: popularity.map_or(0.0, |popularity| popularity.share(set.ids()[row])),
    }
}

/// The strongest of a local generator's supports, as shares. A generator that cannot explain
/// itself costs the explanation, not the page.
fn support(
    parts: &Parts,
    query: &Query,
    set: &Candidates,
    row: usize,
    number: usize,
    because: &mut Vec<Evidence>,
) {
    let Some(source) = parts.generators.get(number).map(|source| &source.policed) else { return };
    let mut support: Vec<Support> = Vec::new();
    let explained = guarded(&source.name, || {
        source.part.support(query, set.ids()[row], &mut support);
        Ok(())
    });
    support.retain(|item| item.weight.is_finite() && item.weight > 0.0);
    let total: f32 = support.iter().map(|item| item.weight).sum();
    if explained.is_err() || total <= 0.0 {
        return;
    }
    support.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.item.cmp(&b.item)));
    because.extend(support.into_iter().take(SUPPORT_PER_SOURCE).map(|item| Evidence {
        source: Arc::clone(&source.name),
        item: query.snapshot.catalog.key(item.item).clone(),
        share: item.weight / total,
    }));
}
