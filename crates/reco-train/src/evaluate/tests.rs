//! Whole evaluations of small worlds whose figures can be told by hand.

use super::*;
use crate::data::{Dataset, ImportSpec};
use crate::fit::snapshot::Plan;
use crate::progress::Silent;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use proptest::prelude::*;
use reco_core::catalog::Catalog;
use reco_core::event::{Action, ActionWeights};
use reco_core::interactions::InteractionLog;
use reco_core::pipeline::PipelineConfig;
use reco_core::time::Timestamp;
use std::path::Path;

/// Purchases as (user, item, day); items are numbered in the order of their names.
fn dataset(events: &[(&str, &str, i64)]) -> Dataset {
    let mut items: Vec<&str> = events.iter().map(|event| event.1).collect();
    items.sort_unstable();
    let mut catalog = Catalog::builder();
    items.into_iter().for_each(|item| {
        catalog.intern(item).expect("a sound key");
    });
    let catalog = catalog.build();
    let mut log = InteractionLog::default();
    for &(user, item, day) in events {
        let (user, item) = (log.users.intern(user), catalog.id(item).expect("a known item"));
        log.push(user, item, &Action::Purchase, None, Timestamp::from_secs(day * 86_400));
    }
    Dataset { catalog, log, ..Dataset::default() }
}

fn options(target: Target, models: &[&str]) -> EvaluateOptions {
    EvaluateOptions {
        target,
        models: models.iter().map(|name| (*name).to_owned()).collect(),
        k: vec![1, 2],
        negatives: None,
        plan: Plan::default(),
        pipeline: PipelineConfig::default(),
        weights: ActionWeights::default(),
        seed: 7,
    }
}

/// Tea is the most popular, ann's own favourite is rice; days 0 to 7 train, 8 and 9 test.
const WEEK: [(&str, &str, i64); 11] = [
    ("ann", "rice", 0),
    ("ann", "rice", 1),
    ("ann", "tea", 2),
    ("bob", "tea", 3),
    ("cat", "tea", 4),
    ("cat", "milk", 5),
    ("bob", "milk", 6),
    ("cat", "salt", 7),
    ("ann", "rice", 8),
    ("bob", "salt", 8),
    ("dan", "tea", 9),
];

fn by_time(events: &[(&str, &str, i64)], test_share: f64) -> Source {
    Source::Split(Box::new(dataset(events)), Split::Time { test_share })
}

fn model<'a>(report: &'a Report, name: &str) -> &'a ModelReport {
    report.models.iter().find(|model| model.name == name).expect("a model of the report")
}

fn check(report: &Report, name: &str, expected: &[(&str, f64)]) {
    for &(key, value) in expected {
        let found = model(report, name).metrics[key];
        assert!((found - value).abs() < 1e-9, "{name} {key} is {found}, not {value}");
    }
}

#[test]
fn what_next_equals_hand_computed_values() {
    let report = run(by_time(&WEEK, 0.25), &options(Target::All, &["frequency"]), &Silent).expect("a report");
    assert_eq!((report.users, report.items), (3, 4));
    assert_eq!((report.train_interactions, report.test_interactions), (8, 3));
    assert_eq!((report.users_evaluated, report.users_unknown_to_training), (3, 1));
    assert_eq!(
        report.models.iter().map(|model| &model.name[..]).collect::<Vec<_>>(),
        ["frequency", "popularity", "item-knn"]
    );
    // Everybody gets tea, milk: ann wants rice, bob salt, dan tea.
    check(&report, "popularity", &[("hr@1", 1.0 / 3.0), ("hr@2", 1.0 / 3.0), ("coverage@2", 0.5)]);
    // Ann gets rice, tea; bob tea, milk by popularity; dan, a stranger, tea, milk.
    check(&report, "frequency", &[("hr@1", 2.0 / 3.0), ("ndcg@2", 2.0 / 3.0), ("mrr@2", 2.0 / 3.0)]);
    check(&report, "frequency", &[("precision@2", 1.0 / 3.0), ("recall@2", 2.0 / 3.0), ("map@1", 2.0 / 3.0)]);
}

#[test]
fn what_new_masks_what_the_user_had() {
    let report = run(by_time(&WEEK, 0.25), &options(Target::New, &["random"]), &Silent).expect("a report");
    assert_eq!(
        (report.users_evaluated, report.users_without_relevant),
        (2, 1),
        "ann wants only what she had"
    );
    // Left for bob are rice and salt, both had by one user: the first by name is rice.
    check(&report, "popularity", &[("hr@1", 0.5), ("hr@2", 1.0)]);
    assert!(report.models.iter().all(|model| model.name != "frequency"));
}

