use super::*;
use crate::fit::examples::{Asker, ExampleList};
use crate::progress::Silent;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use reco_core::event::Action;
use reco_core::features::{Feature, FeatureKind};
use reco_core::id::ItemId;
use reco_core::rank::DenseModel;

const N_LISTS: usize = 120;
const N_ROWS: usize = 30;

/// Lists in which those rows are taken whose first two features have the same sign, a cross that a sum of features
/// cannot tell; a third of the first feature is missing, the third feature is noise and the fourth never changes.
fn examples() -> Examples {
    let mut rng = Pcg64Mcg::seed_from_u64(7);
    let feature = |name| Feature::new(name, FeatureKind::Item, "a test");
    let mut examples = Examples {
        features: ["left", "right", "noise", "constant"].map(feature).to_vec(),
        ..Examples::default()
    };
    for list in 0..N_LISTS {
        let rows = list * N_ROWS..(list + 1) * N_ROWS;
        for _ in rows.clone() {
            let mut values: [f32; 4] = std::array::from_fn(|_| rng.random_range(-3.0..3.0));
            let is_taken = values[0] * values[1] > 2.0;
            values[3] = 5.0;
            if rng.random_range(0..9) == 0 {
                values[0] = f32::NAN;
            }
            examples.items.push(ItemId::new(0));
            examples.is_taken.push(is_taken);
            examples.values.extend(values);
        }
        let n_taken = examples.is_taken[rows.clone()].iter().filter(|&&is_taken| is_taken).count();
        let n_done = Vec::new();
        examples.lists.push(ExampleList {
            user: list as u32,
            asker: Asker::Regular,
            cut: 0,
            rows,
            n_taken,
            n_done,
            is_seen: false,
        });
    }
    examples
}

fn params() -> WideDeepParams {
    WideDeepParams {
        hidden: vec![16, 8],
        epochs: 30,
        learning_rate: 0.02,
        batch: 8,
        candidates: N_ROWS,
        ..WideDeepParams::default()
    }
}

fn fitted(params: &WideDeepParams) -> WideDeep {
    fit(&examples(), &FeatureConfig::default(), params, &Silent).unwrap().unwrap().ranker
}

/// Scores of all rows.
fn scores(model: &WideDeep, examples: &Examples) -> Vec<f32> {
    let columns: Vec<usize> = model
        .features()
        .iter()
        .map(|name| examples.features.iter().position(|feature| feature.name == *name).unwrap())
        .collect();
    let rows: Vec<f32> = (0..examples.items.len())
        .flat_map(|row| columns.iter().map(move |&column| (row, column)))
        .map(|(row, column)| examples.row(row)[column])
        .collect();
    let mut scores = vec![0.0; examples.items.len()];
    model.predict(&rows, &mut scores).unwrap();
    scores
}

/// The share of pairs, one taken and one not, that scores put in order.
fn ordered(scores: &[f32], is_taken: &[bool]) -> f64 {
    let of = |which: bool| scores.iter().zip(is_taken).filter(move |(_, taken)| **taken == which);
    let pairs = of(true).flat_map(|(taken, _)| of(false).map(move |(other, _)| taken > other));
    let (n_ordered, n_pairs) = pairs.fold((0u64, 0u64), |sums, is| (sums.0 + u64::from(is), sums.1 + 1));
    n_ordered as f64 / n_pairs as f64
}

#[test]
fn the_deep_part_learns_what_the_wide_part_cannot() {
    let examples = examples();
    let area = |params: &WideDeepParams| ordered(&scores(&fitted(params), &examples), &examples.is_taken);
    let (both, wide) = (area(&params()), area(&WideDeepParams { hidden: Vec::new(), ..params() }));
    assert!(both > 0.9 && wide < 0.65, "with the deep part {both}, without {wide}");
}

#[test]
fn scores_are_calibrated_and_a_constant_is_no_input() {
    let (examples, model) = (examples(), fitted(&params()));
    assert!(model.features().iter().all(|name| &**name != "constant"));
    let scores = scores(&model, &examples);
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
    // In each fifth of the scores, about as many were taken as the scores say.
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    for fifth in rows.chunks(rows.len().div_ceil(5)) {
        let n = fifth.len() as f32;
        let said = fifth.iter().map(|&row| scores[row]).sum::<f32>() / n;
        let taken = fifth.iter().filter(|&&row| examples.is_taken[row]).count() as f32 / n;
        assert!((said - taken).abs() < 0.12, "said {said}, taken {taken}");
    }
}

#[test]
fn the_same_seed_gives_the_same_network_on_any_number_of_threads() {
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| fitted(&WideDeepParams { epochs: 3, ..params() }))
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_ne!(one, fitted(&WideDeepParams { epochs: 3, seed: 1, ..params() }));
}

