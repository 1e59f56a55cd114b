mod impressions;

use super::*;
use crate::data::Dataset;
use crate::fit::rehearsal::{Cuts, Rehearsals};
use crate::fit::snapshot::Plan;
use crate::progress::Silent;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use reco_core::candidate::Candidates;
use reco_core::catalog::{Catalog, ItemRecord, Value};
use reco_core::error::Fault;
use reco_core::event::{Action, ActionWeights};
use reco_core::features::{Block, FeatureConfig, FeatureGroup, FeatureKind};
use reco_core::interactions::InteractionLog;
use reco_core::pipeline::PipelineConfig;
use reco_core::query::Query;
use reco_core::snapshot::Snapshot;
use reco_core::time::Timestamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

const N_USERS: u32 = 80;
const N_ITEMS: u32 = 40;
/// Interactions of a user; the last four are within the share held out.
const EACH: u32 = 20;

/// Users who take items of their own half of the catalogue; `future` chooses what they take of the latest share.
fn dataset(future: impl Fn(u32, u32) -> u32) -> Dataset {
    let mut builder = Catalog::builder();
    for id in 0..N_ITEMS {
        let record = ItemRecord {
            category: Some(format!("category{}", id % 5)),
            price: Some(1.0 + id as f32),
            ..ItemRecord::new(format!("item{id}"))
        };
        builder.push(record).unwrap();
    }
    let mut log = InteractionLog::default();
    for turn in 0..EACH {
        for user in 0..N_USERS {
            let row = log.users.intern(&format!("user{user}"));
            let item = match turn {
                16.. => future(user, turn) % N_ITEMS,
                _ => user % 2 * (N_ITEMS / 2) + (user * 7 + turn * turn) % (N_ITEMS / 2),
            };
            let at = Timestamp::from_secs(i64::from(turn * N_USERS + user) * 3_600);
            log.push(row, ItemId::new(item), &Action::Purchase, Some(1.0), at);
        }
    }
    let users = (0..N_USERS).map(attributes).collect();
    Dataset { catalog: builder.build(), log, users, ..Dataset::default() }
}

/// What is known of a user, be they ever seen or not.
fn attributes(user: u32) -> BTreeMap<String, Value> {
    let plan = ["free", "family", "student"][user as usize % 3].to_owned();
    let joined = format!("1969-11-{:02}", 1 + user % 28);
    let known = [("age", Value::Number(f64::from(20 + user % 50))), ("plan", Value::Text(plan))];
    let known = known
        .into_iter()
        .chain([("joined", Value::Text(joined)), ("member", Value::Flag(user.is_multiple_of(5)))]);
    known.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn examples(dataset: &Dataset, schema: &FeatureSchema) -> Examples {
    planned(dataset, schema, Plan::default(), &ActionWeights::default())
}

fn planned(dataset: &Dataset, schema: &FeatureSchema, plan: Plan, weights: &ActionWeights) -> Examples {
    let pipeline = PipelineConfig::default();
    let assemble = |snapshot| pipeline.builder(snapshot);
    let user_columns = ["age", "plan", "joined", "member"].map(str::to_owned).to_vec();
    let features = FeatureConfig { user_columns, ..FeatureConfig::default() };
    let plan = Plan { features, ..plan };
    let cuts = Cuts { held_out: 0.2, count: 1 };
    let rehearsal = Rehearsals::new(dataset, cuts, &plan, &assemble, weights).next(&Silent).unwrap().unwrap();
    Examples::gather(&rehearsal, schema, None, &Silent).unwrap()
}

/// Names of the features that are not the same bits in both.
fn changed(one: &Examples, other: &Examples) -> Vec<Arc<str>> {
    assert_eq!(one.items, other.items, "other candidates were proposed");
    let column = |examples: &Examples, column: usize| -> Vec<u32> {
        examples.values.iter().skip(column).step_by(examples.width()).map(|value| value.to_bits()).collect()
    };
    let differs = |&number: &usize| column(one, number) != column(other, number);
    (0..one.width()).filter(differs).map(|number| Arc::clone(&one.features[number].name)).collect()
}

/// How often an item is taken in all of the data: what a careless feature is made of.
#[derive(Debug)]
struct Careless(Vec<f32>);

impl Careless {
    fn of(dataset: &Dataset) -> Self {
        let mut counts = vec![0.0; dataset.catalog.len()];
        dataset.log.item.iter().for_each(|item| counts[item.index()] += 1.0);
        Self(counts)
    }
}

impl FeatureGroup for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }
    fn features(&self, _: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        vec![Feature::new("item.ever_taken", FeatureKind::Item, "events, those to come among them")]
    }
    fn fill(&self, _: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        block.rows().zip(set.ids()).for_each(|(row, id)| row[0] = self.0[id.index()]);
        Ok(())
    }
}

#[test]
fn no_feature_knows_what_comes_after_its_question() {
    let same_again = dataset(|user, turn| user * 7 + turn);
    let others = [dataset(|user, turn| user % 11 + turn), dataset(|_, turn| turn)];
    let schema = FeatureSchema::default();
    let known = examples(&same_again, &schema);
    assert!(known.is_taken.contains(&true) && known.width() > 100, "{} features", known.width());
    for other in others {
        let found = examples(&other, &schema);
        assert_eq!(changed(&known, &found), [], "these look ahead");
        assert_ne!(known.is_taken, found.is_taken, "another future has other labels");
        // The test itself: a feature that looks ahead is found out.
        let leaking =
            |dataset: &Dataset| examples(dataset, &FeatureSchema::default().with(Careless::of(dataset)));
        assert_eq!(changed(&leaking(&same_again), &leaking(&other)), [Arc::from("item.ever_taken")]);
    }
}

