//! Weights that can be told in advance, and that the solution is one.

use super::newton::Slope;
use super::*;
use proptest::prelude::*;

fn params(regularization: f32) -> BlendParams {
    BlendParams { regularization: vec![regularization], ..BlendParams::default() }
}

#[test]
fn the_informative_feature_gets_the_weight() {
    let mut lists = Lists::new(2);
    for i in 0..200u32 {
        let noise = |k: u32| ((i * 7 + k * 13) % 11) as f32 / 11.0;
        // The relevant row has the larger first feature nine times of ten.
        let signal = if i % 10 == 0 { 0.2 } else { 0.9 };
        lists.push(&[signal, noise(1), 0.5, noise(2), 0.4, noise(3)], 1);
    }
    let weights = fit(&lists, &params(1e-3)).unwrap();
    assert!(weights[0] > 2.0 && weights[1].abs() < 0.5, "{weights:?}");
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let mut lists = Lists::new(1);
    lists.push(&[1.0, 2.0], 2);
    lists.push(&[1.0, 2.0], 0);
    assert!(matches!(fit(&lists, &params(1.0)), Err(FitError::NoLists { .. })));
    lists.push(&[f32::NAN, 2.0], 1);
    assert!(matches!(fit(&lists, &params(1.0)), Err(FitError::Diverged { .. })));
    assert!(matches!(fit(&lists, &params(0.0)), Err(FitError::Params { .. })));
}

#[test]
fn the_regularization_is_the_one_that_holds_for_other_lists() {
    let candidates = BlendParams { regularization: vec![100.0, 1e-6], ..BlendParams::default() };
    // A faint feature tells what is taken, a loud one nothing; strongly bound weights hear the loud one.
    let mut lists = Lists::new(2);
    for i in 0..80u32 {
        let loud = |row: u32| ((i * 31 + row * 17).wrapping_mul(2_654_435_761) % 1_009) as f32 / 100.0;
        let rows = (0..20).flat_map(|row| [if row == 0 { 0.1 } else { 0.0 }, loud(row)]);
        lists.push(&rows.collect::<Vec<_>>(), 1);
    }
    let way = Way { features: vec![0, 1], monotone: false };
    let chosen = choose(&lists, std::slice::from_ref(&way), &candidates).unwrap();
    assert_eq!(chosen, [Chosen { way, regularization: 1e-6 }]);
}

#[test]
fn the_features_are_those_that_hold_for_other_lists() {
    // The first feature tells what is taken; the second does so in every other list, and the opposite between.
    let mut lists = Lists::new(2);
    for list in 0..40 {
        let second = if list % 2 == 0 { 1.0 } else { -1.0 };
        lists.push(&[1.0, second, 0.9, 0.0, 0.8, -second], 1);
    }
    let check = |choices: &[Vec<usize>], weighs: [bool; 2]| {
        let way = |features: &Vec<usize>| Way { features: features.clone(), monotone: true };
        let ways: Vec<Way> = choices.iter().map(way).collect();
        let weights = fit_some(&lists, &ways, &BlendParams::default()).unwrap();
        assert_eq!([weights[0] > 0.0, weights[1] > 0.0], weighs, "{choices:?}: {weights:?}");
    };
    check(&[vec![1], vec![0]], [true, false]);
    check(&[vec![0], vec![1]], [true, false]);
    check(&[vec![0], vec![0, 1]], [true, false]);
}

#[test]
fn of_what_is_as_good_the_weights_are_the_mean() {
    let mut lists = Lists::new(2);
    (0..40).for_each(|_| lists.push(&[1.0, 1.0, 0.9, 0.0, 0.8, 0.5], 1));
    let way = |feature| Way { features: vec![feature], monotone: false };
    let alone = [0, 1].map(|feature| fit_some(&lists, &[way(feature)], &params(0.1)).unwrap()[feature]);
    let both = fit_some(&lists, &[way(0), way(1)], &params(0.1)).unwrap();
    assert_eq!(both, alone.map(|weight| weight / 2.0));
}

#[test]
fn the_most_cautious_way_is_taken_where_nothing_can_be_told() {
    let mut lists = Lists::new(1);
    lists.push(&[1.0, 0.9, 0.8], 1);
    let ways = [true, false].map(|monotone| Way { features: vec![0], monotone });
    let chosen = choose(&lists, &ways, &BlendParams::default()).unwrap();
    assert_eq!(chosen, [Chosen { way: ways[0].clone(), regularization: 0.1 }]);
}

#[test]
fn weights_that_cannot_say_what_is_taken_do_not_count() {
    // What is taken has less of the feature in most lists, which weights at least 0 cannot say.
    let is_free = |n_unlike: u32| {
        let mut lists = Lists::new(1);
        for list in 0..200 {
            let taken = if list < n_unlike { 1.0 } else { 0.0 };
            let others = (0..20).map(|row| 0.5 + row as f32 / 100.0);
            lists.push(&std::iter::once(taken).chain(others).collect::<Vec<f32>>(), 1);
        }
        let ways = [true, false].map(|monotone| Way { features: vec![0], monotone });
        choose(&lists, &ways, &BlendParams::default()).unwrap().iter().all(|chosen| !chosen.way.monotone)
    };
    assert!(is_free(20));
    assert!(!is_free(180));
}

#[test]
fn the_head_of_a_list_keeps_its_relevant_rows_first() {
    let mut lists = Lists::new(1);
    lists.push(&[0.1, 0.9, 0.5, 0.8, 0.2], 2);
    let head = lists.hardest(&[1.0], 3);
    assert_eq!(head.features, [0.9, 0.5, 0.8]);
    assert_eq!(head.bounds[0].n_relevant, 1);
    assert!(lists.hardest(&[-1.0], 1).is_empty(), "a single row teaches nothing");
}

proptest! {
    #[test]
    fn no_weight_would_rather_move(
        lists in prop::collection::vec((prop::collection::vec(-1.0f32..1.0, 12), 1usize..4), 1..20),
    ) {
        let mut all = Lists::new(3);
        lists.iter().for_each(|(features, n_relevant)| all.push(features, *n_relevant));
        prop_assume!(!all.is_empty());
        let weights = minimum(&all, 0.1, 0.0, &[0.0; 3]).unwrap();
        let slope = Slope::at(&weights, &all, 0.1);
        let at_rest = |(weight, slope): (&f32, &f32)| slope.abs() < 1e-3 || (*weight == 0.0 && *slope > 0.0);
        prop_assert!(weights.iter().zip(&slope.gradient).all(at_rest), "{weights:?} {:?}", slope.gradient);
    }
}
