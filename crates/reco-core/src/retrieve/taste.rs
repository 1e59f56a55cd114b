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

/// Overwrites the scores of items with the products of their rows of `factors` and the user's `vector`; nothing is said
/// of items that the model lacks, nor for a user of whom it knows nothing.
pub(super) fn assess(factors: &Matrix, vector: &[f32], items: &[ItemId], scores: &mut [f32]) {
    if vector.iter().all(|&x| x == 0.0) {
        return;
    }
    for (item, score) in items.iter().zip(scores).filter(|(item, _)| item.index() < factors.n_rows()) {
        *score = dot(factors.row(item.index()), vector);
    }
}

/// The user's items that speak for an item, were each of them alone: their rows of `encode` beside the item's of
/// `decode`, which has a row for each item of the model. Either may have rows or columns more, for everybody.
pub(super) fn support(
    query: &Query,
    (encode, decode): (&Matrix, &Matrix),
    item: ItemId,
    out: &mut Vec<Support>,
) {
    let is_known = |item: ItemId| item.index() < decode.n_rows();
    if !is_known(item) {
        return;
    }
    let target = &decode.row(item.index())[..encode.n_columns()];
    for (own, _) in query.liked().into_iter().filter(|(own, _)| is_known(*own)) {
        let weight = dot(encode.row(own.index()), target);
        if weight > 0.0 && own != item {
            out.push(Support { item: own, weight });
        }
    }
}
