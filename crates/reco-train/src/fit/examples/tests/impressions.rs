//! What users were shown and passed over.

use super::*;
use crate::fit::wide_deep::{self, WideDeepParams};
use reco_core::rank::DenseModel;
use std::collections::BTreeSet;

/// The data of a future with what every user was shown in every turn of it, at the moment of what they took.
fn with_impressions(shown: impl Fn(u32, u32) -> Vec<u32>) -> Dataset {
    let mut dataset = dataset(|user, turn| user * 7 + turn);
    let log = &mut dataset.log;
    for row in 0..log.len() {
        let (user, turn, at) = (log.user[row], row as u32 / N_USERS, log.at[row]);
        for item in shown(user, turn) {
            log.push(user, ItemId::new(item % N_ITEMS), &Action::Impression, None, at);
        }
    }
    dataset
}

/// Ten items of a turn.
fn ten(user: u32, turn: u32) -> Vec<u32> {
    (0..10).map(|place| user + turn * 10 + place).collect()
}

#[test]
fn lists_are_of_what_was_taken_or_shown_after_the_cut() {
    // A third of the users is not shown enough.
    let few = |user: u32| user.is_multiple_of(3);
    let shown = |user: u32, turn: u32| match turn {
        16.. if few(user) => vec![user, user + 1],
        _ => ten(user, turn),
    };
    let dataset = with_impressions(shown);
    let schema = FeatureSchema::default();
    let (seen, all) = (examples(&dataset, &schema), {
        let plan = Plan { impressions: false, ..Plan::default() };
        planned(&dataset, &schema, plan, &ActionWeights::default())
    });
    assert!(all.lists.iter().all(|list| !list.is_seen));
    assert_eq!(seen.lists.len(), all.lists.len());
    for (list, whole) in seen.lists.iter().zip(&all.lists) {
        assert_eq!(list.is_seen, list.asker == Asker::Regular && !few(list.user), "{list:?}");
        let then: BTreeSet<u32> =
            (16..EACH).flat_map(|turn| shown(list.user, turn)).map(|id| id % N_ITEMS).collect();
        let is_kept =
            |row: &usize| !list.is_seen || all.is_taken[*row] || then.contains(&all.items[*row].raw());
        let kept: Vec<usize> = whole.rows.clone().filter(is_kept).collect();
        assert_eq!(list.rows.len(), kept.len());
        for (row, of_whole) in list.rows.clone().zip(kept) {
            assert_eq!((seen.items[row], seen.is_taken[row]), (all.items[of_whole], all.is_taken[of_whole]));
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
            assert_eq!(
                bits(seen.row(row)),
                bits(all.row(of_whole)),
                "features are those among all candidates"
            );
        }
    }
    assert!(seen.to_string().ends_with("53 lists are of what users were shown"), "{seen}");
}

#[test]
fn what_was_shown_weighs_nothing_by_itself() {
    let schema = FeatureSchema::default();
    let (without, with) = (dataset(|user, turn| user * 7 + turn), with_impressions(ten));
    let plan = || Plan { impressions: false, ..Plan::default() };
    let weights = ActionWeights::default();
    let one = planned(&without, &schema, plan(), &weights);
    let other = planned(&with, &schema, plan(), &weights);
    assert_eq!(changed(&one, &other), []);
    assert_eq!(one.is_taken, other.is_taken);
    // With a weight it speaks for what it shows, and passing over is no longer told from taking.
    let mut weights = weights;
    weights.set(Action::Impression, 0.1);
    assert!(planned(&with, &schema, Plan::default(), &weights).lists.iter().all(|list| !list.is_seen));
}

/// Popular items, 0 to 7, and others. From the cut on everybody is shown all of the popular ones and takes one, and is
/// shown three of the others, which they take: of the popular ones each is taken by more users, and by a smaller share of
/// those who see it.
fn planted() -> Dataset {
    let mut builder = Catalog::builder();
    for id in 0..N_ITEMS {
        let price = if id < 8 { 1_000.0 } else { 10.0 };
        builder.push(ItemRecord { price: Some(price), ..ItemRecord::new(format!("item{id}")) }).unwrap();
    }
    let mut log = InteractionLog::default();
    for turn in 0..EACH {
        for user in 0..N_USERS {
            let row = log.users.intern(&format!("user{user}"));
            let at = Timestamp::from_secs(i64::from(turn * N_USERS + user) * 3_600);
            let taken = match turn {
                17.. => 8 + (user * 7 + turn * 11) % 32,
                _ if turn % 2 == 0 => (user + turn) % 8,
                _ => 8 + (user * 7 + turn * turn) % 32,
            };
            log.push(row, ItemId::new(taken), &Action::Purchase, Some(1.0), at);
            for shown in (0..8).chain([taken]).filter(|_| turn > 15) {
                log.push(row, ItemId::new(shown), &Action::Impression, None, at);
            }
        }
    }
    let users = (0..N_USERS).map(attributes).collect();
    Dataset { catalog: builder.build(), log, users, ..Dataset::default() }
}

/// The share of pairs of a popular item and one of the others in which a ranker fitted to `examples` puts the popular
/// one below, among all that was proposed.
fn popular_below(examples: &Examples, all: &Examples) -> f64 {
    let params = WideDeepParams { hidden: vec![16], epochs: 8, validation: 0.3, ..WideDeepParams::default() };
    let fitted = wide_deep::fit(examples, &FeatureConfig::default(), &params, &Silent).unwrap();
    let ranker = fitted.unwrap().ranker;
    let place = |name: &Arc<str>| all.features.iter().position(|feature| feature.name == *name).unwrap();
    let columns: Vec<usize> = ranker.features().iter().map(place).collect();
    let row = |row: usize| columns.iter().map(move |&column| all.row(row)[column]);
    let rows: Vec<f32> = (0..all.items.len()).flat_map(row).collect();
    let mut scores = vec![0.0; all.items.len()];
    ranker.predict(&rows, &mut scores).unwrap();
    let (mut n_below, mut n_pairs) = (0u32, 0u32);
    for list in all.lists.iter().filter(|list| list.asker == Asker::Regular) {
        let popular = list.rows.clone().filter(|&row| all.items[row].raw() < 8);
        for (popular, other) in popular.flat_map(|row| list.rows.clone().map(move |other| (row, other))) {
            if all.items[other].raw() >= 8 {
                n_below += u32::from(scores[popular] < scores[other]);
                n_pairs += 1;
            }
        }
    }
    f64::from(n_below) / f64::from(n_pairs)
}

#[test]
fn what_is_shown_to_all_and_mostly_passed_over_falls_below_what_is_taken_when_seen() {
    let (dataset, schema, weights) = (planted(), FeatureSchema::default(), ActionWeights::default());
    let lists = |impressions| {
        let plan = Plan { impressions, ..Plan::default() };
        planned(&dataset, &schema, plan, &weights)
    };
    let (all, seen) = (lists(false), lists(true));
    let (without, with) = (popular_below(&all, &all), popular_below(&seen, &all));
    assert!(with > without + 0.3, "with impressions {with}, without {without}");
}