#[test]
fn a_user_without_relevant_items_changes_only_the_counts() {
    let before =
        run(by_time(&WEEK, 0.25), &options(Target::New, &["popularity"]), &Silent).expect("a report");
    // Eve takes what she has, at moments that move neither the cut nor anyone's popularity order.
    let mut events = vec![("eve", "tea", 0), ("eve", "tea", 0), ("eve", "tea", 0)];
    events.extend(WEEK);
    events.push(("eve", "tea", 9));
    let after =
        run(by_time(&events, 0.25), &options(Target::New, &["popularity"]), &Silent).expect("a report");
    assert_eq!(after.users_without_relevant, before.users_without_relevant + 1);
    assert_eq!(after.users_evaluated, before.users_evaluated);
    for key in ["hr@1", "ndcg@2", "map@2"] {
        check(&after, "popularity", &[(key, model(&before, "popularity").metrics[key])]);
    }
}

#[test]
fn means_are_over_the_users_of_the_file() {
    let report = run(by_time(&WEEK, 0.25), &options(Target::All, &["random"]), &Silent).expect("a report");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users.parquet");
    report.per_user.save(&path).expect("a file");
    let file = std::fs::File::open(&path).expect("the file");
    let rows = ParquetRecordBatchReaderBuilder::try_new(file).expect("a table").build().expect("a reader");
    let rows: Vec<RecordBatch> = rows.collect::<Result<_, _>>().expect("rows");
    let [rows] = rows.as_slice() else { panic!("{} batches", rows.len()) };
    assert_eq!(rows.num_rows(), report.users_evaluated * report.models.len());
    let models = rows["model"].as_string::<i32>();
    for model in &report.models {
        for (key, mean) in
            model.metrics.iter().filter(|(key, _)| model.intervals.contains_key(&format!("{key}_ci")))
        {
            let values = rows[key.as_str()].as_primitive::<Float64Type>().values();
            let of_model = models.iter().zip(values).filter(|(name, _)| *name == Some(&*model.name));
            let sum: f64 = of_model.map(|(_, value)| value).sum();
            assert!((sum / report.users_evaluated as f64 - mean).abs() < 1e-12, "{} {key}", model.name);
        }
    }
}

#[test]
fn the_last_one_is_asked_at_its_own_moment() {
    // Both go to the same shop weekly for milk and once for salt; milk is due when asked.
    let events = [("ann", "milk", 0), ("ann", "milk", 7), ("ann", "salt", 8), ("ann", "milk", 14)];
    let source = Source::Split(Box::new(dataset(&events)), Split::LastOne);
    let report = run(source, &options(Target::All, &["again", "random"]), &Silent).expect("a report");
    check(&report, "again", &[("hr@1", 1.0)]);
}

#[test]
fn the_pipeline_is_a_model_like_any_other() {
    for (target, key, expected) in [(Target::All, "hr@2", 2.0 / 3.0), (Target::New, "hr@2", 1.0)] {
        let report = run(by_time(&WEEK, 0.25), &options(target, &["pipeline"]), &Silent).expect("a report");
        let page = model(&report, "pipeline");
        assert!(page.metrics[key] >= expected - 1e-9, "{target:?}: {} of {expected}", page.metrics[key]);
        assert!(!page.baseline && page.ranked_by.as_deref() == Some("votes"));
        // So few people say nothing of others.
        assert!(page.intervals.is_empty() && page.versus.is_empty());
        assert!(report.remarks.iter().any(|line| line.contains("too few for intervals")));
    }
}

#[test]
fn rankers_are_compared_over_one_training() {
    let source = || Source::Split(Box::new(tastes(80)), Split::Time { test_share: 0.2 });
    let names = ["pipeline", "pipeline:votes", "pipeline:blend", "pipeline:boosted"];
    let report = run(source(), &options(Target::All, &names), &Silent).expect("a report");
    let [usual, votes, blend, boosted] = names.map(|name| model(&report, name));
    let orders = |model: &ModelReport| model.ranked_by.clone().expect("pages have a ranker");
    assert_eq!([usual, votes, blend, boosted].map(orders), ["blend", "votes", "blend", "boosted"]);
    let ndcg = |model: &ModelReport| model.metrics["ndcg@2"].to_bits();
    assert_eq!(ndcg(usual), ndcg(blend), "the blend orders unless told");

    let refused = |name| {
        let asked = options(Target::All, &[name]);
        run(source(), &asked, &Silent).expect_err(name).to_string()
    };
    assert!(refused("pipeline:boost").contains("wide_deep or file=MODEL"), "{}", refused("pipeline:boost"));
    assert!(refused("pipeline:file=gone.txt").contains("gone.txt"), "{}", refused("pipeline:file=gone.txt"));
    assert!(refused("ials:blend").contains("there is no model"), "{}", refused("ials:blend"));
}