#[test]
fn users_own_columns_are_told_as_they_are_known() {
    let examples = examples(&dataset(|user, turn| user * 7 + turn), &FeatureSchema::default());
    let column = |name: &str| examples.features.iter().position(|feature| &*feature.name == name).unwrap();
    let [age, free, joined, member, taste] = [
        "user.own.age",
        "user.own.plan=free",
        "user.own.joined",
        "user.own.member",
        "cross.own.plan.category_lift",
    ]
    .map(column);
    for list in &examples.lists {
        for row in list.rows.clone().map(|row| examples.row(row)) {
            if list.asker == Asker::Regular {
                let is = |column: usize, told: u32| assert!((row[column] - told as f32).abs() < 1e-6);
                is(age, 20 + list.user % 50);
                is(free, u32::from(list.user.is_multiple_of(3)));
                is(member, u32::from(list.user.is_multiple_of(5)));
                assert!(row[joined].exp() > 80.0 && row[taste].is_finite(), "{} {}", row[joined], row[taste]);
            } else {
                assert!([age, free, joined, member, taste].iter().all(|&column| row[column].is_nan()));
            }
        }
    }
}

#[test]
fn examples_are_the_same_on_any_number_of_threads_and_survive_as_parquet() {
    let dataset = dataset(|user, turn| user * 7 + turn);
    let schema = FeatureSchema::default();
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| examples(&dataset, &schema))
    };
    let (one, two) = (on(1), on(2));
    assert_eq!(changed(&one, &two), []);
    assert_eq!(one.is_taken, two.is_taken);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    one.save(&dataset.log.users, &dataset.catalog, &path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap());
    let batches = reader.unwrap().build().unwrap();
    let (mut n_rows, mut n_columns) = (0, 0);
    for batch in batches {
        let batch = batch.unwrap();
        n_rows += batch.num_rows();
        n_columns = batch.num_columns();
    }
    assert_eq!((n_rows, n_columns), (one.items.len(), 7 + one.width()));
}

#[test]
fn strangers_are_who_came_first_after_the_cut_where_there_are_enough() {
    let of_strangers = |n_new: u32| {
        let mut dataset = dataset(|user, turn| user * 7 + turn);
        let last = dataset.log.span().map(|(_, last)| last).unwrap();
        for user in 0..n_new {
            let row = dataset.log.users.intern(&format!("new{user}"));
            dataset.log.push(row, ItemId::new(0), &Action::Purchase, Some(1.0), last);
        }
        let examples = examples(&dataset, &FeatureSchema::default());
        let strangers = examples.lists.iter().filter(|list| list.asker == Asker::Stranger);
        let name = |list: &ExampleList| dataset.log.users.keys()[list.user as usize].to_string();
        strangers.map(|list| (name(list), list.n_taken)).collect::<Vec<_>>()
    };
    let enough = Rehearsal::FEWEST_USERS as u32;
    let came = of_strangers(enough);
    assert!(came.iter().all(|(name, n_taken)| name.starts_with("new") && *n_taken == 1), "{came:?}");
    assert_eq!(came.len(), Rehearsal::FEWEST_USERS);
    let regulars = of_strangers(enough - 1);
    assert!(
        !regulars.is_empty() && regulars.iter().all(|(name, _)| name.starts_with("user")),
        "{regulars:?}"
    );
}

#[test]
fn every_interaction_is_held_out_once_at_most() {
    let (dataset, plan, weights) =
        (dataset(|user, turn| user * 7 + turn), Plan::default(), ActionWeights::default());
    let pipeline = PipelineConfig::default();
    let assemble = |snapshot| pipeline.builder(snapshot);
    let cuts = Cuts { held_out: 0.2, count: 2 };
    let mut rehearsals = Rehearsals::new(&dataset, cuts, &plan, &assemble, &weights);
    let log = &dataset.log;
    let (mut told, mut latest) = (Vec::new(), 0);
    while let Some(rehearsal) = rehearsals.next(&Silent).unwrap() {
        let from = rehearsal.snapshot().data_until;
        told.push((from, rehearsal.took.iter().map(|(_, took)| took.len()).sum::<usize>()));
        latest = rehearsal.cut;
    }
    assert_eq!((told.len(), latest), (cuts.count, 0), "the earliest first");
    let untils = told.iter().skip(1).map(|(from, _)| *from).chain(log.span().map(|(_, last)| last));
    for ((from, n_taken), until) in told.iter().zip(untils) {
        let between = log.at.iter().filter(|&&at| *from < at && at <= until).count();
        assert_eq!(*n_taken, between, "what happened between two cuts is asked of the one before it");
    }
}

#[test]
fn features_that_one_cut_lacks_are_missing_there() {
    let of = |names: [&str; 2], values: [f32; 2]| Examples {
        features: names.map(|name| Feature::new(name, FeatureKind::Item, "a number")).to_vec(),
        items: vec![ItemId::new(0)],
        is_taken: vec![true],
        values: values.to_vec(),
        ..Examples::default()
    };
    let mut both = of(["price", "stock"], [1.0, 2.0]);
    both.append(of(["age", "price"], [3.0, 4.0]));
    let names: Vec<&str> = both.features.iter().map(|feature| &*feature.name).collect();
    assert_eq!(names, ["age", "price", "stock"]);
    let known = |row| both.row(row).iter().map(|value| Some(*value).filter(|value| !value.is_nan()));
    assert!(known(0).eq([None, Some(1.0), Some(2.0)]));
    assert!(known(1).eq([Some(3.0), Some(4.0), None]));
}
