//! Promises of the parts of a pipeline.

use crate::candidate::{Candidates, Hits, KeepMask};
use crate::error::FaultKind;
use crate::experiment::Experiment;
use crate::features::FeatureSource;
use crate::filter::Filter;
use crate::id::{ItemId, UserKey};
use crate::index::{IndexError, Metric, VectorIndex};
use crate::linalg::Matrix;
use crate::query::Query;
use crate::rank::Ranker;
use crate::rerank::Reranker;
use crate::retrieve::{CandidateGenerator, RemoteGenerator};
use crate::time::Budget;
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
    for limit in [0, 1, 2, all.len()] {
        let some = generate(limit);
        assert_eq!(some.ids, all.ids[..limit.min(all.len())], "{name}: a limit of {limit} takes the best");
    }
    let mut support = Vec::new();
    all.ids.iter().for_each(|&id| generator.support(query, id, &mut support));
    assert!(
        support.iter().all(|by| by.item.index() < query.snapshot.catalog.len()),
        "{name}: rests on known items"
    );
}

/// Checks a remote generator that knows `user`.
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn remote_generator(generator: &dyn RemoteGenerator, user: &UserKey, budget: &Budget) {
    let all = generator.generate(user, 1_000, budget).await.expect("generate");
    assert!(all.iter().all(|hit| hit.score.is_finite()), "scores are finite");
    assert!(all.is_sorted_by(|a, b| a.score >= b.score), "best first");
    assert_eq!(all.iter().map(|hit| &hit.item).collect::<BTreeSet<_>>().len(), all.len(), "no item twice");
    let two = generator.generate(user, 2, budget).await.expect("generate");
    assert!(two.len() <= 2, "at most as many as asked");
}

/// Checks a feature source that knows `known` but not `unknown`.
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn feature_source(source: &dyn FeatureSource, known: &UserKey, unknown: &UserKey, budget: &Budget) {
    assert!(!source.name().is_empty(), "a source has a name");
    let features = source.user(known, budget).await.expect("features").expect("the user is known");
    assert!(features.recent.is_sorted_by(|a, b| a.at <= b.at), "events come oldest first");
    assert_eq!(source.user(unknown, budget).await.expect("features"), None, "an unknown user is no fault");
    let spent = budget.slice(std::time::Duration::ZERO);
    if let Err(fault) = source.user(known, &spent).await {
        assert_eq!(fault.kind, FaultKind::Timeout, "without time it answers at once or says so");
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

/// Checks an experiment whose arms should get these shares of all users.
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn experiment(experiment: &dyn Experiment, shares: &[f64]) {
    const USERS: u32 = 10_000;
    assert_eq!(experiment.n_arms(), shares.len(), "an arm a share");
    let users: Vec<UserKey> = (0..USERS).map(|i| UserKey::from(format!("user{i}"))).collect();
    let arms: Vec<_> = users.iter().map(|user| experiment.assign(user)).collect();
    let again: Vec<_> = users.iter().rev().map(|user| experiment.assign(user)).collect();
    assert!(arms.iter().eq(again.iter().rev()), "the same user always gets the same arm, in any order");
    assert!(arms.iter().flatten().all(|arm| usize::from(arm.0) < shares.len()), "arms are numbered from 0");
    for (arm, &share) in shares.iter().enumerate() {
        let got = arms.iter().flatten().filter(|assigned| usize::from(assigned.0) == arm).count();
        let expected = share * f64::from(USERS);
        // Five standard deviations of a binomial: one false alarm in two million.
        let tolerance = 5.0 * (expected * (1.0 - share)).sqrt();
        assert!(
            (got as f64 - expected).abs() <= tolerance,
            "arm {arm} got {got} of about {expected:.0} users"
        );
    }
}

/// Checks an index that `build` makes of vectors; it may be approximate.
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn vector_index(build: &dyn Fn(Matrix, Metric) -> Result<Box<dyn VectorIndex>, IndexError>) {
    let angle = |i: usize| (i as f32 * 0.37).sin_cos();
    let values: Vec<f32> = (0..200).flat_map(|i| [angle(i).0, angle(i).1, 0.5]).collect();
    let vectors = Matrix::from_vec(200, 3, values);
    let find = |index: &dyn VectorIndex, query: &[f32], k: usize, allow: Option<&dyn crate::index::Allow>| {
        let mut hits = Hits::default();
        index.search(query, k, allow, &mut hits).expect("search");
        hits
    };
    for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
        let index = build(vectors.clone(), metric).expect("build");
        assert_eq!((index.len(), index.dim(), index.metric()), (200, 3, metric), "says what it is");
        let hits = find(&*index, vectors.row(7), 10, None);
        assert_eq!(hits.len(), 10, "as many as asked");
        assert_eq!(hits.ids[0], ItemId::new(7), "a vector finds itself");
        assert!(hits.scores.is_sorted_by(|a, b| a >= b), "nearest first");
        assert_eq!(find(&*index, vectors.row(7), 0, None).len(), 0, "none asked, none given");
        assert_eq!(
            find(&*index, vectors.row(7), 500, None).len(),
            200,
            "all when more are asked than there are"
        );
        let odd = |id: ItemId| id.raw() % 40 == 3;
        let hits = find(&*index, vectors.row(7), 10, Some(&odd));
        assert_eq!(hits.len(), 5, "never short while allowed items exist");
        assert!(hits.ids.iter().all(|&id| odd(id)), "never an item that is not allowed");
        let refused = index.search(&[1.0], 1, None, &mut Hits::default());
        assert!(
            matches!(refused, Err(IndexError::Dimension { got: 1, want: 3, .. })),
            "another length is refused"
        );
        let refused = index.search(&[1.0, f32::NAN, 0.0], 1, None, &mut Hits::default());
        assert!(matches!(refused, Err(IndexError::NotFinite { position: 1, .. })), "NaN is refused");
        let empty = build(Matrix::zeros(0, 3), metric).expect("build empty");
        assert_eq!(find(&*empty, &[1.0, 0.0, 0.0], 5, None).len(), 0, "an empty index finds nothing");
    }
    let zero = build(Matrix::zeros(1, 3), Metric::Cosine);
    assert!(matches!(zero, Err(IndexError::Zero { .. })), "a zero vector has no cosine");
}