/// Users of two tastes who come weekly, each for what they took before and for one thing new.
fn tastes(n_users: usize) -> Dataset {
    let mut events = Vec::new();
    let names: Vec<(String, Vec<String>)> = (0..n_users)
        .map(|user| {
            (
                format!("user{user}"),
                (0..6).map(|i| format!("item{}", (user % 2) * 8 + (user / 2 + i) % 8)).collect(),
            )
        })
        .collect();
    for (user, items) in &names {
        for (day, item) in (0i64..).zip(items) {
            events.push((user.as_str(), item.as_str(), day * 7));
            events.push((user.as_str(), items[0].as_str(), day * 7));
        }
    }
    dataset(&events)
}

#[test]
fn the_blend_is_no_worse_than_its_sources_where_they_agree_on_little() {
    for target in [Target::All, Target::New] {
        let names = ["blend", "ials", "ease", "spectral", "sequence", "trending", "again"];
        let source = Source::Split(Box::new(tastes(40)), Split::Time { test_share: 0.2 });
        let report = run(source, &options(target, &names), &Silent).expect("a report");
        let ndcg = |name| model(&report, name).metrics["ndcg@2"];
        let best = names[1..].iter().map(|name| ndcg(name)).fold(0.0, f64::max);
        assert!(ndcg("blend") >= best - 0.1, "{target:?}: {} of {best}", ndcg("blend"));
    }
}

#[test]
fn intervals_hold_their_means_and_nothing_depends_on_the_threads() {
    let names = ["popularity", "random", "again", "item-knn", "sequence", "pipeline"];
    let source = || Source::Split(Box::new(tastes(40)), Split::Time { test_share: 0.2 });
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let mut report =
            pool.install(|| run(source(), &options(Target::All, &names), &Silent)).expect("a report");
        report.models.iter_mut().for_each(|model| {
            model.train_seconds = 0.0;
            model.peak_rss_mb = None;
        });
        serde_json::to_string(&report).expect("plain values")
    };
    let report = run(source(), &options(Target::All, &names), &Silent).expect("a report");
    for model in &report.models {
        assert!(!model.intervals.is_empty(), "forty users give intervals");
        for (key, (low, high)) in &model.intervals {
            let mean = model.metrics[key.trim_end_matches("_ci")];
            assert!(*low <= mean && mean <= *high, "{} {key}: {mean} in {low} to {high}", model.name);
        }
    }
    assert_eq!(on(1), on(3));
}

/// Writes user, item pairs as CSV.
fn pairs(folder: &Path, name: &str, pairs: &[(&str, &str)]) -> ImportSpec {
    let path = folder.join(name);
    let lines: Vec<String> = pairs.iter().map(|(user, item)| format!("{user},{item}\n")).collect();
    std::fs::write(&path, format!("user,item\n{}", lines.concat())).expect("a writable folder");
    ImportSpec::default().beside(path)
}

#[test]
fn given_negatives_are_ranked_with_the_relevant_items() {
    let folder = tempfile::tempdir().expect("a folder");
    let test = [("ann", "salt"), ("bob", "new"), ("cat", "rice"), ("zoe", "tea")];
    let negatives = [("ann", "milk"), ("ann", "rice"), ("bob", "rice"), ("bob", "newer"), ("zoe", "new")];
    let source = || {
        let train = dataset(&WEEK[..8]);
        Source::Files(Box::new(train), Box::new(pairs(folder.path(), "test.csv", &test)))
    };
    let negatives = Some(pairs(folder.path(), "negatives.csv", &negatives));
    let options = EvaluateOptions { negatives, ..options(Target::All, &["popularity"]) };
    let report = run(source(), &options, &Silent).expect("a report");
    assert_eq!((report.users_evaluated, report.users_without_negatives), (3, 1), "cat has no negatives");
    assert_eq!((report.users_unknown_to_training, report.items_unknown_to_training), (1, 1));
    // Ann's salt (1 user) is behind milk (2) and rice (1, first by name); nobody can rank bob's new item;
    // zoe's tea stands alone, for her negative is unknown.
    check(&report, "popularity", &[("hr@1", 1.0 / 3.0), ("hr@2", 1.0 / 3.0), ("mrr@2", 1.0 / 3.0)]);

    let pipeline = EvaluateOptions { models: vec!["pipeline".to_owned()], ..options };
    let refused = run(source(), &pipeline, &Silent).expect_err("it chooses its own candidates");
    assert!(refused.to_string().contains("negatives"), "{refused}");
}

