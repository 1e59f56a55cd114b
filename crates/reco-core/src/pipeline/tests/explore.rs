//! Pages that explore, from request to page.

use super::*;
use crate::cache::Life;
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

fn by_chance() -> ExploreConfig {
    ExploreConfig { epsilon: 1.0, ..ExploreConfig::default() }
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
    let undrawn = recommender(&config(Some(by_chance()))).recommend_now(request()).unwrap();
    let ids = |page: &Page| -> Vec<ItemId> { page.items.iter().map(|item| item.id).collect() };
    assert_eq!(ids(&plain), ids(&undrawn));
    assert!(undrawn.items.iter().all(|item| item.propensity == Some(1.0)));
}

#[test]
fn what_chance_brought_says_so() {
    let explores = recommender(&config(Some(by_chance())));
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

#[test]
fn chances_of_a_page_are_those_by_which_it_was_drawn() {
    for how in [ExploreHow::Epsilon, ExploreHow::PlackettLuce, ExploreHow::Thompson] {
        let explore = ExploreConfig { how, epsilon: 0.5, from: 2, ..ExploreConfig::default() };
        let explores = recommender(&config(Some(explore)));
        for seed in 0..20 {
            let request = || Request::for_user("ann").count(6).draw(seed);
            let page = explores.recommend_now(request()).unwrap();
            let shown: Vec<ItemKey> = page.items.iter().map(|item| item.key.clone()).collect();
            let places = explores.chances_now(request(), &shown).unwrap();
            assert_eq!(
                (places.len(), places[0].len()),
                (page.items.len(), 1),
                "the first place does not explore"
            );
            for (item, chances) in page.items.iter().zip(&places) {
                let total: f64 = chances.iter().map(|(_, chance)| chance).sum();
                assert!((total - 1.0).abs() < 1e-9, "{how:?}: {chances:?}");
                let own = chances.iter().find(|(key, _)| *key == item.key).map(|(_, chance)| *chance);
                assert_eq!(own, item.propensity, "{how:?}");
            }
        }
    }
}

#[test]
fn a_ranking_that_leaves_nothing_to_chance_wants_the_best_of_what_is_left() {
    let by_rank = recommender(&config(None));
    let request = || Request::for_user("ann").count(4);
    let page = by_rank.recommend_now(request()).unwrap();
    let mut shown: Vec<ItemKey> = page.items.iter().map(|item| item.key.clone()).collect();
    shown.swap(0, 1);
    let wanted = |shown: &[ItemKey]| -> Vec<ItemKey> {
        let places = by_rank.chances_now(request(), shown).unwrap();
        places.into_iter().flatten().map(|(key, chance)| (chance >= 1.0).then_some(key).unwrap()).collect()
    };
    let best = |row: usize| page.items[row].key.clone();
    // Its own first is left for the second place.
    assert_eq!(wanted(&shown), [best(0), best(0), best(2), best(3)]);
    shown[0] = "unheard of".into();
    assert_eq!(wanted(&shown)[1], page.items[0].key, "what it would not show takes nothing away");
}

#[tokio::test]
async fn a_page_that_explores_is_not_kept() {
    let pages = PageCache::new(Life::LISTS, 1 << 20, Arc::new(clock()));
    let builder = config(Some(by_chance())).builder(fixture::snapshot()).unwrap();
    let explores = builder.pages(pages).build().unwrap();
    for seed in 0..3 {
        let page = explores.recommend(Request::for_user("ann").draw(seed)).await.unwrap();
        assert_eq!((page.found, page.items[0].propensity.is_some()), (None, true));
    }
}
