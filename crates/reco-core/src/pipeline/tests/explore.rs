//! Pages that explore, from request to page.

use super::*;
use crate::fixture;
use crate::rerank::{ExploreConfig, ExploreHow};

fn config(explore: Option<ExploreConfig>) -> PipelineConfig {
    PipelineConfig { explore, deadline_ms: 60_000, ..PipelineConfig::default() }
}

fn recommender(config: &PipelineConfig) -> Recommender {
    config.builder(fixture::snapshot()).unwrap().build().unwrap()
}

fn shown(page: &Page) -> Vec<(ItemId, Option<f64>)> {
    page.items.iter().map(|item| (item.id, item.propensity)).collect()
}

fn by_chance() -> Option<ExploreConfig> {
    Some(ExploreConfig { epsilon: 1.0, ..ExploreConfig::default() })
}

#[test]
fn a_draw_is_repeated_by_its_seed_and_brings_back_nothing_that_was_filtered() {
    let plain = recommender(&config(None)).recommend_now(Request::for_user("ann").count(40).draw(3)).unwrap();
    let allowed: Vec<ItemId> = plain.items.iter().map(|item| item.id).collect();
    assert!(plain.items.iter().all(|item| item.propensity.is_none()));
    for how in [ExploreHow::Epsilon, ExploreHow::PlackettLuce, ExploreHow::Thompson] {
        let explore = ExploreConfig { how, epsilon: 1.0, ..ExploreConfig::default() };
        let explores = recommender(&config(Some(explore)));
        let page = |seed| explores.recommend_now(Request::for_user("ann").count(6).draw(seed)).unwrap();
        let mut pages = Vec::new();
        for seed in 0..50 {
            let page = page(seed);
            assert!(page.items.iter().all(|item| item.propensity.is_some_and(|share| share > 0.0)));
            assert!(page.items.iter().all(|item| allowed.contains(&item.id)), "{how:?}");
            pages.push(shown(&page));
        }
        assert_eq!(pages[7], shown(&page(7)), "{how:?}");
        assert!(pages.iter().any(|other| *other != pages[0]), "{how:?}");
    }
}

#[test]
fn without_a_draw_a_page_is_that_of_the_ranking_and_certain() {
    let request = || Request::for_user("ann").count(6);
    let plain = recommender(&config(None)).recommend_now(request()).unwrap();
    let undrawn = recommender(&config(by_chance())).recommend_now(request()).unwrap();
    let ids = |page: &Page| -> Vec<ItemId> { page.items.iter().map(|item| item.id).collect() };
    assert_eq!(ids(&plain), ids(&undrawn));
    assert!(undrawn.items.iter().all(|item| item.propensity == Some(1.0)));
}

#[test]
fn what_chance_brought_says_so() {
    let explores = recommender(&config(by_chance()));
    let page = explores.recommend_now(Request::for_user("ann").count(6).draw(1)).unwrap();
    let sources = |item: &crate::page::PageItem| item.why.clone().unwrap().sources;
    let explored =
        page.items.iter().filter(|item| sources(item).iter().any(|vote| &*vote.source == "explored"));
    assert!(explored.count() > 0);
}

#[test]
fn a_variant_may_explore_beside_one_that_does_not() {
    let patch = serde_json::json!({"explore": {"how": "plackett_luce", "temperature": 2.0}});
    let main = config(None);
    let patched = main.patched(patch.as_object().unwrap()).unwrap();
    let everybody = recommender(&main);
    let variant = everybody.beside("curious", patched.builder(everybody.snapshot()).unwrap()).unwrap();
    let has_propensities = |recommender: &Recommender| {
        let page = recommender.recommend_now(Request::for_user("ann").draw(5)).unwrap();
        page.items.iter().all(|item| item.propensity.is_some())
    };
    assert!(has_propensities(&variant) && !has_propensities(&everybody));
    let patch = serde_json::json!({"explore": false});
    assert_eq!(patched.patched(patch.as_object().unwrap()).unwrap().explore, None);
    let patch = serde_json::json!({"explore": {"from": 0, "pool": 0}});
    assert_eq!(main.patched(patch.as_object().unwrap()).unwrap_err().len(), 2);
}
