//! What is drawn is drawn as often as it says.

use super::odds::Odds;
use super::*;
use crate::fixture::{candidates, query};
use crate::request::Request;
use crate::rerank::Pin;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const WAYS: [ExploreHow; 3] = [ExploreHow::Epsilon, ExploreHow::PlackettLuce, ExploreHow::Thompson];

fn explore(config: ExploreConfig) -> Explore {
    assert_eq!(config.problems(), [""; 0]);
    Explore::new(config, Pinned::default())
}

/// Items and their propensities, place by place, over candidates that come as 0, 1, 2 …
fn page(rule: &Explore, n_items: u32, want: usize, draw: Option<u64>) -> Vec<(u32, Option<f64>)> {
    let request = Request { draw, ..Request::for_user("ann") };
    let (query, mut set) = (query(request), candidates(0..n_items));
    rule.rerank(&query, &mut set, want).unwrap();
    set.ids().iter().map(|id| (id.raw(), propensity(&query, *id))).collect()
}

#[test]
fn what_makes_no_sense_is_named_all_at_once() {
    let config = ExploreConfig {
        places: vec![0],
        from: 0,
        pool: 1,
        epsilon: 1.5,
        temperature: 0.0,
        prior_clicks: f64::NAN,
        prior_misses: -1.0,
        ..ExploreConfig::default()
    };
    let problems = config.problems();
    let fields: Vec<&str> = problems.iter().filter_map(|line| line.split_whitespace().next()).collect();
    let all = ["places[0]", "from", "pool", "epsilon", "temperature", "prior_clicks", "prior_misses"];
    assert_eq!(fields, all);
}

#[test]
fn pages_come_as_often_as_their_propensities_say() {
    const SEEDS: u64 = 4_000;
    for how in WAYS {
        let config =
            ExploreConfig { how, epsilon: 0.4, pool: 4, temperature: 0.8, ..ExploreConfig::default() };
        let rule = explore(config);
        let mut seen: BTreeMap<Vec<u32>, (u64, f64)> = BTreeMap::new();
        for seed in 0..SEEDS {
            let page = page(&rule, 6, 2, Some(seed));
            let items = page[..2].iter().map(|(item, _)| *item).collect();
            let probability: f64 = page[..2].iter().filter_map(|(_, share)| *share).product();
            let entry = seen.entry(items).or_insert((0, probability));
            entry.0 += 1;
            assert!((entry.1 - probability).abs() < 1e-12, "{how:?}: one page, one propensity");
        }
        assert_eq!(seen.len(), 12, "{how:?}: every pair out of four");
        let all: f64 = seen.values().map(|(_, probability)| probability).sum();
        assert!((all - 1.0).abs() < 1e-9, "{how:?}: {all}");
        for (items, (count, probability)) in seen {
            let expected = SEEDS as f64 * probability;
            let deviation = (expected * (1.0 - probability)).sqrt();
            let off = (count as f64 - expected).abs();
            assert!(off < 4.5 * deviation + 1.0, "{how:?} {items:?}: {count} times, expected {expected:.1}");
        }
    }
}

#[test]
fn softmax_is_what_its_formula_says() {
    let shares = Odds::softmax(&[3.0, 1.0, f32::NAN], 1.0).shares();
    // Mean 2 and deviation 1; what is no number weighs as the least.
    let (best, other) = (1.0, (-2.0f64).exp());
    for (share, weight) in shares.iter().zip([best, other, other]) {
        assert!((share - weight / (best + 2.0 * other)).abs() < 1e-12, "{shares:?}");
    }
    assert_eq!(Odds::softmax(&[2.0; 4], 0.1).shares(), [0.25; 4]);
}

#[test]
fn thompson_is_the_probability_of_the_best_rate() {
    let check = |posteriors: &[(f64, f64)], expected: &[f64]| {
        let shares = Odds::thompson(posteriors).shares();
        for (share, expected) in shares.iter().zip(expected) {
            assert!((share - expected).abs() < 2e-3, "{posteriors:?}: {shares:?}, expected {expected}");
        }
    };
    check(&[(1.0, 30.0); 4], &[0.25; 4]);
    // Of Beta(2, 1) against the uniform: the integral of 2x * x.
    check(&[(2.0, 1.0), (1.0, 1.0)], &[2.0 / 3.0, 1.0 / 3.0]);
    // Of Beta(3, 1) against two uniform ones: the integral of 3x² * x².
    check(&[(3.0, 1.0), (1.0, 1.0), (1.0, 1.0)], &[0.6, 0.2, 0.2]);
    check(&[(900.0, 100.0), (100.0, 900.0)], &[1.0, 0.0]);
}

#[test]
fn held_places_and_those_that_do_not_explore_are_certain() {
    let pins = Pinned::new(vec![Pin { place: 1, item: "item0".into(), surface: None }]);
    let config = ExploreConfig { epsilon: 1.0, places: vec![1, 3], ..ExploreConfig::default() };
    let rule = Explore::new(config, pins);
    let mut third = BTreeSet::new();
    for seed in 0..200 {
        let page = page(&rule, 8, 4, Some(seed));
        assert_eq!((page[0], page[1]), ((0, None), (1, Some(1.0))), "a pin was not drawn for");
        assert_eq!(page[2].1, Some(1.0 / 6.0));
        assert_eq!(page[3].1, Some(1.0));
        third.insert(page[2].0);
    }
    assert_eq!(third, (2..8).collect());
    let untouched: Vec<(u32, Option<f64>)> = (0..8).map(|item| (item, None)).collect();
    assert_eq!(page(&rule, 8, 4, None), untouched, "without a draw, rank alone");
}

proptest! {
    #[test]
    fn a_page_is_a_permutation_and_follows_from_its_seed(
        way in 0..3usize,
        n_items in 0..30u32,
        want in 1..12usize,
        from in 1..4usize,
        pool in 2..20usize,
        seed: u64,
    ) {
        let rule = explore(ExploreConfig { how: WAYS[way], from, pool, epsilon: 0.5, ..ExploreConfig::default() });
        let drawn = page(&rule, n_items, want, Some(seed));
        let items: BTreeSet<u32> = drawn.iter().map(|(item, _)| *item).collect();
        prop_assert_eq!(items, (0..n_items).collect::<BTreeSet<_>>());
        prop_assert_eq!(drawn.len(), n_items as usize);
        prop_assert!(drawn.iter().all(|(_, share)| share.is_none_or(|share| share > 0.0 && share <= 1.0 + 1e-12)));
        prop_assert_eq!(page(&rule, n_items, want, Some(seed)), drawn);
    }

    #[test]
    fn shares_of_a_place_sum_to_one(
        scores in proptest::collection::vec(-50.0..50.0f32, 2..40),
        counts in proptest::collection::vec((0..5_000u32, 0..100_000u32), 2..40),
        epsilon in 0.0..=1.0f64,
    ) {
        let beta = |&(clicks, misses): &(u32, u32)| (1.0 + f64::from(clicks), 30.0 + f64::from(misses));
        let posteriors: Vec<(f64, f64)> = counts.iter().map(beta).collect();
        for mut odds in [Odds::epsilon(scores.len(), epsilon), Odds::softmax(&scores, 0.3), Odds::thompson(&posteriors)] {
            while odds.shares().len() > 1 {
                let shares = odds.shares();
                prop_assert!(shares.iter().all(|share| (0.0..=1.0 + 1e-12).contains(share)));
                prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                odds.remove(shares.len() / 2);
            }
        }
    }
}
