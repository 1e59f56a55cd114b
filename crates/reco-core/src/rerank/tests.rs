//! What each rule does, and what none of them may do.

use super::*;
use crate::conformance;
use crate::fixture::{candidates, query};
use crate::request::Request;
use proptest::prelude::*;

fn after(rule: &dyn Reranker, ids: impl IntoIterator<Item = u32>, want: usize) -> Vec<u32> {
    let (query, mut set) = (query(Request::for_user("ann")), candidates(ids));
    rule.rerank(&query, &mut set, want).unwrap();
    set.ids().iter().map(|id| id.raw()).collect()
}

/// Every rule, in an interesting setting.
fn all() -> Vec<Arc<dyn Reranker>> {
    let pin = |place, item: &str| Pin { place, item: item.into(), surface: None };
    let config = RerankConfig {
        low_margin_below: Some(0.2),
        freshness_gain: Some(0.5),
        mmr_lambda: Some(0.5),
        pins: vec![pin(1, "item30"), pin(3, "item8"), pin(2, "nope")],
        per_category: Some(2),
        per_brand: Some(2),
        ..RerankConfig::default()
    };
    assert_eq!(config.problems(), [""; 0]);
    config.build().into_iter().map(|(rule, _)| rule).collect()
}

use std::sync::Arc;

#[test]
fn rules_do_what_they_say() {
    assert_eq!(after(&CategoryCap { per_category: 1, yields: true }, [4, 8, 1, 5, 2], 4), [4, 1, 2]);
    assert_eq!(after(&BrandVariety { per_brand: 1, yields: true }, [5, 0, 1, 6, 2], 5), [5, 1, 2]);
    assert_eq!(after(&LowMargin { below: 0.3 }, [25, 3, 30, 20], 9), [3, 20]);
    assert_eq!(
        after(&FreshnessBoost { gain: 9.0, half_life_days: 5.0 }, [0, 1, 39], 9),
        [0, 1, 39],
        "too small to pass"
    );
    assert_eq!(after(&Mmr { lambda: 0.4 }, [0, 20, 4, 8, 1], 2)[..2], [0, 1], "the unlike one comes up");
    assert_eq!(after(&Mmr { lambda: 1.0 }, [0, 20, 4], 2), [0, 20, 4], "relevance alone changes nothing");
    let pins = Pinned::new(vec![Pin { place: 2, item: "item9".into(), surface: Some("home".into()) }]);
    assert_eq!(after(&pins, [1, 2, 3, 9], 9), [1, 9, 2, 3]);
    assert_eq!(after(&pins, [1, 2, 3], 9), [1, 2, 3], "what was filtered out is not pinned");
}

fn after_all(config: &RerankConfig, ids: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let (query, mut set) = (query(Request::for_user("ann")), candidates(ids));
    config.build().iter().for_each(|(rule, _)| rule.rerank(&query, &mut set, 4).unwrap());
    set.ids().iter().map(|id| id.raw()).collect()
}

fn pin(place: usize, item: u32) -> Pin {
    Pin { place, item: format!("item{item}"), surface: None }
}

#[test]
fn caps_leave_alone_what_the_request_names() {
    let query =
        query(Request::for_user("ann").filter("category in (\"category1\") or price < 3".parse().unwrap()));
    let mut set = candidates([1, 2, 5, 6, 9, 10]);
    CategoryCap { per_category: 1, yields: true }.rerank(&query, &mut set, 2).unwrap();
    assert_eq!(set.ids(), [1, 2, 5, 9].map(crate::id::ItemId::new));
}

#[test]
fn caps_let_few_categories_fill_a_page() {
    let (query, mut set) = (query(Request::for_user("ann")), candidates(0..40));
    CategoryCap { per_category: 1, yields: true }.rerank(&query, &mut set, 10).unwrap();
    assert_eq!(set.len(), 12, "four categories make a page of ten by three each");
}

