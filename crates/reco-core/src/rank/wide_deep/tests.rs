use super::scoring::sigmoid;
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
            judged: None,
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

/// Scores in single precision and in bytes.
fn both(weights: Weights, rows: &[f32]) -> [Vec<f32>; 2] {
    let model = WideDeep::try_from(weights).unwrap();
    let of = |model: &dyn DenseModel| {
        let mut scores = vec![f32::NAN; rows.len() / model.features().len()];
        model.predict(rows, &mut scores).unwrap();
        scores
    };
    [of(&model), of(model.quantized())]
}

/// A network of this shape with weights drawn from a seed, as large as training leaves them.
fn drawn(n_inputs: usize, hidden: &[usize], seed: u32) -> Weights {
    let mut state = seed;
    let mut draw = |n: usize, bound: f32| -> Vec<f32> {
        let mut one = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * bound
        };
        (0..n).map(|_| one()).collect()
    };
    let mut width = n_inputs;
    let mut layers = Vec::new();
    for &n_out in hidden {
        let weights = Matrix::from_vec(n_out, width, draw(n_out * width, (3.0 / width as f32).sqrt()));
        layers.push(Hidden { weights, bias: draw(n_out, 0.2) });
        width = n_out;
    }
    let head = |name: &str, wide: Vec<f32>, deep: Vec<f32>| Head {
        objective: name.to_owned(),
        share: 1.0,
        wide,
        deep,
        bias: -0.5,
        judged: None,
    };
    let inputs = (0..n_inputs).map(|i| Input { name: format!("{i}").into(), ..input("") }).collect();
    let bound = (3.0 / width as f32).sqrt();
    let heads = ["take", "like"].map(|name| head(name, draw(n_inputs, 0.1), draw(width, bound))).into();
    Weights { inputs, hidden: layers, heads }
}

proptest! {
    #[test]
    fn scores_are_probabilities_whatever_the_features(
        rows in prop::collection::vec(prop_oneof![
            Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), -1e30f32..1e30, -3f32..3.0
        ], 0..200),
    ) {
        let rows = &rows[..rows.len() / 2 * 2];
        for score in both(weights(), rows).concat() {
            prop_assert!((0.0..=1.0).contains(&score), "{score}");
        }
    }

    /// A score is that of its row alone: whatever the others are, and however many values all rows share.
    #[test]
    fn a_score_does_not_depend_on_the_other_rows(
        (n_shared, n_rows, seed) in (0usize..=21, 1usize..60, any::<u32>()),
    ) {
        let mut rows = rows_of(21, n_rows, seed);
        let (first, others) = rows.split_at_mut(21);
        others.chunks_exact_mut(21).for_each(|row| row[..n_shared].copy_from_slice(&first[..n_shared]));
        let together = both(drawn(21, &[33, 9], seed), &rows);
        for (number, row) in rows.chunks_exact(21).enumerate() {
            let alone = both(drawn(21, &[33, 9], seed), row);
            for (together, alone) in together.iter().zip(alone) {
                prop_assert_eq!(together[number].to_bits(), alone[0].to_bits());
            }
        }
    }

    /// Bytes say what numbers say: close probabilities, and the same order wherever these differ by more.
    #[test]
    fn a_network_of_bytes_ranks_like_the_network(
        (n_inputs, first, second) in (8usize..110, 8usize..140, 4usize..70),
        seed in any::<u32>(),
    ) {
        let rows = rows_of(n_inputs, 60, seed);
        let [exact, quantized] = both(drawn(n_inputs, &[first, second], seed), &rows);
        let farthest = exact.iter().zip(&quantized).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        prop_assert!(farthest < 0.02, "{farthest}");
        for (a, b) in (0..60).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let apart = exact[a] - exact[b];
            let is_in_order = apart.abs() < 0.02 || apart.signum() == (quantized[a] - quantized[b]).signum();
            prop_assert!(is_in_order, "{apart}");
        }
    }
}

/// Rows of which a tenth of the values is missing.
fn rows_of(n_inputs: usize, n_rows: usize, seed: u32) -> Vec<f32> {
    let value = |i: usize| {
        let drawn = (i as u32 ^ seed).wrapping_mul(2_654_435_761) >> 8;
        if drawn.is_multiple_of(10) { f32::NAN } else { (drawn % 4_001) as f32 / 1_000.0 - 1.0 }
    };
    (0..n_inputs * n_rows).map(value).collect()
}

#[test]
fn what_is_missing_is_the_mean_in_bytes_too() {
    let weights = drawn(21, &[33, 9], 7);
    let (mut missing, mut mean) = (rows_of(21, 40, 3), rows_of(21, 40, 3));
    missing.iter_mut().step_by(3).for_each(|value| *value = f32::NAN);
    mean.iter_mut().step_by(3).for_each(|value| *value = 1.0);
    mean.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 1.0);
    assert_eq!(both(weights.clone(), &missing), both(weights, &mean));
}

#[test]
fn a_network_without_a_deep_part_is_the_same_in_bytes() {
    let rows = rows_of(21, 40, 3);
    let [exact, quantized] = both(drawn(21, &[], 7), &rows);
    assert_eq!(exact, quantized);
    assert!(scores(drawn(21, &[33], 7), &[]).is_empty());
}

#[test]
fn layers_of_too_many_inputs_are_refused() {
    let wide = Weights { inputs: vec![input("x"); Weights::MOST_INPUTS + 1], ..Weights::default() };
    let error = WideDeep::try_from(wide).unwrap_err().to_string();
    assert!(error.contains("has 65537 inputs, may have 65536"), "{error}");
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
    let mut in_bytes = vec![0.0; 3];
    LearnedRanker::default().quantized(true).score(&known, &set, &mut in_bytes).unwrap();
    ranker.score(&known, &set, &mut scores).unwrap();
    assert!(scores.iter().zip(&in_bytes).all(|(a, b)| (a - b).abs() < 0.01), "{scores:?}, {in_bytes:?}");
}