#[test]
fn blends_learn_from_what_was_held_out_as_the_test_file_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |events: &[(&str, &str, i64)], test: &[(&str, &str)], expected: Split| {
        let source = Source::Files(Box::new(dataset(events)), Box::new(pairs(folder.path(), "t.csv", test)));
        let gathered = inputs::Gathered::new(source, None, ActionWeights::default(), 7).expect("sound files");
        assert_eq!(gathered.inputs.held_out, expected, "{test:?}");
    };
    let timeless: Vec<_> = WEEK[..8].iter().map(|&(user, item, _)| (user, item, 0)).collect();
    let (one_each, several) = ([("ann", "salt"), ("bob", "rice")], [("ann", "rice"), ("ann", "salt")]);
    check(&WEEK[..8], &one_each, Split::LastOne);
    check(&WEEK[..8], &several, Split::Time { test_share: 0.2 });
    check(&timeless, &one_each, Split::AnyOne { seed: 7 });
    check(&timeless, &several, Split::AnyOne { seed: 7 });
}

#[test]
fn unrated_tests_ask_what_is_taken_up_and_rated_ones_what_is_liked() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a writable folder");
        ImportSpec::default().beside(path)
    };
    let mut train = file(
        "train.csv",
        "who,item,stars\nann,tea,5\nbob,tea,5\ncat,tea,4\nann,jam,1\nbob,jam,1\ncat,jam,1\neve,jam,1\neve,salt,5\n",
    );
    let described = train.interactions.as_mut().expect("it is given");
    described.columns = [("user", "who"), ("value", "stars")].map(|(a, b)| (a.into(), b.into())).into();
    let evaluated = |name: &str, text: &str| {
        let test = train.beside(file(name, text).interactions.expect("it is given").path);
        let dataset = crate::data::read(&train, &Silent).expect("sound data").0;
        run(Source::Files(Box::new(dataset), Box::new(test)), &options(Target::All, &["popularity"]), &Silent)
    };
    let rated = evaluated("rated.csv", "who,item,stars\ndan,tea,5\nzoe,jam,2\n").expect("a report");
    // But for a remark that few were asked.
    let remarks =
        |report: &Report| report.remarks.iter().filter(|line| !line.starts_with("judged by")).count();
    assert_eq!((rated.test_interactions, remarks(&rated)), (1, 0));
    check(&rated, "popularity", &[("hr@1", 1.0)]);
    // Without ratings the test counts everything, and so does training; its columns need no stars.
    let unrated = evaluated("unrated.csv", "who,item\ndan,tea\nzoe,jam\n").expect("a report");
    assert_eq!((unrated.test_interactions, remarks(&unrated)), (2, 1));
    check(&unrated, "popularity", &[("hr@1", 0.5)]);
    let disliked = evaluated("disliked.csv", "who,item,stars\nzoe,jam,2\n").expect_err("nothing is liked");
    assert!(disliked.to_string().contains("weights.at_least.rating=2"), "{disliked}");
}

#[test]
fn what_makes_no_sense_is_refused_before_any_work() {
    let cases: [(Source, EvaluateOptions, &str); 6] = [
        (
            by_time(&WEEK, 0.25),
            EvaluateOptions { k: vec![1, 100_000], ..options(Target::All, &[]) },
            "k is 100000, must be at most 1000",
        ),
        (by_time(&WEEK, 0.25), options(Target::All, &["ails"]), "no model `ails`; there are popularity"),
        (by_time(&WEEK, 0.25), EvaluateOptions { k: vec![], ..options(Target::All, &[]) }, "k must name"),
        (by_time(&WEEK, 1.5), options(Target::All, &[]), "test share is 1.5"),
        (
            by_time(&[("ann", "tea", 0)], 0.5),
            options(Target::All, &[]),
            "needs interactions with a timestamp",
        ),
        (
            Source::Split(Box::new(dataset(&[("ann", "tea", 1), ("bob", "tea", 2)])), Split::LastOne),
            options(Target::All, &[]),
            "no user has a relevant test item",
        ),
    ];
    for (source, options, expected) in cases {
        let error = run(source, &options, &Silent).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_metric_is_sound_whatever_the_data(
        events in prop::collection::vec((0usize..4, 0usize..6, 1i64..20), 8..60),
        test_share in 0.1f64..0.6,
        is_new in any::<bool>(),
    ) {
        let names = |n| ["a", "b", "c", "d", "e", "f"][n];
        let events: Vec<_> = events.into_iter().map(|(user, item, day)| (names(user), names(item), day)).collect();
        let target = if is_new { Target::New } else { Target::All };
        let Ok(report) = run(by_time(&events, test_share), &options(target, &["random", "again"]), &Silent) else {
            return Ok(());
        };
        for model in &report.models {
            for (key, value) in model.metrics.iter().filter(|(key, _)| !key.starts_with("novelty")) {
                let undefined = key.starts_with("diversity") && value.is_nan();
                prop_assert!(undefined || (-1e-9..=1.0 + 1e-9).contains(value), "{} is {}", key, value);
            }
        }
    }
}