#[test]
fn serving_scores_as_the_network_learned() {
    let (examples, params) = (examples(), params());
    let sides = Sides::of(&examples, params.validation);
    let inputs = scaling::inputs(&examples, &sides.training, &FeatureConfig::default());
    let scaled = scaling::scaled(&examples, &inputs);
    let objectives = Objective::all(&examples, &params.objectives, &sides, STAGE, &Silent).unwrap();
    let lesson = Lesson { examples: &examples, objectives, inputs, scaled, params: &params };
    let mut network = lesson.passed(&sides.training, 1).unwrap();
    let all: Vec<usize> = (0..N_LISTS).collect();
    let logits = network.logits_of(&examples, &lesson.scaled, &all).unwrap().concat().concat();
    let unseen = network.logits_of(&examples, &lesson.scaled, &sides.validation).unwrap();
    let calibrated = lesson.calibrated(&unseen, &sides.validation);
    let model = lesson.model(&network, &calibrated).unwrap();
    // Calibration moves and stretches logits: the first two say how, all others must agree.
    let served: Vec<f32> =
        scores(&model, &examples).iter().map(|score| (score / (1.0 - score)).ln()).collect();
    let slope = (served[1] - served[0]) / (logits[1] - logits[0]);
    for (logit, found) in logits.iter().zip(&served) {
        let expected = served[0] + slope * (logit - logits[0]);
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    }
}

#[test]
fn how_well_it_is_calibrated_is_told() {
    let model = fitted(&params());
    let metrics = model.metrics();
    let error = metrics["wide_deep.take.calibration_error"];
    assert!(error > 0.0 && error < 0.06, "{error}");
    assert!(
        metrics["wide_deep.take.ndcg@10"] > 0.9 && metrics["wide_deep.take.lists"] >= 10.0,
        "{metrics:?}"
    );
    // One that overstates errs by far more.
    let examples = examples();
    let sure: Vec<f32> = scores(&model, &examples).iter().map(|score| 0.5 + score / 2.0).collect();
    assert!(crate::evaluate::expected_calibration_error(&sure, &examples.is_taken) > 3.0 * error);
}

#[test]
fn probabilities_are_those_of_lists_of_the_more_frequent_kind() {
    let calibrated_on = |is_seen: &dyn Fn(usize) -> bool| {
        let mut examples = examples();
        examples.lists.iter_mut().enumerate().for_each(|(list, known)| known.is_seen = is_seen(list));
        let fitted =
            fit(&examples, &FeatureConfig::default(), &WideDeepParams { epochs: 1, ..params() }, &Silent);
        let Fitted { judged, validation, .. } = fitted.unwrap().unwrap();
        let n_seen = validation.iter().filter(|&&list| is_seen(list)).count();
        let rows = judged.weights().heads[0].judged.unwrap().rows as usize;
        (rows, n_seen * N_ROWS, (validation.len() - n_seen) * N_ROWS)
    };
    let (rows, seen, _) = calibrated_on(&|list| !list.is_multiple_of(4));
    assert_eq!(rows, seen);
    let (rows, _, proposed) = calibrated_on(&|list| list.is_multiple_of(4));
    assert_eq!(rows, proposed);
}

/// The same lists, of which a row is bought for its first feature and clicked for its second.
fn of_two_actions() -> Examples {
    let mut examples = examples();
    examples.actions = vec![Action::Click, Action::Purchase];
    for list in 0..N_LISTS {
        let rows = examples.lists[list].rows.clone();
        let mut n_done = vec![0; 2];
        for row in rows {
            let done = [examples.row(row)[1] > 2.0, examples.row(row)[0] > 2.0];
            examples.is_done.extend(done);
            examples.is_taken[row] = done.contains(&true);
            n_done.iter_mut().zip(done).for_each(|(n, done)| *n += usize::from(done));
        }
        examples.lists[list].n_taken = n_done.iter().sum();
        examples.lists[list].n_done = n_done;
    }
    examples
}

#[test]
fn objectives_order_as_their_weights_say() {
    let examples = of_two_actions();
    let areas = |purchase: f32, click: f32| {
        let objectives = [("purchase".to_owned(), purchase), ("click".to_owned(), click)];
        let params = WideDeepParams { objectives: objectives.into(), ..params() };
        let model = fit(&examples, &FeatureConfig::default(), &params, &Silent).unwrap().unwrap().ranker;
        let shares: Vec<f32> = model.weights().heads.iter().map(|head| head.share).collect();
        assert!((shares[0] - click / (click + purchase)).abs() < 1e-6, "{shares:?}");
        let scores = scores(&model, &examples);
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
        let of_action = |action: usize| {
            let came_true: Vec<bool> = examples.is_done.iter().skip(action).step_by(2).copied().collect();
            ordered(&scores, &came_true)
        };
        (of_action(1), of_action(0))
    };
    let (bought, clicked) = areas(1.0, 0.05);
    assert!(bought > 0.95 && clicked < 0.85, "purchases {bought}, clicks {clicked}");
    let (bought, clicked) = areas(0.05, 1.0);
    assert!(bought < 0.85 && clicked > 0.95, "purchases {bought}, clicks {clicked}");
    let (bought, clicked) = areas(1.0, 1.0);
    assert!(bought > 0.8 && clicked > 0.8, "purchases {bought}, clicks {clicked}");
}

