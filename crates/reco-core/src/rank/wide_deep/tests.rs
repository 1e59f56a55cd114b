use super::*;
use crate::conformance;
use crate::features::{FeatureConfig, ItemTable};
use crate::fixture;
use crate::rank::{LearnedRanker, Ranker};
use crate::request::Request;
use proptest::prelude::*;

fn input(name: &str) -> Input {
    Input { name: name.into(), mean: 1.0, scale: 0.5 }
}

/// Two inputs, three hidden outputs, and a head that doubts.
fn weights() -> Weights {
    Weights {
        inputs: vec![input("item.users"), input("cross.own_events")],
        hidden: vec![Hidden {
            weights: Matrix::from_vec(3, 2, vec![1.0, 0.0, 0.0, 1.0, -1.0, -1.0]),
            bias: vec![0.0, 0.5, 0.0],
        }],
        heads: vec![Head {
            objective: "take".to_owned(),
            share: 1.0,
            wide: vec![0.25, 0.0],
            deep: vec![1.0, 2.0, -1.0],
            bias: -1.0,
        }],
    }
}

fn scores(weights: Weights, rows: &[f32]) -> Vec<f32> {
    let model = WideDeep::try_from(weights).unwrap();
    let mut scores = vec![f32::NAN; rows.len() / model.features().len()];
    model.predict(rows, &mut scores).unwrap();
    scores
}

#[test]
fn a_score_is_the_sum_of_both_parts() {
    // Scaled to (1, 0) and (0, -1): hidden (1, 0.5, 0) and (0, 0, 1).
    let found = scores(weights(), &[3.0, 1.0, f32::NAN, -1.0]);
    let expected = [0.25 + 1.0 + 1.0 - 1.0, -1.0 - 1.0].map(sigmoid);
    assert!(found.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{found:?}");
}

#[test]
fn heads_count_by_their_shares() {
    let mut two = weights();
    let sure = Head { objective: "like".to_owned(), share: 3.0, bias: 100.0, ..two.heads[0].clone() };
    two.heads.push(sure);
    let (one, both) = (scores(weights(), &[3.0, 1.0])[0], scores(two, &[3.0, 1.0])[0]);
    assert!((both - (one + 3.0) / 4.0).abs() < 1e-6, "{both}");
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let check = |damage: fn(&mut Weights), part: &str| {
        let mut damaged = weights();
        damage(&mut damaged);
        let error = WideDeep::try_from(damaged).unwrap_err().to_string();
        assert!(error.contains(part), "{error} is not about {part}");
    };
    check(|weights| weights.heads[0].deep.clear(), "the deep part of head take has 0 weights, must have 3");
    check(|weights| weights.heads[0].wide.push(0.0), "the wide part of head take has 3");
    check(|weights| weights.hidden[0].bias.push(0.0), "hidden layer 0");
    check(|weights| weights.hidden[0].bias[0] = f32::NAN, "hidden layer 0 has a weight that is not finite");
    check(|weights| weights.inputs[0].scale = f32::INFINITY, "scaling");
    check(|weights| weights.heads.clear(), "no head");
}

proptest! {
    #[test]
    fn scores_are_probabilities_whatever_the_features(
        rows in prop::collection::vec(prop_oneof![
            Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), -1e30f32..1e30, -3f32..3.0
        ], 0..200),
    ) {
        let rows = &rows[..rows.len() / 2 * 2];
        for score in scores(weights(), rows) {
            prop_assert!((0.0..=1.0).contains(&score), "{score}");
        }
    }
}

#[test]
fn the_ranker_scores_by_the_snapshots_network_and_says_what_it_lacks() {
    let query = |model: Option<Weights>, column: &str| {
        let mut snapshot = fixture::snapshot();
        let table = ItemTable::builder(40, FeatureConfig::default());
        let table = table.column(column, "users", (0..40u8).map(f32::from)).build();
        snapshot.models.insert(ItemTable::NAME, table);
        if let Some(weights) = model {
            snapshot.models.insert(WideDeep::NAME, WideDeep::try_from(weights).unwrap());
        }
        fixture::query_of(Request::for_user("ann"), snapshot)
    };
    let set = fixture::candidates([1, 4, 9]);
    let ranker = LearnedRanker::default();
    let known = query(Some(weights()), "users");
    conformance::ranker(&ranker, &known, &set);
    let mut scores = vec![0.0; 3];
    ranker.score(&known, &set, &mut scores).unwrap();
    // Ann had item 1 twice; of the others the better known one is ahead.
    assert!(scores[0] < scores[2] && scores[1] < scores[2], "{scores:?}");
    let mut fault = |query| ranker.score(&query, &set, &mut scores).unwrap_err().message();
    assert!(fault(query(None, "users")).contains("no learned ranker"));
    assert!(fault(query(Some(weights()), "likes")).contains("wants the feature `item.users`"));
}
