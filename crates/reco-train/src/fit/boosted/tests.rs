use super::*;
use crate::fit::examples::{Asker, ExampleList};
use crate::progress::Silent;
use rand::RngExt;
use reco_core::features::{Feature, FeatureKind};
use reco_core::id::ItemId;
use reco_core::rank::DenseModel;

const N_LISTS: usize = 120;
const N_ROWS: usize = 30;

/// Lists at two cuts. The blend likes rows whose `left` is large; those are taken whose `left` and `right` have the same
/// sign, at the earlier cut and, if habits last, at the later one. A third of `right` is missing, as good as negative.
fn examples(habits_last: bool) -> Examples {
    let mut rng = Pcg64Mcg::seed_from_u64(7);
    let feature = |name| Feature::new(name, FeatureKind::Item, "a test");
    let features = ["left", "right", "noise", BLEND].map(feature).to_vec();
    let mut examples = Examples { features, ..Examples::default() };
    for list in 0..N_LISTS {
        let (rows, cut) = (list * N_ROWS..(list + 1) * N_ROWS, u32::from(list < N_LISTS / 2));
        for _ in rows.clone() {
            let [left, mut right, noise]: [f32; 3] = std::array::from_fn(|_| rng.random_range(-3.0..3.0));
            if rng.random_range(0..3) == 0 {
                right = f32::NAN;
            }
            let agree = left * if right.is_nan() { -1.0 } else { right } > 1.0;
            let is_taken = if cut > 0 || habits_last { agree } else { left > 2.0 };
            examples.items.push(ItemId::new(0));
            examples.is_taken.push(is_taken);
            examples.values.extend([left, right, noise, left]);
        }
        let n_taken = examples.is_taken[rows.clone()].iter().filter(|&&is_taken| is_taken).count();
        let (user, n_done) = (list as u32, Vec::new());
        let asker = Asker::Regular;
        examples.lists.push(ExampleList { user, asker, cut, rows, is_seen: false, n_taken, n_done });
    }
    examples
}

fn params() -> BoostedParams {
    BoostedParams {
        trees: 60,
        rows: 10,
        l2: 1.0,
        learning_rate: 0.2,
        features: 0.8,
        ..BoostedParams::default()
    }
}

fn fitted(examples: &Examples, params: &BoostedParams) -> Fitted<Boosted> {
    fit(examples, &FeatureConfig::default(), params, &Silent).unwrap().unwrap()
}

fn scores(model: &Boosted, examples: &Examples) -> Vec<f32> {
    let place = |name: &Arc<str>| examples.features.iter().position(|feature| feature.name == *name).unwrap();
    let columns: Vec<usize> = model.features().iter().map(place).collect();
    let rows: Vec<f32> = (0..examples.items.len())
        .flat_map(|row| columns.iter().map(move |&column| examples.row(row)[column]))
        .collect();
    let mut scores = vec![0.0; examples.items.len()];
    model.predict(&rows, &mut scores).unwrap();
    scores
}

/// Mean NDCG@10 of the lists at `places` by the scores of all rows.
fn ndcg(scores: &[f32], examples: &Examples, places: &[usize]) -> f64 {
    let logits: Vec<Vec<f32>> =
        places.iter().map(|&list| scores[examples.lists[list].rows.clone()].to_vec()).collect();
    Objective::take(examples, 1.0).ndcg(examples, places, &logits)
}

#[test]
fn trees_learn_what_the_blend_does_not_know() {
    let examples = examples(true);
    let Fitted { judged, validation, .. } = fitted(&examples, &params());
    assert!(validation.iter().all(|&list| examples.lists[list].cut == 0), "the latest cut validates");
    let blend: Vec<f32> = (0..examples.items.len()).map(|row| examples.row(row)[3]).collect();
    let before = ndcg(&blend, &examples, &validation);
    let after = ndcg(&scores(&judged, &examples), &examples, &validation);
    assert!(before < 0.75 && after > 0.95, "{before} became {after}");
    assert!((judged.weights().judged.unwrap().ndcg - after).abs() < 1e-9, "it tells how it did");
}