#[test]
fn objectives_that_the_data_do_not_have_are_named() {
    let fitted = |name: &str, share: f32| {
        let params = WideDeepParams { objectives: [(name.to_owned(), share)].into(), ..params() };
        fit(&of_two_actions(), &FeatureConfig::default(), &params, &Silent)
    };
    let error = fitted("purchse", 1.0).unwrap_err().to_string();
    assert!(
        error.contains("objectives.purchse: the data have no such action; there are click, purchase"),
        "{error}"
    );
    assert!(fitted("click", -1.0).unwrap_err().to_string().contains("objectives.click is -1"));
    assert!(fitted("take", 1.0).unwrap().is_some());
}

/// Lists of two cuts: the latest third of the lists and the rest. A fifth feature orders as the blend does: here, it
/// knows what was taken, but for the share of the rows that it gets wrong.
fn of_two_cuts(wrong: f64) -> Examples {
    let plain = examples();
    let mut rng = Pcg64Mcg::seed_from_u64(11);
    let mut examples = Examples { values: Vec::new(), ..plain.clone() };
    examples.features.push(Feature::new(BLEND, FeatureKind::Source, "a test"));
    examples.features.push(Feature::new("context.hour", FeatureKind::Context, "a test"));
    for (number, list) in examples.lists.iter_mut().enumerate() {
        list.cut = u32::from(number >= N_LISTS / 3);
        for row in list.rows.clone() {
            let is_right = rng.random_range(0.0..1.0) >= wrong;
            let blend = if plain.is_taken[row] == is_right { 1.0 } else { 0.0 };
            examples.values.extend_from_slice(plain.row(row));
            examples.values.extend([blend, list.cut as f32]);
        }
    }
    examples
}

#[test]
fn it_begins_with_the_blend_and_stays_there_unless_later_lists_say_otherwise() {
    let fitted = |wrong: f64| {
        let (examples, features) = (of_two_cuts(wrong), FeatureConfig::default());
        let fitted = fit(&examples, &features, &params(), &Silent).unwrap().unwrap();
        let of_latest = |list: &usize| examples.lists[*list].cut == 0;
        assert!(fitted.validation.iter().all(of_latest), "it is judged by the latest cut");
        (ordered(&scores(&fitted.ranker, &examples), &examples.is_taken), fitted)
    };
    let (area, perfect) = fitted(0.0);
    let head = &perfect.ranker.weights().heads[0];
    assert!(area > 0.999 && head.deep.iter().all(|&weight| weight == 0.0), "{area}");
    assert_eq!(perfect.ranker, perfect.judged);
    let (area, poor) = fitted(0.4);
    assert!(area > 0.9, "{area}");
    assert_ne!(poor.ranker, poor.judged, "the served one has learned from all lists");
    assert!(poor.ranker.features().iter().all(|name| &**name != "context.hour"), "it tells cuts apart");
}

#[test]
fn the_best_candidates_are_told_apart_however_far_out_they_lie() {
    let mut examples = of_two_cuts(0.0);
    let width = examples.width();
    // One row in a thousand has a vote of 1, another of a half.
    examples.values.iter_mut().skip(2).step_by(width).for_each(|noise| *noise = 0.0);
    (0..3).for_each(|nth| examples.values[nth * 1_000 * width + 2] = 1.0);
    (0..3).for_each(|nth| examples.values[(nth * 1_000 + 1) * width + 2] = 0.5);
    let all: Vec<usize> = (0..N_LISTS).collect();
    let inputs = scaling::inputs(&examples, &all, &FeatureConfig::default());
    let noise = inputs.iter().find(|input| &*input.name == "noise").unwrap();
    assert!(noise.scaled(1.0) > noise.scaled(0.5) && noise.scaled(0.5) > noise.scaled(0.0));
}

#[test]
fn too_little_to_learn_from_is_no_ranker() {
    let mut few = examples();
    few.lists.truncate(12);
    assert!(fit(&few, &FeatureConfig::default(), &params(), &Silent).unwrap().is_none());
    let wrong = WideDeepParams { epochs: 0, validation: 1.0, dropout: 1.0, ..params() };
    let error = fit(&few, &FeatureConfig::default(), &wrong, &Silent).unwrap_err().to_string();
    assert!(
        ["epochs is 0", "validation is 1", "dropout is 1"].iter().all(|part| error.contains(part)),
        "{error}"
    );
}
