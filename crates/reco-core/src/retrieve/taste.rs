//! Proposing what suits a user's taste, by scores of all items.

use super::Support;
use crate::candidate::Hits;
use crate::id::ItemId;
use crate::linalg::{Matrix, dot, top_scores};
use crate::query::Query;
use crate::request::Surface;

/// Whether a page rests on the user's taste: not beside an item, for what is alike needs no user, nor in a category
/// that there is not.
pub(super) fn is_asked_for(query: &Query) -> bool {
    match &query.request.surface {
        Surface::Similar(_) => false,
        Surface::Home => true,
        Surface::Category(name) => query.snapshot.catalog.category().find(name).is_some(),
    }
}

/// Proposes the best by `scores`, one per item of a model, of the page's category and whose score `counts`.
pub(super) fn propose(
    query: &Query,
    scores: &[f32],
    counts: impl Fn(f32) -> bool,
    limit: usize,
    out: &mut Hits,
) {
    let labels = query.snapshot.catalog.category();
    let category = match &query.request.surface {
        Surface::Category(name) => labels.find(name),
        Surface::Home | Surface::Similar(_) => None,
    };
    // A model of another catalogue may name items that this one lacks.
    let n_items = query.snapshot.catalog.len();
    let allow = |id: ItemId| {
        counts(scores[id.index()])
            && id.index() < n_items
            && (category.is_none() || labels.code(id) == category)
    };
    for (score, id) in top_scores(scores, limit, allow) {
        out.push(id, score);
    }
}

/// The user's items whose rows of `encode` speak for an item that is compared with `target`, were each of them alone.
pub(super) fn support(query: &Query, encode: &Matrix, target: &[f32], item: ItemId, out: &mut Vec<Support>) {
    for (own, _) in query.liked().into_iter().filter(|(own, _)| own.index() < encode.n_rows()) {
        let weight = dot(&encode.row(own.index())[..target.len()], target);
        if weight > 0.0 && own != item {
            out.push(Support { item: own, weight });
        }
    }
}