#[test]
fn the_order_of_the_blend_stays_where_later_lists_bear_nothing_else_out() {
    let examples = examples(false);
    let Fitted { ranker, judged, .. } = fitted(&examples, &params());
    assert!(ranker.weights().trees.is_empty() && ranker == judged);
    let scores = scores(&ranker, &examples);
    let is_in_order = |pair: &[usize; 2]| {
        let [a, b] = pair.map(|row| examples.row(row)[3]);
        (scores[pair[0]] - scores[pair[1]]) * (a - b) >= 0.0
    };
    assert!((1..scores.len()).map(|row| [row - 1, row]).all(|pair| is_in_order(&pair)));
}

#[test]
fn the_same_seed_grows_the_same_trees_on_any_number_of_threads() {
    let examples = examples(true);
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| fitted(&examples, &params()).ranker)
    };
    let one = on(1);
    assert_eq!(one, on(3));
    assert_ne!(one, fitted(&examples, &BoostedParams { seed: 1, ..params() }).ranker);
}

#[test]
fn trees_give_a_row_what_serving_gives_it() {
    let examples = examples(true);
    let lesson_params = params();
    let lists: Vec<usize> = (0..N_LISTS).collect();
    let lesson = Lesson::new(&examples, vec![0, 1, 2, 3], &lists, &lesson_params);
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let drawn = Drawn::new(&examples, &lists, 20, &mut rng);
    let columns = Column::all(&examples, &lesson.columns, &drawn.rows);
    let start: Vec<f32> = drawn.rows.iter().map(|&row| lesson.start_of(row)).collect();
    let rows = drawn.some(1.0, &mut rng);
    let grown = grow::grow(&columns, &[0, 1, 3], rows, &drawn.pulls(&start), &lesson_params);
    assert!((5..=lesson_params.leaves).contains(&grown.tree.leaves.len()));
    assert!(grown.tree.branches.iter().all(|branch| branch.input != 2), "it was not chosen");
    for (row, &of_examples) in drawn.rows.iter().enumerate() {
        let served = grown.tree.value(|input| lesson.value(of_examples, input));
        assert_eq!(grown.value(&columns, row).to_bits(), served.to_bits());
    }
}

#[test]
fn of_each_list_all_that_was_taken_is_drawn() {
    let examples = examples(true);
    let drawn = Drawn::new(&examples, &[3, 5], 8, &mut Pcg64Mcg::seed_from_u64(1));
    for (rows, list) in drawn.lists.iter().zip([3, 5]) {
        let of_list = &drawn.rows[rows.clone()];
        assert!(of_list.is_sorted() && of_list.iter().all(|row| examples.lists[list].rows.contains(row)));
        let n_taken = drawn.is_taken[rows.clone()].iter().filter(|&&is_taken| is_taken).count();
        assert_eq!(n_taken, examples.lists[list].n_taken);
        assert_eq!(of_list.len(), n_taken.max(8));
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let check = |params: BoostedParams, field: &str| {
        let error =
            fit(&examples(true), &FeatureConfig::default(), &params, &Silent).unwrap_err().to_string();
        assert!(error.contains(&format!("boosted: {field} is")), "{error} is not about {field}");
    };
    let ok = BoostedParams::default();
    check(BoostedParams { trees: 0, ..ok.clone() }, "trees");
    check(BoostedParams { leaves: 1, ..ok.clone() }, "leaves");
    check(BoostedParams { learning_rate: f64::NAN, ..ok.clone() }, "learning_rate");
    check(BoostedParams { features: 1.5, ..ok.clone() }, "features");
    check(BoostedParams { validation: 1.0, ..ok.clone() }, "validation");
    check(BoostedParams { l2: -1.0, ..ok }, "l2");
}

#[test]
fn too_few_lists_teach_nothing() {
    let mut few = examples(true);
    few.lists.truncate(12);
    few.lists.iter_mut().for_each(|list| list.cut = 0);
    assert!(fit(&few, &FeatureConfig::default(), &params(), &Silent).unwrap().is_none());
}