#[test]
fn caps_give_way_once_there_is_nothing_more_to_choose_from() {
    let query = query(Request::for_user("ann"));
    let check = |yields, is_all, expected: &[u32]| {
        let mut set = candidates([4, 8, 1, 12, 16]);
        if is_all {
            set.mark_all();
        }
        CategoryCap { per_category: 1, yields }.rerank(&query, &mut set, 4).unwrap();
        assert_eq!(set.ids().iter().map(|id| id.raw()).collect::<Vec<_>>(), expected, "{yields} {is_all}");
    };
    check(true, false, &[4, 1]);
    check(true, true, &[4, 8, 1, 12]);
    check(false, true, &[4, 1]);
}

#[test]
fn caps_make_way_for_pins() {
    let config =
        |pins: &[Pin]| RerankConfig { pins: pins.to_vec(), per_category: Some(1), ..RerankConfig::default() };
    for (pins, ids, expected) in [
        (&[pin(3, 3)][..], &[0, 4, 1, 2, 3][..], &[0, 1, 3, 2][..]),
        (&[pin(3, 8)], &[0, 4, 1, 2, 3, 8], &[1, 2, 8, 3]),
        (&[pin(1, 8), pin(2, 12)], &[1, 2, 8, 12], &[8, 1, 2]),
    ] {
        assert_eq!(after_all(&config(pins), ids.iter().copied()), expected, "{pins:?}");
    }
}

#[test]
fn nonsense_is_named() {
    let config = RerankConfig {
        mmr_lambda: Some(2.0),
        per_brand: Some(0),
        pins: vec![Pin { place: 0, item: "a".into(), surface: Some("moon".into()) }],
        ..RerankConfig::default()
    };
    let problems = config.problems().join("\n");
    for part in ["mmr_lambda is 2, must be 0 to 1", "per_brand is 0", "pins[0].place (item `a`) is 0", "moon"]
    {
        assert!(problems.contains(part), "{part} is not in {problems}");
    }
}

proptest! {
    #[test]
    fn boosts_leave_what_is_not_finite_alone(
        scores in prop::collection::vec(prop_oneof![
            4 => -9.0f32..9.0,
            1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0]),
        ], 0..40),
        gain in 0.0f32..4.0,
    ) {
        let query = query(Request::for_user("ann"));
        let mut set = candidates(0..scores.len() as u32);
        set.scores_mut().copy_from_slice(&scores);
        set.sort();
        FreshnessBoost { gain, half_life_days: 30.0 }.rerank(&query, &mut set, 10).unwrap();
        let finite = set.scores().iter().take_while(|score| score.is_finite()).count();
        prop_assert_eq!(finite, scores.iter().filter(|score| score.is_finite()).count());
        for (id, score) in set.ids().iter().zip(set.scores()) {
            let before = scores[id.index()];
            let same_kind = before.to_bits() == score.to_bits();
            prop_assert!(if before.is_finite() { *score >= before } else { same_kind }, "{before} became {score}");
        }
    }

    #[test]
    fn rules_only_move_and_drop(ids in prop::collection::btree_set(0u32..40, 0..40)) {
        let query = query(Request::for_user("ann"));
        all().iter().for_each(|rule| conformance::reranker(&**rule, &query, &candidates(ids.clone())));
    }

    #[test]
    fn caps_hold_whatever_comes_before(ids in Just((0u32..40).collect::<Vec<_>>()).prop_shuffle(), want in 1usize..40) {
        let (query, mut set) = (query(Request::for_user("ann")), candidates(ids));
        for rule in all() {
            rule.rerank(&query, &mut set, want).unwrap();
        }
        let catalog = &query.snapshot.catalog;
        for labels in [catalog.category(), catalog.brand()] {
            let codes: Vec<_> = set.ids().iter().filter_map(|&id| labels.code(id)).collect();
            let limit = want.div_ceil(labels.cardinality()).max(2);
            prop_assert!(codes.iter().all(|code| codes.iter().filter(|other| *other == code).count() <= limit));
        }
    }
}
