//! Promises of the parts of a pipeline that compute.

use crate::candidate::{Candidates, Hits, KeepMask};
use crate::filter::Filter;
use crate::id::ItemId;
use crate::query::Query;
use crate::rank::Ranker;
use crate::rerank::Reranker;
use crate::retrieve::CandidateGenerator;
use std::collections::BTreeSet;

/// Checks a generator on one query.
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn candidate_generator(generator: &dyn CandidateGenerator, query: &Query) {
    let name = generator.name().to_owned();
    let generate = |limit| {
        let mut hits = Hits::default();
        generator
            .generate(query, limit, &mut hits)
            .unwrap_or_else(|fault| panic!("{name}: {}", fault.message()));
        hits
    };
    let all = generate(usize::MAX >> 1);
    assert_eq!(all.ids.len(), all.scores.len(), "{name}: an id and a score a hit");
    assert!(all.scores.iter().all(|score| score.is_finite()), "{name}: scores are finite");
    assert!(all.scores.is_sorted_by(|a, b| a >= b), "{name}: best first");
    assert_eq!(all.ids.iter().collect::<BTreeSet<_>>().len(), all.len(), "{name}: no item twice");
    assert!(
        all.ids.iter().all(|id| id.index() < query.snapshot.catalog.len()),
        "{name}: only items of the catalogue"
    );
    assert!(generate(usize::MAX >> 1) == all, "{name}: the same query gives the same hits");
    for limit in [0, 1, 2, all.len()] {
        let some = generate(limit);
        assert_eq!(some.ids, all.ids[..limit.min(all.len())], "{name}: a limit of {limit} takes the best");
    }
    assesses_as_it_generates(generator, query, &all);
    let mut support = Vec::new();
    all.ids.iter().for_each(|&id| generator.support(query, id, &mut support));
    assert!(
        support.iter().all(|by| by.item.index() < query.snapshot.catalog.len()),
        "{name}: rests on known items"
    );
    assert!(support.iter().all(|by| by.weight.is_finite()), "{name}: weights of support are finite");
}

/// Checks what a generator thinks of all items, some of which there are not: of its `hits` what it said before, and
/// of each the same in any company.
fn assesses_as_it_generates(generator: &dyn CandidateGenerator, query: &Query, hits: &Hits) {
    let name = generator.name();
    let assess = |items: &[ItemId]| {
        let mut scores = vec![f32::NAN; items.len()];
        let assessed = generator.assess(query, items, &mut scores);
        assessed.unwrap_or_else(|fault| panic!("{name}: {}", fault.message()));
        scores
    };
    let n_items = query.snapshot.catalog.len();
    let beyond = [n_items as u32, n_items as u32 + 1_000, u32::MAX].map(ItemId::new);
    let all: Vec<ItemId> = query.snapshot.catalog.ids().chain(beyond).collect();
    let scores = assess(&all);
    assert!(scores.iter().all(|score| !score.is_infinite()), "{name}: assessments are numbers or NaN");
    if scores.iter().all(|score| score.is_nan()) {
        return;
    }
    for (id, score) in hits.iter() {
        let (found, bound) = (scores[id.index()], 1e-4 * score.abs().max(1.0));
        assert!((found - score).abs() <= bound, "{name}: a hit of {score} is assessed as {found}");
    }
    for (found, id) in assess(&hits.ids).into_iter().zip(&hits.ids) {
        let is_same = found.to_bits() == scores[id.index()].to_bits();
        assert!(is_same, "{name}: an assessment does not depend on what else is assessed");
    }
}

/// Checks a filter on one query and set.
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn filter(filter: &dyn Filter, query: &Query, set: &Candidates) {
    let apply = |set: &Candidates| {
        let mut keep = KeepMask::all(set.len());
        filter.apply(query, set, &mut keep).unwrap_or_else(|fault| panic!("{}", fault.message()));
        keep
    };
    let keep = apply(set);
    for row in 0..set.len() {
        if let Some(code) = keep.reason(row) {
            assert!(!filter.reason(code).is_empty(), "{}: every code has words", filter.name());
        }
    }
    let mut kept = set.clone();
    kept.retain(&keep);
    let again = apply(&kept);
    assert!((0..kept.len()).all(|row| again.is_kept(row)), "{}: what passed passes again", filter.name());
}

/// Checks a ranker on one query and set.
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn ranker(ranker: &dyn Ranker, query: &Query, set: &Candidates) {
    let score = |set: &Candidates, fill: f32| {
        let mut scores = vec![fill; set.len()];
        ranker.score(query, set, &mut scores).unwrap_or_else(|fault| panic!("{}", fault.message()));
        scores.iter().map(|score| score.to_bits()).collect::<Vec<u32>>()
    };
    assert_eq!(
        score(set, 0.0),
        score(set, 9.0),
        "{}: every score is written, the same every time",
        ranker.name()
    );
    score(&Candidates::default(), 0.0);
}

/// Checks a re-ranker on one query and ranked set.
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn reranker(reranker: &dyn Reranker, query: &Query, set: &Candidates) {
    for want in [1, 3, set.len().max(1)] {
        let mut moved = set.clone();
        reranker.rerank(query, &mut moved, want).unwrap_or_else(|fault| panic!("{}", fault.message()));
        let before: BTreeSet<ItemId> = set.ids().iter().copied().collect();
        let after: BTreeSet<ItemId> = moved.ids().iter().copied().collect();
        assert!(after.is_subset(&before), "{}: adds no item", reranker.name());
        assert_eq!(after.len(), moved.len(), "{}: no item twice", reranker.name());
        let mut again = set.clone();
        reranker.rerank(query, &mut again, want).unwrap_or_else(|fault| panic!("{}", fault.message()));
        assert_eq!(moved.ids(), again.ids(), "{}: the same every time", reranker.name());
    }
    let mut empty = Candidates::default();
    reranker.rerank(query, &mut empty, 10).unwrap_or_else(|fault| panic!("{}", fault.message()));
}
